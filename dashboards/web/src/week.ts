/* Weekly hours, such as quiet hours or those of a rule or a zone: [{"days": ["mon", …], "from": "20:00", "to": "06:00"}], null: always.
 * A window whose end isn't after its begin goes past midnight and belongs to the day it begins on (telematics/hours.py).
 * The functions read and word them; `WeekEditor` is the field: `new WeekEditor(host, { label, onChange })`, then `.value`. */
import { element, icon } from "./dom";
import { t } from "./i18n";
import { dateFormat, listFormat } from "./intl";

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Day = (typeof DAYS)[number];

export interface Hours {
  days: Day[];
  from: string;
  to: string;
}

/** null: always. An empty list would be never, which nobody means: the editor refuses it. */
export type Weekly = Hours[] | null;

const WORKDAYS: Day[] = ["mon", "tue", "wed", "thu", "fri"];
const WEEKEND: Day[] = ["sat", "sun"];
const MOST = 14; // windows; two a day are more than anybody reads

export type Preset = "always" | "work" | "nights" | "weekends" | "own";

const PRESETS: Record<Exclude<Preset, "own">, Weekly> = {
  always: null,
  work: [{ days: WORKDAYS, from: "09:00", to: "18:00" }],
  nights: [{ days: [...DAYS], from: "20:00", to: "06:00" }],
  weekends: [{ days: WEEKEND, from: "00:00", to: "24:00" }],
};

export const preset = (name: Exclude<Preset, "own">): Weekly => structuredClone(PRESETS[name]);

/** Which of the presets this is. */
export function presetOf(weekly: Weekly): Preset {
  const text = JSON.stringify(weekly && weekly.map(tidy));
  const found = Object.entries(PRESETS).find(([, value]) => JSON.stringify(value) === text);
  return (found?.[0] as Preset | undefined) ?? "own";
}

const CLOCK = /^([01]\d|2[0-3]):[0-5]\d$/;

/** Days in their order and each once, midnight as an end written 24:00. */
function tidy({ days, from, to }: Hours): Hours {
  return { days: DAYS.filter((day) => days.includes(day)), from, to: to === "00:00" ? "24:00" : to };
}

/** What is wrong with it, as a sentence; null: nothing. */
export function weekProblem(weekly: Weekly): string | null {
  if (weekly === null) return null;
  if (weekly.length === 0) return t("Add hours, or choose “Always”.");
  if (weekly.some(({ days }) => days.length === 0)) return t("Choose at least one day in each line.");
  const broken = weekly.some(({ from, to }) => !CLOCK.test(from) || !(CLOCK.test(to) || to === "24:00"));
  return broken ? t("Fill in both times of each line.") : null;
}

const names = (width: "long" | "short"): Record<Day, string> => {
  const format = dateFormat({ weekday: width, timeZone: "UTC" });
  const name = (i: number): string => format.format(Date.UTC(2024, 0, 1 + i)); // a Monday
  return Object.fromEntries(DAYS.map((day, i) => [day, name(i)])) as Record<Day, string>;
};

const list = listFormat("conjunction");

/** "Mon–Fri, Sun": runs of three and more are drawn together. */
export function dayNames(days: readonly Day[]): string {
  const short = names("short");
  const runs: Day[][] = [];
  for (const [i, day] of DAYS.entries()) {
    if (!days.includes(day)) continue;
    const before = DAYS[i - 1];
    if (before && days.includes(before)) runs.at(-1)?.push(day);
    else runs.push([day]);
  }
  const word = (run: Day[]): string[] => (run.length < 3 ? run.map((day) => short[day]) : [`${short[run[0]!]}–${short[run.at(-1)!]}`]);
  return runs.flatMap(word).join(", ");
}

/** A window as a part of a sentence: "between 20:00 and 06:00", "at weekends", "on Mon, Wed between 08:00 and 12:00". */
function windowWords(window: Hours): string {
  const { days, from, to } = tidy(window);
  const whole = from === "00:00" && to === "24:00";
  const values = { days: dayNames(days), from, to: to === "24:00" ? "00:00" : to };
  if (days.length === DAYS.length) return whole ? t("at any time") : t("between {from} and {to}", values);
  if (String(days) === String(WORKDAYS)) return whole ? t("on working days") : t("on working days between {from} and {to}", values);
  if (String(days) === String(WEEKEND)) return whole ? t("at weekends") : t("at weekends between {from} and {to}", values);
  return whole ? t("on {days}", values) : t("on {days} between {from} and {to}", values);
}

/** All of it as a part of a sentence. */
export function weekWords(weekly: Weekly): string {
  if (weekly === null) return t("at any time");
  return list.format(weekly.map(windowWords));
}

let made = 0; // for the names of fields, which have to differ within a page

export interface WeekOptions {
  /** What the hours are for; read out for the whole group. */
  label: string;
  /** What null is called: "Always" for a rule, "Never" for quiet hours. */
  always?: string;
  /** Which ready-made hours are offered; all, unless said. */
  presets?: readonly Preset[];
  onChange?: (value: Weekly) => void;
}

export class WeekEditor {
  private hours: Weekly = null;
  private own = false; // lines are shown although they are a preset's
  private readonly root = element("div", { class: "week", role: "group" });
  private readonly number = ++made;

