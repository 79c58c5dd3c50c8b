import { expect, test } from "vitest";
import { find } from "../src/doors";

const door = (protocol: string, makers: string, models: string, port = 5000) => ({ protocol, port, transport: "TCP", makers, models });
const DOORS = [
  door("gps103", "Coban and clones", "GPS103-A, TK102, TK103A", 5001),
  door("gt06", "Concox, Jimi IoT and clones", "GT06N, TR06, GT100, VL03", 5023),
  door("tk103", "Coban, Xexun", "TK103, TK103-2, GPS103-A", 5002),
  door("teltonika", "Teltonika (FMB, FMC)", "FMB9xx, FMB1xx, FMB640, FMC130, FM4200", 5027),
];

test.each([
  ["", ["gps103", "gt06", "tk103", "teltonika"]],
  ["fmb920", ["teltonika"]],
  ["FMB 9", ["teltonika"]],
  ["fmb9xx", ["teltonika"]],
  ["FMC650", []],
  ["gt-06n", ["gt06"]],
  ["GT06", ["gt06"]],
  ["GT06N 4G", ["gt06"]],
  ["tk103", ["tk103", "gps103"]],
  ["coban", ["gps103", "tk103"]],
  ["Teltonika FMB125", ["teltonika"]],
  ["5023", ["gt06"]],
  ["jimi", ["gt06"]],
  ["nobody's", []],
  [".*", []],
])("%j is found", (asked, protocols) => {
  expect(find(DOORS, asked).map(({ protocol }) => protocol)).toEqual(protocols);
});
