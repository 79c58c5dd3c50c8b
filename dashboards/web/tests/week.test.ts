import { describe, expect, test } from "vitest";
import { DAYS, dayNames, preset, presetOf, type Weekly, weekProblem, weekWords } from "../src/week";

describe("weekly hours in words", () => {
  test.each<[Weekly, string]>([
    [null, "at any time"],
    [[{ days: [...DAYS], from: "20:00", to: "06:00" }], "between 20:00 and 06:00"],
    [[{ days: ["mon", "tue", "wed", "thu", "fri"], from: "09:00", to: "18:00" }], "on working days between 09:00 and 18:00"],
    [[{ days: ["sun", "sat"], from: "00:00", to: "00:00" }], "at weekends"],
    [[{ days: ["mon", "wed"], from: "08:00", to: "24:00" }], "on Mon, Wed between 08:00 and 00:00"],
    [
      [
        { days: ["mon", "tue", "wed", "thu"], from: "00:00", to: "24:00" },
        { days: ["sat", "sun"], from: "10:00", to: "12:00" },
      ],
      "on Mon–Thu and at weekends between 10:00 and 12:00",
    ],
  ])("%j", (weekly, words) => expect(weekWords(weekly)).toBe(words));

  test("days are drawn together from three on", () => {
    expect(dayNames(["mon", "tue", "thu", "fri", "sat"])).toBe("Mon, Tue, Thu–Sat");
  });
});

describe("presets", () => {
  test.each(["always", "work", "nights", "weekends"] as const)("%s is known again", (name) => expect(presetOf(preset(name))).toBe(name));
  test("and their copies may be changed", () => {
    preset("work")!.pop();
    expect(preset("work")).toHaveLength(1);
  });
  test("whatever the order of days and the way to write midnight", () => {
    expect(presetOf([{ days: ["sun", "sat"], from: "00:00", to: "00:00" }])).toBe("weekends");
    expect(presetOf([{ days: ["sun"], from: "00:00", to: "24:00" }])).toBe("own");
  });
});

test.each<[Weekly, RegExp | null]>([
  [null, null],
  [[{ days: ["mon"], from: "20:00", to: "06:00" }], null],
  [[{ days: ["mon"], from: "20:00", to: "24:00" }], null],
  [[], /Always/],
  [[{ days: [], from: "20:00", to: "06:00" }], /one day/],
  [[{ days: ["mon"], from: "", to: "06:00" }], /both times/],
  [[{ days: ["mon"], from: "24:00", to: "06:00" }], /both times/],
])("what is wrong with %j", (weekly, problem) => {
  const told = weekProblem(weekly);
  if (problem) expect(told).toMatch(problem);
  else expect(told).toBeNull();
});
