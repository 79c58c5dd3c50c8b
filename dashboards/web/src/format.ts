/* Numbers as people read them. Traccar's JSON has knots and metres; the pages show km/h and km. */
import { formatNumber, t } from "./i18n";
import { dateFormat } from "./intl";

export const KMH_PER_KNOT = 1.852;

export const speedKmh = (knots: number): number => knots * KMH_PER_KNOT;

export const formatSpeed = (kmh: number): string => t("{speed} km/h", { speed: formatNumber(Math.round(kmh)) });

export function formatDistance(metres: number): string {
  if (metres < 1000) return t("{distance} m", { distance: formatNumber(Math.round(metres)) });
  const km = metres / 1000;
  return t("{distance} km", { distance: formatNumber(km, km < 100 ? 1 : 0) });
}

/** "45 s", "12 min", "3 h 05 min", "2 d 4 h": two units at most, because nobody reads three. */
export function formatDuration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return t("{n} s", { n: s });
  const minutes = Math.round(s / 60);
  if (minutes < 60) return t("{n} min", { n: minutes });
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return t("{h} h {m} min", { h: hours, m: String(minutes % 60).padStart(2, "0") });
  return t("{d} d {h} h", { d: formatNumber(Math.floor(hours / 24)), h: hours % 24 });
}

/** How long ago, from the viewer's clock; what lies ahead of it counts as now. */
export function formatAgo(time: number, now: number): string {
  const seconds = (now - time) / 1000;
  return seconds < 5 ? t("just now") : t("{duration} ago", { duration: formatDuration(seconds) });
}

const clock = dateFormat({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayClock = dateFormat({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const fullClock = dateFormat({ dateStyle: "medium", timeStyle: "medium" });
const minute = dateFormat({ hour: "2-digit", minute: "2-digit" });

const sameDay = (a: Date, b: Date): boolean => a.toDateString() === b.toDateString();

/** The time of day, with the date when it isn't today's. */
export function formatTime(time: number, now = Date.now()): string {
  const date = new Date(time);
  return (sameDay(date, new Date(now)) ? clock : dayClock).format(date);
}

/** Hours and minutes, with the date when it isn't today's. */
export function formatMinute(time: number, now = Date.now()): string {
  const date = new Date(time);
  return (sameDay(date, new Date(now)) ? minute : dayClock).format(date);
}

/** From and to, the date only where it isn't that of `day`, and of a second one only where it differs from the first. */
export function formatSpan(from: number, to: number, day = Date.now()): string {
  return `${formatMinute(from, day)} – ${formatMinute(to, sameDay(new Date(from), new Date(to)) ? to : day)}`;
}

export const formatFull = (time: number): string => fullClock.format(time);
export const formatPlace = (latitude: number, longitude: number): string => `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;

/** A compass point for a course: 8 of them are as many as a reader wants. */
export function formatCourse(degrees: number): string {
  const points = [t("N"), t("NE"), t("E"), t("SE"), t("S"), t("SW"), t("W"), t("NW")];
  return points[Math.round((((degrees % 360) + 360) % 360) / 45) % 8] ?? "";
}
