/* A rule as the API has it (Traccar's notification, and ours beside), and the names that its sentence needs. */
import type { Weekly } from "../week";

export type ChannelName = "web" | "mail" | "sms" | "messenger" | "webhook";
export const CHANNELS: readonly ChannelName[] = ["web", "sms", "mail", "messenger", "webhook"]; // as a sentence tells them

export interface Rule {
  id: number;
  accountId?: number;
  description: string;
  enabled: boolean;
  types: string[];
  alarms: string[];
  allDevices: boolean;
  deviceIds: number[];
  groupIds: number[];
  geofenceIds: number[];
  geofenceGroups: string[];
  hours: Weekly;
  calendarId: number;
  /** The saved command that the vehicle is told; 0: none. */
  commandId: number;
  userIds: number[];
  emails: string[];
  phones: string[];
  channels: ChannelName[];
  webhookUrl: string | null;
  hasWebhookSecret?: boolean;
  webhookSecret?: string;
  urgent: boolean;
  cooldownSeconds: number;
  attributes: Record<string, unknown>;
}

/** Who is to come near whom; `attributes.proximityIds` of a rule name those that it is about. */
export interface Proximity {
  id: number;
  name: string;
  enabled: boolean;
  accountId?: number;
  deviceId: number | null;
  groupId: number | null;
  toDeviceId: number | null;
  toGroupId: number | null;
  latitude: number | null;
  longitude: number | null;
  enter: number; // m
  exit: number; // m
  minutes: number | null;
  minSeconds: number;
  partnerAge: number; // s
  cooldown: number; // s
}

export interface Person {
  id: number;
  name: string;
  email: string;
  phone?: string | null;
}

export interface Zone {
  id: number;
  name: string;
  group?: string;
}

export interface Named {
  id: number;
  name: string;
}

/** Names by id. What is missing has been removed, or belongs to somebody else. */
export interface Names {
  vehicles: ReadonlyMap<number, string>;
  groups: ReadonlyMap<number, string>;
  zones: ReadonlyMap<number, string>;
  people: ReadonlyMap<number, string>;
  calendars: ReadonlyMap<number, string>;
  commands: ReadonlyMap<number, string>;
  proximities: ReadonlyMap<number, Proximity>;
}

export const blankRule = (): Rule => ({
  id: 0,
  description: "",
  enabled: true,
  types: ["geofenceExit"],
  alarms: [],
  allDevices: true,
  deviceIds: [],
  groupIds: [],
  geofenceIds: [],
  geofenceGroups: [],
  hours: null,
  calendarId: 0,
  commandId: 0,
  userIds: [],
  emails: [],
  phones: [],
  channels: ["web"],
  webhookUrl: null,
  urgent: false,
  cooldownSeconds: 0,
  attributes: {},
});

export const blankProximity = (): Proximity => ({
  id: 0,
  name: "",
  enabled: true,
  deviceId: null,
  groupId: null,
  toDeviceId: null,
  toGroupId: null,
  latitude: null,
  longitude: null,
  enter: 2000,
  exit: 3000,
  minutes: null,
  minSeconds: 30,
  partnerAge: 600,
  cooldown: 900,
});

export const isProximity = ({ types }: Pick<Rule, "types">): boolean => types.some((type) => type.startsWith("proximity"));

/** The proximity of a rule's own, if it has one. */
export function proximityIdOf({ attributes }: Pick<Rule, "attributes">): number | null {
  const ids = attributes.proximityIds;
  return Array.isArray(ids) && typeof ids[0] === "number" ? ids[0] : null;
}

/** Whether zones narrow it: all of its types have them. */
export const hasZones = ({ types }: Pick<Rule, "types">): boolean =>
  types.every((type) => type.startsWith("geofence") || type === "deviceOverspeed");
