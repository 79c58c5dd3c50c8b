/* Zones on a map: their areas in their colours, subtle enough for what moves above them, and their names where there is room. */
import type { Feature, FeatureCollection, Geometry, Position } from "geojson";
import type { ExpressionSpecification, Map as MapLibre } from "maplibre-gl";
import { ApiError } from "../api";
import { toast } from "../dom";
import { token } from "../theme";
import { all, colourOf, type Zone } from "../zones/data";
import { type Box, boxOf, fromJson, picture } from "../zones/shape";
import type { BaseMap } from "./base";
import { FONT } from "./offline";

const NAMED_PX = 34; // narrower ones get no name
const LAYERS = ["zones-fill", "zones-line", "zones-off", "zones-name"] as const;
const AREA = "zones-fill";

const EMPTY: FeatureCollection = { type: "FeatureCollection", features: [] };

/** The area that the server made of it; else what can be drawn from here. */
const outlineOf = (zone: Zone): Geometry | null => zone.outline ?? picture(fromJson(zone)).features[0]?.geometry ?? null;

function* positions(geometry: Geometry): Generator<Position> {
  if (geometry.type === "GeometryCollection") for (const one of geometry.geometries) yield* positions(one);
  else yield* leaves(geometry.coordinates);
}

function* leaves(coordinates: unknown): Generator<Position> {
  if (!Array.isArray(coordinates)) return;
  if (typeof coordinates[0] === "number") yield coordinates as Position;
  else for (const one of coordinates) yield* leaves(one);
}

export function zoneBox(zone: Zone): Box | null {
  const outline = outlineOf(zone);
  return outline && boxOf(positions(outline));
}

