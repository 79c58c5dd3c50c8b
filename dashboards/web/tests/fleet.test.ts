import { describe, expect, it } from "vitest";
import type { Device, Position } from "../src/api";
import { choose, Fleet, stateOf } from "../src/fleet";
import { formatAgo, formatCourse, formatDistance, formatDuration, formatSpan } from "../src/format";
import { fill } from "../src/i18n";
import { cellsOf, townZoom } from "../src/map/offline";
import { backoffMs } from "../src/socket";

const NOW = Date.parse("2026-07-01T10:00:00Z");
const device = (id: number, more: Partial<Device> = {}): Device => ({
  id,
  name: `Truck ${id}`,
  uniqueId: `86${id}`,
  status: "online",
  disabled: false,
  lastUpdate: "2026-07-01T09:59:50Z",
  positionId: 1,
  attributes: {},
  ...more,
});
const position = (deviceId: number, kmh: number, attributes: Position["attributes"] = {}): Position => ({
  id: 1,
  deviceId,
  protocol: "gt06",
  deviceTime: "2026-07-01T09:59:55Z",
  fixTime: "2026-07-01T09:59:55Z",
  serverTime: "2026-07-01T09:59:56Z",
  outdated: false,
  valid: true,
  latitude: 43.2,
  longitude: 76.9,
  altitude: 0,
  speed: kmh / 1.852,
  course: 0,
  accuracy: 0,
  attributes,
});

it.each([
  ["moving", {}, position(1, 40, { ignition: true })],
  ["moving", { moving: true }, position(1, 3)],
  ["idle", {}, position(1, 3, { ignition: true })],
  ["idle", { moving: true }, position(1, 0, { ignition: true })],
  ["parked", {}, position(1, 0, { ignition: false })],
  ["parked", {}, position(1, 3)],
  ["offline", { status: "offline" }, position(1, 40)],
  ["offline", {}, null],
  ["alarm", {}, position(1, 40, { alarm: "sos" })],
] as const)("is %s", (state, more, last) => {
  expect(stateOf(device(1, more), last, NOW)).toBe(state);
});

it("an alarm of long ago is no longer the vehicle's state", () => {
  expect(stateOf(device(1), position(1, 40, { alarm: "sos" }), NOW + 3_600_000)).toBe("moving");
});

describe("the fleet", () => {
  const fleet = new Fleet();
  fleet.apply({ devices: [device(1), device(2), device(10, { name: "Bus" })], positions: [position(2, 50), position(77, 50)] }, NOW);

  it("joins devices and positions, and leaves out positions of strangers", () => {
    expect([...fleet.vehicles.keys()]).toEqual([1, 2, 10]);
    expect(fleet.counts()).toEqual({ alarm: 0, moving: 1, idle: 0, parked: 0, offline: 2 });
  });

  it("takes a position for a word from the tracker", () => {
    expect(fleet.vehicles.get(2)?.heard).toBe(Date.parse("2026-07-01T09:59:56Z"));
  });

  it.each([
    ["", [], "name", [10, 1, 2]],
    ["truck", [], "name", [1, 2]],
    ["862 tru", [], "name", [2]],
    ["", ["moving"], "name", [2]],
    ["", [], "speed", [2, 10, 1]],
    ["", [], "state", [2, 10, 1]],
    ["nobody", [], "name", []],
  ] as const)("search %j, states %j by %s gives %j", (search, states, order, ids) => {
    expect(choose(fleet.vehicles.values(), search, new Set(states), order).map((one) => one.device.id)).toEqual(ids);
  });

  it("forgets what was removed", () => {
    fleet.apply({ removed: [1] }, NOW);
    expect(fleet.vehicles.has(1)).toBe(false);
  });
});

it.each([
  [0, "0 s"],
  [59, "59 s"],
  [60, "1 min"],
  [3599, "1 h 00 min"],
  [3900, "1 h 05 min"],
  [90_000, "1 d 1 h"],
])("%d seconds read %s", (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

it.each([
  [999, "999 m"],
  [1500, "1.5 km"],
  [123_456, "123 km"],
])("%d metres read %s", (metres, text) => {
  expect(formatDistance(metres)).toBe(text);
});

it.each([[0, "N"], [359, "N"], [44, "NE"], [180, "S"], [-90, "W"]])("course %d is %s", (degrees, point) => {
  expect(formatCourse(degrees)).toBe(point);
});

it("a clock that is ahead makes nothing negative", () => {
  expect(formatAgo(NOW + 60_000, NOW)).toBe("just now");
});

it("fills in what it is given, and leaves the rest", () => {
  expect(fill("{a} of {b}", { a: 1 })).toBe("1 of {b}");
});

it("waits longer each time, but not for ever, and not all at once", () => {
  expect([0, 1, 2, 9].map((attempt) => backoffMs(attempt, 1))).toEqual([1000, 2000, 4000, 30_000]);
  expect(backoffMs(3, 0)).toBe(4000);
});

it("asks for the cells in view", () => {
  expect(cellsOf(68, 39, 81, 44)).toEqual(["6_3", "6_4", "7_3", "7_4", "8_3", "8_4"]);
  expect(cellsOf(-200, -95, -175, -85)).toEqual(["-18_-9"]);
});

it("shows larger towns from farther away", () => {
  const zooms = [5e6, 1.5e6, 5e5, 2e5, 5e4, 1e4, 2e3].map(townZoom);
  expect(zooms).toEqual(zooms.toSorted((a, b) => a - b));
});

it("forgets an alarm after a while, though nothing is heard", () => {
  const fleet = new Fleet();
  fleet.apply({ devices: [device(1)], positions: [position(1, 0, { alarm: "sos", ignition: false })] }, NOW);
  const told: number[] = [];
  fleet.subscribe((change) => told.push(...change));
  fleet.age(NOW + 14 * 60_000);
  expect(fleet.counts().alarm).toBe(1);
  fleet.age(NOW + 16 * 60_000);
  expect(fleet.counts()).toMatchObject({ alarm: 0, parked: 1 });
  expect(told).toEqual([1]);
});

it.each([
  ["within the day asked for", [2026, 6, 1, 9, 5], [2026, 6, 1, 10, 30], "09:05 – 10:30"],
  ["on another day, told once", [2026, 5, 29, 9, 5], [2026, 5, 29, 10, 30], "29 Jun, 09:05 – 10:30"],
  ["from one day to another", [2026, 5, 29, 23, 5], [2026, 5, 30, 1, 30], "29 Jun, 23:05 – 30 Jun, 01:30"],
] as const)("a span of time %s", (_name, from, to, text) => {
  const at = ([year, month, day, hour, minute]: readonly [number, number, number, number, number]): number => +new Date(year, month, day, hour, minute);
  expect(formatSpan(at(from), at(to), at([2026, 6, 1, 12, 0]))).toBe(text);
});
