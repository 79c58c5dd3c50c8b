/* Whether a parameter is what the server takes, said while it is typed. The server checks again (protocols/commands.py). */
import { formatNumber, t } from "../i18n";
import type { Parameter, Value } from "./model";

export const LONGEST_TEXT = 1000;
const UNBOUNDED = 2 ** 31 - 1;
const ZONE = /^(?:GMT|UTC)?[+-](\d{1,2})(?::?([0-5]\d))?$/i;

/** What is written in a field → the value to send, or what is wrong with it. `null`: its default holds. */
export function read(parameter: Parameter, written: string): { value: Value | null } | { problem: string } {
  const text = written.trim();
  if (text === "") return parameter.default === null ? { problem: t("This has to be given.") } : { value: null };
  if (parameter.kind === "integer" || parameter.kind === "number") return readNumber(parameter, text);
  if (text.length > LONGEST_TEXT) return { problem: t("At most {n} characters.", { n: formatNumber(LONGEST_TEXT) }) };
  if (/[\u0000-\u001f\u007f]/.test(text)) return { problem: t("One line, without control characters.") };
  if (parameter.kind === "zone" && !isZone(text)) return { problem: t("Write it as +05:00, or UTC; at most 14 hours from UTC.") };
  return { value: text };
}

function readNumber({ kind, least, most }: Parameter, text: string): { value: number } | { problem: string } {
  const value = Number(text.replace(",", "."));
  if (!Number.isFinite(value)) return { problem: t("A number is needed.") };
  if (kind === "integer" && !Number.isInteger(value)) return { problem: t("A whole number is needed.") };
  if (value < least || value > most) return { problem: boundsWords(least, most) };
  return { value };
}

export const boundsWords = (least: number, most: number): string =>
  most >= UNBOUNDED ? t("{least} or more", { least: formatNumber(least) }) : t("From {least} to {most}", { least: formatNumber(least), most: formatNumber(most) });

function isZone(text: string): boolean {
  if (/^(UTC|GMT|Z)$/i.test(text)) return true;
  const [, hours, minutes] = ZONE.exec(text) ?? [];
  return hours !== undefined && Number(hours) * 60 + Number(minutes ?? 0) <= 14 * 60;
}

/** The browser's own, as trackers write it: "+05:00". */
export function ownZone(now = new Date()): string {
  const east = -now.getTimezoneOffset();
  const two = (n: number): string => String(Math.floor(n)).padStart(2, "0");
  return `${east < 0 ? "-" : "+"}${two(Math.abs(east) / 60)}:${two(Math.abs(east) % 60)}`;
}