/** Where its name stands: in the middle of its box, or of a corridor's way. */
function labelAt(zone: Zone, box: Box): Position {
  if (zone.geometry.type === "LineString") return zone.geometry.coordinates[Math.floor(zone.geometry.coordinates.length / 2)] as Position;
  return [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
}

function features(zones: Iterable<Zone>): { areas: FeatureCollection; names: FeatureCollection } {
  const areas: Feature[] = [];
  const names: Feature[] = [];
  for (const zone of zones) {
    const geometry = outlineOf(zone);
    const box = geometry && boxOf(positions(geometry));
    if (!geometry || !box) continue;
    const size = Math.max(box[2] - box[0], (box[3] - box[1]) * 1.4);
    const from = Math.log2((NAMED_PX * 360) / 512 / Math.max(size, 1e-7));
    const properties = { id: zone.id, name: zone.name, colour: colourOf(zone), on: zone.enabled, size, from };
    areas.push({ type: "Feature", properties, geometry });
    names.push({ type: "Feature", properties, geometry: { type: "Point", coordinates: labelAt(zone, box) } });
  }
  areas.sort((a, b) => Number(b.properties?.size) - Number(a.properties?.size)); // the small ones can be clicked
  return { areas: { type: "FeatureCollection", features: areas }, names: { type: "FeatureCollection", features: names } };
}

/** The font of the map's own names: a style from elsewhere has only its own. */
function fontOf(map: MapLibre): string[] {
  const { glyphs, layers } = map.getStyle();
  if (!glyphs) return FONT;
  for (const layer of layers) {
    const font = layer.type === "symbol" ? layer.layout?.["text-font"] : undefined;
    if (Array.isArray(font) && font.every((one) => typeof one === "string")) return font as string[];
  }
  return ["Noto Sans Regular"];
}

export class ZoneLayer {
  private zones: readonly Zone[] = [];
  private visible = true;
  private selected: number | null = null;
  private hidden: number | null = null;

  constructor(private readonly base: BaseMap) {
    base.onStyle((map) => {
      map.addSource("zones", { type: "geojson", data: EMPTY, tolerance: 0.2 });
      map.addSource("zone-names", { type: "geojson", data: EMPTY });
      const colour: ExpressionSpecification = ["get", "colour"];
      map.addLayer({ id: AREA, type: "fill", source: "zones", paint: { "fill-color": colour, "fill-opacity": 0 } });
      const line = { "line-color": colour, "line-width": 1.6, "line-opacity": 0.9 };
      map.addLayer({ id: "zones-line", type: "line", source: "zones", filter: ["get", "on"], layout: { "line-join": "round" }, paint: line });
      map.addLayer({ id: "zones-off", type: "line", source: "zones", filter: ["!", ["get", "on"]], paint: { ...line, "line-dasharray": [2, 2.5], "line-opacity": 0.6 } });
      map.addLayer({
        id: "zones-name",
        type: "symbol",
        source: "zone-names",
        filter: ["<=", ["get", "from"], ["zoom"]],
        layout: {
          "text-field": ["get", "name"],
          "text-font": fontOf(map),
          "text-size": 12,
          "text-max-width": 10,
          "text-padding": 4,
          "symbol-sort-key": ["-", 0, ["get", "size"]],
        },
        paint: { "text-color": token("map-label-text"), "text-halo-color": token("surface"), "text-halo-width": 1.6 },
      });
      this.paint();
      this.draw();
    });
  }

  show(zones: readonly Zone[]): void {
    this.zones = zones;
    this.draw();
  }

  /** Fetches them; for pages that only show them. */
  async load(query: Record<string, string | number> = {}): Promise<void> {
    try {
      this.show(await all<Zone>("/api/geofences", { ...query, outline: "true" }));
    } catch (error) {
      if (error instanceof ApiError && error.status) toast(error.message, "error");
    }
  }

  toggle(visible: boolean): void {
    this.visible = visible;
    this.paint();
  }

  select(id: number | null): void {
    this.selected = id;
    this.paint();
  }

  /** The one that is being edited is drawn by the editor. */
  hide(id: number | null): void {
    this.hidden = id;
    this.draw();
  }

  /** The smallest zone at a point of the screen. */
  hit(x: number, y: number): number | null {
    const { map } = this.base;
    if (!this.visible || !map.getLayer(AREA)) return null;
    const found = map.queryRenderedFeatures([x, y], { layers: [AREA] });
    const smallest = found.toSorted((a, b) => Number(a.properties.size) - Number(b.properties.size))[0];
    return smallest ? Number(smallest.properties.id) : null;
  }

  private draw(): void {
    const { areas, names } = features(this.zones.filter(({ id }) => id !== this.hidden));
    this.base.source("zones")?.setData(areas);
    this.base.source("zone-names")?.setData(names);
  }

  private paint(): void {
    const { map } = this.base;
    if (!map.getLayer(AREA)) return;
    for (const id of LAYERS) map.setLayoutProperty(id, "visibility", this.visible ? "visible" : "none");
    const chosen: ExpressionSpecification = ["==", ["get", "id"], this.selected ?? -1];
    map.setPaintProperty(AREA, "fill-opacity", ["case", chosen, 0.28, ["get", "on"], 0.12, 0.05]);
    map.setPaintProperty("zones-line", "line-width", ["case", chosen, 3, 1.6]);
  }
}

const KEY = "map-zones";

/** The live map's button: whether zones are shown is remembered on this device. */
export class ZoneToggle {
  private on = localStorage.getItem(KEY) !== "off";
  private loaded = false;

  constructor(
    private readonly layer: ZoneLayer,
    private readonly button: HTMLElement,
  ) {
    button.addEventListener("click", () => {
      this.on = !this.on;
      localStorage.setItem(KEY, this.on ? "on" : "off");
      this.apply();
    });
    this.apply();
  }

  private apply(): void {
    this.button.setAttribute("aria-pressed", String(this.on));
    this.layer.toggle(this.on);
    if (!this.on || this.loaded) return;
    this.loaded = true;
    void this.layer.load();
  }
}
