/* All vehicles of the viewer as they are now: devices and positions joined, with the state that colours them. */
import type { Device, Position } from "./api";
import { speedKmh } from "./format";
import type { News } from "./socket";

/** The most urgent first: a cluster and a sorted list show them in this order. */
export const STATES = ["alarm", "moving", "idle", "parked", "offline"] as const;
export type State = (typeof STATES)[number];

export interface Vehicle {
  device: Device;
  position: Position | null;
  state: State;
  speedKmh: number;
  fixTime: number; // ms; 0 when never
  heard: number; // ms; 0 when never
  /** Lower case, for the search. */
  words: string;
}

const STANDING_KMH = 1;
const NOISE_KMH = 5; // a standing receiver claims as much now and then
const ALARM_LASTS_MS = 15 * 60_000; // an alarm reports a moment; after this it is news, not the vehicle's state

/** What a vehicle is doing. Offline wins over what it said last, since nobody knows if that still holds. */
export function stateOf(device: Device, position: Position | null, now: number): State {
  if (position?.attributes.alarm && now - Date.parse(position.fixTime) < ALARM_LASTS_MS) return "alarm";
  if (position === null || device.status !== "online") return "offline";
  // The server's word on motion is slow on purpose, so that a red light ends no trip; the map shows what it does now.
  const underway = device.moving ?? position.attributes.motion ?? false;
  if (speedKmh(position.speed) >= (underway ? STANDING_KMH : NOISE_KMH)) return "moving";
  return (position.attributes.ignition ?? underway) ? "idle" : "parked";
}

function vehicle(device: Device, position: Position | null, now: number): Vehicle {
  return {
    device,
    position,
    state: stateOf(device, position, now),
    speedKmh: position ? speedKmh(position.speed) : 0,
    fixTime: position ? Date.parse(position.fixTime) : 0,
    heard: device.lastUpdate ? Date.parse(device.lastUpdate) : 0,
    words: `${device.name} ${device.uniqueId} ${device.model ?? ""} ${device.phone ?? ""}`.toLowerCase(),
  };
}

/** Which vehicles a change was about. */
export type Change = ReadonlySet<number>;

export class Fleet {
  readonly vehicles = new Map<number, Vehicle>();
  private readonly listeners: ((change: Change) => void)[] = [];

  subscribe(listener: (change: Change) => void): void {
    this.listeners.push(listener);
  }

  apply(news: News, now = Date.now()): void {
    const changed = new Set<number>();
    for (const device of news.devices ?? []) {
      this.vehicles.set(device.id, vehicle(device, this.vehicles.get(device.id)?.position ?? null, now));
      changed.add(device.id);
    }
    for (const position of news.positions ?? []) {
      const known = this.vehicles.get(position.deviceId);
      if (!known) continue;
      // A position is a word from the tracker: no need to wait for the device's own news.
      const lastUpdate = later(known.device.lastUpdate, position.serverTime);
      this.vehicles.set(position.deviceId, vehicle({ ...known.device, lastUpdate }, position, now));
      changed.add(position.deviceId);
    }
    for (const id of news.removed ?? []) {
      this.vehicles.delete(id);
      changed.add(id);
    }
    if (changed.size) for (const listener of this.listeners) listener(changed);
  }

  /** Time alone changes a state: an alarm is over some day, though nothing is heard. */
  age(now = Date.now()): void {
    const changed = new Set<number>();
    for (const [id, { device, position, state }] of this.vehicles) {
      if (state !== "alarm" || stateOf(device, position, now) === state) continue;
      this.vehicles.set(id, vehicle(device, position, now));
      changed.add(id);
    }
    if (changed.size) for (const listener of this.listeners) listener(changed);
  }

  /** How many there are of each state. */
  counts(): Record<State, number> {
    const counts = { alarm: 0, moving: 0, idle: 0, parked: 0, offline: 0 };
    for (const { state } of this.vehicles.values()) counts[state]++;
    return counts;
  }
}

const later = (a: string | null, b: string): string => (a !== null && Date.parse(a) > Date.parse(b) ? a : b);

export type Order = "name" | "state" | "speed" | "heard";

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const byName = (a: Vehicle, b: Vehicle): number => collator.compare(a.device.name, b.device.name);

const ORDERS: Record<Order, (a: Vehicle, b: Vehicle) => number> = {
  name: byName,
  state: (a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state) || byName(a, b),
  speed: (a, b) => b.speedKmh - a.speedKmh || byName(a, b),
  heard: (a, b) => b.heard - a.heard || byName(a, b),
};

/** The vehicles that a list shows: those with all words of the search, in the states asked for (none: any). */
export function choose(all: Iterable<Vehicle>, search: string, states: ReadonlySet<State>, order: Order): Vehicle[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen: Vehicle[] = [];
  for (const one of all) {
    if (states.size && !states.has(one.state)) continue;
    if (words.every((word) => one.words.includes(word))) chosen.push(one);
  }
  return chosen.sort(ORDERS[order]);
}
