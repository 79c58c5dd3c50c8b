/* Dates, numbers and lists as the viewer's language writes them: Intl, and what it lacks of Kazakh.
 *
 * Chromium says that it supports "kk", and then writes "M11 22", "Thu" and "1,234.5": of that language its data has next to nothing.
 * Kazakh has the order and the signs of Russian, so it is formatted as Russian, with Kazakh words in the Russian ones' place. They are
 * Unicode's (CLDR); a test holds them against Node, whose data is whole. Firefox and Safari know them, but pages shouldn't differ. */
import { page } from "./page";

const MONTHS = ["қаң.", "ақп.", "нау.", "сәу.", "мам.", "мау.", "шіл.", "там.", "қыр.", "қаз.", "қар.", "жел."];
const WEEKDAYS: Record<string, { short: string; long: string }> = {
  Mon: { short: "дс", long: "дүйсенбі" },
  Tue: { short: "сс", long: "сейсенбі" },
  Wed: { short: "ср", long: "сәрсенбі" },
  Thu: { short: "бс", long: "бейсенбі" },
  Fri: { short: "жм", long: "жұма" },
  Sat: { short: "сб", long: "сенбі" },
  Sun: { short: "жс", long: "жексенбі" },
};

/** Of months and weekdays only the widths that the pages use. */
export interface DateOptions extends Omit<Intl.DateTimeFormatOptions, "month" | "weekday" | "dateStyle"> {
  month?: "short";
  weekday?: "short" | "long";
  dateStyle?: "medium";
}

const ENGLISH = "en-GB"; // that of the world's dispatchers: 24 hours, the day before the month

export function dateFormat(options: DateOptions, language = page.language): { format: (time: Date | number) => string } {
  const format = new Intl.DateTimeFormat({ en: ENGLISH, kk: "ru" }[language] ?? language, options);
  if (language !== "kk") return format;
  const { timeZone } = options;
  const month = new Intl.DateTimeFormat("en", { month: "numeric", timeZone });
  const weekday = new Intl.DateTimeFormat("en", { weekday: "short", timeZone });
  const word = ({ type, value }: Intl.DateTimeFormatPart, time: Date | number): string => {
    if (type === "month") return /\d/.test(value) ? value : (MONTHS[Number(month.format(time)) - 1] ?? value);
    if (type === "weekday") return WEEKDAYS[weekday.format(time)]?.[options.weekday ?? "short"] ?? value;
    return type === "literal" ? value.replace("г.", "ж.") : value;
  };
  return { format: (time) => format.formatToParts(time).map((part) => word(part, time)).join("") };
}

export function numberFormat(options: Intl.NumberFormatOptions, language = page.language): { format: (value: number) => string } {
  const format = new Intl.NumberFormat(language === "kk" ? "ru" : language, options);
  return language === "kk" ? { format: (value) => format.format(value).replace("тыс.", "мың") } : format;
}

/** "a, b or c", "a, b and c". */
export function listFormat(type: "conjunction" | "disjunction", language = page.language): { format: (items: readonly string[]) => string } {
  if (language !== "kk") return new Intl.ListFormat(language === "en" ? ENGLISH : language, { type });
  const [two, more] = type === "conjunction" ? [" және ", ", "] : [" не ", ", не болмаса "];
  return {
    format: (items) => (items.length < 3 ? items.join(two) : items.slice(0, -1).join(", ") + more + items.at(-1)),
  };
}