  constructor(
    host: HTMLElement,
    private readonly options: WeekOptions,
  ) {
    this.root.setAttribute("aria-label", options.label);
    host.append(this.root);
    this.render();
  }

  get value(): Weekly {
    return this.hours && this.hours.map(tidy);
  }

  set value(weekly: Weekly) {
    this.hours = structuredClone(weekly);
    this.own = presetOf(weekly) === "own";
    this.render();
  }

  /** A sentence, when it can't be saved like this. */
  get problem(): string | null {
    return weekProblem(this.hours);
  }

  /** The chip that is marked; a preset that isn't offered here is somebody's own hours. */
  private get chosen(): Preset {
    const found = this.own ? "own" : presetOf(this.hours);
    return found === "always" || (this.options.presets ?? [found]).includes(found) ? found : "own";
  }

  private presetNames(): Record<Preset, string> {
    return {
      always: this.options.always ?? t("Always"),
      work: t("Working hours"),
      nights: t("Nights"),
      weekends: t("Weekends"),
      own: t("Other hours"),
    };
  }

  private choose(name: Preset): void {
    this.own = name === "own";
    if (name !== "own") this.hours = preset(name);
    else this.hours ??= [{ days: [...WORKDAYS], from: "09:00", to: "18:00" }];
    this.render();
    this.root.querySelector<HTMLElement>(`[data-preset="${name}"]`)?.focus();
    this.tell();
  }

  private tell(): void {
    const error = this.root.querySelector<HTMLElement>(".week-error");
    if (error) {
      error.textContent = this.problem ?? "";
      error.hidden = this.problem === null;
    }
    this.options.onChange?.(this.value);
  }

  private render(): void {
    const chosen = this.chosen;
    const chips = element("div", { class: "week-presets", role: "group", "aria-label": t("Ready-made hours") });
    const offered = this.options.presets;
    for (const [name, text] of Object.entries(this.presetNames()) as [Preset, string][]) {
      if (offered && name !== "always" && name !== "own" && !offered.includes(name)) continue;
      const chip = element("button", { type: "button", class: "chip", "data-preset": name, "aria-pressed": String(name === chosen) }, text);
      chip.addEventListener("click", () => this.choose(name));
      chips.append(chip);
    }
    this.root.replaceChildren(chips);
    if (this.hours === null) return;
    const lines = element("ul", { class: "week-lines" });
    this.hours.forEach((window, i) => lines.append(this.line(window, i)));
    const add = element("button", { type: "button", class: "link-button week-add" }, t("Add hours"));
    add.addEventListener("click", () => this.add());
    const error = element("p", { class: "form-error week-error", role: "alert", hidden: true });
    this.root.append(lines, this.hours.length < MOST ? add : "", error);
  }

  private line(window: Hours, i: number): HTMLElement {
    const [long, short] = [names("long"), names("short")];
    const days = element("fieldset", { class: "week-days" }, element("legend", { class: "visually-hidden" }, t("Days")));
    for (const day of DAYS) {
      const box = element("input", { type: "checkbox", name: `week-${this.number}-${i}-${day}`, checked: window.days.includes(day) });
      box.addEventListener("change", () => {
        window.days = DAYS.filter((one) => (one === day ? box.checked : window.days.includes(one)));
        this.edited();
      });
      const shown = element("span", { "aria-hidden": "true" }, short[day]);
      days.append(element("label", { title: long[day] }, box, shown, element("span", { class: "visually-hidden" }, long[day])));
    }
    const remove = element("button", { type: "button", class: "icon-button", "aria-label": t("Remove these hours"), title: t("Remove") }, icon("close"));
    remove.addEventListener("click", () => this.remove(i));
    const times = element("div", { class: "week-times" }, this.time(window, "from", t("From")), "–", this.time(window, "to", t("To")), remove);
    return element("li", { class: "week-line" }, days, times);
  }

  private time(window: Hours, which: "from" | "to", label: string): HTMLElement {
    const value = window[which] === "24:00" ? "00:00" : window[which];
    const input = element("input", { type: "time", value, required: true, "aria-label": label, "data-time": which });
    input.addEventListener("change", () => {
      window[which] = input.value;
      this.edited();
    });
    return input;
  }

  /** The lines stay as they are, with the focus in them; only the preset may be another now. */
  private edited(): void {
    this.own ||= presetOf(this.hours) === "own";
    const { chosen } = this;
    for (const chip of this.root.querySelectorAll<HTMLElement>("[data-preset]")) {
      chip.setAttribute("aria-pressed", String(chip.dataset.preset === chosen));
    }
    this.tell();
  }

  private add(): void {
    this.own = true;
    this.hours = [...(this.hours ?? []), { days: [...WEEKEND], from: "10:00", to: "16:00" }];
    this.render();
    this.root.querySelector<HTMLElement>(".week-line:last-child input")?.focus();
    this.tell();
  }

  private remove(i: number): void {
    const left = (this.hours ?? []).filter((_, j) => j !== i);
    this.hours = left.length ? left : null;
    this.own = left.length > 0;
    this.render();
    this.root.querySelector<HTMLElement>(".week-add, [aria-pressed=true]")?.focus();
    this.tell();
  }
}
