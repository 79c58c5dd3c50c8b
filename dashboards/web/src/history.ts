/* The history of a vehicle: its way on the map, its stops, its speed, and time to play. The address holds what is shown. */
import "./style/app.css";
import { Marker } from "maplibre-gl";
import { ApiError, type Device, get, getText, type Position, type Stop } from "./api";
import { element, need, toast } from "./dom";
import { formatDistance, formatDuration, formatPlace, formatSpan, formatSpeed, formatTime } from "./format";
import { formatNumber, language, t } from "./i18n";
import { SpeedChart } from "./history/chart";
import { VehicleCombo } from "./history/combo";
import { addDays, dayText, daysBack, fromAddress, fromFields, momentFromAddress, type Period } from "./history/period";
import { Player } from "./history/player";
import { BANDS, linesOf, makeTrack, momentAt, nearest, totals, type Track } from "./history/track";
import { BaseMap } from "./map/base";
import { drawVehicle } from "./map/sprites";
import { readPalette } from "./map/vehicles";
import { ZoneLayer, ZoneToggle } from "./map/zones";
import { dateFormat } from "./intl";
import { page } from "./page";
import { startShell } from "./shell";
import { onTheme, token } from "./theme";

const MOST_STOP_MARKERS = 300;
const MOST_NAMED = 50; // stops; a request each
const LONGEST_DAY_MS = 25 * 3_600_000; // when the clocks go back
const REPORTS = page.allowed?.reports ?? true; // stops are one
const DURATIONS_ZOOM = 13; // further off, the durations would cover each other

class HistoryPage {
  private readonly base = new BaseMap(need("#map"), page.map ?? { styleUrl: "", styleUrlDark: "" });
  private readonly chart = new SpeedChart(need("#chart"), (time) => this.player.seek(time));
  private readonly player = new Player((time, playing) => this.showTime(time, playing));
  private readonly from = need<HTMLInputElement>("#from");
  private readonly to = need<HTMLInputElement>("#to");
  private readonly marker = new PlayMarker();
  private markers: Marker[] = [];
  private device: number | null = page.device?.id ?? null;
  private period: Period = fromAddress(new URLSearchParams(location.search)) ?? daysBack(0);
  private at: number | null = momentFromAddress(new URLSearchParams(location.search));
  private track: Track = makeTrack([]);
  private aborter = new AbortController();

  constructor() {
    const toggle = need("#zones-toggle");
    new ZoneToggle(new ZoneLayer(this.base), toggle); // below the way
    this.base.addButton(toggle);
    this.base.onStyle((map) => {
      map.addSource("route", { type: "geojson", data: linesOf(this.track), tolerance: 0.3 });
      const layout = { "line-cap": "round", "line-join": "round" } as const;
      const width = ["interpolate", ["linear"], ["zoom"], 5, 3, 14, 5.5] as unknown as number;
      const solid = ["has", "colour"] as unknown as boolean;
      map.addLayer({
        id: "route-casing",
        type: "line",
        source: "route",
        filter: solid,
        layout,
        paint: { "line-color": token("map-ring"), "line-width": ["+", 3, width] as never, "line-opacity": 0.85 },
      });
      map.addLayer({ id: "route", type: "line", source: "route", filter: solid, layout, paint: { "line-color": ["get", "colour"], "line-width": width } });
      map.addLayer({
        id: "gaps",
        type: "line",
        source: "route",
        filter: ["has", "gap"],
        paint: { "line-color": token("text-3"), "line-width": 2, "line-dasharray": [2, 2.5] },
      });
    });
    this.listen();
    this.legend();
  }

  async start(): Promise<void> {
    this.fields();
    this.depth();
    if (this.device === null) {
      this.note(t("Choose a vehicle to see where it has been."));
      this.panel(true); // on a phone there is nothing else to do here
    } else void this.load();
    const combo = new VehicleCombo(need("#device"), need("#device-options"), (device) => {
      this.device = device.id;
      this.at = null;
      void this.load();
    });
    try {
      combo.fill(await get<Device[]>("/api/devices"));
    } catch (error) {
      if (error instanceof ApiError) toast(error.message, "error");
    }
  }

