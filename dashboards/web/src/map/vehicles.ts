/* Vehicles, drawn on a canvas of their own above the map.
 *
 * Why not map layers: a layer's data goes through a worker each time it changes, so that ten thousand vehicles that glide at sixty frames a
 * second would be re-tiled sixty times; and its letters need the style's fonts. A canvas costs one drawImage per vehicle in view, moves in
 * the same frame as the map beneath it, and leaves the map alone while only vehicles move. Clusters (supercluster) are rebuilt when
 * positions have changed, at most once in two seconds; vehicles inside clusters cost nothing.
 */
import type { Map as MapLibre } from "maplibre-gl";
import Supercluster from "supercluster";
import { type Change, type Fleet, type State, STATES, type Vehicle } from "../fleet";
import { onTheme, token } from "../theme";
import { type Fix, follow, isMoving, type Motion, placeAt, still } from "./motion";
import { drawCluster, drawVehicle, LABEL_FONT, labelWidth, type Palette } from "./sprites";

const CLUSTER_RADIUS_PX = 36;
const CLUSTER_MAX_ZOOM = 12;
const REBUILD_MS = 2_000;
const LABEL_ZOOM = 8.5;
const FEW = 80; // vehicles in view: so few are labelled at any zoom
const ANIMATED = 600; // vehicles in view: past this they jump, since nobody can follow so many and phones get warm
const TOUCH_PX = 22;
const STEP_PX = 0.35; // movement that the eye still takes for smooth
const LONGEST_STEP_MS = 1_000;
const PULSE_MS = 50; // an alarm's halo breathes
const FRAME_MS = 16;
const SLOWEST_KMH = 10; // one that speeds up or catches up is faster than its last fix says
const EQUATOR_M = 40_075_017;

type Counts = Record<State, number>;
interface Leaf {
  id: number;
  state: State;
}
type Found = Supercluster.ClusterFeature<Counts> | Supercluster.PointFeature<Leaf>;

export interface Hit {
  kind: "vehicle" | "cluster";
  id: number;
  x: number;
  y: number;
}

export class VehicleLayer {
  /** Which vehicles are shown at all: what the list's filter lets through. */
  private shown: (vehicle: Vehicle) => boolean = () => true;
  private selected: number | null = null;
  private readonly motions = new Map<number, Motion>();
  private readonly canvas = document.createElement("canvas");
  private readonly context = this.canvas.getContext("2d") as CanvasRenderingContext2D;
  private index: Supercluster<Leaf, Counts> | null = null;
  private found: Found[] = [];
  private hits: Hit[] = [];
  private frame = 0;
  private timer = 0;
  private stale = true;
  private builtAt = 0;
  private palette: Palette = readPalette();
  private readonly calm = matchMedia("(prefers-reduced-motion: reduce)");
  /** Called with the selected vehicle's drawn place, whenever it has moved. */
  onSelectedMoved: (longitude: number, latitude: number) => void = () => undefined;

  constructor(
    private readonly map: MapLibre,
    private readonly fleet: Fleet,
  ) {
    this.canvas.className = "vehicle-canvas";
    map.getCanvasContainer().append(this.canvas);
    map.on("render", () => this.draw());
    map.on("move", () => this.look());
    map.on("resize", () => this.invalidate());
    onTheme(() => requestAnimationFrame(() => this.recolour()));
    document.addEventListener("visibilitychange", () => document.hidden || this.invalidate());
    fleet.subscribe((change) => this.changed(change));
    setInterval(() => this.stale && this.rebuild(), REBUILD_MS);
  }

  filter(shown: (vehicle: Vehicle) => boolean): void {
    this.shown = shown;
    this.rebuild();
  }

  select(id: number | null): void {
    this.selected = id;
    this.rebuild();
  }

  /** Where the vehicle is drawn now. */
  placeOf(id: number): { longitude: number; latitude: number } | null {
    const motion = this.motions.get(id);
    return motion ? placeAt(motion, performance.now()) : null;
  }

  hit(x: number, y: number): Hit | null {
    let best: Hit | null = null;
    let bestDistance = TOUCH_PX;
    for (const hit of this.hits) {
      const distance = Math.hypot(hit.x - x, hit.y - y);
      if (distance < bestDistance) [best, bestDistance] = [hit, distance];
    }
    return best;
  }

  /** The zoom at which a cluster falls apart. */
  expansionZoom = (cluster: number): number => this.index?.getClusterExpansionZoom(cluster) ?? this.map.getZoom() + 2;

