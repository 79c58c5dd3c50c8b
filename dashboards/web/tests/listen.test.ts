import { describe, expect, test } from "vitest";
import { type Heard, KEPT, Log, type Whom, asFile, asHex, dump, fields, passes, readable } from "../src/listen/log";

const WHOM: Whom = { deviceId: 7, uniqueId: "86300\n0018", name: "Van", protocol: "gt06", heard: null };
const heard = (more: Partial<Heard> = {}): Heard => ({
  at: "2026-11-22T10:00:00.000Z",
  incoming: true,
  protocol: "gt06",
  address: "192.0.2.1:4000",
  bytes: 3,
  hex: "78780d",
  text: null,
  shared: false,
  frames: [],
  leftOut: 0,
  errors: [],
  ...more,
});

describe("the log", () => {
  test("keeps the last ones", () => {
    const log = new Log();
    for (let i = 0; i < KEPT + 20; i++) log.add(heard({ bytes: i }));
    expect(log.entries.length).toBe(KEPT);
    expect(log.entries.map(({ id }) => id)).toEqual([...Array(KEPT).keys()].map((i) => i + 21));
  });

  test("makes one of gaps that follow each other", () => {
    const log = new Log();
    log.add(heard());
    log.add({ at: "1", missed: 3 });
    log.add({ at: "2", missed: 4 });
    expect(log.entries.at(-1)).toMatchObject({ at: "2", missed: 7 });
    log.add({ at: "3", missed: null });
    expect(log.entries.at(-1)).toMatchObject({ missed: null });
    expect(log.entries.length).toBe(2);
  });

  test("is filtered by direction, but a gap is none", () => {
    const rows = [heard(), heard({ incoming: false }), { at: "", missed: 1 }];
    expect((["all", "in", "out"] as const).map((way) => rows.map((row) => passes(row, way)))).toEqual([
      [true, true, true],
      [true, false, true],
      [false, true, true],
    ]);
  });
});

test("bytes have columns", () => {
  expect(dump("3c4101ff7e", 4)).toEqual([
    { offset: "0000", hex: "3c 41 01 ff", ascii: "<A··" },
    { offset: "0004", hex: "7e         ", ascii: "~" },
  ]);
});

test("answers are text where they are", () => {
  expect(["23414423310d0a", "787805", "", "00"].map(readable)).toEqual(["#AD#1\r\n", "787805", "", "00"]);
});

test("fields have short numbers and units", () => {
  const report = { time: null, valid: true, latitude: 1, longitude: 2, speed_kmh: 40, course_deg: 90, power_v: 12.600000381469727, ignition: true, attributes: { rpm: 900, text: "a b" } };
  expect(fields(report)).toEqual([
    ["speed", "40 km/h"],
    ["course", "90°"],
    ["power", "12.6 V"],
    ["ignition", "true"],
    ["rpm", "900"],
    ["text", "a b"],
  ]);
});

test("hex is copied a packet a line, of a shared connection a frame a line", () => {
  const frame = { kind: "a", positions: [], errors: [], answer: "", hex: "01" };
  expect(asHex([heard(), { at: "", missed: 2 }, heard({ hex: "", shared: true, frames: [frame, { ...frame, hex: "02" }] })])).toBe("78780d\n01\n02");
});

test("a file holds the tracker's bytes, and all else behind #, whatever a tracker says", () => {
  const position = { time: "2026-11-22T10:00:00.000Z", valid: false, latitude: 43.2, longitude: 76.9, speed_kmh: 40, attributes: { note: "x\n78780d" } };
  const file = asFile(WHOM, [
    heard({ bytes: 900, frames: [{ kind: "12", positions: [position], errors: ["odd\nreason"], answer: "0505" }], leftOut: 2, errors: ["no\r\nframe"] }),
    heard({ incoming: false, hex: "0101", bytes: 2 }),
    { at: "2026-11-22T10:00:02.000Z", missed: 12 },
  ]);
  expect(file.split("\n").filter((line) => line && !line.startsWith("#"))).toEqual(["78780d"]);
  expect(file).toContain("telematics decode gt06 THIS_FILE");
  expect(file).toContain("# 12: 2026-11-22T10:00:00.000Z 43.2, 76.9 (not vouched for) speed=40 km/h note=x 78780d");
  for (const line of ["#! odd reason", "#! no frame", "#> once stored: 0505", "#> 0101", "# and 2 frames more", "# only the first 3 of them"]) {
    expect(file.split("\n")).toContain(line);
  }
  expect(file).toContain("12 more went by unseen");
});