  private listen(): void {
    for (const button of document.querySelectorAll<HTMLElement>("[data-days]")) {
      button.addEventListener("click", () => this.choose(daysBack(Number(button.dataset.days))));
    }
    for (const field of [this.from, this.to]) {
      field.addEventListener("change", () => {
        const period = fromFields(this.from.value, this.to.value);
        if (period) this.choose(period);
        else this.note(t("The first day must not be after the last one."));
      });
    }
    need<HTMLFormElement>("#choice").addEventListener("submit", (event) => event.preventDefault());
    need("#share").addEventListener("click", () => void share());
    need("#panel-toggle").addEventListener("click", () => this.panel(!document.body.classList.contains("panel-open")));
    this.base.map.on("zoom", () => {
      need("#map").classList.toggle("show-durations", this.base.map.getZoom() >= DURATIONS_ZOOM);
    });
    this.base.map.on("click", (event) => this.click(event.lngLat.lng, event.lngLat.lat, event.point.x, event.point.y));
    onTheme(() => requestAnimationFrame(() => this.marker.redraw()));
  }

  private panel(open: boolean): void {
    document.body.classList.toggle("panel-open", open);
    need("#panel-toggle").setAttribute("aria-expanded", String(open));
  }

  private choose(period: Period): void {
    this.period = period;
    this.at = null;
    this.fields();
    if (this.device !== null) void this.load();
  }

  /** The date fields and the buttons say what is shown. */
  private fields(): void {
    this.from.value = dayText(this.period.from);
    this.to.value = dayText(addDays(new Date(this.period.to.getTime() - 1), 0));
    for (const button of document.querySelectorAll<HTMLElement>("[data-days]")) {
      const period = daysBack(Number(button.dataset.days));
      const same = +period.from === +this.period.from && +period.to === +this.period.to;
      button.setAttribute("aria-pressed", String(same));
    }
  }

  /** Since when the tariff shows anything, so that nobody looks for it in vain. */
  private depth(): void {
    const from = page.allowed?.historyFrom;
    if (!from) return;
    const date = dateFormat({ dateStyle: "medium" }).format(Date.parse(from));
    need("#history-from").textContent = t("Your tariff {tariff} shows the history since {date}.", { tariff: page.allowed?.tariff ?? "", date });
    need("#history-from").hidden = false;
  }

  private async load(): Promise<void> {
    this.aborter.abort();
    this.aborter = new AbortController();
    const { signal } = this.aborter;
    const query = { deviceId: this.device ?? 0, from: this.period.from.toISOString(), to: this.period.to.toISOString() };
    const at = this.at === null ? {} : { at: new Date(this.at).toISOString() };
    history.replaceState(null, "", `?${new URLSearchParams({ device: String(query.deviceId), from: query.from, to: query.to, ...at })}`);
    this.note(t("Loading…"));
    need("#result").setAttribute("aria-busy", "true");
    try {
      const [positions, stops] = await Promise.all([
        get<Position[]>("/api/positions", query, signal),
        REPORTS ? get<Stop[]>("/api/reports/stops", query, signal) : [],
      ]);
      this.show(makeTrack(positions), stops, query);
    } catch (error) {
      if (!(error instanceof ApiError)) return; // a newer choice is being loaded
      this.show(makeTrack([]), [], query);
      this.note(error.message);
    } finally {
      if (!signal.aborted) need("#result").setAttribute("aria-busy", "false");
    }
  }

  private show(track: Track, stops: Stop[], query: Record<string, string | number>): void {
    this.track = track;
    const any = track.times.length > 0;
    need("#found").hidden = need("#player").hidden = need("#legend").hidden = !any;
    this.note(any ? "" : t("Nothing was received in this period."));
    this.base.source("route")?.setData(linesOf(track));
    for (const marker of this.markers) marker.remove();
    this.markers = [];
    this.marker.remove();
    this.base.map.resize();
    if (!any) return this.player.play(false);
    this.summarise(track);
    this.exports(query);
    this.showStops(stops);
    this.ends(track);
    this.chart.show(track);
    this.player.load(track);
    this.fit(track);
    if (this.at !== null) this.goToMoment(this.at);
    this.panel(false);
  }

