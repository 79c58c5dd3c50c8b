/* Whether a rule can be saved, and what its maker should know before somebody misses an alert. */
import { t } from "../i18n";
import { type ChannelName, isProximity, type Person, type Proximity, type Rule } from "./model";

const EMAIL = /^[^\s@,;<>]+@[^\s@,;<>]+$/;
const PHONE = /^\+[1-9]\d{6,14}$/;

export const tidyPhone = (phone: string): string => phone.replace(/[\s().-]/g, "");

/** What keeps it from being saved, as a sentence; null: nothing. */
export function ruleProblem(rule: Rule, proximity: Proximity | null): string | null {
  if (rule.types.length === 0) return t("Choose what is to happen.");
  const wrongMail = rule.emails.find((email) => !EMAIL.test(email));
  if (wrongMail !== undefined) return t("“{text}” is not an e-mail address.", { text: wrongMail });
  const wrongPhone = rule.phones.find((phone) => !PHONE.test(tidyPhone(phone)));
  if (wrongPhone !== undefined) return t("“{text}” is not a phone number. Write it with its country, such as +77011234567.", { text: wrongPhone });
  if (rule.channels.length === 0) return t("Choose how to tell.");
  if (rule.channels.includes("webhook") && !/^https?:\/\/[^\s/]/.test(rule.webhookUrl ?? "")) {
    return t("The webhook needs an address, such as https://example.com/alerts.");
  }
  const personal = rule.channels.filter((one) => one === "mail" || one === "sms" || one === "messenger");
  const told = (channel: ChannelName): boolean =>
    rule.userIds.length > 0 || (channel === "mail" && rule.emails.length > 0) || (channel === "sms" && rule.phones.length > 0);
  if (personal.length && !personal.some(told)) return t("Choose whom to tell.");
  if (isProximity(rule)) return proximityProblem(rule, proximity);
  return !rule.allDevices && rule.deviceIds.length + rule.groupIds.length === 0 ? t("Choose at least one vehicle or group.") : null;
}

function proximityProblem(rule: Rule, proximity: Proximity | null): string | null {
  if (rule.types.some((type) => !type.startsWith("proximity"))) return t("Nearness needs a rule of its own.");
  if (!proximity) return null; // of all occasions that there are
  if (proximity.deviceId === null && proximity.groupId === null) return t("Choose the vehicle or group that comes near.");
  if (proximity.toDeviceId === null && proximity.toGroupId === null && proximity.latitude === null) {
    return t("Choose what it comes near to: a vehicle, a group or a place.");
  }
  if (proximity.deviceId !== null && proximity.deviceId === proximity.toDeviceId) return t("A vehicle is always near itself: choose another.");
  if (!(proximity.enter > 0)) return t("The distance must be more than nothing.");
  return proximity.exit < proximity.enter ? t("The distance of going apart can't be less than that of coming near.") : null;
}

/** What works, but not as somebody may think. `ready` are the channels that this server can send by. */
export function ruleWarnings(rule: Rule, people: readonly Person[], ready: Partial<Record<ChannelName, boolean>>): string[] {
  const found: string[] = [];
  const has = (channel: ChannelName): boolean => rule.channels.includes(channel);
  const chosen = people.filter(({ id }) => rule.userIds.includes(id));
  if (has("sms") && ready.sms === false) found.push(t("This server can't send SMS yet: e-mails go out instead. The provider sets that up."));
  if (has("sms") && ready.sms !== false) {
    const without = chosen.filter(({ phone }) => !phone).map(({ name, email }) => name || email);
    if (without.length) found.push(t("No phone number is known of {names}: they get an e-mail instead.", { names: without.join(", ") }));
  }
  if ((has("mail") || has("sms")) && ready.mail === false) found.push(t("This server can't send e-mail yet. The provider sets that up."));
  if ((has("sms") || has("messenger")) && !has("mail") && rule.userIds.length === 0 && rule.emails.length > 0) {
    found.push(t("The e-mail addresses are told only by e-mail: choose that as well."));
  }
  if (has("web") && !has("mail") && !has("sms") && !has("messenger") && !has("webhook") && rule.emails.length + rule.phones.length > 0) {
    found.push(t("On the page only people of the account are told: choose e-mail or SMS for the others."));
  }
  if (rule.commandId && rule.types.includes("commandResult")) found.push(t("After an answer to a command the vehicle is told nothing more, or it would never end."));
  if (rule.phones.length && !has("sms")) found.push(t("The phone numbers are told only by SMS: choose that as well."));
  return found;
}
