/* Days in the viewer's own time zone, and how they stand in the address. */

export interface Period {
  from: Date;
  to: Date; // the first instant that is no longer in it
}

export const startOfDay = (date: Date): Date => new Date(date.getFullYear(), date.getMonth(), date.getDate());
export const addDays = (date: Date, days: number): Date => new Date(date.getFullYear(), date.getMonth(), date.getDate() + days);

/** 0: today; 1: yesterday; 7: today and the six days before. */
export function daysBack(days: number, now = new Date()): Period {
  const today = startOfDay(now);
  if (days === 1) return { from: addDays(today, -1), to: today };
  return { from: addDays(today, days === 0 ? 0 : 1 - days), to: addDays(today, 1) };
}

/** "2026-07-29", for date fields. */
export const dayText = (date: Date): string =>
  `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;

/** Two date fields, both days included; null when they don't make a period. */
export function fromFields(from: string, to: string): Period | null {
  const [first, last] = [readDay(from), readDay(to)];
  return first && last && first <= last ? { from: first, to: addDays(last, 1) } : null;
}

function readDay(text: string): Date | null {
  const parts = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text);
  return parts ? new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3])) : null;
}

/** From the address: whole instants (so that a shared link shows the same in another time zone) or days. */
export function fromAddress(search: URLSearchParams): Period | null {
  const [from, to] = [search.get("from") ?? "", search.get("to") ?? ""];
  const days = fromFields(from, to);
  if (days) return days;
  const [first, last] = [new Date(from), new Date(to)];
  if (first < last) return { from: first, to: last };
  const moment = momentFromAddress(search);
  return moment === null ? null : { from: startOfDay(new Date(moment)), to: addDays(new Date(moment), 1) };
}

/** `at`: the moment to show; of it alone, its day. */
export function momentFromAddress(search: URLSearchParams): number | null {
  const moment = Date.parse(search.get("at") ?? "");
  return Number.isNaN(moment) ? null : moment;
}