  private changed(change: Change): void {
    const now = performance.now();
    for (const id of change) {
      const vehicle = this.fleet.vehicles.get(id);
      if (!vehicle?.position) this.motions.delete(id);
      else if (vehicle.fixTime !== this.motions.get(id)?.fix.time) this.motions.set(id, this.next(id, vehicle, now));
    }
    if (this.index === null || now - this.builtAt > REBUILD_MS) this.rebuild();
    else this.stale = true;
    this.invalidate();
  }

  private next(id: number, vehicle: Vehicle, now: number): Motion {
    const fix = fixOf(vehicle);
    return this.calm.matches || document.hidden ? still({ ...fix, speedKmh: 0 }, now) : follow(this.motions.get(id), fix, now);
  }

  private rebuild(): void {
    const points: Supercluster.PointFeature<Leaf>[] = [];
    for (const [id, vehicle] of this.fleet.vehicles) {
      if (!vehicle.position || id === this.selected || !this.shown(vehicle)) continue;
      const { longitude, latitude } = vehicle.position;
      points.push({
        type: "Feature",
        properties: { id, state: vehicle.state },
        geometry: { type: "Point", coordinates: [longitude, latitude] },
      });
    }
    this.index = new Supercluster<Leaf, Counts>({
      radius: CLUSTER_RADIUS_PX,
      extent: 256,
      maxZoom: CLUSTER_MAX_ZOOM,
      minPoints: 4,
      map: ({ state }) => ({ ...NONE, [state]: 1 }),
      reduce: (sum, one) => {
        for (const state of STATES) sum[state] += one[state];
      },
    });
    this.index.load(points);
    this.stale = false;
    this.builtAt = performance.now();
    this.look();
    this.invalidate();
  }

  /** What is in view. */
  private look(): void {
    if (!this.index) return;
    const box = this.map.getBounds();
    const zoom = Math.max(0, Math.floor(this.map.getZoom() + 0.2));
    const margin = (box.getEast() - box.getWest()) * 0.1;
    this.found = this.index.getClusters(
      [box.getWest() - margin, Math.max(-89, box.getSouth() - margin), box.getEast() + margin, Math.min(89, box.getNorth() + margin)],
      zoom,
    );
  }

