/* Choosing vehicles: those of a rule (all, groups, single ones), and who comes near to whom. */
import { ApiError } from "../api";
import { element, toast } from "../dom";
import { t } from "../i18n";
import { page } from "../page";
import { allVehicles, type Data } from "./data";
import type { Proximity, Rule } from "./model";
import { check, choices, field, note, type Option } from "./pickers";

export interface Source {
  groups: Data["groups"];
  /** Those of the rule's account. */
  own: <T extends { accountId?: number }>(all: readonly T[]) => T[];
  /** The names that the sentence needs from now on. */
  learn: (found: Data["vehicles"]) => void;
}

/** Groups and vehicles in one list; values are "group 5" and "device 7". */
async function options({ groups, own, learn }: Source): Promise<Option<string>[]> {
  const vehicles = own(await allVehicles());
  learn(vehicles);
  const collator = new Intl.Collator(undefined, { numeric: true });
  const named = vehicles.toSorted((a, b) => collator.compare(a.name, b.name));
  return [
    ...groups.toSorted((a, b) => collator.compare(a.name, b.name)).map(({ id, name }) => ({ value: `group ${id}`, label: name, heading: t("Groups") })),
    ...named.map(({ id, name }) => ({ value: `device ${id}`, label: name, heading: t("Vehicles") })),
  ];
}

const idsOf = (chosen: readonly string[], kind: "group" | "device"): number[] =>
  chosen.flatMap((one) => (one.startsWith(`${kind} `) ? Number(one.slice(kind.length + 1)) : []));

/** A list that is there once the vehicles are. */
function listOf(source: Source, make: (all: Option<string>[]) => HTMLElement): HTMLElement {
  const host = element("div", {}, element("p", { class: "bubble-note" }, t("Loading…")));
  options(source).then(
    (all) => host.replaceChildren(make(all)),
    (error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      toast(error.message, "error");
    },
  );
  return host;
}

/** Those of a rule, or the one who comes near. */
export function vehicles(about: Rule | Proximity, source: Source, changed: () => void): HTMLElement {
  if (!("allDevices" in about)) return one(t("Which vehicles?"), about.deviceId, about.groupId, source, (device, group) => {
    about.deviceId = device;
    about.groupId = group;
    changed();
  });
  const { groupIds, deviceIds } = about;
  const list = listOf(source, (all) =>
    choices<string>({
      label: t("Which vehicles?"),
      all,
      chosen: [...groupIds.map((id) => `group ${id}`), ...deviceIds.map((id) => `device ${id}`)],
      onChange: (chosen) => {
        about.groupIds = idsOf(chosen, "group");
        about.deviceIds = idsOf(chosen, "device");
        about.allDevices = chosen.length === 0;
        box.querySelector("input")!.checked = about.allDevices;
        changed();
      },
    }),
  );
  const box = check(t("All vehicles"), about.allDevices, (on) => {
    about.allDevices = on;
    if (on) about.groupIds = about.deviceIds = [];
    for (const input of on ? list.querySelectorAll("input") : []) input.checked = false;
    changed();
  });
  return element("div", {}, box, list);
}

/** A single vehicle, or a group of which it may be any. */
function one(label: string, device: number | null, group: number | null, source: Source, change: (device: number | null, group: number | null) => void): HTMLElement {
  return listOf(source, (all) =>
    choices<string>({
      label,
      all,
      single: true,
      chosen: [...(group === null ? [] : [`group ${group}`]), ...(device === null ? [] : [`device ${device}`])],
      onChange: (chosen) => change(idsOf(chosen, "device")[0] ?? null, idsOf(chosen, "group")[0] ?? null),
    }),
  );
}

