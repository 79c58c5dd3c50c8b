import { describe, expect, test } from "vitest";
import { formatArea, sizeWords, type Group, type Zone } from "../src/zones/data";
import { nested, within } from "../src/zones/groups";
import { sections } from "../src/zones/list";
import { matching } from "../src/zones/picker";
import { knownReason } from "../src/zones/reasons";
import { areaM2, circleRing, contains, crosses, extentM, faultOf, fromJson, lengthM, metres, pieces, type Point, type Shape, toJson } from "../src/zones/shape";
import { UndoStack } from "../src/zones/undo";

const square: Point[] = [[76, 43], [77, 43], [77, 44], [76, 44]];
const small: Point[] = [[76.4, 43.4], [76.6, 43.4], [76.6, 43.6], [76.4, 43.6]];
const polygon = (...rings: Point[][]): Shape => ({ kind: "polygon", rings: rings.map((points, i) => ({ points, hole: i > 0 })) });

describe("sizes", () => {
  // The polygons' figures are the ellipsoid's, by geographiclib; the sphere is within 1 % of them
  test.each<[string, Shape, number]>([
    ["a degree's square in Kazakhstan", polygon(square), 8_985_387_395],
    ["with a hole of a fifth of a degree", polygon(square, small), 8_625_963_740],
    ["a circle of a kilometre", { kind: "circle", center: [76.9, 43.2], radiusM: 1000 }, Math.PI * 1e6],
    ["a corridor with round ends", { kind: "corridor", line: [[76, 0], [77, 0]], widthM: 100 }, 111_195 * 100 + Math.PI * 50 ** 2],
    ["across the date line", polygon([[179.5, 0], [-179.5, 0], [-179.5, 1], [179.5, 1]]), 12_308_778_361],
  ])("%s", (_, shape, m2) => expect(Math.abs(areaM2(shape) / m2 - 1)).toBeLessThan(0.01));

  test("lengths and ways around", () => {
    expect(lengthM([[76, 0], [77, 0], [77, 1]])).toBeCloseTo(2 * 111_195, -1);
    expect(extentM({ kind: "circle", center: [0, 0], radiusM: 1000 })).toBeCloseTo(2 * Math.PI * 1000, 1);
    expect(extentM(polygon([[0, 0], [1, 0], [0, 1]]))).toBeCloseTo(111_195 * (2 + Math.SQRT2), -3);
  });

  test("a circle's ring has its radius everywhere", () => {
    for (const point of circleRing([76.9, 60], 5_000, 16)) expect(metres([76.9, 60], point)).toBeCloseTo(5_000, 3);
  });

  test.each<[number, string]>([[0, "0 m²"], [9_999, "9,999 m²"], [12_345, "1.2 ha"], [640_000, "64 ha"], [1_234_567, "1.23 km²"], [45_600_000, "45.6 km²"], [7e9, "7,000 km²"]])(
    "%d m² is read as %s",
    (m2, words) => expect(formatArea(m2)).toBe(words),
  );

  test("a size in words", () => {
    expect(sizeWords({ kind: "circle", center: [0, 0], radiusM: 300 })).toBe("radius 300 m");
    expect(sizeWords({ kind: "corridor", line: [[76, 0], [77, 0]], widthM: 2_000 })).toBe("111 km long, 2.0 km wide");
  });
});

describe("the API's JSON", () => {
  const hole = { type: "Polygon", coordinates: [[...square, square[0]!], [...small, small[0]!]] } as const;
  test.each([
    { geometry: { type: "Point", coordinates: [76.9, 43.2] }, radius: 250, width: null },
    { geometry: { type: "LineString", coordinates: [[76, 43], [77, 44]] }, radius: null, width: 400 },
    { geometry: hole, radius: null, width: null },
    { geometry: { type: "MultiPolygon", coordinates: [hole.coordinates, [[[10, 10], [11, 10], [11, 11], [10, 10]]]] }, radius: null, width: null },
  ])("comes back as it was: $geometry.type", (json) => {
    const shape = fromJson(json as never);
    expect(shape && toJson(shape)).toEqual(json);
  });

  test("others' shapes are none", () => expect(fromJson({ geometry: { type: "MultiPoint", coordinates: [] }, radius: null, width: null })).toBeNull());
});

describe("what the server would refuse", () => {
  test.each<[string, Shape, ReturnType<typeof faultOf>]>([
    ["a square", polygon(square), null],
    ["a hole within", polygon(square, small), null],
    ["a bow tie", polygon([[0, 0], [1, 1], [1, 0], [0, 1]]), "crossing"],
    ["a hole across the border", polygon(square, [[76.5, 43.5], [77.5, 43.5], [76.5, 43.7]]), "crossing"],
    ["a hole elsewhere", polygon(square, [[10, 10], [11, 10], [10, 11]]), "hole-outside"],
    ["two corners", polygon([[0, 0], [1, 1]]), "few-corners"],
    ["a line of one point", { kind: "corridor", line: [[0, 0]], widthM: 10 }, "few-corners"],
    ["a line that goes nowhere", { kind: "corridor", line: [[0, 0], [0, 0]], widthM: 10 }, "small"],
    ["no radius", { kind: "circle", center: [0, 0], radiusM: 0 }, "small"],
  ])("%s", (_, shape, fault) => expect(faultOf(shape)).toBe(fault));

  test("two thousand corners are looked through at once", () => {
    const ring = circleRing([76.9, 43.2], 10_000, 2_000);
    const started = performance.now();
    expect(crosses([ring])).toBe(false);
    expect(performance.now() - started).toBeLessThan(500);
  });

  test("inside and outside", () => {
    expect(contains(square, [76.5, 43.5])).toBe(true);
    expect(contains(square, [77.5, 43.5])).toBe(false);
  });
});

