/* The offline base map: Natural Earth's land, borders, lakes and rivers, GeoNames' towns, in a light and a dark dress.
 *
 * The style has no `glyphs`: MapLibre then draws letters with the viewer's own fonts, so that labels need no server either.
 * Towns come in two steps, the large ones of the world at once, the others by 10° cells as the map goes there. */
import type { FeatureCollection, Point } from "geojson";
import type { GeoJSONSource, LayerSpecification, Map as MapLibre, MapSourceDataEvent, StyleSpecification } from "maplibre-gl";
import { language } from "../i18n";

export type Theme = "light" | "dark";

interface Dress {
  water: string;
  land: string;
  shore: string;
  border: string;
  province: string;
  river: string;
  grid: string;
  builtUp: string;
  town: string;
  townDot: string;
  country: string;
  halo: string;
}

const DRESSES: Record<Theme, Dress> = {
  light: {
    water: "#c9dde8",
    land: "#f4f3ee",
    shore: "#a9c6d6",
    border: "#b3a99a",
    province: "#d8d2c6",
    river: "#b3d0e0",
    grid: "rgb(90 80 60 / 7%)",
    builtUp: "#ece7dc",
    town: "#3c444d",
    townDot: "#7d8791",
    country: "#8b8275",
    halo: "#f9f8f4",
  },
  dark: {
    water: "#10202b",
    land: "#1a2027",
    shore: "#28414f",
    border: "#4d545c",
    province: "#2b323a",
    river: "#1f3a4a",
    grid: "rgb(255 255 255 / 5%)",
    builtUp: "#20272f",
    town: "#b4bdc7",
    townDot: "#69747f",
    country: "#6d7681",
    halo: "#151a20",
  },
};

const data = (name: string): string => new URL(`/static/dist/basemap/${name}.json`, location.href).href;
const EMPTY: FeatureCollection = { type: "FeatureCollection", features: [] };
const geojson = (name: string) => ({ type: "geojson" as const, data: data(name), tolerance: 0.5 });

const DOT = "town-dot";
export const FONT = ["system-ui", "sans-serif"];
export const ATTRIBUTION =
  '<a href="https://www.naturalearthdata.com/" target="_blank" rel="noopener">Natural Earth</a>, ' +
  '<a href="https://www.geonames.org/" target="_blank" rel="noopener">GeoNames</a> (CC BY)';

/** From this zoom on the finer coast and borders are fetched, and the towns of the cells in view. */
const DETAIL_ZOOM = 5;
const MOST_CELLS = 40; // in view at once; a very wide screen at the first zoom of detail has 12

