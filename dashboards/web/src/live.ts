/* The live map: the fleet as it is now, and as it changes. */
import "./style/app.css";
import { takeAlerts, takeCommands } from "./alerts/watch";
import { ApiError, type Device, get, type Position } from "./api";
import { VehicleCard } from "./card";
import { debounce, need, throttle, toast } from "./dom";
import { EventDrawer } from "./events";
import { choose, Fleet, type Order } from "./fleet";
import { formatTime } from "./format";
import { t, tn } from "./i18n";
import { emptyList, StateFilter, VehicleList } from "./list";
import { BaseMap } from "./map/base";
import { Trail } from "./map/trail";
import { VehicleLayer } from "./map/vehicles";
import { saveView, savedView } from "./map/view";
import { ZoneLayer, ZoneToggle } from "./map/zones";
import { page } from "./page";
import { type Link, LiveSocket, type News } from "./socket";
import { startShell } from "./shell";
import { GroupFilter } from "./zones/groups";

class LivePage {
  private readonly fleet = new Fleet();
  private readonly base: BaseMap;
  private readonly layer: VehicleLayer;
  private readonly trail: Trail;
  private readonly list: VehicleList;
  private readonly filter: StateFilter;
  private readonly group = new GroupFilter(need<HTMLSelectElement>("#group"), () => this.refresh());
  private readonly card: VehicleCard;
  private readonly drawer: EventDrawer;
  private readonly search = need<HTMLInputElement>("#search");
  private readonly order = need<HTMLSelectElement>("#order");
  private selected: number | null = null;
  private following = false;
  private loaded = false;
  private wasLost = false;
  private lastNews = Date.now();

  constructor() {
    this.base = new BaseMap(need("#map"), page.map ?? { styleUrl: "", styleUrlDark: "" }, this.remembered);
    const zones = new ZoneLayer(this.base); // below all that moves
    this.layer = new VehicleLayer(this.base.map, this.fleet);
    this.trail = new Trail(this.base);
    this.list = new VehicleList(need("#list"), (id) => this.choose(id, true));
    this.filter = new StateFilter(need("#states"), () => this.refresh());
    this.card = new VehicleCard(need("#card"), { close: () => this.choose(null), follow: (on) => this.follow(on) });
    this.drawer = new EventDrawer(this.fleet, (id) => this.choose(id, true));
    this.listen();
    const toggle = need("#zones-toggle");
    new ZoneToggle(zones, toggle);
    this.base.addButton(toggle);
  }

  async start(): Promise<void> {
    emptyList(need("#list-empty"), "loading", true);
    await this.load();
    const wanted = this.wanted();
    if (this.fleet.vehicles.has(wanted)) this.choose(wanted); // at once, since one that never reported has no position to wait for
    new LiveSocket(
      (news) => this.news(news),
      (link) => this.link(link),
    ).open();
  }

  /** The whole list: the socket tells what changes, not what was removed while it was away. */
  private async load(): Promise<void> {
    void this.drawer.load();
    void this.group.load();
    try {
      const devices = await get<Device[]>("/api/devices");
      const there = new Set(devices.map(({ id }) => id));
      this.fleet.apply({ devices, removed: [...this.fleet.vehicles.keys()].filter((id) => !there.has(id)) });
      this.loaded = true;
    } catch (error) {
      if (error instanceof ApiError && error.status) toast(error.message, "error"); // 0: the note on the link says so already
    }
    this.refresh();
    if (this.loaded && this.fleet.vehicles.size === 0) this.panel(true); // on a phone it would hide how to begin
  }

