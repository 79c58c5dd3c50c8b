/* A rule as a sentence: "When [any vehicle] [leaves] [Depot] [between 20:00 and 06:00], tell [Anna] [by SMS, else e-mail]."
 *
 * Each kind of event has a template of its own, a whole clause, so that a translator can put its parts in any order and choose the
 * verb by the case that follows: {who} is the subject, {zones} an object, {inZones} and {border} bring their preposition along.
 * What stands in [brackets] is the verb, which is a button of the form like the other parts. */
import { formatDistance, formatDuration } from "../format";
import { formatNumber, t, tn } from "../i18n";
import { listFormat } from "../intl";
import { weekWords } from "../week";
import { alarmName } from "../words";
import { type ChannelName, CHANNELS, hasZones, isProximity, type Names, type Proximity, proximityIdOf, type Rule } from "./model";

export type Slot = "who" | "what" | "zones" | "alarms" | "distance" | "whom" | "hours" | "people" | "channels" | "command" | "urgency" | "often";
export type Part = string | { slot: Slot; text: string };

const or = listFormat("disjunction");
const and = listFormat("conjunction");
const MOST_NAMES = 3; // more are told as a number

/** A name of somebody's own, in the quotes that the language wants. */
export const quoted = (name: string): string => t("{name}", { name });

/** "Cut {who} off [here]" and the texts of its parts → parts in order. A part that the template lacks is left out. */
export function parts(template: string, verb: Slot, texts: Partial<Record<string, Part | Part[]>>): Part[] {
  const found: Part[] = [];
  let rest = 0;
  for (const match of template.matchAll(/\{(\w+)\}|\[([^\]]+)\]/g)) {
    if (match.index > rest) found.push(template.slice(rest, match.index));
    rest = match.index + match[0].length;
    if (match[2] !== undefined) found.push({ slot: verb, text: match[2] });
    else found.push(...[texts[match[1] as string] ?? []].flat());
  }
  if (rest < template.length) found.push(template.slice(rest));
  return found;
}

/** What happens, by type: the clause of a rule with this type alone. */
const clauses = (): Record<string, string> => ({
  geofenceEnter: t("When {who} [enters] {zones}"),
  geofenceExit: t("When {who} [leaves] {zones}"),
  geofenceDwell: t("When {who} [stays too long] {inZones}"),
  geofencePass: t("When {who} [passes through] {zones}"),
  geofenceAway: t("When {who} [does not return to] {zones} in time"),
  deviceOverspeed: t("When {who} [goes too fast] {inZones}"),
  alarm: t("When {who} [raises] {alarms}"),
  deviceOnline: t("When {who} [comes online]"),
  deviceOffline: t("When {who} [goes offline]"),
  deviceInactive: t("When {who} [has sent no data for long]"),
  deviceMoving: t("When {who} [starts to move]"),
  deviceStopped: t("When {who} [stops]"),
  deviceIdle: t("When {who} [idles with the engine on]"),
  ignitionOn: t("When {who} [switches the ignition on]"),
  ignitionOff: t("When {who} [switches the ignition off]"),
  deviceFuelDrop: t("When {who} [loses fuel]"),
  deviceFuelIncrease: t("When {who} [is refuelled]"),
  powerLost: t("When {who} [loses its power supply]"),
  powerRestored: t("When {who} [gets its power supply back]"),
  batteryLow: t("When {who} [has a low tracker battery]"),
  commandResult: t("When {who} [answers a command]"),
  proximityEnter: t("When {who} [comes] within {distance} {ofWhom}"),
  proximityExit: t("When {who} [moves] more than {distance} {fromWhom}"),
});

/** The same as a choice in a list, and as one of several in a sentence. */
export const typeNames = (): Record<string, string> => ({
  geofenceEnter: t("enters a zone"),
  geofenceExit: t("leaves a zone"),
  geofenceDwell: t("stays in a zone for too long"),
  geofencePass: t("passes through a zone"),
  geofenceAway: t("does not return to a zone in time"),
  deviceOverspeed: t("goes too fast"),
  alarm: t("raises an alarm"),
  deviceOnline: t("comes online"),
  deviceOffline: t("goes offline"),
  deviceInactive: t("has sent no data for long"),
  deviceMoving: t("starts to move"),
  deviceStopped: t("stops"),
  deviceIdle: t("idles with the engine on"),
  ignitionOn: t("switches the ignition on"),
  ignitionOff: t("switches the ignition off"),
  deviceFuelDrop: t("loses fuel"),
  deviceFuelIncrease: t("is refuelled"),
  powerLost: t("loses its power supply"),
  powerRestored: t("gets its power supply back"),
  batteryLow: t("has a low tracker battery"),
  commandResult: t("answers a command"),
  proximityEnter: t("comes near a vehicle or a place"),
  proximityExit: t("moves away from a vehicle or a place"),
});

const name = (names: ReadonlyMap<number, string>, id: number): string => quoted(names.get(id) ?? `#${id}`);

