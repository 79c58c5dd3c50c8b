/* A read or write as a row: who to whom, the bytes, and what was read in them. All that a tracker says goes in as text. */
import { element, icon } from "../dom";
import { formatFull, formatPlace } from "../format";
import { formatNumber, t, tn } from "../i18n";
import { timeFormat } from "./times";
import { type Entry, type Heard, type HeardFrame, type Report, type Whom, dump, fields, isGap, place, readable } from "./log";

const OPEN_BYTES = 128; // more are shown on demand

export function row(entry: Entry, whom: Whom, width: number): HTMLElement {
  const made = isGap(entry)
    ? element("li", { class: "heard heard-gap" }, gapWords(entry.missed))
    : element(
        "li",
        { class: "heard", "data-way": entry.incoming ? "in" : "out" },
        head(entry),
        entry.shared && element("p", { class: "sub" }, t("The connection speaks for several trackers: only what is this one's is shown.")),
        ...bytes(entry, width),
        ...entry.frames.map((frame) => frameRow(frame, whom, width)),
        entry.leftOut > 0 && element("p", { class: "sub" }, tn("and {n} message more", "and {n} messages more", entry.leftOut)),
        ...entry.errors.map(wrong),
      );
  made.dataset.entry = String(entry.id);
  return made;
}

const gapWords = (missed: number | null): string =>
  missed === null
    ? t("The connection to the server was down: what was said meanwhile is missing here.")
    : tn("{n} more went by too fast to be shown.", "{n} more went by too fast to be shown.", missed);

function head(heard: Heard): HTMLElement {
  const moment = Date.parse(heard.at);
  const size = tn("{n} byte", "{n} bytes", heard.bytes);
  const copy = element(
    "button",
    { type: "button", class: "icon-button", "data-copy": heard.hex || heard.frames.map(({ hex }) => hex ?? "").join("\n"), title: t("Copy as hex"), "aria-label": t("Copy as hex") },
    icon("copy"),
  );
  return element(
    "div",
    { class: "heard-head" },
    element("span", { class: "heard-way" }, heard.incoming ? t("From the tracker") : t("To the tracker")),
    element("time", { datetime: heard.at, title: formatFull(moment) }, timeFormat(moment)),
    element("span", { class: "tag" }, heard.protocol),
    element("span", { class: "heard-from" }, [heard.address, ...(heard.shared ? [] : [size])].join(" · ")),
    copy,
  );
}

function bytes(heard: Heard, width: number): HTMLElement[] {
  if (!heard.hex) return [];
  const parts: HTMLElement[] = [];
  if (heard.text !== null) parts.push(element("pre", { class: "heard-text", tabindex: 0, "aria-label": t("As text") }, ...visible(heard.text)));
  parts.push(dumped(heard.hex, width, heard.text === null));
  const shown = heard.hex.length / 2;
  if (shown < heard.bytes) parts.push(element("p", { class: "sub" }, t("The first {n} bytes are shown.", { n: formatNumber(shown) })));
  return parts;
}

const ESCAPES: Record<string, string> = { "\r": "\\r", "\n": "\\n", "\t": "\\t" };

/** Line ends as signs, so that one sees which; a new line begins behind each, but for the last. */
export const visible = (text: string): (string | HTMLElement)[] =>
  text.split(/([\r\n\t])/).flatMap((part, i, parts) => {
    const sign = ESCAPES[part];
    if (sign === undefined) return part ? [part] : [];
    const more = part === "\n" && parts.slice(i + 1).some((one) => one !== "");
    return [element("i", {}, sign), ...(more ? ["\n"] : [])];
  });

/** Short ones are open; long ones, and those of text, say how much there is and open on demand. */
function dumped(hex: string, width: number, open: boolean): HTMLElement {
  const pre = element("pre", { class: "heard-dump", tabindex: 0, "aria-label": t("Bytes in hex") });
  const fill = (): void =>
    pre.replaceChildren(
      ...dump(hex, width).flatMap(({ offset, hex: digits, ascii }) => [element("i", {}, offset), `  ${digits}  `, element("b", {}, ascii), "\n"]),
    );
  if (open && hex.length <= OPEN_BYTES * 2) {
    fill();
    return pre;
  }
  const more = element("details", { class: "heard-more" }, element("summary", {}, t("Bytes in hex")), pre);
  more.addEventListener("toggle", () => more.open && !pre.childElementCount && fill());
  return more;
}

function frameRow(frame: HeardFrame, whom: Whom, width: number): HTMLElement {
  return element(
    "div",
    { class: "heard-frame" },
    element("span", { class: "heard-kind" }, frame.kind),
    ...(frame.hex ? [dumped(frame.hex, width, true)] : []),
    ...frame.positions.map((report) => reportRow(report, whom)),
    ...frame.errors.map(wrong),
    frame.answer !== "" && element("p", { class: "sub heard-answer" }, t("Answered once it is stored:"), " ", element("code", {}, ...visible(readable(frame.answer)))),
  );
}

function reportRow(report: Report, whom: Whom): HTMLElement {
  const at = place(report);
  const time = report.time === null ? null : Date.parse(report.time);
  return element(
    "div",
    { class: "heard-report" },
    element(
      "p",
      { class: "heard-place" },
      at ? formatPlace(...at) : t("No place"),
      at && !report.valid && element("span", { class: "heard-doubt" }, t("not valid")),
      at && mapLink(at, report.time, whom),
      time === null || Number.isNaN(time) ? element("span", { class: "sub" }, t("no time: that of its arrival counts")) : element("time", { class: "sub", datetime: report.time }, formatFull(time)),
    ),
    element("dl", { class: "heard-fields" }, ...fields(report).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
  );
}

/** One's own is on the history's map; a stranger's place isn't kept. */
function mapLink([latitude, longitude]: [number, number], time: string | null, whom: Whom): HTMLElement {
  if (whom.deviceId !== null && time) return element("a", { href: `/history?device=${whom.deviceId}&at=${encodeURIComponent(time)}` }, t("Map"));
  const href = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
  return element("a", { href, target: "_blank", rel: "noopener noreferrer" }, t("Map"));
}

const wrong = (reason: string): HTMLElement => element("p", { class: "heard-error" }, icon("alert"), element("span", { lang: "en" }, reason));