  private listen(): void {
    this.fleet.subscribe(throttle(1000, () => this.refresh()));
    this.search.addEventListener("input", debounce(80, () => this.refresh()));
    this.order.addEventListener("change", () => this.refresh());
    need("#clear-filter").addEventListener("click", () => this.clear());
    const fit = need("#fit");
    fit.addEventListener("click", () => this.fit());
    this.base.addButton(fit);
    need("#panel-toggle").addEventListener("click", () => this.panel(!document.body.classList.contains("panel-open")));
    setInterval(() => {
      this.fleet.age();
      this.list.render(); // "12 s ago" grows old too
    }, 5_000);
    addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("click", (event) => {
      const link = (event.target as Element).closest<HTMLElement>("[data-show-device]"); // of an alert: no need to load this page again
      if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || !this.fleet.vehicles.has(Number(link.dataset.showDevice))) return;
      event.preventDefault();
      this.choose(Number(link.dataset.showDevice), true);
    });
    const { map } = this.base;
    map.on("click", (event) => this.click(event.point.x, event.point.y));
    map.on("mousemove", (event) => {
      map.getCanvas().style.cursor = this.layer.hit(event.point.x, event.point.y) ? "pointer" : "";
    });
    map.on("dragstart", () => this.follow(false));
    map.on("moveend", () => this.layerIsEmpty || saveView(map.getCenter().toArray(), map.getZoom()));
    this.layer.onSelectedMoved = (longitude, latitude) => {
      this.trail.head([longitude, latitude]);
      if (this.following && !map.isMoving() && document.hasFocus()) map.setCenter([longitude, latitude]);
    };
  }

  private news(news: News): void {
    this.lastNews = Date.now();
    const first = this.fleet.vehicles.size > 0 && this.layerIsEmpty;
    this.fleet.apply(news);
    if (this.selected !== null && news.removed?.includes(this.selected)) this.choose(null);
    if (news.events?.length) this.drawer.add(news.events);
    if (news.alerts?.length) takeAlerts(news.alerts);
    if (news.commands?.length) takeCommands(news.commands);
    if (first && news.positions?.length) this.opened();
    for (const position of news.positions ?? []) if (position.deviceId === this.selected) this.moved(position);
  }

  private layerIsEmpty = true;
  private readonly remembered = savedView();

  private readonly wanted = (): number => Number(new URLSearchParams(location.search).get("device"));

  /** The first positions are here: show what the address asks for, or everybody. */
  private opened(): void {
    this.layerIsEmpty = false;
    const wanted = this.wanted();
    if (this.fleet.vehicles.has(wanted)) this.choose(wanted, true);
    else if (!this.remembered) this.fit(0);
  }

  private moved(position: Position): void {
    this.card.show(this.fleet.vehicles.get(position.deviceId) ?? null);
    this.trail.add(position);
  }

  private link(link: Link): void {
    if (link === "open" && (this.wasLost || !this.loaded)) {
      void this.load();
      takeCommands([]);
      this.trail.show(null); // what it missed is asked for
      this.trail.show(this.selected);
    }
    this.wasLost = link === "lost";
    const note = need("#link");
    note.hidden = link === "open";
    document.body.classList.toggle("is-stale", link === "lost");
    note.querySelector("span")!.textContent =
      link === "connecting" ? t("Connecting…") : t("Reconnecting… Positions are as of {time}.", { time: formatTime(this.lastNews) });
  }

  private refresh(): void {
    const vehicles = choose(this.group.members(this.fleet.vehicles.values()), this.search.value, this.filter.chosen, this.order.value as Order);
    const filtered = this.search.value.trim() !== "" || this.filter.chosen.size > 0 || this.group.chosen !== null;
    const ids = new Set(vehicles.map((one) => one.device.id));
    this.layer.filter(filtered ? (one) => ids.has(one.device.id) : () => true);
    this.filter.count(this.fleet.counts());
    this.list.show(vehicles);
    need("#clear-filter").hidden = !filtered;
    need("#list-count").textContent = filtered
      ? t("{shown} of {all}", { shown: vehicles.length, all: this.fleet.vehicles.size })
      : tn("{n} vehicle", "{n} vehicles", this.fleet.vehicles.size);
    const empty = need("#list-empty");
    empty.hidden = vehicles.length > 0;
    if (vehicles.length === 0 && this.loaded) {
      emptyList(empty, this.fleet.vehicles.size ? "nothing-found" : "none", page.viewer?.readonly ?? true);
      if (!this.fleet.vehicles.size) void this.whyEmpty(empty);
    }
    if (this.selected !== null) this.card.show(this.fleet.vehicles.get(this.selected) ?? null);
  }

  /** Somebody whose trackers are all blocked needs no advice on adding one. */
  private async whyEmpty(empty: HTMLElement): Promise<void> {
    const some = await get<Device[]>("/api/devices?withBlocked=true&limit=1").catch(() => []);
    if (some.length && !this.fleet.vehicles.size) emptyList(empty, "blocked", true);
  }

  private choose(id: number | null, go = false): void {
    const vehicle = id === null ? undefined : this.fleet.vehicles.get(id);
    this.selected = vehicle ? id : null;
    this.layer.select(this.selected);
    this.list.select(this.selected, true);
    this.card.show(vehicle ?? null);
    this.trail.show(vehicle?.position ? this.selected : null);
    const address = new URL(location.href);
    if (this.selected === null) address.searchParams.delete("device");
    else address.searchParams.set("device", String(this.selected));
    history.replaceState(null, "", address);
    this.makeRoom();
    this.follow(vehicle?.position != null && go);
    if (vehicle) this.panel(false);
  }

  /** The card covers the right side of the map, on a phone its lower half: the middle is then that of the rest. */
  private makeRoom(): void {
    const { map } = this.base;
    const card = need("#card").getBoundingClientRect();
    const whole = map.getContainer().getBoundingClientRect();
    const below = card.left <= whole.left;
    const bottom = card.height && below ? Math.max(0, whole.bottom - card.top) : 0;
    const right = card.height && !below && whole.width > 2.5 * card.width ? whole.right - card.left : 0;
    map.setPadding({ top: 0, left: 0, right, bottom });
  }

  private follow(on: boolean): void {
    this.following = on && this.selected !== null;
    this.card.following(this.following);
    const place = this.selected === null ? null : this.layer.placeOf(this.selected);
    if (!this.following || !place) return;
    const { map } = this.base;
    const target = { center: [place.longitude, place.latitude] as [number, number], zoom: Math.max(map.getZoom(), 13) };
    const far = map.project(target.center).dist(map.project(map.getCenter())) > 3 * map.getContainer().clientWidth;
    if (far) map.jumpTo(target);
    else map.easeTo({ ...target, duration: 600 });
  }

  private click(x: number, y: number): void {
    const hit = this.layer.hit(x, y);
    if (hit?.kind === "vehicle") this.choose(hit.id, true);
    else if (hit) {
      const { map } = this.base;
      map.easeTo({ center: map.unproject([hit.x, hit.y]), zoom: Math.min(15, this.layer.expansionZoom(hit.id) + 0.3), duration: 500 });
    }
  }

  private clear(): void {
    this.search.value = "";
    this.filter.clear();
    this.group.clear();
    this.refresh();
    this.search.focus();
  }

  private key(event: KeyboardEvent): void {
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (event.key === "Escape" && this.selected !== null && !typing) this.choose(null);
    if (event.key !== "/" || typing) return;
    event.preventDefault();
    this.panel(true);
    this.search.focus();
  }

  private panel(open: boolean): void {
    document.body.classList.toggle("panel-open", open);
    need("#panel-toggle").setAttribute("aria-expanded", String(open));
    if (open && this.selected !== null) this.choose(null);
  }

  /** All vehicles in view. */
  private fit(duration = 600): void {
    const places = choose(this.group.members(this.fleet.vehicles.values()), this.search.value, this.filter.chosen, "name").flatMap((one) => one.position ?? []);
    if (places.length === 0) return;
    this.follow(false);
    const [west, east] = extremes(places.map((one) => one.longitude));
    const [south, north] = extremes(places.map((one) => one.latitude));
    this.base.map.fitBounds([west, south, east, north], { padding: 60, maxZoom: 14, duration });
  }
}

/** The smallest and the largest, but for strays: one tracker at 0°, 0° must not zoom a country out. */
export function extremes(values: number[]): [number, number] {
  const sorted = values.toSorted((a, b) => a - b);
  const cut = Math.floor(sorted.length * 0.01);
  return [sorted[cut] ?? 0, sorted[sorted.length - 1 - cut] ?? 0];
}

startShell({ socket: false }); // the map's own brings the alerts, too
void new LivePage().start();
