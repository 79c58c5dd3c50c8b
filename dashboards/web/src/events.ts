/* The last events of the fleet: a drawer, and the number of those not seen yet. What somebody asked to be told of interrupts them by
 * alerts/watch.ts, here as on every page. */
import { type FleetEvent, get } from "./api";
import { reasonWords, typeTitle } from "./commands/model";
import { element, need } from "./dom";
import type { Fleet } from "./fleet";
import { formatTime } from "./format";
import { formatNumber, t } from "./i18n";
import { page } from "./page";
import { eventName, isUrgent } from "./words";

const KEPT = 50;
const LONGEST_RESULT = 120; // letters of a tracker's answer
const BACK_MS = 24 * 3_600_000; // how far back the drawer looks when the page opens

export class EventDrawer {
  private events: FleetEvent[] = [];
  private unseen = 0;
  private readonly drawer = need("#events");
  private readonly button = need("#events-button");
  private readonly badge = need("#events-count");

  constructor(
    private readonly fleet: Fleet,
    private readonly onChoose: (deviceId: number) => void,
  ) {
    this.button.addEventListener("click", () => this.toggle(this.drawer.hidden === true));
    need("#events-close").addEventListener("click", () => this.toggle(false));
    this.drawer.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.toggle(false);
    });
    this.render();
  }

  async load(now = Date.now()): Promise<void> {
    if (page.allowed?.reports === false) return; // what happens from now on is shown all the same
    const query = { from: new Date(now - BACK_MS).toISOString(), to: new Date(now).toISOString() };
    const past = await get<FleetEvent[]>("/api/reports/events", query).catch(() => []); // a drawer is no reason to disturb
    this.events = newest([...this.events, ...past]);
    this.render();
  }

  add(events: FleetEvent[]): void {
    this.events = newest([...events, ...this.events]);
    if (this.drawer.hidden) this.unseen += events.length;
    this.render();
  }

  private nameOf(event: FleetEvent): string {
    return this.fleet.vehicles.get(event.deviceId)?.device.name ?? `#${event.deviceId}`;
  }

  private toggle(open: boolean): void {
    this.drawer.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    this.unseen = 0;
    this.render();
    (open ? need("#events-close") : this.button).focus();
  }

  private render(): void {
    this.badge.hidden = this.unseen === 0;
    const shown = this.unseen > 99 ? "99+" : formatNumber(this.unseen);
    this.badge.textContent = shown;
    this.button.setAttribute("aria-label", this.unseen ? t("Events, new: {n}", { n: shown }) : t("Events"));
    if (this.drawer.hidden) return;
    const list = need("#events-list");
    if (this.events.length === 0) list.replaceChildren(element("li", { class: "empty" }, t("Nothing has happened in the last day.")));
    else list.replaceChildren(...this.events.map((event) => this.line(event)));
  }

  private line(event: FleetEvent): HTMLElement {
    const button = element(
      "button",
      { type: "button", class: "event", "data-type": event.type, "data-urgent": isUrgent(event) },
      element("span", { class: "event-name" }, eventName(event)),
      element("time", { datetime: event.eventTime }, formatTime(Date.parse(event.eventTime))),
      element("span", { class: "event-device" }, [this.nameOf(event), event.attributes.geofence, resultOf(event)].filter(Boolean).join(" · ")),
    );
    button.addEventListener("click", () => this.onChoose(event.deviceId));
    return element("li", {}, button);
  }
}

/** Of a command: which one, and what the tracker said. */
function resultOf({ type, attributes }: FleetEvent): string {
  if (type !== "commandResult") return "";
  const result = String(attributes.result ?? "");
  const said = attributes.state === "failed" ? reasonWords(result) : result;
  return `${typeTitle(String(attributes.command ?? ""))}: ${said.length > LONGEST_RESULT ? `${said.slice(0, LONGEST_RESULT)}…` : said}`;
}

/** The last ones, newest first, each once. */
function newest(events: FleetEvent[]): FleetEvent[] {
  const unique = new Map(events.map((event) => [`${event.deviceId} ${event.type} ${event.eventTime}`, event]));
  return [...unique.values()].sort((a, b) => Date.parse(b.eventTime) - Date.parse(a.eventTime)).slice(0, KEPT);
}