  /** Where an alert's link leads: the vehicle as it was then. */
  private goToMoment(time: number): void {
    const moment = momentAt(this.track, time);
    if (!moment) return;
    this.player.seek(time);
    this.base.map.jumpTo({ center: [moment.longitude, moment.latitude], zoom: 14 });
  }

  private summarise(track: Track): void {
    const sums = totals(track);
    need("#total-distance").textContent = formatDistance(sums.distanceM);
    need("#total-moving").textContent = formatDuration(sums.movingMs / 1000);
    need("#total-top").textContent = formatSpeed(sums.topKmh);
    need("#total-average").textContent = formatSpeed(sums.averageKmh);
  }

  private exports(query: Record<string, string | number>): void {
    const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
    need<HTMLAnchorElement>("#export-gpx").href = `/api/positions/gpx?${search}`;
    need<HTMLAnchorElement>("#export-csv").href = `/api/positions/csv?${search}`;
  }

  private showStops(stops: Stop[]): void {
    need("#stops-count").textContent = REPORTS ? formatNumber(stops.length) : "";
    const oneDay = +this.period.to - +this.period.from <= LONGEST_DAY_MS; // its date stands above
    const rows = stops.map((stop, i) => {
      const start = Date.parse(stop.startTime);
      const row = element(
        "button",
        { type: "button", class: "stop" },
        element("span", { class: "stop-number" }, String(i + 1)),
        element("b", {}, formatDuration(stop.duration / 1000)),
        element("time", {}, formatSpan(start, Date.parse(stop.endTime), oneDay ? start : Date.now())),
        element("span", { class: "sub" }, stop.address ?? formatPlace(stop.lat, stop.lon)),
      );
      row.addEventListener("click", () => this.goTo(stop));
      return element("li", {}, row);
    });
    if (!REPORTS) rows.push(element("li", { class: "empty" }, t("Your tariff has no reports, and stops are one of them.")));
    else if (rows.length === 0) rows.push(element("li", { class: "empty" }, t("It did not stop in this period.")));
    need("#stops").replaceChildren(...rows);
    void this.nameStops(stops);
    stops.slice(0, MOST_STOP_MARKERS).forEach((stop, i) => this.stopMarker(stop, i));
  }

  /** The server names the towns near stops one by one; the list is there before them. */
  private async nameStops(stops: Stop[]): Promise<void> {
    const { signal } = this.aborter;
    const places = [...document.querySelectorAll("#stops .sub")];
    for (const [i, stop] of stops.slice(0, MOST_NAMED).entries()) {
      if (stop.address) continue;
      const query = { latitude: stop.lat, longitude: stop.lon, language };
      const name = await getText("/api/server/geocode", query, signal).catch(() => "");
      if (signal.aborted) return;
      if (name && places[i]) places[i].textContent = name;
    }
  }

  private stopMarker(stop: Stop, i: number): void {
    const duration = formatDuration(stop.duration / 1000);
    const name = t("Stop {n}: {duration}", { n: i + 1, duration });
    const button = element("button", { type: "button", class: "stop-marker", title: name, "aria-label": name }, String(i + 1), element("span", {}, duration));
    button.addEventListener("click", (event) => {
      event.stopPropagation();
      this.goTo(stop);
    });
    this.markers.push(new Marker({ element: button }).setLngLat([stop.lon, stop.lat]).addTo(this.base.map));
  }

  private ends(track: Track): void {
    for (const [end, i] of [["start", 0], ["end", track.times.length - 1]] as const) {
      const dot = element("div", { class: "end-marker", "data-end": end, title: end === "start" ? t("Start") : t("End") });
      const at: [number, number] = [track.longitudes[i] as number, track.latitudes[i] as number];
      this.markers.push(new Marker({ element: dot }).setLngLat(at).addTo(this.base.map));
    }
  }

