/* Zones, groups and calendars as the API has them, and what they are called on the pages. */
import type { Geometry } from "geojson";
import { ApiError, get, send } from "../api";
import { formatDistance } from "../format";
import { formatNumber, t, tn } from "../i18n";
import type { Weekly } from "../week";
import { areaM2, extentM, type Fault, type Kind, type Shape, type ShapeJson } from "./shape";

export interface Zone extends ShapeJson {
  id: number;
  accountId: number;
  name: string;
  description: string | null;
  kind: Kind;
  color: string | null;
  group: string;
  allDevices: boolean;
  deviceIds: number[];
  groupIds: number[];
  enabled: boolean;
  hours: Weekly;
  calendarId: number;
  border: number;
  confirmFixes: number;
  confirmSeconds: number;
  dwellSeconds: number | null;
  backBy: string | null;
  speedLimit: number | null;
  passes: boolean;
  attributes: Record<string, unknown>;
  outline?: Geometry;
}

export interface Group {
  id: number;
  accountId: number;
  name: string;
  groupId: number;
  attributes: Record<string, unknown>;
}

export interface Calendar {
  id: number;
  accountId: number;
  name: string;
  data: string;
  attributes: Record<string, unknown>;
}

const PAGE = 1_000;

/** All of a list, page by page. */
export async function all<T>(path: string, query: Record<string, string | number> = {}): Promise<T[]> {
  const found: T[] = [];
  for (;;) {
    const part = await get<T[]>(path, { ...query, limit: PAGE, offset: found.length });
    found.push(...part);
    if (part.length < PAGE) return found;
  }
}

/** Colours that can be told from each other, and from a light and a dark map. */
export const PALETTE = ["#2f7de1", "#0d9c93", "#3f9b45", "#c98a08", "#e0642b", "#d6403a", "#c4479c", "#7d5fe0", "#73808e"] as const;

export const paletteName = (colour: string): string =>
  ({
    "#2f7de1": t("blue"),
    "#0d9c93": t("turquoise"),
    "#3f9b45": t("green"),
    "#c98a08": t("yellow"),
    "#e0642b": t("orange"),
    "#d6403a": t("red"),
    "#c4479c": t("pink"),
    "#7d5fe0": t("violet"),
    "#73808e": t("grey"),
  })[colour] ?? colour;

const COLOUR = /^#[0-9a-f]{6}$/i;
/** Others' programs may have stored whatever they call a colour. */
export const colourOf = (zone: { color: string | null }): string => (zone.color && COLOUR.test(zone.color) ? zone.color : PALETTE[0]);

export const kindName = (kind: Kind): string => ({ circle: t("Circle"), polygon: t("Polygon"), corridor: t("Corridor") })[kind];

export function formatArea(m2: number): string {
  if (m2 < 1e4) return t("{area} m²", { area: formatNumber(Math.round(m2)) });
  if (m2 < 1e6) return t("{area} ha", { area: formatNumber(m2 / 1e4, m2 < 1e5 ? 1 : 0) });
  const km2 = m2 / 1e6;
  return t("{area} km²", { area: formatNumber(km2, km2 < 10 ? 2 : km2 < 100 ? 1 : 0) });
}

/** "radius 300 m", "1.2 ha", "1,210 km × 2 km": what tells one from another. */
export function sizeWords(shape: Shape): string {
  if (shape.kind === "circle") return t("radius {distance}", { distance: formatDistance(shape.radiusM) });
  if (shape.kind === "polygon") return formatArea(areaM2(shape));
  return t("{length} long, {width} wide", { length: formatDistance(extentM(shape)), width: formatDistance(shape.widthM) });
}


export function forWhom(zone: Pick<Zone, "allDevices" | "deviceIds" | "groupIds">): string {
  if (zone.allDevices) return t("all vehicles");
  const parts: string[] = [];
  if (zone.groupIds.length) parts.push(tn("{n} group", "{n} groups", zone.groupIds.length));
  if (zone.deviceIds.length) parts.push(tn("{n} vehicle", "{n} vehicles", zone.deviceIds.length));
  return parts.join(", ") || t("no vehicle yet");
}

export function faultWords(fault: Fault): string {
  const words: Record<Fault, () => string> = {
    "few-corners": () => t("It needs more corners."),
    crossing: () => t("Its border crosses itself. Move a corner, or undo."),
    "hole-outside": () => t("A hole lies outside the zone. Move it inside, or undo."),
    small: () => t("It is too small: it needs at least a metre."),
  };
  return words[fault]();
}

/** A file as base64, as calendars are sent. */
export function base64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

const LARGEST_CALENDAR = 256 * 1024;

/** Stores an .ics file. Raises ApiError, with a sentence. */
export async function uploadCalendar(file: File, accountId?: number): Promise<Calendar> {
  if (file.size > LARGEST_CALENDAR) throw new ApiError(413, t("The file is too large. Calendars may have 256 kB."));
  const data = base64(new Uint8Array(await file.arrayBuffer()));
  const name = file.name.replace(/\.\w+$/, "").slice(0, 128) || t("Calendar");
  const made = await send<Calendar>("POST", "/api/calendars", { name, data, ...(accountId && { accountId }) });
  if (!made) throw new ApiError(500, t("The server has a problem. Try again in a moment."));
  return made;
}
