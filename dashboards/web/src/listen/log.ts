/* What was heard of a tracker, as data: kept up to a bound, filtered, written as hex and as a file that the command line reads. */

export interface Whom {
  /** null: it is nobody's yet. */
  deviceId: number | null;
  uniqueId: string;
  name: string;
  protocol: string;
  heard: string | null;
}

export type Report = Record<string, unknown> & { time: string | null; valid: boolean; attributes: Record<string, unknown> };

export interface HeardFrame {
  kind: string;
  positions: Report[];
  errors: string[];
  answer: string;
  /** Of a connection that speaks for several: its own bytes. */
  hex?: string;
}

/** A message of /api/listen (dashboards/api/listen.py). */
export interface Heard {
  at: string;
  incoming: boolean;
  protocol: string;
  address: string;
  bytes: number;
  hex: string;
  text: string | null;
  shared: boolean;
  frames: HeardFrame[];
  leftOut: number;
  errors: string[];
}

/** What is no read or write: so many went by unseen, or the line was down. */
export interface Gap {
  at: string;
  missed: number | null;
}

export type Entry = (Heard | Gap) & { id: number };
export type Way = "all" | "in" | "out";

export const KEPT = 500;

export const isGap = (entry: Heard | Gap): entry is Gap => "missed" in entry;

/** A gap is no direction: it is shown whatever the filter. */
export const passes = (entry: Heard | Gap, way: Way): boolean => way === "all" || isGap(entry) || entry.incoming === (way === "in");

/** The last KEPT entries, oldest first. */
export class Log {
  entries: Entry[] = [];
  private next = 1;

  /** The new entry; gaps that follow each other are one. */
  add(heard: Heard | Gap): Entry {
    const last = this.entries.at(-1);
    if (last && isGap(last) && isGap(heard)) {
      const missed = last.missed === null || heard.missed === null ? null : last.missed + heard.missed;
      this.entries.pop();
      return this.keep({ ...heard, missed, id: last.id });
    }
    return this.keep({ ...heard, id: this.next++ });
  }

  clear(): void {
    this.entries = [];
  }

  private keep(entry: Entry): Entry {
    this.entries.push(entry);
    if (this.entries.length > KEPT) this.entries.shift();
    return entry;
  }
}

export interface DumpLine {
  offset: string;
  hex: string;
  ascii: string;
}

/** Bytes as hex with an ASCII column, `width` in a line. */
export function dump(hex: string, width: number): DumpLine[] {
  const lines: DumpLine[] = [];
  for (let at = 0; at < hex.length; at += width * 2) {
    const bytes = hex.slice(at, at + width * 2).match(/../g) ?? [];
    lines.push({
      offset: (at / 2).toString(16).padStart(4, "0"),
      hex: bytes.join(" ").padEnd(width * 3 - 1),
      ascii: bytes.map((byte) => printable(Number.parseInt(byte, 16))).join(""),
    });
  }
  return lines;
}

/** Hex as text, when it is text. */
export function readable(hex: string): string {
  const text = (hex.match(/../g) ?? []).map((byte) => String.fromCharCode(Number.parseInt(byte, 16))).join("");
  return /^[\x20-\x7e\r\n\t]+$/.test(text) ? text : hex;
}

const printable = (byte: number): string => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·");

const UNITS: [RegExp, string][] = [
  [/_kmh$/, "km/h"],
  [/_deg$/, "°"],
  [/_percent$/, "%"],
  [/_m$/, "m"],
  [/_v$/, "V"],
  [/_s$/, "s"],
  [/_l$/, "l"],
];
const PLACE = ["time", "valid", "latitude", "longitude", "no_fix", "attributes"];

/** Name and value of all that a report says beside where and when. */
export function fields(report: Report): [string, string][] {
  const own = Object.entries(report).filter(([name]) => !PLACE.includes(name));
  const told = own.map(([name, value]): [string, string] => {
    const unit = UNITS.find(([suffix]) => suffix.test(name));
    return unit ? [name.replace(unit[0], ""), `${plain(value)}${unit[1] === "°" ? "" : " "}${unit[1]}`] : [name, plain(value)];
  });
  return [...told, ...Object.entries(report.attributes).map(([name, value]): [string, string] => [name, plain(value)])];
}

/** Numbers as short as they are exact: most come as four bytes. */
function plain(value: unknown): string {
  if (typeof value === "number") return String(Math.abs(value) < 1e15 ? Number(value.toFixed(3)) : value);
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Latitude and longitude; null: telemetry alone. */
export const place = ({ latitude, longitude }: Report): [number, number] | null =>
  typeof latitude === "number" && typeof longitude === "number" ? [latitude, longitude] : null;

const line = (text: string): string => text.replace(/\s+/g, " ").trim();

/** What is said, a packet a line. */
export const asHex = (entries: readonly (Heard | Gap)[]): string =>
  entries
    .filter((entry): entry is Heard => !isGap(entry))
    .flatMap((entry) => [entry.hex, ...entry.frames.map(({ hex }) => hex ?? "")])
    .filter(Boolean)
    .join("\n");

/** The session as a file. What the tracker said is hex, a packet a line; all else stands behind a #, which the command line leaves out. */
export function asFile(whom: Whom, entries: readonly (Heard | Gap)[]): string {
  const protocol = entries.map((entry) => (isGap(entry) ? "" : entry.protocol)).find(Boolean) || whom.protocol || "PROTOCOL";
  return [
    `# What the tracker ${line(whom.uniqueId)} said, a packet a line, and behind # what was read in it and answered. Times are UTC.`,
    "# Read it with: telematics detect THIS_FILE",
    `#          or: telematics decode ${protocol} THIS_FILE`,
    ...entries.flatMap((entry) => (isGap(entry) ? gapLines(entry) : heardLines(entry))),
    "",
  ].join("\n");
}

const gapLines = ({ at, missed }: Gap): string[] => [
  "",
  `# ${at} ${missed === null ? "the line was down: nothing was heard for a while" : `${missed} more went by unseen`}`,
];

function heardLines(heard: Heard): string[] {
  const size = heard.shared ? "its part of what a connection says for several" : `${heard.bytes} bytes`;
  const head = `# ${heard.at} ${heard.incoming ? "from" : "to"} the tracker, ${heard.protocol}, ${line(heard.address)}, ${size}`;
  const cut = heard.hex && heard.bytes * 2 > heard.hex.length ? [`# only the first ${heard.hex.length / 2} of them`] : [];
  if (!heard.incoming) return ["", head, ...cut, `#> ${heard.hex}`];
  return ["", head, ...cut, ...(heard.hex ? [heard.hex] : []), ...heard.frames.flatMap(frameLines), ...leftOut(heard), ...heard.errors.map(wrong)];
}

const leftOut = (heard: Heard): string[] => (heard.leftOut ? [`# and ${heard.leftOut} frames more`] : []);
const wrong = (reason: string): string => `#! ${line(reason)}`;

function frameLines({ kind, positions, errors, answer, hex }: HeardFrame): string[] {
  const reports = positions.map((report) => {
    const at = place(report);
    const where = at ? `${at[0]}, ${at[1]}${report.valid ? "" : " (not vouched for)"}` : "no place";
    return `# ${line(kind)}: ${report.time ?? "no time"} ${where} ${fields(report).map(([name, value]) => `${name}=${line(value)}`).join(" ")}`.trim();
  });
  const own = hex ? [`# ${line(kind)}, its bytes: ${hex}`] : [];
  return [...own, ...reports, ...errors.map(wrong), ...(answer ? [`#> once stored: ${answer}`] : [])];
}
