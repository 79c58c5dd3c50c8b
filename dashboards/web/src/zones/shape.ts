/* The shape of a zone while somebody edits it, and its size. Points are longitude, latitude; rings aren't closed.
 * What counts is the outline that the server makes of it on the ellipsoid (telematics/zones/shapes.py); here the globe is a sphere,
 * which nobody can tell from it on a screen. */
import type { Feature, FeatureCollection, Geometry, MultiPolygon, Polygon, Position } from "geojson";
import { distanceM, shorter } from "../map/geo";

export type Point = [number, number];
export const KINDS = ["circle", "polygon", "corridor"] as const;
export type Kind = (typeof KINDS)[number];

/** A border; a polygon has one or more, and holes within them. */
export interface Ring {
  points: Point[];
  hole: boolean;
}

export type Shape =
  | { kind: "circle"; center: Point; radiusM: number }
  | { kind: "polygon"; rings: Ring[] }
  | { kind: "corridor"; line: Point[]; widthM: number };

/** How the API has it. */
export interface ShapeJson {
  geometry: Geometry;
  radius: number | null;
  width: number | null;
}

const RADIUS_M = 6_371_008.8;
const rad = (degrees: number): number => (degrees * Math.PI) / 180;
const deg = (radians: number): number => (radians * 180) / Math.PI;
const place = ([longitude, latitude]: Point) => ({ longitude, latitude });

/** Seven decimals are a centimetre; more only fill the database, and the map editor refuses them. */
export const rounded = ([longitude = 0, latitude = 0]: Position): Point => [Math.round(longitude * 1e7) / 1e7, Math.round(latitude * 1e7) / 1e7];

export const metres = (a: Point, b: Point): number => distanceM(place(a), place(b));

/** The place so many metres from here on a course, degrees from north. */
export function destination([longitude, latitude]: Point, courseDeg: number, distance: number): Point {
  const [angle, course, phi] = [distance / RADIUS_M, rad(courseDeg), rad(latitude)];
  const there = Math.asin(Math.sin(phi) * Math.cos(angle) + Math.cos(phi) * Math.sin(angle) * Math.cos(course));
  const east = Math.atan2(Math.sin(course) * Math.sin(angle) * Math.cos(phi), Math.cos(angle) - Math.sin(phi) * Math.sin(there));
  return [longitude + deg(east), deg(there)];
}

export const circleRing = (center: Point, radiusM: number, corners: number): Point[] =>
  Array.from({ length: corners }, (_, i) => destination(center, (360 * i) / corners, radiusM));

export const lengthM = (line: readonly Point[]): number => line.slice(1).reduce((sum, to, i) => sum + metres(line[i] as Point, to), 0);

/** On the sphere, whichever way round it goes. */
export function ringAreaM2(points: readonly Point[]): number {
  let sum = 0;
  points.forEach((to, i) => {
    const from = points.at(i - 1) as Point;
    sum += rad(shorter(to[0] - from[0])) * (2 + Math.sin(rad(from[1])) + Math.sin(rad(to[1])));
  });
  return Math.abs((sum * RADIUS_M ** 2) / 2);
}

export function areaM2(shape: Shape): number {
  if (shape.kind === "circle") return 2 * Math.PI * RADIUS_M ** 2 * (1 - Math.cos(shape.radiusM / RADIUS_M));
  if (shape.kind === "corridor") return lengthM(shape.line) * shape.widthM + Math.PI * (shape.widthM / 2) ** 2;
  return Math.max(0, shape.rings.reduce((sum, { points, hole }) => sum + (hole ? -1 : 1) * ringAreaM2(points), 0));
}

/** Of a corridor its length, of others the way around. */
export function extentM(shape: Shape): number {
  if (shape.kind === "circle") return 2 * Math.PI * RADIUS_M * Math.sin(shape.radiusM / RADIUS_M);
  if (shape.kind === "corridor") return lengthM(shape.line);
  return shape.rings.reduce((sum, { points }) => sum + lengthM([...points, points[0] as Point]), 0);
}

export function contains(ring: readonly Point[], [x, y]: Point): boolean {
  let inside = false;
  ring.forEach(([ax, ay], i) => {
    const [bx, by] = ring.at(i - 1) as Point;
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
  });
  return inside;
}