/** The subject: whom the rule is about. */
export function whoWords(rule: Pick<Rule, "allDevices" | "deviceIds" | "groupIds">, names: Names): string {
  const { deviceIds, groupIds } = rule;
  if (rule.allDevices) return t("any vehicle");
  if (deviceIds.length + groupIds.length === 0) return t("which vehicle?");
  const groups = groupIds.map((id) => name(names.groups, id));
  const all = groups.length ? [t("any vehicle of {groups}", { groups: or.format(groups) })] : [];
  if (deviceIds.length > MOST_NAMES) all.push(tn("any of {n} chosen vehicle", "any of {n} chosen vehicles", deviceIds.length));
  else all.push(...deviceIds.map((id) => name(names.vehicles, id)));
  return or.format(all);
}

type ZoneCase = "object" | "in" | "border";

/** The zones, with what the verb before them wants. */
export function zoneWords(rule: Pick<Rule, "geofenceIds" | "geofenceGroups">, names: Names, how: ZoneCase, anywhere = false): string {
  const { geofenceIds: ids, geofenceGroups: groups } = rule;
  const list = or.format(ids.length > MOST_NAMES ? [] : ids.map((id) => name(names.zones, id)));
  const group = or.format(groups.map(quoted));
  const one = (any: string, named: string, ofGroup: string, many: string): string => {
    if (ids.length === 0 && groups.length === 0) return any;
    const chosen = ids.length > MOST_NAMES ? many : named;
    return or.format([...(ids.length ? [chosen] : []), ...(groups.length ? [ofGroup] : [])]);
  };
  const n = ids.length;
  if (how === "object") {
    return one(
      t("any zone"),
      t("the zone {names}", { names: list }),
      t("any zone of {groups}", { groups: group }),
      tn("any of {n} chosen zone", "any of {n} chosen zones", n),
    );
  }
  if (how === "border") {
    return one(
      t("the border of any zone"),
      t("the border of {names}", { names: list }),
      t("the border of any zone of {groups}", { groups: group }),
      tn("the border of {n} chosen zone", "the border of any of {n} chosen zones", n),
    );
  }
  return one(
    anywhere ? t("anywhere") : t("in any zone"),
    t("in {names}", { names: list }),
    t("in any zone of {groups}", { groups: group }),
    tn("in {n} chosen zone", "in any of {n} chosen zones", n),
  );
}

function alarmWords(alarms: readonly string[]): string {
  if (alarms.length === 0) return t("any alarm");
  if (alarms.length > MOST_NAMES) return tn("one of {n} alarm", "one of {n} alarms", alarms.length);
  const names = alarms.map((alarm) => t("“{name}”", { name: alarmName(alarm) }));
  return t("the alarm {names}", { names: or.format(names) });
}

/** Whole kilometres without a decimal: "2 km" is what somebody has written. */
const roundDistance = (metres: number): string =>
  metres >= 1000 && metres % 1000 === 0 ? t("{distance} km", { distance: formatNumber(metres / 1000) }) : formatDistance(metres);

export function distanceWords({ enter, exit, minutes }: Proximity, leaving: boolean): string {
  if (leaving) return roundDistance(exit);
  const distance = roundDistance(enter);
  return minutes === null ? distance : t("{distance} or {duration}", { distance, duration: formatDuration(minutes * 60) });
}

function whomWords(proximity: Proximity, names: Names, leaving: boolean): string {
  const { toDeviceId, toGroupId, latitude } = proximity;
  if (toDeviceId !== null) {
    const vehicle = name(names.vehicles, toDeviceId);
    return leaving ? t("away from {vehicle}", { vehicle }) : t("of {vehicle}", { vehicle });
  }
  if (toGroupId !== null) {
    const group = name(names.groups, toGroupId);
    return leaving ? t("away from every vehicle of {group}", { group }) : t("of any vehicle of {group}", { group });
  }
  if (latitude !== null) {
    const place = proximity.name;
    if (place) return leaving ? t("away from the place {place}", { place: quoted(place) }) : t("of the place {place}", { place: quoted(place) });
    return leaving ? t("away from a place on the map") : t("of a place on the map");
  }
  return leaving ? t("away from what?") : t("of what?");
}

function whoOfProximity({ deviceId, groupId }: Proximity, names: Names): string {
  return whoWords({ allDevices: false, deviceIds: deviceId === null ? [] : [deviceId], groupIds: groupId === null ? [] : [groupId] }, names);
}

const slot = (which: Slot, text: string): Part => ({ slot: which, text });

