/* How a vehicle glides between two fixes.
 *
 * A tracker speaks every few seconds, a screen draws sixty times in one. When a fix arrives, the icon is still where it was drawn last; it
 * goes from there to the fix in as much time as lies between the two fixes (10 s at most, so that it is never further behind), along
 * a curve that leaves in the old course and arrives in the new one. If the next fix is late, it rolls on by dead reckoning for a few
 * seconds, ever slower, and waits. Long silences and jumps are not driven but jumped.
 */
import { courseDeg, distanceM, moved, type Place, shorter } from "./geo";

export interface Fix extends Place {
  time: number; // ms
  speedKmh: number;
  courseDeg: number;
}

export interface Motion {
  fix: Fix;
  from: Place & { courseDeg: number };
  start: number; // ms, the screen's clock
  durationMs: number; // 0: it is there
  curveM: number; // how far the curve's handles reach; 0: a straight line
}

export interface Drawn extends Place {
  courseDeg: number;
}

export const LONGEST_GLIDE_MS = 10_000;
const SHORTEST_GLIDE_MS = 250;
const LONGEST_SILENCE_MS = 90_000;
const LONGEST_GLIDE_M = 3_000;
export const ROLL_MS = 5_000;
const MOVING_KMH = 3; // below this a tracker's course is noise
const SHARPEST_TURN_DEG = 80; // off the straight line at either end; past this a curve would loop

export const still = (fix: Fix, now: number): Motion => ({ fix, from: fix, start: now, durationMs: 0, curveM: 0 });

/** The motion after a new fix. One that is not newer than the last changes nothing. */
export function follow(motion: Motion | undefined, fix: Fix, now: number): Motion {
  if (motion === undefined) return still(fix, now);
  const interval = fix.time - motion.fix.time;
  if (interval <= 0) return motion;
  const from = placeAt(motion, now);
  const way = distanceM(from, fix);
  if (interval > LONGEST_SILENCE_MS || way > LONGEST_GLIDE_M) return still(fix, now);
  const durationMs = Math.min(LONGEST_GLIDE_MS, Math.max(SHORTEST_GLIDE_MS, interval));
  return { fix, from, start: now, durationMs, curveM: handle(from, fix, way) };
}

function handle(from: Drawn, fix: Fix, way: number): number {
  if (fix.speedKmh < MOVING_KMH || way < 5) return 0;
  const straight = courseDeg(from, fix);
  const sharpest = Math.max(Math.abs(shorter(from.courseDeg - straight)), Math.abs(shorter(fix.courseDeg - straight)));
  return sharpest > SHARPEST_TURN_DEG ? 0 : way / 3;
}

/** Where to draw it now, and which way it looks. */
export function placeAt(motion: Motion, now: number): Drawn {
  const elapsed = Math.max(0, now - motion.start);
  if (elapsed < motion.durationMs) return gliding(motion, elapsed / motion.durationMs);
  return rolling(motion.fix, elapsed - motion.durationMs);
}

/** Whether it will be elsewhere in a moment. */
export const isMoving = (motion: Motion, now: number): boolean =>
  now - motion.start < motion.durationMs + (motion.fix.speedKmh > MOVING_KMH ? ROLL_MS : 0);

function gliding({ from, fix, curveM }: Motion, t: number): Drawn {
  const turn = shorter(fix.courseDeg - from.courseDeg);
  const course = fix.speedKmh < MOVING_KMH ? from.courseDeg : (from.courseDeg + turn * t + 360) % 360;
  const a = handlePoint(from, from.courseDeg, curveM);
  const b = handlePoint(fix, fix.courseDeg, -curveM);
  const east = shorter(fix.longitude - from.longitude);
  if (curveM === 0) {
    return { latitude: from.latitude + (fix.latitude - from.latitude) * t, longitude: from.longitude + east * t, courseDeg: course };
  }
  const latitude = bezier(from.latitude, a.latitude, b.latitude, fix.latitude, t);
  const longitude = from.longitude + bezier(0, shorter(a.longitude - from.longitude), shorter(b.longitude - from.longitude), east, t);
  return { latitude, longitude, courseDeg: course };
}

const handlePoint = (place: Place, course: number, metres: number): Place =>
  moved(place, metres * Math.sin((course * Math.PI) / 180), metres * Math.cos((course * Math.PI) / 180));

function bezier(p0: number, p1: number, p2: number, p3: number, t: number): number {
  const u = 1 - t;
  return u * u * u * p0 + 3 * u * u * t * p1 + 3 * u * t * t * p2 + t * t * t * p3;
}

/** Dead reckoning that brakes evenly to a stop: half of what the speed would make of the time. */
function rolling(fix: Fix, elapsedMs: number): Drawn {
  if (fix.speedKmh < MOVING_KMH || fix.speedKmh > 400) return fix;
  const t = Math.min(elapsedMs, ROLL_MS) / 1000;
  const metres = (fix.speedKmh / 3.6) * (t - (t * t * 1000) / (2 * ROLL_MS));
  return { ...handlePoint(fix, fix.courseDeg, metres), courseDeg: fix.courseDeg };
}
