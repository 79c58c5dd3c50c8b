/* The list of zones: by groups, searched by words, a button each. */
import { element, icon } from "../dom";
import { t, tn } from "../i18n";
import { colourOf, forWhom, kindName, sizeWords, type Zone } from "./data";
import { fromJson } from "./shape";

const MOST = 400; // rows; more are found by searching
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

export const byName = (a: { name: string }, b: { name: string }): number => collator.compare(a.name, b.name);

export interface Section {
  group: string;
  zones: Zone[];
}

/** By groups in the order of their names, those without one first. */
export function sections(zones: readonly Zone[], search: string): Section[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = new Map<string, Zone[]>();
  for (const zone of zones) {
    const searched = `${zone.name} ${zone.group} ${zone.description ?? ""}`.toLowerCase();
    if (!words.every((word) => searched.includes(word))) continue;
    const section = found.get(zone.group);
    if (section) section.push(zone);
    else found.set(zone.group, [zone]);
  }
  return [...found]
    .sort(([a], [b]) => collator.compare(a, b))
    .map(([group, list]) => ({ group, zones: list.sort(byName) }));
}

export const SIGNS = { circle: "circle", polygon: "polygon", corridor: "route" } as const;

export class ZoneList {
  private selected: number | null = null;

  constructor(
    private readonly root: HTMLElement,
    private readonly onChoose: (id: number) => void,
  ) {
    root.addEventListener("click", (event) => {
      const id = (event.target as Element).closest<HTMLElement>("[data-id]")?.dataset.id;
      if (id !== undefined) this.onChoose(Number(id));
    });
  }

  show(parts: readonly Section[]): void {
    let left = MOST;
    const children: HTMLElement[] = [];
    for (const { group, zones } of parts) {
      if (left <= 0) break;
      if (group || parts.length > 1) {
        const heading = element("h2", { class: "zone-group" }, group || t("Without a group"), element("span", { class: "count" }, String(zones.length)));
        children.push(heading);
      }
      const rows = zones.slice(0, left).map((zone) => element("li", {}, this.row(zone)));
      left -= rows.length;
      children.push(element("ul", { class: "zone-rows" }, ...rows));
    }
    const all = parts.reduce((sum, { zones }) => sum + zones.length, 0);
    if (all > MOST) children.push(element("p", { class: "zone-rest" }, tn("{n} more: search for them", "{n} more: search for them", all - MOST)));
    this.root.replaceChildren(...children);
    this.mark();
  }

  select(id: number | null, reveal = true): void {
    this.selected = id;
    const row = this.mark();
    if (reveal) row?.scrollIntoView({ block: "nearest" });
  }

  private mark(): HTMLElement | undefined {
    let found: HTMLElement | undefined;
    for (const row of this.root.querySelectorAll<HTMLElement>("[data-id]")) {
      const chosen = row.dataset.id === String(this.selected);
      if (chosen) found = row;
      row.toggleAttribute("aria-current", chosen);
      if (chosen) row.setAttribute("aria-current", "true");
    }
    return found;
  }

  private row(zone: Zone): HTMLElement {
    const shape = fromJson(zone);
    const sign = icon(SIGNS[zone.kind]);
    const tile = element("span", { class: "zone-sign" }, sign);
    tile.style.setProperty("--zone", colourOf(zone));
    const detail = [shape ? sizeWords(shape) : "", forWhom(zone)].filter(Boolean).join(" · ");
    const kind = element("span", { class: "visually-hidden" }, `${kindName(zone.kind)}, `);
    const off = zone.enabled ? null : element("span", { class: "tag tag-off" }, t("off"));
    const name = element("span", { class: "row-name" }, zone.name, off && " ", off);
    const lines = element("span", { class: "row-lines" }, name, element("span", { class: "row-detail" }, kind, detail));
    return element("button", { type: "button", class: `zone-row${zone.enabled ? "" : " is-off"}`, "data-id": zone.id }, tile, lines);
  }
}