export function offlineStyle(theme: Theme): StyleSpecification {
  const dress = DRESSES[theme];
  const width = (...stops: number[]) => ["interpolate", ["linear"], ["zoom"], ...stops] as unknown as number;
  const layers: LayerSpecification[] = [
    // Land until the coasts are there: nobody's vehicles are at sea, and a map that is blue at first looks broken
    { id: "water", type: "background", paint: { "background-color": dress.land, "background-color-transition": { duration: 0 } } },
    { id: "land", type: "fill", source: "land", paint: { "fill-color": dress.land, "fill-antialias": true } },
    { id: "shore", type: "line", source: "land", paint: { "line-color": dress.shore, "line-width": width(2, 0.4, 8, 1.4) } },
    { id: "lakes", type: "fill", source: "lakes", paint: { "fill-color": dress.water, "fill-outline-color": dress.shore } },
    {
      id: "rivers",
      type: "line",
      source: "rivers",
      layout: { "line-cap": "round", "line-join": "round" },
      paint: { "line-color": dress.river, "line-width": width(2, 0.4, 6, 1.4, 10, 3) },
    },
    {
      id: "built-up", // roughly: GeoNames knows how many live there, not how far the streets go
      type: "circle",
      source: "towns",
      minzoom: 6,
      paint: {
        "circle-color": dress.builtUp,
        "circle-opacity": 0.75,
        "circle-blur": 0.35,
        "circle-pitch-alignment": "map",
        "circle-radius": ["interpolate", ["exponential", 2], ["zoom"], 6, ["*", PX_PER_M_AT_6, ["get", "radius"]], 18, ["*", PX_PER_M_AT_6 * 2 ** 12, ["get", "radius"]]],
      },
    },
    { id: "grid", type: "line", source: "grid", minzoom: 7, paint: { "line-color": dress.grid, "line-width": 1 } },
    { id: "provinces", type: "line", source: "provinces", paint: { "line-color": dress.province, "line-width": 1 }, minzoom: 3 },
    {
      id: "border-shade",
      type: "line",
      source: "borders",
      layout: { "line-join": "round" },
      paint: { "line-color": dress.border, "line-opacity": 0.14, "line-width": width(2, 1.5, 6, 6, 10, 10) },
    },
    {
      id: "borders",
      type: "line",
      source: "borders",
      layout: { "line-join": "round" },
      paint: { "line-color": dress.border, "line-width": width(2, 0.5, 6, 1, 10, 1.5) },
    },
    {
      id: "towns",
      type: "symbol",
      source: "towns",
      filter: ["<=", ["get", "from"], ["zoom"]] as unknown as boolean,
      layout: {
        "icon-image": DOT, // dot and name in one layer: no dot is left without its name where there is no room
        "text-field": ["get", "name"],
        "text-font": FONT,
        "text-size": ["interpolate", ["linear"], ["zoom"], 3, ["+", 10, ["get", "size"]], 10, ["+", 12, ["*", 2, ["get", "size"]]]],
        "text-variable-anchor": ["top", "bottom", "left", "right"],
        "text-radial-offset": 0.55,
        "text-justify": "auto",
        "text-max-width": 9,
        "text-padding": 6,
        "symbol-sort-key": ["-", 0, ["get", "people"]],
      },
      paint: { "text-color": dress.town, "text-halo-color": dress.halo, "text-halo-width": 1.4 },
    },
    {
      id: "countries",
      type: "symbol",
      source: "countries",
      maxzoom: 6,
      filter: ["<=", ["get", "from"], ["zoom"]] as unknown as boolean,
      layout: {
        "text-field": ["upcase", ["get", "name"]],
        "text-font": FONT,
        "text-size": ["interpolate", ["linear"], ["zoom"], 2, 9, 6, 15],
        "text-letter-spacing": 0.12,
        "text-max-width": 8,
        "symbol-sort-key": ["get", "from"],
      },
      paint: { "text-color": dress.country, "text-halo-color": dress.halo, "text-halo-width": 1.2 },
    },
  ];
  return {
    version: 8,
    sources: {
      land: { ...geojson("land-50m"), attribution: ATTRIBUTION },
      borders: geojson("borders-50m"),
      lakes: geojson("lakes"),
      rivers: geojson("rivers"),
      provinces: geojson("provinces"),
      countries: { type: "geojson", data: EMPTY },
      towns: { type: "geojson", data: EMPTY },
      grid: { type: "geojson", data: EMPTY },
    },
    layers,
  };
}

/** A little ring. */
function dot(theme: Theme): ImageData {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 14;
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.fillStyle = DRESSES[theme].halo;
  context.strokeStyle = DRESSES[theme].townDot;
  context.lineWidth = 2.4;
  context.arc(7, 7, 5, 0, Math.PI * 2);
  context.fill();
  context.stroke();
  return context.getImageData(0, 0, 14, 14);
}

/** Steps of the graticule, degrees, from a zoom on. Near the ground, where this map knows little, it gives the eye a measure of motion. */
const GRID_STEPS: readonly [zoom: number, step: number][] = [
  [14, 0.005],
  [12, 0.02],
  [10, 0.1],
  [0, 0.5],
];

export function grid(zoom: number, west: number, south: number, east: number, north: number): FeatureCollection {
  const step = GRID_STEPS.find(([from]) => zoom >= from)?.[1] ?? 1;
  const from = (value: number) => Math.floor(value / step) - 1;
  const to = (value: number) => Math.ceil(value / step) + 1;
  const lines: number[][][] = [];
  for (let x = from(west); x <= to(east); x++) lines.push([[x * step, south - step], [x * step, north + step]]);
  for (let y = from(south); y <= to(north); y++) lines.push([[west - step, y * step], [east + step, y * step]]);
  return {
    type: "FeatureCollection",
    features: [{ type: "Feature", properties: {}, geometry: { type: "MultiLineString", coordinates: lines } }],
  };
}

/** A screen pixel at zoom 6 is so many metres wide at the equator, and half as many as that with each zoom. */
const PX_PER_M_AT_6 = (512 * 2 ** 6) / 40_075_017;

/** A town as the server tells it: longitude, latitude, name, people. */
type Town = [number, number, string, number];
/** A country as the build left it: longitude, latitude, ISO 3166 code, km², its Kazakh name (Chromium has none). */
type Country = [number, number, string, number, string];

/** From which zoom on a town of so many people is shown. */
export const townZoom = (people: number): number =>
  people >= 3e6 ? 2.5 : people >= 1e6 ? 3.5 : people >= 4e5 ? 4.5 : people >= 1e5 ? 5.5 : people >= 3e4 ? 6.8 : people >= 8e3 ? 8 : 9.2;

function town([longitude, latitude, name, people]: Town) {
  const size = people >= 1e6 ? 3 : people >= 2e5 ? 2 : people >= 3e4 ? 1 : 0;
  const radius = (1000 + 8 * Math.sqrt(people)) / Math.cos((latitude * Math.PI) / 180); // metres of the map's own, which grow polewards
  return point(longitude, latitude, { name, people, from: townZoom(people), size, radius });
}