const side = ([ax, ay]: Point, [bx, by]: Point, [x, y]: Point): number => Math.sign((bx - ax) * (y - ay) - (by - ay) * (x - ax));
const cross = (a: Point, b: Point, c: Point, d: Point): boolean => side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0;

/** Whether two sides of the rings cross, of one ring or of two. */
export function crosses(rings: readonly (readonly Point[])[]): boolean {
  const sides = rings.flatMap((ring) => ring.map((to, i) => [ring.at(i - 1) as Point, to] as const)).sort((a, b) => west(a) - west(b));
  for (const [i, [a, b]] of sides.entries()) {
    const east = Math.max(a[0], b[0]);
    for (let j = i + 1; j < sides.length; j++) {
      const [c, d] = sides[j] as readonly [Point, Point];
      if (Math.min(c[0], d[0]) > east) break;
      if (cross(a, b, c, d)) return true;
    }
  }
  return false;
}

const west = ([a, b]: readonly [Point, Point]): number => Math.min(a[0], b[0]);

export type Fault = "few-corners" | "crossing" | "hole-outside" | "small";
const SMALLEST_M = 1;

/** What the server would refuse; null: nothing that can be seen from here. */
export function faultOf(shape: Shape): Fault | null {
  if (shape.kind === "circle") return shape.radiusM < SMALLEST_M ? "small" : null;
  if (shape.kind === "corridor") return shape.line.length < 2 ? "few-corners" : shape.widthM < SMALLEST_M || lengthM(shape.line) === 0 ? "small" : null;
  const outer = shape.rings.filter(({ hole }) => !hole);
  if (outer.length === 0 || shape.rings.some(({ points }) => points.length < 3)) return "few-corners";
  if (crosses(shape.rings.map(({ points }) => points))) return "crossing";
  const within = (points: Point[]): boolean => outer.some((ring) => contains(ring.points, points[0] as Point));
  if (shape.rings.some(({ points, hole }) => hole && !within(points))) return "hole-outside";
  return areaM2(shape) < SMALLEST_M ? "small" : null;
}

const closed = (points: readonly Point[]): Point[] => [...points, points[0] as Point];

/** Each border with the holes in it. */
function polygons(rings: readonly Ring[]): Point[][][] {
  const outer = rings.filter(({ hole, points }) => !hole && points.length > 2);
  const found = outer.map(({ points }) => [closed(points)]);
  for (const { points, hole } of rings) {
    if (!hole || points.length < 3) continue;
    const at = outer.findIndex((ring) => contains(ring.points, points[0] as Point));
    found[Math.max(0, at)]?.push(closed(points));
  }
  return found;
}

export function toJson(shape: Shape): ShapeJson {
  if (shape.kind === "circle") return { geometry: { type: "Point", coordinates: rounded(shape.center) }, radius: shape.radiusM, width: null };
  if (shape.kind === "corridor") return { geometry: { type: "LineString", coordinates: shape.line.map(rounded) }, radius: null, width: shape.widthM };
  const coordinates = polygons(shape.rings).map((rings) => rings.map((ring) => ring.map(rounded)));
  const geometry: Polygon | MultiPolygon =
    coordinates.length === 1 ? { type: "Polygon", coordinates: coordinates[0] as Point[][] } : { type: "MultiPolygon", coordinates };
  return { geometry, radius: null, width: null };
}

/** null when it is none that these pages know. */
export function fromJson({ geometry, radius, width }: ShapeJson): Shape | null {
  if (geometry.type === "Point") return { kind: "circle", center: rounded(geometry.coordinates), radiusM: radius ?? 100 };
  if (geometry.type === "LineString") return { kind: "corridor", line: geometry.coordinates.map(rounded), widthM: width ?? 100 };
  const areas = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.type === "MultiPolygon" ? geometry.coordinates : null;
  const ring = (positions: Position[], i: number): Ring => ({ points: positions.slice(0, -1).map(rounded), hole: i > 0 });
  return areas && { kind: "polygon", rings: areas.flatMap((rings) => rings.map(ring)) };
}

const CIRCLE_CORNERS = 96;

