/* Words in the viewer's language. The texts of these scripts are in the same gettext catalogue as the templates' (dashboards/locale);
 * the page carries the part that scripts use. English is the source, so a text without a translation is still a sentence. */
import { numberFormat } from "./intl";
import { page, pageJson } from "./page";

export type Catalogue = Record<string, string | string[]>;

const catalogue: Catalogue = typeof document === "undefined" ? {} : (pageJson<Catalogue>("messages") ?? {});
export const language = page.language;
const plurals = new Intl.PluralRules(language);

/** The order of gettext's forms in a catalogue, for the languages whose plural has more than two. */
const FORMS: Record<string, Intl.LDMLPluralRule[]> = { ru: ["one", "few", "many"] };

type Values = Record<string, string | number>;

export const fill = (text: string, values: Values): string =>
  text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));

/** A text, with {names} filled in. */
export function t(text: string, values: Values = {}): string {
  const found = catalogue[text];
  return fill(typeof found === "string" ? found : text, values);
}

/** A text that depends on a number: tn("{n} stop", "{n} stops", 3). */
export function tn(one: string, many: string, n: number, values: Values = {}): string {
  const found = catalogue[one];
  const rule = plurals.select(n);
  const forms = Array.isArray(found) ? found : [one, many];
  const index = Array.isArray(found) ? Math.max(0, (FORMS[language] ?? ["one", "other"]).indexOf(rule)) : Number(rule !== "one");
  return fill(forms[index] ?? many, { n: formatNumber(n), ...values });
}

const compact = numberFormat({ notation: "compact", maximumFractionDigits: 0 });

/** A number that has to fit into little room: exact up to 9,999. */
export const formatCount = (value: number): string => (value < 10_000 ? formatNumber(value) : compact.format(value));

const formats = new Map<string, ReturnType<typeof numberFormat>>();

export function formatNumber(value: number, decimals = 0): string {
  const key = `${decimals}`;
  let format = formats.get(key);
  if (!format) {
    format = numberFormat({ maximumFractionDigits: decimals, minimumFractionDigits: decimals });
    formats.set(key, format);
  }
  return format.format(value);
}