  private goTo(stop: Stop): void {
    this.player.seek(Date.parse(stop.startTime));
    const { map } = this.base;
    map.easeTo({ center: [stop.lon, stop.lat], zoom: Math.max(map.getZoom(), 14), duration: 500 });
    this.panel(false);
  }

  private fit({ longitudes, latitudes }: Track): void {
    const box = (values: number[]): [number, number] => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const [west, east] = box(longitudes);
    const [south, north] = box(latitudes);
    this.base.map.fitBounds([west, south, east, north], { padding: { top: 70, bottom: 50, left: 50, right: 50 }, maxZoom: 15, duration: 0 });
  }

  private showTime(time: number, playing: boolean): void {
    const moment = momentAt(this.track, time);
    if (!moment) return;
    this.chart.at(time);
    need("#now-time").textContent = formatTime(time);
    need("#now-speed").textContent = formatSpeed(moment.speedKmh);
    need("#player").dataset.time = String(Math.round(time));
    const { map } = this.base;
    this.marker.show(map, moment.longitude, moment.latitude, moment.courseDeg, moment.speedKmh);
    const at = map.project([moment.longitude, moment.latitude]);
    const { clientWidth, clientHeight } = map.getContainer();
    const outside = at.x < 40 || at.y < 40 || at.x > clientWidth - 40 || at.y > clientHeight - 40;
    if (playing && outside && !map.isMoving()) map.panTo([moment.longitude, moment.latitude], { duration: 400 });
  }

  /** A click near the route goes to the time it was there. */
  private click(longitude: number, latitude: number, x: number, y: number): void {
    const i = nearest(this.track, { longitude, latitude });
    if (i < 0) return;
    const at = this.base.map.project([this.track.longitudes[i] as number, this.track.latitudes[i] as number]);
    if (Math.hypot(at.x - x, at.y - y) < 24) this.player.seek(this.track.times[i] as number);
  }

  private note(text: string): void {
    need("#note").textContent = text;
    if (text) need("#found").hidden = true;
  }

  private legend(): void {
    const bands = BANDS.map(({ from, colour }, i) => {
      const swatch = element("i");
      swatch.style.background = colour;
      return element("li", {}, swatch, i === BANDS.length - 1 ? `${from}+` : String(from));
    });
    const gap = element("li", { class: "legend-gap" }, element("i"), t("no data"));
    need("#legend").replaceChildren(element("span", { class: "legend-title" }, t("Speed, km/h")), element("ol", {}, ...bands, gap));
  }
}

/** The vehicle at the player's time: the sprite of the live map. */
class PlayMarker {
  private readonly canvas = element("canvas", { class: "play-marker", width: 88, height: 88, "aria-hidden": "true" });
  private readonly marker = new Marker({ element: this.canvas }).setLngLat([0, 0]);
  private drawn = "";
  private courseDeg = 0;
  private moving = false;
  private shown = false;

  show(map: BaseMap["map"], longitude: number, latitude: number, courseDeg: number, speedKmh: number): void {
    this.marker.setLngLat([longitude, latitude]);
    if (!this.shown) this.marker.addTo(map);
    this.shown = true;
    this.courseDeg = Math.round(courseDeg / 3) * 3;
    this.moving = speedKmh >= 3;
    const wanted = `${this.courseDeg} ${this.moving}`;
    if (wanted === this.drawn) return;
    this.drawn = wanted;
    this.redraw();
  }

  remove(): void {
    this.marker.remove();
    this.shown = false;
  }

  redraw(): void {
    const context = this.canvas.getContext("2d") as CanvasRenderingContext2D;
    context.setTransform(2, 0, 0, 2, 0, 0);
    context.clearRect(0, 0, 44, 44);
    const state = this.moving ? "moving" : "parked";
    drawVehicle(context, { x: 22, y: 22, courseDeg: this.courseDeg, state, chosen: true, now: 0 }, readPalette());
  }
}

async function share(): Promise<void> {
  try {
    await navigator.clipboard.writeText(location.href);
    toast(t("The link has been copied."));
  } catch {
    toast(t("Copy the link from the browser's address bar."));
  }
}

startShell();
void new HistoryPage().start();