describe("undo", () => {
  test("goes back and forth, and forgets what was undone when something new is done", () => {
    const steps = new UndoStack("a");
    steps.push("b");
    steps.push("c");
    expect([steps.undo(), steps.undo(), steps.undo()]).toEqual(["b", "a", "a"]);
    expect([steps.canUndo, steps.canRedo]).toEqual([false, true]);
    expect(steps.redo()).toBe("b");
    steps.push("d");
    expect(steps.canRedo).toBe(false);
    expect(steps.redo()).toBe("d");
    expect(steps.undo()).toBe("b");
  });

  test("a number being typed is one step", () => {
    const steps = new UndoStack(1);
    steps.push(10, "size", 0);
    steps.push(100, "size", 400);
    expect(steps.undo()).toBe(1);
    steps.push(10, "size", 0);
    steps.push(100, "size", 5_000);
    expect(steps.undo()).toBe(10);
  });

  test("null is a step, too, and there is a bound", () => {
    const steps = new UndoStack<number | null>(null, 3);
    for (const value of [1, 2, 3, 4]) steps.push(value);
    expect([steps.undo(), steps.undo(), steps.undo()]).toEqual([3, 2, 2]);
    const one = new UndoStack<number | null>(null);
    one.push(1);
    expect([one.undo(), one.redo()]).toEqual([null, 1]);
  });
});

const zone = (id: number, name: string, group = ""): Zone => ({ id, name, group, description: null }) as Zone;

test("the list goes by groups, and is searched by words of both", () => {
  const zones = [zone(1, "Gate 10", "North"), zone(2, "Depot"), zone(3, "Gate 9", "North"), zone(4, "Office", "Almaty")];
  const names = (search: string): unknown => sections(zones, search).map(({ group, zones: list }) => [group, ...list.map(({ name }) => name)]);
  expect(names("")).toEqual([["", "Depot"], ["Almaty", "Office"], ["North", "Gate 9", "Gate 10"]]);
  expect(names("north 10")).toEqual([["North", "Gate 10"]]);
});

describe("groups", () => {
  const group = (id: number, name: string, groupId = 0): Group => ({ id, name, groupId, accountId: 1, attributes: {} });
  const groups = [group(1, "Trucks"), group(2, "North", 1), group(3, "Buses"), group(4, "Far north", 2), group(5, "Lost", 99)];
  test("each after the one it is in", () => {
    expect(nested(groups).map(({ group: { name }, depth }) => [name, depth])).toEqual([["Buses", 0], ["Lost", 0], ["Trucks", 0], ["North", 1], ["Far north", 2]]);
  });
  test("with all that are in it, also in a loop", () => {
    expect([...within(groups, 1)]).toEqual([1, 2, 4]);
    expect([...within([group(1, "a", 2), group(2, "b", 1)], 1)]).toEqual([1, 2]);
  });
});

test("the picker finds what isn't chosen by words of name and number", () => {
  const options = [{ key: "d1", name: "Truck 1", detail: "8600" }, { key: "d2", name: "Truck 2", detail: "8611" }, { key: "g1", name: "Trucks", first: true }];
  expect(matching(options, new Set(["d1"]), "truck").map(({ key }) => key)).toEqual(["d2", "g1"]);
  expect(matching(options, new Set(), "truck 86 00").map(({ key }) => key)).toEqual(["d1"]);
});

describe("a long corridor is drawn in pieces", () => {
  const line: Point[] = [[76.9, 43.2], [76.0, 45.1], [73.1, 49.8], [73.2, 49.9], [71.4, 51.1]];
  test("that meet, none far from its own middle, and bends stay within one", () => {
    const found = pieces(line);
    expect(found.length).toBeGreaterThan(8);
    expect(found[0]?.[0]).toEqual(line[0]);
    expect(found.at(-1)?.at(-1)).toEqual(line.at(-1));
    for (const [i, piece] of found.slice(1).entries()) expect(piece[0]).toEqual(found[i]?.at(-1));
    for (const piece of found) expect(Math.max(...piece.map(([, y]) => y)) - Math.min(...piece.map(([, y]) => y))).toBeLessThan(1.1);
    for (const bend of line.slice(1, -1)) expect(found.filter((piece) => piece.slice(1, -1).some(([x, y]) => x === bend[0] && y === bend[1])).length).toBe(1);
  });
  test("and a short one in one", () => {
    expect(pieces([[76.9, 43.2], [77.9, 43.3]])).toEqual([[[76.9, 43.2], [77.9, 43.3]]]);
  });
});

test.each([
  ["a point, made a circle of 100 m", "a point: becomes a circle of 100 m"],
  ["there is no latitude 143.2: a point is [longitude, latitude], in this order", "There is no such latitude. Longitude has to come first."],
  ["zones end at 85° north and south, and 86 is beyond", "It lies too near to a pole: zones end at 85° north and south."],
  ["a polygon's ring has at least three different points.", "It has fewer than three different corners."],
  ["a zone has at most 2000 points; simplify its outline, or make several zones of it.", "It has more than 2000 points. Simplify its outline, or make several zones of it."],
  ["it has no Polygon, LineString or Point", "It has no shape."],
  ["something new", null],
])("a reason of the server's is known: %s", (told, known) => {
  expect(knownReason(told)).toBe(known);
});
