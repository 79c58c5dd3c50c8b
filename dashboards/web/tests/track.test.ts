import { describe, expect, it } from "vitest";
import type { Position } from "../src/api";
import { daysBack, fromAddress, fromFields } from "../src/history/period";
import { afterGap, BANDS, bandOf, indexAt, linesOf, makeTrack, momentAt, nearest, totals } from "../src/history/track";

const position = (minute: number, latitude: number, kmh: number, more: Partial<Position> = {}): Position => ({
  id: minute,
  deviceId: 1,
  protocol: "gt06",
  deviceTime: "",
  serverTime: "",
  fixTime: new Date(Date.UTC(2026, 6, 1, 10, minute)).toISOString(),
  outdated: false,
  valid: true,
  latitude,
  longitude: 76.9,
  altitude: 0,
  speed: kmh / 1.852,
  course: 0,
  accuracy: 0,
  attributes: {},
  ...more,
});
const at = (minute: number): number => Date.UTC(2026, 6, 1, 10, minute);

describe("a track", () => {
  const track = makeTrack([
    position(2, 43.22, 72),
    position(0, 43.2, 60), // late: the server may hand out what came later first
    position(1, 43.21, 66),
    position(1, 43.21, 66),
    position(3, 50, 10, { attributes: { outlier: true } }),
    position(4, 50, 10, { valid: false }),
    position(40, 43.4, 30),
    position(41, 43.4, 0),
  ]);

  it("has each believed fix once, in order", () => {
    expect(track.times).toEqual([0, 1, 2, 40, 41].map(at));
  });

  it("has a gap where nothing is known of the way", () => {
    expect(track.gaps).toEqual([false, false, false, true, false]);
    const gaps = linesOf(track).features.filter((line) => line.properties?.gap);
    expect(gaps).toHaveLength(1);
    expect(gaps[0]?.geometry.coordinates).toEqual([[76.9, 43.22], [76.9, 43.4]]);
  });

  it("knows where the vehicle was between two fixes, and doesn't invent a way through a gap", () => {
    expect(momentAt(track, at(0) + 30_000)).toMatchObject({ latitude: expect.closeTo(43.205, 6), speedKmh: expect.closeTo(63, 6) });
    expect(momentAt(track, at(20))?.latitude).toBe(43.22);
    expect(momentAt(track, at(99))?.latitude).toBe(43.4);
    expect(momentAt(makeTrack([]), 0)).toBeNull();
  });

  it("adds up what is known", () => {
    const sums = totals(track);
    expect(sums.topKmh).toBeCloseTo(72, 6);
    expect(sums.movingMs).toBe(3 * 60_000);
    expect(sums.distanceM).toBeCloseTo(22_239, -1);
  });

  it("is drawn in pieces of one colour that join", () => {
    const lines = linesOf(track).features.filter((line) => line.properties?.colour);
    expect(lines.map((line) => line.properties?.colour)).toEqual([BANDS[3]?.colour, BANDS[0]?.colour]);
    expect(lines[0]?.geometry.coordinates).toHaveLength(3);
  });

  it("plays over a gap, not through it", () => {
    expect(afterGap(track, at(2) + 1)).toBe(at(40));
    expect(afterGap(track, at(1) + 1)).toBe(at(1) + 1);
  });

  it("is found by a click", () => {
    expect(nearest(track, { latitude: 43.213, longitude: 76.91 })).toBe(1);
  });
});

it.each([
  [0, 0],
  [19.9, 0],
  [20, 1],
  [59, 2],
  [60, 3],
  [119, 4],
  [500, 5],
])("%d km/h has the colour of band %d", (kmh, band) => {
  expect(bandOf(kmh)).toBe(band);
});

it.each([
  [-1, -1],
  [0, 0],
  [1, 0],
  [5, 1],
  [99, 2],
])("the last fix at or before %d is number %d", (time, index) => {
  expect(indexAt([0, 5, 10], time)).toBe(index);
});

describe("a period", () => {
  it("of days includes both", () => {
    const period = fromFields("2026-07-01", "2026-07-02");
    expect(period && +period.to - +period.from).toBe(2 * 86_400_000);
  });

  it.each([["", ""], ["2026-07-02", "2026-07-01"], ["tomorrow", "2026-07-01"]])("is not %s to %s", (from, to) => {
    expect(fromFields(from, to)).toBeNull();
  });

  it("of an address may be instants, so that it shows the same in another time zone", () => {
    const search = new URLSearchParams({ from: "2026-07-01T19:00:00.000Z", to: "2026-07-02T19:00:00.000Z" });
    expect(fromAddress(search)?.from.toISOString()).toBe("2026-07-01T19:00:00.000Z");
    expect(fromAddress(new URLSearchParams("from=x"))).toBeNull();
  });

  it("of 7 days ends with today", () => {
    const { from, to } = daysBack(7, new Date(2026, 6, 8, 15));
    expect([from, to]).toEqual([new Date(2026, 6, 2), new Date(2026, 6, 9)]);
  });
});
