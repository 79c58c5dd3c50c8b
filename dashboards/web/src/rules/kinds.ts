/* The kinds of events and alarms to choose from, in plain words and grouped by what people look for. */
import { t } from "../i18n";
import { alarms } from "../words";
import type { Option } from "./pickers";
import { typeNames } from "./sentence";

const groups = (): [string, string[]][] => [
  [t("Zones"), ["geofenceEnter", "geofenceExit", "geofenceDwell", "geofencePass", "geofenceAway"]],
  [t("Danger"), ["alarm", "deviceOverspeed", "powerLost", "deviceFuelDrop"]],
  [t("Nearness"), ["proximityEnter", "proximityExit"]],
  [t("Driving"), ["deviceMoving", "deviceStopped", "deviceIdle", "ignitionOn", "ignitionOff", "deviceFuelIncrease"]],
  [t("The tracker"), ["deviceOffline", "deviceOnline", "deviceInactive", "batteryLow", "powerRestored", "commandResult"]],
];

export function typeChoices(): Option<string>[] {
  const names = typeNames();
  return groups().flatMap(([heading, types]) => types.map((value) => ({ value, label: names[value] ?? value, heading })));
}

/** Where the numbers behind it are set, if there are any. */
export function hintOf(type: string): string {
  const hints: Record<string, string> = {
    geofenceDwell: t("How long is too long stands in each zone."),
    geofenceAway: t("By when it has to be back stands in each zone."),
    geofencePass: t("Told when it was inside only between two reports."),
    deviceOverspeed: t("The limit stands with each tracker, and with zones that have one."),
    deviceIdle: t("After 5 minutes, unless the server or the tracker's attribute idleSeconds says otherwise."),
    deviceInactive: t("After a day, unless the server or the tracker's attribute inactiveSeconds says otherwise."),
    deviceFuelDrop: t("10 litres or more while standing, unless the server or the tracker says otherwise."),
    commandResult: t("Also when it failed: the alert says what came of it."),
    batteryLow: t("Below 20 percent, unless the server or the tracker says otherwise."),
  };
  return hints[type] ?? "";
}

/** The kinds that people ask for first, then all others by name. */
const FIRST = ["sos", "accident", "powerCut", "tow", "tampering", "removing", "jamming", "door", "lowBattery", "hardBraking", "hardAcceleration", "hardCornering"];

export function alarmChoices(): Option<string>[] {
  const all = Object.entries(alarms());
  const place = (value: string): number => (FIRST.includes(value) ? FIRST.indexOf(value) : FIRST.length);
  return all.map(([value, label]) => ({ value, label })).sort((a, b) => place(a.value) - place(b.value) || a.label.localeCompare(b.label));
}