  private invalidate(): void {
    if (this.frame === 0 && !document.hidden) {
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.draw();
      });
    }
  }

  private recolour(): void {
    this.palette = readPalette();
    this.invalidate();
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.map.getContainer();
    const ratio = Math.min(devicePixelRatio || 1, 3);
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, width, height);
  }

  private draw(): void {
    this.resize();
    const now = performance.now();
    const clusters: [number, number, Supercluster.ClusterProperties & Counts][] = [];
    const singles: Single[] = [];
    const single = (id: number): void => {
      const vehicle = this.fleet.vehicles.get(id);
      const motion = this.motions.get(id);
      if (!vehicle || !motion) return;
      const place = placeAt(motion, now);
      const { x, y } = this.map.project([place.longitude, place.latitude]);
      singles.push({ vehicle, x, y, courseDeg: place.courseDeg, moving: isMoving(motion, now) });
    };
    for (const one of this.found) {
      if ("cluster" in one.properties) {
        const [longitude, latitude] = one.geometry.coordinates as [number, number];
        const { x, y } = this.map.project([longitude, latitude]);
        clusters.push([x, y, one.properties]);
      } else single(one.properties.id);
    }
    if (this.selected !== null) single(this.selected);
    singles.sort((a, b) => STATES.indexOf(b.vehicle.state) - STATES.indexOf(a.vehicle.state));
    this.hits = [];
    for (const [x, y, counts] of clusters) {
      drawCluster(this.context, x, y, counts.point_count, counts, this.palette);
      this.hits.push({ kind: "cluster", id: counts.cluster_id, x, y });
    }
    this.paint(singles, now);
    this.tellSelected(now);
    this.animate(singles);
  }

  /** The next frame, when something will have moved far enough to be seen: a lorry 50 km away needs no sixty frames a second. */
  private animate(singles: Single[]): void {
    if (this.calm.matches || this.timer) return;
    const gliding = singles.length <= ANIMATED ? singles : singles.slice(-1); // of too many only the one that was chosen
    const fastest = gliding.reduce((top, one) => (one.moving ? Math.max(top, one.vehicle.speedKmh, SLOWEST_KMH) : top), 0);
    const pulsing = singles.some((one) => one.vehicle.state === "alarm");
    if (fastest === 0 && !pulsing) return;
    const { lat } = this.map.getCenter();
    const metresPerPixel = (EQUATOR_M * Math.cos((lat * Math.PI) / 180)) / (512 * 2 ** this.map.getZoom());
    const wait = fastest ? (STEP_PX * metresPerPixel) / (fastest / 3600) : PULSE_MS;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      this.invalidate();
    }, Math.min(pulsing ? PULSE_MS : LONGEST_STEP_MS, wait) - FRAME_MS);
  }

  private paint(singles: Single[], now: number): void {
    for (const { vehicle, x, y, courseDeg } of singles) {
      const chosen = vehicle.device.id === this.selected;
      drawVehicle(this.context, { x, y, courseDeg, state: vehicle.state, chosen, now: this.calm.matches ? 0 : now }, this.palette);
      this.hits.push({ kind: "vehicle", id: vehicle.device.id, x, y });
    }
    if (singles.length > FEW && this.map.getZoom() < LABEL_ZOOM) this.label(singles.filter(isSelected(this.selected)));
    else this.label(singles);
  }

  /** Names under the icons, the most urgent first, as many as fit without overlap. */
  private label(singles: Single[]): void {
    const taken = new Grid();
    for (const hit of this.hits) {
      const half = hit.kind === "cluster" ? 24 : 10;
      taken.take(hit.x - half, hit.y - half, 2 * half, 2 * half);
    }
    const context = this.context;
    context.font = LABEL_FONT;
    context.textAlign = "center";
    context.textBaseline = "middle";
    const ordered = [...singles].reverse().sort((a, b) => Number(isSelected(this.selected)(b)) - Number(isSelected(this.selected)(a)));
    for (const { vehicle, x, y } of ordered) {
      const width = labelWidth(context, vehicle.device.name) + 12;
      if (!taken.take(x - width / 2, y + 17, width, 18) && vehicle.device.id !== this.selected) continue;
      context.fillStyle = this.palette.label;
      context.beginPath();
      context.roundRect(x - width / 2, y + 17, width, 18, 5);
      context.fill();
      context.fillStyle = this.palette.labelText;
      context.fillText(vehicle.device.name, x, y + 26.5);
    }
  }

  private tellSelected(now: number): void {
    const motion = this.selected === null ? undefined : this.motions.get(this.selected);
    if (!motion) return;
    const { longitude, latitude } = placeAt(motion, now);
    this.onSelectedMoved(longitude, latitude);
  }
}

interface Single {
  vehicle: Vehicle;
  x: number;
  y: number;
  courseDeg: number;
  moving: boolean;
}

const NONE: Counts = { alarm: 0, moving: 0, idle: 0, parked: 0, offline: 0 };
const isSelected = (id: number | null) => (one: Single) => one.vehicle.device.id === id;

export const fixOf = ({ position, fixTime, speedKmh, state }: Vehicle): Fix => ({
  time: fixTime,
  latitude: position?.latitude ?? 0,
  longitude: position?.longitude ?? 0,
  speedKmh: state === "offline" ? 0 : speedKmh,
  courseDeg: position?.course ?? 0,
});

/** Which parts of the screen are taken by labels: rectangles, filed by squares of 64 pixels. */
class Grid {
  private readonly squares = new Map<string, [number, number, number, number][]>();

  take(x: number, y: number, width: number, height: number): boolean {
    const keys: string[] = [];
    for (let i = Math.floor(x / 64); i <= Math.floor((x + width) / 64); i++)
      for (let j = Math.floor(y / 64); j <= Math.floor((y + height) / 64); j++) keys.push(`${i},${j}`);
    const overlaps = ([a, b, w, h]: [number, number, number, number]) => x < a + w && a < x + width && y < b + h && b < y + height;
    if (keys.some((key) => this.squares.get(key)?.some(overlaps))) return false;
    for (const key of keys) this.squares.set(key, [...(this.squares.get(key) ?? []), [x, y, width, height]]);
    return true;
  }
}

export function readPalette(): Palette {
  return {
    states: Object.fromEntries(STATES.map((state) => [state, token(`state-${state}`)])) as Record<State, string>,
    ring: token("map-ring"),
    glyph: token("map-glyph"),
    label: token("map-label"),
    labelText: token("map-label-text"),
    cluster: token("surface"),
    clusterText: token("text"),
    accent: token("accent"),
  };
}
