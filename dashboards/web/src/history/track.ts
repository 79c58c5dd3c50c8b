/* A vehicle's way through time, as arrays: what the map, the chart and the player share. */
import type { Feature, FeatureCollection, LineString } from "geojson";
import type { Position } from "../api";
import { speedKmh } from "../format";
import { distanceM, type Place, shorter } from "../map/geo";

export interface Track {
  times: number[]; // ms, rising
  longitudes: number[];
  latitudes: number[];
  speeds: number[]; // km/h
  courses: number[];
  /** Metres from the fix before; 0 for the first. */
  ways: number[];
  /** Whether nothing is known between the fix before and this one. */
  gaps: boolean[];
}

const GAP_MS = 10 * 60_000; // longer without a word, and away from where it was: nobody knows which way it took
const GAP_M = 500;

/** Bands of speed: where each begins, km/h, and its colour. From slow and cold to fast and hot; told apart by those who don't see red, too. */
export const BANDS: readonly { from: number; colour: string }[] = [
  { from: 0, colour: "#3f6fc4" },
  { from: 20, colour: "#2b9fb8" },
  { from: 40, colour: "#3fb26b" },
  { from: 60, colour: "#d6b516" },
  { from: 90, colour: "#ee7d2b" },
  { from: 120, colour: "#c9252d" },
];

export function bandOf(kmh: number): number {
  let band = 0;
  while (band + 1 < BANDS.length && kmh >= (BANDS[band + 1]?.from ?? Infinity)) band++;
  return band;
}

/** The fixes worth drawing: in order of time, each once, without outliers and those that were not valid. */
export function makeTrack(positions: Position[]): Track {
  const track: Track = { times: [], longitudes: [], latitudes: [], speeds: [], courses: [], ways: [], gaps: [] };
  const believed = positions.filter((one) => one.valid && !one.attributes.outlier && !one.outdated);
  believed.sort((a, b) => Date.parse(a.fixTime) - Date.parse(b.fixTime));
  let before: Position | null = null;
  for (const one of believed) {
    const time = Date.parse(one.fixTime);
    const last = track.times.at(-1);
    if (time === last) continue;
    const way = before ? distanceM(before, one) : 0;
    track.times.push(time);
    track.longitudes.push(one.longitude);
    track.latitudes.push(one.latitude);
    track.speeds.push(speedKmh(one.speed));
    track.courses.push(one.course);
    track.gaps.push(last !== undefined && time - last > GAP_MS && way > GAP_M);
    track.ways.push(typeof one.attributes.distance === "number" && before ? one.attributes.distance : way);
    before = one;
  }
  return track;
}

export interface Totals {
  distanceM: number;
  movingMs: number;
  topKmh: number;
  averageKmh: number; // in motion
}

const MOVING_KMH = 5;
const MOVING_GAP_MS = 5 * 60_000; // fixes further apart say nothing of the time between them

export function totals(track: Track): Totals {
  let distance = 0;
  let movingMs = 0;
  let movingM = 0;
  track.times.forEach((time, i) => {
    const way = track.ways[i] ?? 0;
    distance += way;
    const interval = time - (track.times[i - 1] ?? time);
    const moving = Math.max(track.speeds[i] ?? 0, track.speeds[i - 1] ?? 0) >= MOVING_KMH;
    if (!moving || interval > MOVING_GAP_MS) return;
    movingMs += interval;
    movingM += way;
  });
  const topKmh = track.speeds.reduce((top, speed) => Math.max(top, speed), 0);
  return { distanceM: distance, movingMs, topKmh, averageKmh: movingMs ? (movingM / movingMs) * 3600 : 0 };
}

/** The last fix at or before a time; -1 before the first. */
export function indexAt(times: number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] as number) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export interface Moment extends Place {
  speedKmh: number;
  courseDeg: number;
  index: number;
}

/** Where the vehicle was at a time: between two fixes on the straight line, in a gap at the last one before it. */
export function momentAt(track: Track, time: number): Moment | null {
  const n = track.times.length;
  if (n === 0) return null;
  const i = Math.max(0, Math.min(n - 1, indexAt(track.times, time)));
  const at = fixAt(track, i);
  const next = i + 1 < n && !track.gaps[i + 1] ? fixAt(track, i + 1) : null;
  if (!next) return at;
  const from = track.times[i] as number;
  const share = Math.max(0, Math.min(1, (time - from) / ((track.times[i + 1] as number) - from)));
  const mix = (a: number, b: number): number => a + (b - a) * share;
  return {
    index: i,
    latitude: mix(at.latitude, next.latitude),
    longitude: at.longitude + shorter(next.longitude - at.longitude) * share,
    speedKmh: mix(at.speedKmh, next.speedKmh),
    courseDeg: (at.courseDeg + shorter(next.courseDeg - at.courseDeg) * share + 360) % 360,
  };
}

const fixAt = (track: Track, i: number): Moment => ({
  index: i,
  latitude: track.latitudes[i] as number,
  longitude: track.longitudes[i] as number,
  speedKmh: track.speeds[i] as number,
  courseDeg: track.courses[i] as number,
});

type Line = Feature<LineString, { colour?: string; gap?: true }>;

/** The way as lines of one colour each, and the gaps as lines of their own. */
export function linesOf(track: Track): FeatureCollection<LineString> {
  const lines: Line[] = [];
  let open: Line | null = null;
  const point = (i: number): number[] => [track.longitudes[i] as number, track.latitudes[i] as number];
  for (let i = 1; i < track.times.length; i++) {
    if (track.gaps[i]) {
      lines.push(lineOf([point(i - 1), point(i)], { gap: true }));
      open = null;
      continue;
    }
    const colour = BANDS[bandOf(((track.speeds[i] as number) + (track.speeds[i - 1] as number)) / 2)]?.colour as string;
    if (open?.properties.colour !== colour) lines.push((open = lineOf([point(i - 1)], { colour })));
    open.geometry.coordinates.push(point(i));
  }
  return { type: "FeatureCollection", features: lines };
}

const lineOf = (coordinates: number[][], properties: Line["properties"]): Line => ({
  type: "Feature",
  properties,
  geometry: { type: "LineString", coordinates },
});

/** The fix nearest to a place, by squared degrees: to find out what was clicked. */
export function nearest(track: Track, place: Place): number {
  const east = Math.cos((place.latitude * Math.PI) / 180);
  let best = -1;
  let least = Infinity;
  track.times.forEach((_, i) => {
    const x = ((track.longitudes[i] as number) - place.longitude) * east;
    const y = (track.latitudes[i] as number) - place.latitude;
    const square = x * x + y * y;
    if (square < least) [best, least] = [i, square];
  });
  return best;
}

/** Where playing goes on when it has come into a gap: at its far end, since there is nothing to see in it. */
export function afterGap(track: Track, time: number): number {
  const next = indexAt(track.times, time) + 1;
  return track.gaps[next] ? (track.times[next] as number) : time;
}