function happening(rule: Rule, names: Names, proximity: Proximity | null): Part[] {
  const [type = ""] = rule.types;
  const who = slot("who", proximity ? whoOfProximity(proximity, names) : whoWords(rule, names));
  const where = zoneWords(rule, names, "in", type === "deviceOverspeed");
  const texts = {
    who,
    zones: slot("zones", zoneWords(rule, names, "object")),
    inZones: slot("zones", where),
    border: slot("zones", zoneWords(rule, names, "border")),
    alarms: slot("alarms", alarmWords(rule.alarms)),
    ...(proximity && {
      distance: slot("distance", distanceWords(proximity, type === "proximityExit")),
      ofWhom: slot("whom", whomWords(proximity, names, false)),
      fromWhom: slot("whom", whomWords(proximity, names, true)),
    }),
  };
  const kinds = new Set(rule.types);
  if (kinds.size === 1 && clauses()[type] && (proximity !== null || !isProximity(rule))) return parts(clauses()[type] as string, "what", texts);
  if (kinds.size === 2 && kinds.has("geofenceEnter") && kinds.has("geofenceExit")) return parts(t("When {who} [crosses] {border}"), "what", texts);
  const all = typeNames();
  const events = slot("what", or.format([...kinds].map((kind) => all[kind] ?? kind)));
  const several: Record<string, Part> = { who, events };
  const narrowed = hasZones(rule) && rule.geofenceIds.length + rule.geofenceGroups.length > 0;
  if (hasZones(rule)) several.inZones = slot("zones", narrowed ? where : t("anywhere"));
  if (kinds.has("alarm")) several.alarms = slot("alarms", alarmWords(rule.alarms));
  if (several.inZones) return parts(t("When {who} {events} ({inZones})"), "what", several);
  if (several.alarms) return parts(t("When {who} {events} ({alarms})"), "what", several);
  return parts(t("When {who} {events}"), "what", several);
}

/** "5 minutes", "1 hour": round spans in the largest unit that fits. */
export function spanWords(seconds: number): string {
  if (seconds % 86_400 === 0) return tn("{n} day", "{n} days", seconds / 86_400);
  if (seconds % 3600 === 0) return tn("{n} hour", "{n} hours", seconds / 3600);
  return seconds % 60 === 0 ? tn("{n} minute", "{n} minutes", seconds / 60) : formatDuration(seconds);
}

function hoursWords(rule: Rule, names: Names): string {
  const calendar = rule.calendarId ? name(names.calendars, rule.calendarId) : null;
  if (calendar === null) return weekWords(rule.hours);
  if (rule.hours === null) return t("during {calendar}", { calendar });
  return t("{hours}, during {calendar}", { hours: weekWords(rule.hours), calendar });
}

function peopleParts(rule: Rule, names: Names): Part[] {
  const people = rule.userIds.map((id) => names.people.get(id) ?? `#${id}`);
  const all = [...people, ...rule.emails, ...rule.phones];
  if (people.length === 0 && rule.channels.includes("web")) {
    if (rule.emails.length + rule.phones.length === 0) return parts(t("tell [everybody]"), "people", {});
    return parts(t("tell {people}"), "people", { people: slot("people", and.format([t("everybody on the page"), ...rule.emails, ...rule.phones])) });
  }
  if (all.length === 0) return rule.channels.includes("webhook") ? parts(t("tell [no person]"), "people", {}) : parts(t("tell [nobody yet]"), "people", {});
  const shown = all.length > MOST_NAMES ? [...all.slice(0, MOST_NAMES - 1), tn("{n} more", "{n} more", all.length - MOST_NAMES + 1)] : all;
  return parts(t("tell {people}"), "people", { people: slot("people", and.format(shown)) });
}

export const channelWords = (channels: readonly ChannelName[]): string => {
  const words: Record<ChannelName, string> = {
    web: t("on the page"),
    sms: t("by SMS, else by e-mail"),
    mail: t("by e-mail"),
    messenger: t("by messenger"),
    webhook: t("by webhook"),
  };
  if (channels.length === 0) return t("in no way yet");
  const both = channels.includes("sms") && channels.includes("mail"); // then "else" says nothing
  return and.format(CHANNELS.filter((one) => channels.includes(one)).map((one) => (both && one === "sms" ? t("by SMS") : words[one])));
};

/** The sentence, part by part; and the second one, of how often and how loudly. */
export function sentence(rule: Rule, names: Names, own: Proximity | null = null): Part[] {
  const id = proximityIdOf(rule);
  const proximity = isProximity(rule) ? (own ?? (id === null ? null : (names.proximities.get(id) ?? null))) : null;
  const texts = {
    happening: happening(rule, names, proximity),
    hours: slot("hours", hoursWords(rule, names)),
    tell: peopleParts(rule, names),
    channels: slot("channels", channelWords(rule.channels)),
  };
  if (!rule.commandId) return parts(t("{happening} {hours}, {tell} {channels}."), "what", texts);
  const command = slot("command", t("“{name}”", { name: names.commands.get(rule.commandId) ?? `#${rule.commandId}` }));
  return parts(t("{happening} {hours}, {tell} {channels}, and tell the vehicle {command}."), "what", { ...texts, command });
}

export function manner(rule: Rule): Part[] {
  const often = rule.cooldownSeconds
    ? t("at most once in {duration}", { duration: spanWords(rule.cooldownSeconds) })
    : t("each time it happens");
  return parts(t("{urgency}; {often}."), "what", {
    urgency: slot("urgency", rule.urgent ? t("Urgent, also in quiet hours") : t("Not in anybody's quiet hours")),
    often: slot("often", often),
  });
}

/** Of a rule that tells the vehicle nothing: the button that changes that. */
export const noCommand = (): Part[] => parts(t("[Tell the vehicle something, too]"), "command", {});

export const plain = (all: readonly Part[]): string => all.map((part) => (typeof part === "string" ? part : part.text)).join("");

