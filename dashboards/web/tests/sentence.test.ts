import { describe, expect, test } from "vitest";
import { blankProximity, blankRule, type Names, type Rule } from "../src/rules/model";
import { manner, parts, plain, sentence, typeNames } from "../src/rules/sentence";

const names: Names = {
  vehicles: new Map([
    [1, "Truck 1"],
    [2, "Truck 2"],
  ]),
  groups: new Map([
    [5, "Tow trucks"],
    [6, "Customers"],
  ]),
  zones: new Map([
    [7, "Depot"],
    [8, "Yard"],
  ]),
  people: new Map([
    [1, "Anna"],
    [2, "Boris"],
  ]),
  calendars: new Map([[3, "Holidays"]]),
  commands: new Map([[4, "Stop the engine"]]),
  proximities: new Map(),
};
const nights: Rule["hours"] = [{ days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], from: "20:00", to: "06:00" }];
const rule = (more: Partial<Rule>): Rule => ({ ...blankRule(), ...more });

describe("a rule as a sentence", () => {
  test.each<[Partial<Rule>, string]>([
    [
      { allDevices: false, groupIds: [5], geofenceIds: [7], hours: nights, userIds: [1], channels: ["sms"] },
      "When any vehicle of Tow trucks leaves the zone Depot between 20:00 and 06:00, tell Anna by SMS, else by e-mail.",
    ],
    [{ types: ["alarm"], alarms: ["sos"] }, "When any vehicle raises the alarm “SOS button” at any time, tell everybody on the page."],
    [
      { types: ["deviceOverspeed"], allDevices: false, deviceIds: [1, 2], userIds: [1, 2], channels: ["web", "mail", "sms"] },
      "When Truck 1 or Truck 2 goes too fast anywhere at any time, tell Anna and Boris on the page, by SMS and by e-mail.",
    ],
    [
      { types: ["geofenceEnter", "geofenceExit"], geofenceIds: [7, 8], channels: ["webhook"] },
      "When any vehicle crosses the border of Depot or Yard at any time, tell no person by webhook.",
    ],
    [
      { types: ["ignitionOn", "alarm"], alarms: [], calendarId: 3, emails: ["guard@example.com"], channels: ["mail"] },
      "When any vehicle switches the ignition on or raises an alarm (any alarm) during Holidays, tell guard@example.com by e-mail.",
    ],
    [
      { types: ["geofenceDwell"], geofenceGroups: ["Customers"], allDevices: false, deviceIds: [99], channels: [] },
      "When #99 stays too long in any zone of Customers at any time, tell nobody yet in no way yet.",
    ],
    [
      { types: ["alarm"], alarms: ["tow"], commandId: 4 },
      "When any vehicle raises the alarm “Towing” at any time, tell everybody on the page, and tell the vehicle “Stop the engine”.",
    ],
    [{ types: ["commandResult"], userIds: [1] }, "When any vehicle answers a command at any time, tell Anna on the page."],
  ])("%j", (more, told) => expect(plain(sentence(rule(more), names))).toBe(told));

  test("of nearness", () => {
    const near = { ...blankProximity(), groupId: 5, toGroupId: 6, minutes: 10 };
    const told = plain(sentence(rule({ types: ["proximityEnter"] }), names, near));
    expect(told).toBe("When any vehicle of Tow trucks comes within 2 km or 10 min of any vehicle of Customers at any time, tell everybody on the page.");
    const away = plain(sentence(rule({ types: ["proximityExit"] }), names, { ...near, toGroupId: null, toDeviceId: 2 }));
    expect(away).toContain("moves more than 3 km away from Truck 2");
  });

  test.each(Object.keys(typeNames()))("%s can be said, with what happens as a button", (type) => {
    const said = sentence(rule({ types: [type] }), names, type.startsWith("proximity") ? { ...blankProximity(), deviceId: 1 } : null);
    const slots = said.flatMap((part) => (typeof part === "string" ? [] : part.slot));
    expect(slots.slice(0, 2)).toEqual(["who", "what"]);
    expect(slots.slice(-3)).toEqual(["hours", "people", "channels"]);
    expect(plain(said)).not.toMatch(/[{}[\]]/);
  });

  test("how often and how loudly", () => {
    expect(plain(manner(rule({ urgent: true, cooldownSeconds: 600 })))).toBe("Urgent, also in quiet hours; at most once in 10 minutes.");
  });
});

test("a translation may put the parts in any order", () => {
  expect(parts("{b}: [do] {a}!", "what", { a: { slot: "who", text: "A" }, b: "B" })).toEqual([
    "B",
    ": ",
    { slot: "what", text: "do" },
    " ",
    { slot: "who", text: "A" },
    "!",
  ]);
});
