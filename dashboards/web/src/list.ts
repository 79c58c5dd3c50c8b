/* The list of vehicles. It draws the rows in view only, so that ten thousand vehicles cost as much as twenty: rows have one height, a spacer
 * gives the scrollbar its length, and rows are re-used. For the keyboard and screen readers it is a listbox: arrows, Home, End and a letter
 * of the search move the selection. */
import { element, icon } from "./dom";
import type { Vehicle } from "./fleet";
import { formatAgo, formatSpeed } from "./format";
import { formatCount, t } from "./i18n";
import { alarmName, stateName } from "./words";

const ROW_PX = 58;
const SPARE = 6; // rows above and below the view

interface Row {
  root: HTMLElement;
  dot: HTMLElement;
  name: HTMLElement;
  state: HTMLElement;
  ago: HTMLElement;
  speed: HTMLElement;
}

export class VehicleList {
  private vehicles: Vehicle[] = [];
  private selected: number | null = null;
  private readonly rows: Row[] = [];
  private readonly body = element("div", { class: "list-body", role: "presentation" });

  constructor(
    private readonly root: HTMLElement,
    private readonly onChoose: (id: number) => void,
  ) {
    root.append(this.body);
    root.addEventListener("scroll", () => this.render(), { passive: true });
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("click", (event) => {
      const row = (event.target as Element).closest<HTMLElement>("[data-id]");
      if (row) this.onChoose(Number(row.dataset.id));
    });
    new ResizeObserver(() => this.render()).observe(root);
  }

  show(vehicles: Vehicle[]): void {
    this.vehicles = vehicles;
    this.body.style.height = `${vehicles.length * ROW_PX}px`;
    this.render();
  }

  select(id: number | null, reveal: boolean): void {
    this.selected = id;
    const index = this.vehicles.findIndex((one) => one.device.id === id);
    if (reveal && index >= 0) {
      const top = index * ROW_PX;
      const { scrollTop, clientHeight } = this.root;
      if (top < scrollTop) this.root.scrollTop = top;
      else if (top + ROW_PX > scrollTop + clientHeight) this.root.scrollTop = top + ROW_PX - clientHeight;
    }
    this.render();
  }

  render(): void {
    const first = Math.max(0, Math.floor(this.root.scrollTop / ROW_PX) - SPARE);
    const count = Math.min(this.vehicles.length - first, Math.ceil(this.root.clientHeight / ROW_PX) + 2 * SPARE);
    while (this.rows.length < count) this.rows.push(this.makeRow());
    const now = Date.now();
    this.rows.forEach((row, i) => {
      const vehicle = i < count ? this.vehicles[first + i] : undefined;
      row.root.hidden = vehicle === undefined;
      if (vehicle) this.fillRow(row, vehicle, first + i, now);
    });
    const active = this.rows.find((row) => !row.root.hidden && row.root.getAttribute("aria-selected") === "true");
    if (active) this.root.setAttribute("aria-activedescendant", active.root.id);
    else this.root.removeAttribute("aria-activedescendant");
  }

  private makeRow(): Row {
    const row = {
      dot: element("span", { class: "state-dot" }),
      name: element("span", { class: "row-name" }),
      state: element("span", { class: "row-state" }),
      ago: element("span", { class: "row-ago" }),
      speed: element("span", { class: "row-speed" }),
    };
    const lines = element("span", { class: "row-lines" }, row.name, element("span", { class: "row-detail" }, row.state, row.ago));
    const root = element("div", { class: "row", role: "option" }, row.dot, lines, row.speed);
    this.body.append(root);
    return { root, ...row };
  }

  private fillRow(row: Row, vehicle: Vehicle, index: number, now: number): void {
    const { device, position, state } = vehicle;
    const chosen = device.id === this.selected;
    row.root.style.transform = `translateY(${index * ROW_PX}px)`;
    row.root.id = `row-${device.id}`;
    row.root.dataset.id = String(device.id);
    row.root.dataset.state = state;
    row.root.setAttribute("aria-selected", String(chosen));
    row.root.setAttribute("aria-setsize", String(this.vehicles.length));
    row.root.setAttribute("aria-posinset", String(index + 1));
    set(row.name, device.name);
    set(row.state, state === "alarm" ? alarmName(position?.attributes.alarm ?? "") : stateName(state));
    set(row.ago, vehicle.heard ? formatAgo(vehicle.heard, now) : t("never heard"));
    set(row.speed, state === "moving" || (state === "alarm" && vehicle.speedKmh > 3) ? formatSpeed(vehicle.speedKmh) : "");
  }

  private key(event: KeyboardEvent): void {
    const index = this.vehicles.findIndex((one) => one.device.id === this.selected);
    const page = Math.max(1, Math.floor(this.root.clientHeight / ROW_PX) - 1);
    const last = this.vehicles.length - 1;
    const targets: Record<string, number> = {
      ArrowDown: index + 1,
      ArrowUp: index < 0 ? last : index - 1,
      PageDown: index + page,
      PageUp: index - page,
      Home: 0,
      End: last,
    };
    const target = targets[event.key];
    if (target === undefined || last < 0) return;
    event.preventDefault();
    const vehicle = this.vehicles[Math.max(0, Math.min(last, target))];
    if (vehicle) this.onChoose(vehicle.device.id);
  }
}

function set(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** The buttons over the list that count the states, and let through only some. */
export class StateFilter {
  readonly chosen = new Set<Vehicle["state"]>();
  private readonly buttons = new Map<string, HTMLElement>();

  constructor(root: HTMLElement, onChange: () => void) {
    for (const state of ["moving", "idle", "parked", "offline", "alarm"] as const) {
      const count = element("b", {}, "0");
      const button = element(
        "button",
        { type: "button", class: "chip", "data-state": state, "aria-pressed": "false", title: stateName(state) },
        element("span", { class: "state-dot" }),
        count,
        element("span", { class: "visually-hidden" }, stateName(state)),
      );
      button.addEventListener("click", () => {
        if (!this.chosen.delete(state)) this.chosen.add(state);
        button.setAttribute("aria-pressed", String(this.chosen.has(state)));
        onChange();
      });
      this.buttons.set(state, count);
      root.append(button);
    }
  }

  count(counts: Record<string, number>): void {
    for (const [state, count] of this.buttons) {
      set(count, formatCount(counts[state] ?? 0));
      const button = count.parentElement as HTMLElement;
      button.classList.toggle("chip-empty", !counts[state]);
    }
  }

  clear(): void {
    this.chosen.clear();
    for (const count of this.buttons.values()) count.parentElement?.setAttribute("aria-pressed", "false");
  }
}

/** What the list says when it has nothing to show. */
export function emptyList(root: HTMLElement, kind: "loading" | "none" | "nothing-found" | "blocked", readonly: boolean): void {
  root.replaceChildren();
  if (kind === "loading") root.append(element("p", {}, t("Loading vehicles…")));
  else if (kind === "nothing-found") root.append(icon("search"), element("p", {}, t("No vehicle matches.")));
  else if (kind === "blocked") {
    root.append(icon("alert"), element("p", {}, t("All of your trackers are blocked. The list of trackers says why.")));
    root.append(element("a", { class: "button", href: "/trackers" }, t("Trackers")));
  } else {
    root.append(icon("tracker"), element("p", {}, t("You have no trackers yet.")));
    root.append(element("p", {}, t("The page of trackers also says which address and port to set in them.")));
    if (!readonly) root.append(element("a", { class: "button button-primary", href: "/trackers#add" }, t("Add a tracker")));
  }
}
