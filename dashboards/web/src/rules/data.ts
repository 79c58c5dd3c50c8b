/* What the rules' pages ask the server for. Vehicles come last and once, when somebody chooses among them: there may be thousands. */
import { type Device, get } from "../api";
import type { Saved } from "../commands/model";
import type { Named, Names, Person, Proximity, Rule, Zone } from "./model";

type Owned<T> = T & { accountId?: number };

export interface Data {
  rules: Rule[];
  groups: Owned<Named>[];
  zones: Owned<Zone>[];
  people: Owned<Person>[];
  calendars: Owned<Named>[];
  commands: Saved[];
  proximities: Proximity[];
  vehicles: Owned<Named>[];
}

const IDS_AT_ONCE = 200; // in an address

export async function load(): Promise<Data> {
  const [rules, groups, zones, people, calendars, commands, proximities] = await Promise.all([
    get<Rule[]>("/api/notifications"),
    get<Named[]>("/api/groups"),
    get<Zone[]>("/api/geofences"),
    get<Person[]>("/api/users"),
    get<Named[]>("/api/calendars"),
    get<Saved[]>("/api/commands"),
    get<Proximity[]>("/api/proximities"),
  ]);
  const ids = new Set(rules.flatMap(({ deviceIds }) => deviceIds));
  for (const { deviceId, toDeviceId } of proximities) for (const id of [deviceId, toDeviceId]) if (id) ids.add(id);
  return { rules, groups, zones, people, calendars, commands, proximities: proximities.map(tidy), vehicles: await vehiclesOf([...ids]) };
}

/** Traccar writes 0 for "none". */
function tidy(proximity: Proximity): Proximity {
  const { deviceId, groupId, toDeviceId, toGroupId } = proximity;
  return { ...proximity, deviceId: deviceId || null, groupId: groupId || null, toDeviceId: toDeviceId || null, toGroupId: toGroupId || null };
}

/** Those that the sentences name; blocked ones, too: a rule about them holds when they work again. */
async function vehiclesOf(ids: number[]): Promise<Named[]> {
  if (ids.length > IDS_AT_ONCE) return get<Device[]>("/api/devices?withBlocked=true");
  if (ids.length === 0) return [];
  return get<Device[]>(`/api/devices?withBlocked=true&${ids.map((id) => `id=${id}`).join("&")}`);
}

let all: Promise<Owned<Named>[]> | null = null;

export function allVehicles(): Promise<Owned<Named>[]> {
  all ??= get<Device[]>("/api/devices?withBlocked=true").catch((error: unknown) => {
    all = null;
    throw error;
  });
  return all;
}

const byId = <T extends Named>(list: readonly T[]): ReadonlyMap<number, string> => new Map(list.map(({ id, name }) => [id, name]));

export function namesOf(data: Data): Names {
  return {
    vehicles: byId(data.vehicles),
    groups: byId(data.groups),
    zones: byId(data.zones),
    people: new Map(data.people.map(({ id, name, email }) => [id, name || email])),
    calendars: byId(data.calendars),
    commands: new Map(data.commands.map(({ id, description }) => [id, description])),
    proximities: new Map(data.proximities.map((one) => [one.id, one])),
  };
}
