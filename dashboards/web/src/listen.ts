/* Listening to a tracker: what it and the server say to each other, as it happens, newest first. Nothing of it is kept but here. */
import "./style/app.css";
import { element, need, toast } from "./dom";
import { formatNumber, t, tn } from "./i18n";
import { type Entry, Log, type Way, type Whom, asFile, asHex, isGap, passes } from "./listen/log";
import { row } from "./listen/rows";
import { type Line, ListenSocket } from "./listen/socket";
import { type PageData, page } from "./page";
import { startShell } from "./shell";
import { keepTellingTimes } from "./times";

const whom = (page as PageData & { listen: Whom }).listen;
const list = need("#heard");
const empty = need("#heard-empty");
const state = need("#listen-state");
const count = need("#listen-count");
const pauseButton = need<HTMLButtonElement>("#listen-pause");
const narrow = matchMedia("(max-width: 720px)");
const width = (): number => (narrow.matches ? 8 : 16);

const log = new Log();
const waiting = new Log(); // while it is paused: as much as is shown
let waitingCount = 0;
let paused = false;
let way: Way = "all";
let line: Line = "connecting";

const shown = (): Entry[] => log.entries.filter((entry) => passes(entry, way));

function tellState(): void {
  const words: Record<Line, string> = {
    connecting: t("Connecting…"),
    open: t("Listening"),
    lost: t("The connection is lost. Trying again…"),
    full: t("Too many listen at the moment, or you do in too many tabs. Trying again…"),
    gone: t("It can't be listened to any more: it was removed, blocked or given away."),
  };
  const text = paused && line === "open" ? t("Paused") : words[line];
  if (state.textContent !== text) state.textContent = text;
  state.dataset.line = paused && line === "open" ? "paused" : line;
  const label = need("span", pauseButton);
  label.textContent = !paused ? t("Pause") : waitingCount ? t("Go on ({n} new)", { n: formatNumber(waitingCount) }) : t("Go on");
  pauseButton.setAttribute("aria-pressed", String(paused));
  need("use", pauseButton as HTMLElement).setAttribute("href", paused ? "#icon-play" : "#icon-pause");
  const heard = log.entries.filter((entry) => !isGap(entry)).length;
  empty.hidden = heard > 0;
  const passing = shown().filter((entry) => !isGap(entry)).length;
  count.textContent = heard === 0 ? "" : passing === heard ? tn("{n} line", "{n} lines", heard) : t("{n} of {all} lines", { n: formatNumber(passing), all: formatNumber(heard) });
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-needs-lines]")) button.disabled = log.entries.length === 0;
}

/** Newest first; a row that somebody reads stays where it is, as browsers keep what is on the screen in its place. */
function show(entry: Entry): void {
  list.querySelector(`:scope > [data-entry="${entry.id}"]`)?.remove();
  if (passes(entry, way)) list.prepend(row(entry, whom, width()));
  const oldest = log.entries[0]?.id ?? 0;
  while (list.lastElementChild && Number((list.lastElementChild as HTMLElement).dataset.entry) < oldest) list.lastElementChild.remove();
}

function render(): void {
  list.replaceChildren(...shown().toReversed().map((entry) => row(entry, whom, width())));
  tellState();
}

const socket = new ListenSocket(
  whom,
  (said) => {
    const entry = "at" in said ? said : { at: new Date().toISOString(), missed: said.missed };
    if (paused) {
      waiting.add(entry);
      waitingCount += "missed" in entry ? (entry.missed ?? 0) : 1;
    } else show(log.add(entry));
    tellState();
  },
  (now) => {
    if (line === "open" && now !== "open" && now !== "gone") {
      const gap = { at: new Date().toISOString(), missed: null };
      if (paused) waiting.add(gap);
      else if (log.entries.length) show(log.add(gap));
    }
    line = now;
    tellState();
  },
);

pauseButton.addEventListener("click", () => {
  paused = !paused;
  if (!paused) {
    for (const { id: _, ...entry } of waiting.entries) log.add(entry);
    waiting.clear();
    waitingCount = 0;
    render();
  } else tellState();
});
need("#listen-clear").addEventListener("click", () => {
  log.clear();
  waiting.clear();
  waitingCount = 0;
  render();
});
for (const button of document.querySelectorAll<HTMLButtonElement>("[data-filter]")) {
  button.addEventListener("click", () => {
    way = button.dataset.filter as Way;
    for (const other of document.querySelectorAll("[data-filter]")) other.setAttribute("aria-pressed", String(other === button));
    render();
  });
}
need("#listen-copy").addEventListener("click", () => void copy(asHex(shown())));
list.addEventListener("click", (event) => {
  const button = (event.target as Element).closest<HTMLElement>("[data-copy]");
  if (button) void copy(button.dataset.copy ?? "");
});
need("#listen-save").addEventListener("click", () => {
  const file = new Blob([asFile(whom, log.entries)], { type: "text/plain" });
  const name = whom.uniqueId.replace(/[^\w.-]+/g, "_").slice(0, 64) || "tracker";
  const link = element("a", { href: URL.createObjectURL(file), download: `${name}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}.txt` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
});
narrow.addEventListener("change", render);

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast(t("Copied"));
  } catch {
    toast(t("The browser doesn't let this page copy: mark the bytes and copy them by hand, or download the session."), "error");
  }
}

tellState();
socket.open();
keepTellingTimes();
startShell();
