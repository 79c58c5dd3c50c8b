/* The card of the vehicle that was chosen: everything that is known of it now. */
import { ApiError, get, getText, type Summary } from "./api";
import { openCommand } from "./commands/dialog";
import { element, icon, need, toast } from "./dom";
import type { Vehicle } from "./fleet";
import { formatAgo, formatCourse, formatDistance, formatDuration, formatFull, formatPlace, formatSpeed } from "./format";
import { formatNumber, language, t } from "./i18n";
import { distanceM, type Place } from "./map/geo";
import { page } from "./page";
import { alarmName, stateName } from "./words";

const TOWN_EVERY_M = 300; // the nearest town is asked again after so much way
const TODAY_EVERY_MS = 60_000;

export class VehicleCard {
  private vehicle: Vehicle | null = null;
  private town = "";
  private townAt: Place | null = null;
  private today: number | null = null;
  private todayAt = 0;
  private aborter = new AbortController();
  private readonly followButton = need<HTMLButtonElement>("#card-follow");

  constructor(
    private readonly root: HTMLElement,
    actions: { close(): void; follow(on: boolean): void },
  ) {
    need("#card-close", root).addEventListener("click", () => actions.close());
    root.querySelector("#card-command")?.addEventListener("click", () => this.vehicle && openCommand(this.vehicle.device));
    need("#card-copy", root).addEventListener("click", () => void this.copy());
    this.followButton.addEventListener("click", () => actions.follow(this.followButton.getAttribute("aria-pressed") !== "true"));
    setInterval(() => this.render(), 1000);
  }

  following(on: boolean): void {
    this.followButton.setAttribute("aria-pressed", String(on));
  }

  show(vehicle: Vehicle | null): void {
    if (vehicle?.device.id !== this.vehicle?.device.id) this.forget();
    this.vehicle = vehicle;
    this.root.hidden = vehicle === null;
    document.body.classList.toggle("has-card", vehicle !== null);
    if (!vehicle) return;
    this.render();
    void this.askTown(vehicle);
    void this.askToday(vehicle);
  }

  private forget(): void {
    this.aborter.abort();
    this.aborter = new AbortController();
    this.town = "";
    this.townAt = null;
    this.today = null;
    this.todayAt = 0;
  }

  private async askTown({ position }: Vehicle): Promise<void> {
    if (!position || (this.townAt && distanceM(this.townAt, position) < TOWN_EVERY_M)) return;
    this.townAt = { latitude: position.latitude, longitude: position.longitude };
    try {
      this.town = await getText("/api/server/geocode", { ...this.townAt, language }, this.aborter.signal);
      this.render();
    } catch (error) {
      if (error instanceof ApiError) this.townAt = null; // asked again with the next fix
    }
  }

  private async askToday({ device }: Vehicle): Promise<void> {
    const now = Date.now();
    if (page.allowed?.reports === false || now - this.todayAt < TODAY_EVERY_MS) return;
    this.todayAt = now;
    const from = new Date(new Date().setHours(0, 0, 0, 0)).toISOString();
    const query = { deviceId: device.id, from, to: new Date(now).toISOString() };
    try {
      const [summary] = await get<Summary[]>("/api/reports/summary", query, this.aborter.signal);
      this.today = summary?.distance ?? 0;
      this.render();
    } catch {
      this.todayAt = now - TODAY_EVERY_MS / 2;
    }
  }

  private async copy(): Promise<void> {
    const position = this.vehicle?.position;
    if (!position) return;
    try {
      await navigator.clipboard.writeText([formatPlace(position.latitude, position.longitude), this.town].filter(Boolean).join(", "));
      toast(t("Copied"));
    } catch {
      toast(formatPlace(position.latitude, position.longitude)); // no clipboard without https: at least it can be read
    }
  }

  private render(): void {
    const { vehicle, root } = this;
    if (!vehicle) return;
    const { device, position, state, speedKmh } = vehicle;
    const now = Date.now();
    root.dataset.state = state;
    root.dataset.device = String(device.id);
    root.dataset.latitude = String(position?.latitude ?? "");
    root.dataset.longitude = String(position?.longitude ?? "");
    text("#card-name", device.name);
    text("#card-state", state === "alarm" ? alarmName(position?.attributes.alarm ?? "") : stateName(state));
    text("#card-speed", position && state !== "offline" ? formatSpeed(speedKmh) : "–");
    text("#card-course", position && state !== "offline" && speedKmh > 3 ? formatCourse(position.course) : "");
    text("#card-ago", vehicle.heard ? formatAgo(vehicle.heard, now) : t("never heard"));
    need("#card-ago").title = vehicle.fixTime ? t("Last fix: {time}", { time: formatFull(vehicle.fixTime) }) : "";
    text("#card-place", position ? this.town || formatPlace(position.latitude, position.longitude) : t("No position yet"));
    this.facts(vehicle);
    this.links(vehicle);
  }

  private facts({ position, device }: Vehicle): void {
    const a = position?.attributes ?? {};
    const facts: [string, string, string | null][] = [
      ["route", t("Today"), this.today === null ? null : formatDistance(this.today)],
      ["odometer", t("Odometer"), number(a.odometer || a.totalDistance, formatDistance)],
      ["key", t("Ignition"), a.ignition === undefined ? null : a.ignition ? t("on") : t("off")],
      ["satellite", t("Satellites"), number(a.sat, formatNumber)],
      ["battery", t("Battery"), batteryText(a.batteryLevel, a.battery)],
      ["plug", t("Power"), number(a.power, (v) => t("{v} V", { v: formatNumber(v, 1) }))],
      ["fuel", t("Fuel"), number(a.fuel, (v) => t("{v} l", { v: formatNumber(v) }))],
      ["hours", t("Engine hours"), number(a.hours, (v) => formatDuration(v / 1000))],
      ["signal", t("GSM signal"), number(a.rssi, formatNumber)],
      ["tracker", t("Tracker"), [device.model, position?.protocol].filter(Boolean).join(", ") || device.uniqueId],
    ];
    const rows = facts
      .filter(([, , value]) => value !== null)
      .map(([sign, name, value]) => element("div", { class: "fact" }, icon(sign), element("dt", {}, name), element("dd", {}, value)));
    need("#card-facts").replaceChildren(...rows);
  }

  private links({ device, position }: Vehicle): void {
    need<HTMLAnchorElement>("#card-history").href = `/history?device=${device.id}`;
    const outside = need<HTMLAnchorElement>("#card-outside");
    outside.hidden = need("#card-copy").hidden = this.followButton.hidden = !position;
    if (!position) return;
    const { latitude, longitude } = position;
    outside.href = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`;
  }
}

function text(selector: string, value: string): void {
  const target = need(selector);
  if (target.textContent !== value) target.textContent = value;
}

const number = (value: unknown, format: (value: number) => string): string | null =>
  typeof value === "number" && Number.isFinite(value) ? format(value) : null;

function batteryText(percent: unknown, volts: unknown): string | null {
  const parts = [number(percent, (v) => `${formatNumber(v)} %`), number(volts, (v) => t("{v} V", { v: formatNumber(v, 2) }))];
  return parts.filter(Boolean).join(" · ") || null;
}