/** What it comes near to: another vehicle, any of a group, or a place. */
export function whom(about: Proximity, source: Source, changed: () => void): HTMLElement {
  const host = element("div");
  const show = (what: string): void => {
    if (what === "place") return host.replaceChildren(place(about, changed));
    host.replaceChildren(
      one(t("Near to what?"), about.toDeviceId, about.toGroupId, source, (device, group) => {
        Object.assign(about, { toDeviceId: device, toGroupId: group, latitude: null, longitude: null });
        changed();
      }),
    );
  };
  const start = about.latitude === null ? "vehicle" : "place";
  const kind = choices<string>({
    label: t("Near to what?"),
    all: [
      { value: "vehicle", label: t("A vehicle, or any of a group") },
      { value: "place", label: t("A place on the map") },
    ],
    chosen: [start],
    single: true,
    onChange: ([what]) => show(what ?? start),
  });
  show(start);
  return element("div", {}, kind, host);
}

function place(about: Proximity, changed: () => void): HTMLElement {
  const frame = element("div", { class: "place-map", role: "application", "aria-label": t("Map: click on the place") });
  const number = (value: string, most: number): number | null => {
    const read = Number(value.replace(",", "."));
    return value !== "" && Math.abs(read) <= most ? read : null;
  };
  const inputs = (): HTMLInputElement[] => [...coordinates.querySelectorAll("input")];
  const put = (latitude: number, longitude: number): void => {
    Object.assign(about, { latitude, longitude, toDeviceId: null, toGroupId: null });
    changed();
  };
  const typed = (): void => {
    const [latitude, longitude] = [number(inputs()[0]!.value, 85), number(inputs()[1]!.value, 180)];
    if (latitude === null || longitude === null) return;
    put(latitude, longitude);
    shown.then((show) => show(latitude, longitude), () => undefined);
  };
  const coordinates = element(
    "div",
    { class: "field-row" },
    field(t("Latitude"), { inputmode: "decimal", value: about.latitude ?? "", autocomplete: "off" }, typed),
    field(t("Longitude"), { inputmode: "decimal", value: about.longitude ?? "", autocomplete: "off" }, typed),
  );
  const label = field(t("What the place is called"), { value: about.name, maxlength: 128, autocomplete: "off" }, (value) => {
    about.name = value;
    changed();
  });
  const shown = import("./place").then(({ showPlace }) =>
    showPlace(frame, page.map, about.latitude === null ? null : [about.latitude, about.longitude as number], (latitude, longitude) => {
      inputs()[0]!.value = latitude.toFixed(5);
      inputs()[1]!.value = longitude.toFixed(5);
      put(latitude, longitude);
    }),
  );
  return element("div", {}, note(t("Click on the map, or type the coordinates.")), frame, coordinates, label);
}

/** Distances, and what keeps a single glimpse from being an occasion. */
export function nearness(about: Proximity, changed: () => void): HTMLElement {
  const number = (label: string, value: number | null, unit: number, set: (value: number | null) => void, hint?: string): HTMLElement =>
    field(
      label,
      { type: "number", min: 0, step: "any", inputmode: "decimal", value: value === null ? "" : value / unit },
      (text) => {
        set(text === "" ? null : Math.max(0, Number(text)) * unit);
        changed();
      },
      hint,
    );
  const toPlace = about.latitude !== null;
  return element(
    "div",
    { class: "nearness" },
    number(t("Near: closer than, km"), about.enter, 1000, (value) => {
      about.enter = value ?? 0;
      about.exit = Math.max(about.exit, about.enter);
    }),
    number(t("Apart: farther than, km"), about.exit, 1000, (value) => (about.exit = value ?? about.enter), t("More than the first, so that nobody at the border is told again and again.")),
    toPlace ? number(t("Or minutes away"), about.minutes, 1, (value) => (about.minutes = value || null)) : "",
    number(t("For at least, seconds"), about.minSeconds, 1, (value) => (about.minSeconds = value ?? 0)),
    number(t("Not again within, minutes"), about.cooldown, 60, (value) => (about.cooldown = value ?? 0)),
  );
}
