import { describe, expect, it } from "vitest";
import { distanceM } from "../src/map/geo";
import { type Fix, follow, isMoving, LONGEST_GLIDE_MS, placeAt, ROLL_MS, still } from "../src/map/motion";

const fix = (seconds: number, latitude: number, longitude: number, speedKmh = 60, courseDeg = 0): Fix => ({
  time: seconds * 1000,
  latitude,
  longitude,
  speedKmh,
  courseDeg,
});

describe("a vehicle between two fixes", () => {
  const first = fix(0, 43.25, 76.9);
  const second = fix(5, 43.2507, 76.9);
  const motion = follow(still(first, 0), second, 0);

  it("starts where it was drawn and arrives at the fix, in the time between the two", () => {
    expect(placeAt(motion, 0).latitude).toBeCloseTo(43.25, 9);
    expect(placeAt(motion, 2500).latitude).toBeCloseTo(43.25035, 5);
    expect(placeAt(motion, 5000).latitude).toBeCloseTo(43.2507, 9);
  });

  it("rolls on for a few seconds when the next fix is late, and stops", () => {
    const rolled = distanceM(second, placeAt(motion, 5000 + ROLL_MS));
    expect(rolled).toBeCloseTo((60 / 3.6) * (ROLL_MS / 2000), 0);
    expect(placeAt(motion, 60_000)).toEqual(placeAt(motion, 5000 + ROLL_MS));
    expect(isMoving(motion, 5000 + ROLL_MS - 1)).toBe(true);
    expect(isMoving(motion, 5000 + ROLL_MS)).toBe(false);
  });

  it("does not roll when it stands", () => {
    const stopped = follow(motion, fix(10, 43.2508, 76.9, 0), 5000);
    expect(placeAt(stopped, 90_000)).toMatchObject({ latitude: 43.2508, longitude: 76.9 });
  });

  it("stays near the straight line in a bend, and turns by the shorter way", () => {
    const bend = follow(still(fix(0, 43.25, 76.9, 60, 350), 0), fix(5, 43.2505, 76.9004, 60, 70), 0);
    const half = placeAt(bend, 2500);
    expect(half.courseDeg).toBeCloseTo(30, 5);
    expect(half.latitude).toBeGreaterThan(43.25);
    expect(half.latitude).toBeLessThan(43.2507);
  });

  it.each([
    ["after a long silence", fix(600, 43.26, 76.9)],
    ["over a long way", fix(5, 44.25, 76.9)],
  ])("jumps %s", (_, late) => {
    expect(placeAt(follow(still(first, 0), late, 0), 0)).toMatchObject({ latitude: late.latitude });
  });

  it("does not heed an older fix", () => {
    expect(follow(motion, fix(3, 50, 50), 100)).toBe(motion);
  });

  it("is never more than ten seconds behind", () => {
    const slow = follow(still(first, 0), fix(60, 43.26, 76.9), 0);
    expect(slow.durationMs).toBe(LONGEST_GLIDE_MS);
  });

  it("crosses the date line without a trip around the world", () => {
    const over = follow(still(fix(0, 10, 179.999), 0), fix(5, 10, -179.999, 60, 90), 0);
    const half = placeAt(over, 2500).longitude;
    expect(Math.abs(Math.abs(half) - 180)).toBeLessThan(0.001);
  });
});
