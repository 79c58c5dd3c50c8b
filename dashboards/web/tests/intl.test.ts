import { describe, expect, test } from "vitest";
import { type DateOptions, dateFormat, listFormat, numberFormat } from "../src/intl";

/* Node's Kazakh is whole; Chromium's is not, so ours is made without it and has to come to the same. */
const ofNode = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat("kk", options);
const MOMENTS = Array.from({ length: 12 }, (_, month) => new Date(Date.UTC(2026, month, 3 + 2 * month, 19, 5, 9)));

describe("Kazakh, which Chromium's Intl lacks", () => {
  test.each<DateOptions>([
    { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
    { hour: "2-digit", minute: "2-digit", second: "2-digit" },
    { weekday: "short" },
    { weekday: "long" },
  ])("dates by %j are Unicode's", (options) => {
    for (const timeZone of ["UTC", "Asia/Almaty", "America/Adak"]) {
      const ours = dateFormat({ ...options, timeZone }, "kk");
      const theirs = ofNode({ ...options, timeZone });
      expect(MOMENTS.map((at) => ours.format(at))).toEqual(MOMENTS.map((at) => theirs.format(at)));
    }
  });

  test("a date with its year stands as in a sentence", () => {
    const format = dateFormat({ dateStyle: "medium", timeStyle: "medium", timeZone: "Asia/Almaty" }, "kk");
    expect(format.format(MOMENTS[10]!).replace(/\s/gu, " ")).toBe("24 қар. 2026 ж., 00:05:09");
  });

  test("numbers are Unicode's", () => {
    const options = { maximumFractionDigits: 1, minimumFractionDigits: 1 };
    for (const value of [0.5, -12, 1234.5, 1234567.25]) {
      expect(numberFormat(options, "kk").format(value)).toBe(new Intl.NumberFormat("kk", options).format(value));
    }
    expect(numberFormat({ notation: "compact", maximumFractionDigits: 0 }, "kk").format(12_345).replace(/\s/gu, " ")).toBe("12 мың");
  });

  test.each(["conjunction", "disjunction"] as const)("a list, %s, is Unicode's", (type) => {
    for (const items of [[], ["а"], ["а", "б"], ["а", "б", "в"], ["а", "б", "в", "г"]]) {
      expect(listFormat(type, "kk").format(items)).toBe(new Intl.ListFormat("kk", { type }).format(items));
    }
  });
});

test("other languages are the browser's", () => {
  const options: DateOptions = { day: "numeric", month: "short" };
  expect(dateFormat({ ...options, timeZone: "UTC" }, "en").format(MOMENTS[2]!)).toBe("7 Mar");
  expect(dateFormat({ ...options, timeZone: "UTC" }, "ru").format(MOMENTS[10]!)).toBe("23 нояб.");
  expect(numberFormat({ notation: "compact", maximumFractionDigits: 0 }, "en").format(12_345)).toBe("12K");
  expect(listFormat("disjunction", "en").format(["a", "b", "c"])).toBe("a, b or c");
});
