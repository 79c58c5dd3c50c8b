/* What the server's short names mean: states, event types (Traccar's) and alarms. A name that is not here is shown as it is. */
import type { FleetEvent } from "./api";
import type { State } from "./fleet";
import { formatSpeed, speedKmh } from "./format";
import { t } from "./i18n";

export function stateName(state: State): string {
  const names: Record<State, string> = {
    moving: t("Moving"),
    idle: t("Standing, ignition on"),
    parked: t("Parked"),
    offline: t("Offline"),
    alarm: t("Alarm"),
  };
  return names[state];
}

export const alarms = (): Record<string, string> => ({
  general: t("General alarm"),
  sos: t("SOS button"),
  vibration: t("Vibration"),
  movement: t("Movement"),
  lowspeed: t("Too slow"),
  overspeed: t("Too fast"),
  fallDown: t("Fall"),
  lowPower: t("Low power"),
  lowBattery: t("Low battery"),
  fault: t("Fault"),
  powerOff: t("Powered off"),
  powerOn: t("Powered on"),
  door: t("Door"),
  lock: t("Locked"),
  unlock: t("Unlocked"),
  geofence: t("Zone"),
  geofenceEnter: t("Zone entered"),
  geofenceExit: t("Zone left"),
  gpsAntennaCut: t("GPS antenna cut"),
  accident: t("Accident"),
  tow: t("Towing"),
  idle: t("Idling"),
  highRpm: t("High engine speed"),
  hardAcceleration: t("Hard acceleration"),
  hardBraking: t("Hard braking"),
  hardCornering: t("Hard cornering"),
  laneChange: t("Lane change"),
  fatigueDriving: t("Tired driver"),
  powerCut: t("Power cut"),
  powerRestored: t("Power restored"),
  jamming: t("Jamming"),
  temperature: t("Temperature"),
  parking: t("Parking"),
  bonnet: t("Bonnet"),
  footBrake: t("Foot brake"),
  fuelLeak: t("Fuel leak"),
  tampering: t("Tampering"),
  removing: t("Tracker removed"),
});

/** "sos,door" in words. */
export const alarmName = (alarm: string): string =>
  alarm
    .split(",")
    .map((name) => alarms()[name] ?? name)
    .join(", ");

export function eventName(event: FleetEvent): string {
  if (event.type === "alarm") return t("Alarm: {alarm}", { alarm: alarmName(String(event.attributes.alarm ?? "general")) });
  if (event.type === "commandResult" && event.attributes.state === "failed") return t("Command failed");
  if (event.type === "deviceOverspeed" && typeof event.attributes.speed === "number") {
    return t("Too fast: {speed}", { speed: formatSpeed(speedKmh(event.attributes.speed)) });
  }
  const names: Record<string, string> = {
    deviceOnline: t("Online"),
    deviceOffline: t("Offline"),
    deviceUnknown: t("Not heard for long"),
    deviceInactive: t("Inactive"),
    deviceMoving: t("Began to move"),
    deviceStopped: t("Stopped"),
    deviceOverspeed: t("Too fast"),
    deviceFuelDrop: t("Fuel drop"),
    deviceFuelIncrease: t("Refuelling"),
    geofenceEnter: t("Zone entered"),
    geofenceExit: t("Zone left"),
    geofenceDwell: t("Too long in a zone"),
    geofencePass: t("Zone passed through"),
    geofenceAway: t("Not back in a zone"),
    proximityEnter: t("Came near"),
    proximityExit: t("Moved away"),
    deviceIdle: t("Idling"),
    powerLost: t("Power lost"),
    powerRestored: t("Power restored"),
    batteryLow: t("Tracker's battery low"),
    ignitionOn: t("Ignition on"),
    ignitionOff: t("Ignition off"),
    maintenance: t("Maintenance due"),
    driverChanged: t("Driver changed"),
    commandResult: t("Command answered"),
  };
  return names[event.type] ?? event.type;
}

/** What is worth interrupting somebody for. */
export const isUrgent = (event: FleetEvent): boolean => event.type === "alarm" || event.type === "deviceOverspeed";
