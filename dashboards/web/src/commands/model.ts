/* Commands as the API has them, and their words, which the page carries (templates/parts/command_words.html). */
import { get } from "../api";
import { formatNumber, t } from "../i18n";
import { page, pageJson } from "../page";

export type State = "queued" | "sent" | "answered" | "failed" | "expired" | "withdrawn";
export type Value = string | number | boolean;

export interface Parameter {
  name: string;
  kind: "integer" | "number" | "text" | "yes" | "choice" | "zone";
  title: string;
  required: boolean;
  default: Value | null;
  unit: string;
  least: number;
  most: number;
  choices?: string[];
}

export interface CommandType {
  type: string;
  title: string;
  dangerous: boolean;
  parameters: Parameter[];
}

export interface Saved {
  id: number;
  accountId?: number;
  description: string;
  type: string;
  attributes: Record<string, Value>;
  textChannel: boolean;
}

/** One that was sent, and what became of it. */
export interface Command {
  id: number;
  deviceId: number;
  deviceName: string;
  description: string;
  type: string;
  textChannel: boolean;
  attributes: Record<string, Value>;
  userName: string;
  ruleName: string;
  whenSlow: boolean;
  state: State;
  awaits: boolean;
  reason: string | null;
  answer: string | null;
  tries: number;
  createdAt: string;
  expiresAt: string;
  sentAt: string | null;
  answeredAt: string | null;
}

export const mayCommand = (): boolean => (page.viewer?.commands ?? "none") !== "none";
export const mayCommandAnything = (): boolean => page.viewer?.commands === "all";

let all: Promise<CommandType[]> | null = null;

/** Every type that there is; asked for once. */
export function allTypes(): Promise<CommandType[]> {
  all ??= get<CommandType[]>("/api/commands/types").catch((error: unknown) => {
    all = null;
    throw error;
  });
  return all;
}

interface Words {
  titles: Record<string, string>;
  facts: Record<string, string>;
  units: Record<string, string>;
  states: Record<string, string>;
  reasons: Record<string, string>;
}

let known: Words | null = null;
const words = (): Words => (known ??= (typeof document === "undefined" ? null : pageJson<Words>("command-words")) ?? { titles: {}, facts: {}, units: {}, states: {}, reasons: {} });

export const typeTitle = (type: string): string => words().titles[type] ?? type;
export const factTitle = (parameter: Pick<Parameter, "title">): string => words().facts[parameter.title] ?? parameter.title;
export const unitName = (unit: string): string => words().units[unit] ?? unit;

/** "gateway: refused": what is known in the viewer's words, facts behind the colon as they came. */
export function reasonWords(reason: string | null): string {
  if (!reason) return "";
  const { reasons } = words();
  const [code = "", ...rest] = reason.split(": ");
  const told = reasons[code.startsWith("no answer to") ? "no answer to" : code] ?? code;
  const more = rest.join(": ");
  return more ? `${told}: ${reasons[more] ?? more}` : told;
}

export function stateWords({ state, awaits }: Pick<Command, "state" | "awaits">): string {
  return state === "sent" && awaits ? t("Sent, no answer yet") : (words().states[state] ?? state);
}

/** "Interval 60 s", "Port 5023": the parameters in a line. */
export function factWords(attributes: Record<string, Value>, type: CommandType | undefined): string {
  const parameters = type?.parameters ?? [];
  const told = parameters.flatMap((parameter) => {
    const value = attributes[parameter.name];
    if (value === undefined) return [];
    if (typeof value === "boolean") return [value ? t("on") : t("off")];
    const shown = typeof value === "number" && parameter.kind !== "text" && parameter.unit ? formatNumber(value) : String(value);
    return [`${factTitle(parameter)} ${shown}${parameter.unit ? ` ${unitName(parameter.unit)}` : ""}`];
  });
  const names = new Set(parameters.map(({ name }) => name));
  for (const [name, value] of Object.entries(attributes)) if (!names.has(name)) told.push(`${name} ${value}`);
  return told.join(" · ");
}
