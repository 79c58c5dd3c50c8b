import { describe, expect, test } from "vitest";
import { ownZone, read } from "../src/commands/check";
import { type Command, type CommandType, factWords, type Parameter } from "../src/commands/model";
import { questionWords, speedWords } from "../src/commands/question";
import { explained, isNewer } from "../src/commands/status";

const parameter = (more: Partial<Parameter>): Parameter => ({ name: "x", kind: "text", title: "x", required: true, default: null, unit: "", least: 0, most: 2 ** 31 - 1, ...more });
const periodic: CommandType = { type: "positionPeriodic", title: "", dangerous: false, parameters: [parameter({ name: "frequency", kind: "integer", title: "Interval", unit: "s", least: 1, most: 604_800 })] };
const now = Date.parse("2026-11-22T10:00:00Z");

describe("a parameter", () => {
  test.each<[Partial<Parameter>, string, unknown]>([
    [{ kind: "integer", least: 1, most: 604_800 }, "60", 60],
    [{ kind: "integer", least: 1, most: 604_800 }, " 60 ", 60],
    [{ kind: "integer", least: 1, most: 604_800 }, "0", "From 1 to 604,800"],
    [{ kind: "integer" }, "-1", "0 or more"],
    [{ kind: "integer" }, "1.5", "A whole number is needed."],
    [{ kind: "integer" }, "often", "A number is needed."],
    [{ kind: "integer" }, "", "This has to be given."],
    [{ kind: "integer", default: 1, required: false }, "", null],
    [{ kind: "number" }, "1,5", 1.5],
    [{}, "STATUS#", "STATUS#"],
    [{}, "a\tb", "One line, without control characters."],
    [{}, "x".repeat(1001), "At most 1,000 characters."],
    [{ kind: "zone" }, "+05:30", "+05:30"],
    [{ kind: "zone" }, "gmt-3", "gmt-3"],
    [{ kind: "zone" }, "utc", "utc"],
    [{ kind: "zone" }, "+14:30", "Write it as +05:00, or UTC; at most 14 hours from UTC."],
    [{ kind: "zone" }, "Asia/Almaty", "Write it as +05:00, or UTC; at most 14 hours from UTC."],
  ])("%j %s", (more, written, wanted) => {
    const said = read(parameter(more), written);
    expect("problem" in said ? said.problem : said.value).toBe(wanted);
  });

  test("of a time zone begins as the browser's", () => {
    const there = (minutes: number): Date => Object.assign(new Date(now), { getTimezoneOffset: () => minutes });
    expect([ownZone(there(-300)), ownZone(there(210)), ownZone(there(0))]).toEqual(["+05:00", "-03:30", "+00:00"]);
  });
});

test("parameters are told with their units", () => {
  expect(factWords({ frequency: 3600, old: true }, periodic)).toBe("Interval 3,600 s · old true");
  expect(factWords({}, undefined)).toBe("");
});

test("the question names the vehicle and the deed", () => {
  const stop: CommandType = { type: "engineStop", title: "", dangerous: true, parameters: [] };
  expect(questionWords({ type: stop, attributes: {}, name: "Truck 7", deviceId: 7 })).toBe("Stop the engine of Truck 7?");
  expect(questionWords({ type: stop, attributes: {}, name: "North", deviceId: null })).toBe("Stop the engine of every vehicle of the group North?");
  const custom: CommandType = { ...stop, type: "custom" };
  expect(questionWords({ type: custom, attributes: { data: "RELAY,1#" }, name: "Truck 7", deviceId: 7 })).toBe("Send “RELAY,1#” to Truck 7?");
});

test("the speed is that of now, or said to be old", () => {
  const at = (fixTime: string) => ({ speed: 50 / 1.852, fixTime }) as Parameters<typeof speedWords>[0];
  expect(speedWords(at("2026-11-22T09:59:30Z"), now)).toBe("It goes 50 km/h now.");
  expect(speedWords(at("2026-11-22T07:00:00Z"), now)).toBe("Its last known speed: 50 km/h, 3 h 00 min ago.");
  expect(speedWords(undefined, now)).toBe("Its speed is not known: it has not reported a place yet.");
});

const command = (more: Partial<Command>): Command =>
  ({ id: 1, state: "queued", awaits: true, reason: null, tries: 0, textChannel: false, sentAt: null, answeredAt: null, expiresAt: "2026-11-23T10:00:00Z", ...more }) as Command;

test.each<[Partial<Command>, RegExp]>([
  [{ reason: "offline" }, /^The tracker is not connected\. The command leaves as soon as it is, until /],
  [{ reason: "not slow" }, /^The vehicle is moving\./],
  [{}, /^It is about to leave\.$/],
  [{ textChannel: true }, /^The SMS is on its way to the gateway\.$/],
  [{ state: "sent", tries: 1 }, /^Sent; the tracker has not answered yet\.$/],
  [{ state: "sent", tries: 2 }, /^Sent 2 times; the tracker has not answered yet\.$/],
  [{ state: "sent", awaits: false }, /does not answer such commands\.$/],
  [{ state: "answered" }, /^The tracker has answered:$/],
  [{ state: "expired", reason: "offline" }, /^It could not be sent in time: offline\.$/],
  [{ state: "expired", sentAt: "2026-11-22T10:00:00Z" }, /^No answer came in time\.$/],
  [{ state: "withdrawn", reason: "not slow" }, /^Withdrawn before it was sent\.$/],
  [{ state: "withdrawn", reason: "superseded" }, /^Withdrawn: superseded\.$/],
  [{ state: "withdrawn", sentAt: "2026-11-22T10:00:00Z" }, /the tracker has it\.$/],
  [{ state: "failed", reason: "no answer to 3 tries" }, /^It failed: no answer to 3 tries\.$/],
])("%j is explained", (more, wanted) => expect(explained(command(more))).toMatch(wanted));

test("older news don't replace newer", () => {
  const states = [command({}), command({ state: "sent", tries: 1 }), command({ state: "sent", tries: 2 }), command({ state: "answered" })];
  for (const [i, a] of states.entries()) for (const [j, b] of states.entries()) expect(isNewer(a, b)).toBe(i >= j);
});