const countryNames = new Intl.DisplayNames(language, { type: "region" });

function country([longitude, latitude, code, km2, kazakh]: Country) {
  const from = km2 > 2e6 ? 1.5 : km2 > 4e5 ? 2.6 : km2 > 8e4 ? 3.6 : 4.6;
  return point(longitude, latitude, { name: language === "kk" ? kazakh : (countryNames.of(code) ?? code), from });
}

const point = (longitude: number, latitude: number, properties: Record<string, string | number>) => ({
  type: "Feature" as const,
  properties,
  geometry: { type: "Point", coordinates: [longitude, latitude] } as Point,
});

/** The 10° cells in a view, as the server knows them. */
export function cellsOf(west: number, south: number, east: number, north: number): string[] {
  const cells: string[] = [];
  const clamp = (value: number, limit: number) => Math.max(-limit, Math.min(limit - 1, value));
  for (let x = Math.floor(clamp(west, 180) / 10); x <= Math.floor(clamp(east, 180) / 10); x++)
    for (let y = Math.floor(clamp(south, 90) / 10); y <= Math.floor(clamp(north, 90) / 10); y++) cells.push(`${x}_${y}`);
  return cells;
}

async function rows<Row>(address: string): Promise<Row[]> {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address}: ${response.status}`);
  return (await response.json()) as Row[];
}

/** Keeps the towns of the view, and the finer coast, on an offline map for as long as it is one. */
export class OfflineDetail {
  private readonly cells = new Map<string, Promise<Town[]>>();
  private shown = "";
  private detailed = false;

  private theme: Theme = "light";

  constructor(private readonly map: MapLibre) {
    map.on("moveend", () => void this.refresh());
    // A new style has no images, and its first tiles may be drawn before we hear of it
    map.setMissingStyleImageResolver((id) => {
      if (id === DOT) this.drawDot();
    });
  }

  /** After the style has been set: its sources are new, and empty. */
  async restart(theme: Theme): Promise<void> {
    this.shown = "";
    this.detailed = false;
    this.theme = theme;
    this.drawDot();
    this.flood();
    const countries = await rows<Country>(data("countries")).catch(() => []); // a map without names is still a map
    this.source("countries")?.setData({ type: "FeatureCollection", features: countries.map(country) });
    await this.refresh();
  }

  /** The sea, as soon as there are coasts. */
  private flood(): void {
    const arrived = (event: MapSourceDataEvent): void => {
      if (event.sourceId !== "land" || !event.isSourceLoaded || !event.tile) return;
      this.map.off("sourcedata", arrived);
      if (this.map.getLayer("water") && this.source("land")) this.map.setPaintProperty("water", "background-color", DRESSES[this.theme].water);
    };
    this.map.on("sourcedata", arrived);
  }

  private drawDot(): void {
    if (this.map.hasImage(DOT)) this.map.updateImage(DOT, dot(this.theme));
    else this.map.addImage(DOT, dot(this.theme), { pixelRatio: 2 });
  }

  private source(name: string): GeoJSONSource | undefined {
    return this.map.getSource<GeoJSONSource>(name);
  }

  private load(cell: string): Promise<Town[]> {
    let loading = this.cells.get(cell);
    if (!loading) {
      loading = rows<Town>(`/map/towns/${cell}?language=${language}`).catch(() => {
        this.cells.delete(cell); // asked for again when the map next moves
        return [];
      });
      this.cells.set(cell, loading);
    }
    return loading;
  }

  private async refresh(): Promise<void> {
    if (!this.source("towns") || !this.source("grid")) return; // another style
    const near = this.map.getZoom() >= DETAIL_ZOOM;
    if (near && !this.detailed) {
      this.detailed = true;
      this.source("land")?.setData(data("land-10m"));
      this.source("borders")?.setData(data("borders-10m"));
    }
    const box = this.map.getBounds();
    const zoom = this.map.getZoom();
    if (zoom >= 7) this.source("grid")?.setData(grid(zoom, box.getWest(), box.getSouth(), box.getEast(), box.getNorth()));
    const cells = near ? cellsOf(box.getWest(), box.getSouth(), box.getEast(), box.getNorth()) : [];
    const wanted = ["large", ...cells.slice(0, MOST_CELLS)];
    if (this.shown === wanted.join()) return;
    this.shown = wanted.join();
    const towns = (await Promise.all(wanted.map((cell) => this.load(cell)))).flat();
    if (this.shown !== wanted.join()) return; // the view has moved on
    this.source("towns")?.setData({ type: "FeatureCollection", features: towns.map(town) });
  }
}