/** To be drawn: areas, and the line of a corridor with its width in pixels at zoom 0. */
export function picture(shape: Shape | null): FeatureCollection {
  const features: Feature[] = [];
  const add = (geometry: Geometry, properties = {}): unknown => features.push({ type: "Feature", properties, geometry });
  if (shape?.kind === "circle") add({ type: "Polygon", coordinates: [closed(circleRing(shape.center, shape.radiusM, CIRCLE_CORNERS))] });
  else if (shape?.kind === "polygon") add({ type: "MultiPolygon", coordinates: polygons(shape.rings) });
  else if (shape && shape.line.length > 1) {
    const lines = pieces(shape.line);
    for (const line of lines) add({ type: "LineString", coordinates: line }, { width: widthPx(line, shape.widthM), piece: lines.length > 1 });
  }
  return { type: "FeatureCollection", features };
}

const PIECE_DEG = 0.5; // of latitude: at 60° a width drawn 0.8 % wrong

/** A line cut where it goes north or south, each piece to be drawn with a width of its own. Cuts lie on straight stretches, so that pieces
 * meet without overlapping and bends stay whole. */
export function pieces(line: readonly Point[]): Point[][] {
  const found: Point[][] = [];
  let piece: Point[] = [line[0] as Point];
  let low = line[0]?.[1] ?? 0;
  let high = low;
  for (const [i, to] of line.slice(1).entries()) {
    const from = line[i] as Point;
    const far = Math.max(high, to[1]) - Math.min(low, to[1]) > PIECE_DEG;
    const cuts = far ? Math.max(1, Math.ceil(Math.abs(to[1] - from[1]) / PIECE_DEG)) : 0;
    for (let cut = 0; cut < cuts; cut++) {
      const at = between(from, to, (cut + 0.5) / cuts);
      found.push([...piece, at]);
      piece = [at];
      low = high = at[1];
    }
    piece.push(to);
    [low, high] = [Math.min(low, to[1]), Math.max(high, to[1])];
  }
  return [...found, piece];
}

/** On the straight way of the map. */
function between([ax, ay]: Point, [bx, by]: Point, share: number): Point {
  const [from, to] = [mercator(ay), mercator(by)];
  return [ax + share * (bx - ax), deg(Math.atan(Math.sinh(from + share * (to - from))))];
}

const mercator = (latitude: number): number => Math.asinh(Math.tan(rad(latitude)));

/** Mercator stretches polewards: the middle of the line decides. */
function widthPx(line: readonly Point[], widthM: number): number {
  const latitudes = line.map(([, latitude]) => latitude);
  const middle = (Math.min(...latitudes) + Math.max(...latitudes)) / 2;
  return (512 * widthM) / (2 * Math.PI * RADIUS_M * Math.cos(rad(middle)));
}

export type Box = [west: number, south: number, east: number, north: number];

export function boxOf(points: Iterable<Position>): Box | null {
  let box: Box | null = null;
  for (const [x = 0, y = 0] of points) {
    box = box ? [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x), Math.max(box[3], y)] : [x, y, x, y];
  }
  return box;
}

export function pointsOf(shape: Shape): Point[] {
  if (shape.kind === "circle") return circleRing(shape.center, shape.radiusM, 8);
  return shape.kind === "corridor" ? shape.line : shape.rings.flatMap(({ points }) => points);
}

/** A shape of a size that can be seen well, for whoever would rather give numbers than draw. */
export function starter(kind: Kind, center: Point, sizeM: number): Shape {
  if (kind === "circle") return { kind, center: rounded(center), radiusM: nice(sizeM) };
  if (kind === "corridor") return { kind, line: [destination(center, 270, sizeM), destination(center, 90, sizeM)].map(rounded), widthM: nice(sizeM / 4) };
  return { kind, rings: [{ points: [315, 45, 135, 225].map((course) => rounded(destination(center, course, sizeM))), hole: false }] };
}

/** Two digits are enough for a number that nobody has chosen. */
export const nice = (value: number): number => Number(value.toPrecision(2));

/** The shape, further east and north; `from` and `to` are a point before and after. */
export const shifted = (points: readonly Point[], from: Point, to: Point): Point[] =>
  points.map(([x, y]) => rounded([x + to[0] - from[0], y + to[1] - from[1]]));
