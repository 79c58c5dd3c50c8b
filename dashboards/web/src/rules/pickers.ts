/* What opens from a part of the sentence: a bubble (on a phone a sheet from below), and in it lists to choose from. */
import { element, icon, need } from "../dom";
import { t } from "../i18n";

const SHOWN = 60; // of a long list; the search finds the others

export interface Option<T> {
  value: T;
  label: string;
  hint?: string | null | undefined;
  heading?: string;
}

/** A popover beside the button that opens it: Escape and a click outside close it, and the focus goes back. */
export class Bubble {
  private readonly title = element("h2", { id: "bubble-title" });
  private readonly body = element("div", { class: "bubble-body" });
  private readonly root = element("div", { class: "bubble", popover: "auto", role: "dialog", "aria-labelledby": "bubble-title" });
  private opener = "";

  constructor(host: HTMLElement) {
    const close = element("button", { type: "button", class: "button button-primary bubble-done" }, t("Done"));
    close.addEventListener("click", () => this.root.hidePopover());
    this.root.append(element("div", { class: "bubble-head" }, this.title, close), this.body);
    this.root.addEventListener("toggle", (event) => {
      if ((event as ToggleEvent).newState === "open") return;
      this.body.replaceChildren();
      document.querySelectorAll("[aria-expanded=true][data-slot]").forEach((button) => button.setAttribute("aria-expanded", "false"));
      const lost = document.activeElement === document.body || this.root.contains(document.activeElement);
      if (lost && this.opener) document.querySelector<HTMLElement>(this.opener)?.focus();
    });
    addEventListener("resize", () => this.place());
    new ResizeObserver(() => this.place()).observe(this.root); // lists come late, and grow
    host.append(this.root);
  }

  /** `opener` is a selector, since the sentence is written anew with each choice. */
  open(opener: string, title: string, ...content: (Node | string)[]): void {
    if (this.root.matches(":popover-open")) this.root.hidePopover();
    this.opener = opener;
    this.title.textContent = title;
    this.body.replaceChildren(...content);
    this.root.showPopover();
    need(opener).setAttribute("aria-expanded", "true");
    this.place();
    this.body.querySelector<HTMLElement>("[autofocus], input:not([type=hidden]), select, button")?.focus({ preventScroll: true });
  }

  get content(): HTMLElement {
    return this.body;
  }

  /** Below its button, or where there is room. */
  place(): void {
    const button = this.root.matches(":popover-open") ? document.querySelector(this.opener) : null;
    if (!button) return;
    if (innerWidth <= 720) {
      this.root.style.inset = "";
      return;
    }
    const at = button.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.root;
    const left = Math.max(12, Math.min(at.left, innerWidth - width - 12));
    const below = at.bottom + 8;
    const top = below + height < innerHeight - 12 ? below : Math.max(12, Math.min(below, innerHeight - height - 12));
    this.root.style.inset = `${top}px auto auto ${left}px`;
  }
}

let made = 0; // radio buttons need a name of their own

/** A list of boxes to tick, or of which one is chosen; long ones with a search. */
export function choices<T extends string | number>(options: {
  label: string;
  all: readonly Option<T>[];
  chosen: readonly T[];
  single?: boolean;
  empty?: string;
  onChange: (chosen: T[]) => void;
}): HTMLElement {
  const { all, single = false } = options;
  const name = `choices-${++made}`;
  const chosen = new Set(options.chosen);
  const list = element("div", { class: "choices-list" });
  const group = element("div", { class: "choices", role: single ? "radiogroup" : "group", "aria-label": options.label });
  const search = element("input", { type: "search", placeholder: t("Search"), "aria-label": t("Search"), autocomplete: "off" });
  const note = element("p", { class: "sub", role: "status" });

  const line = ({ value, label, hint }: Option<T>): HTMLElement => {
    const box = element("input", { type: single ? "radio" : "checkbox", name, value, checked: chosen.has(value) });
    box.addEventListener("change", () => {
      if (single) chosen.clear();
      if (box.checked) chosen.add(value);
      else chosen.delete(value);
      options.onChange([...chosen]);
    });
    return element("label", { class: "choice" }, box, element("span", {}, label, hint ? element("span", { class: "sub" }, hint) : null));
  };

  const show = (): void => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = all.filter(({ label, hint }) => words.every((word) => `${label} ${hint ?? ""}`.toLowerCase().includes(word)));
    const first = words.length ? fits : [...fits.filter(({ value }) => chosen.has(value)), ...fits.filter(({ value }) => !chosen.has(value))];
    const ordered = fits.length > SHOWN ? first.slice(0, SHOWN) : fits;
    let heading = "";
    const rows: HTMLElement[] = [];
    for (const option of ordered) {
      if (option.heading && option.heading !== heading) rows.push(element("p", { class: "choices-heading" }, (heading = option.heading)));
      rows.push(line(option));
    }
    list.replaceChildren(...rows);
    note.textContent = fits.length > SHOWN ? t("{shown} of {all}: search for the others.", { shown: SHOWN, all: fits.length }) : "";
    if (fits.length === 0) note.textContent = all.length ? t("Nothing found.") : (options.empty ?? "");
    note.hidden = note.textContent === "";
  };

  search.addEventListener("input", show);
  if (all.length > 10) group.append(element("div", { class: "search" }, icon("search"), search));
  group.append(list, note);
  show();
  return group;
}

/** A box to tick, with a sentence below. */
export function check(label: string, checked: boolean, onChange: (checked: boolean) => void, hint?: string | null): HTMLElement {
  const box = element("input", { type: "checkbox", checked });
  box.addEventListener("change", () => onChange(box.checked));
  return element("label", { class: "choice" }, box, element("span", {}, label, hint ? element("span", { class: "sub" }, hint) : null));
}

type InputAttributes = Record<string, string | number | boolean | null>;

export function field(label: string, attributes: InputAttributes, onChange: (value: string) => void, hint?: string): HTMLElement {
  const input = element("input", attributes);
  input.addEventListener("input", () => onChange(input.value.trim()));
  return element("label", { class: "field" }, element("span", {}, label), input, hint ? element("small", {}, hint) : null);
}

/** Several lines of one kind, such as e-mails: one each, or with commas between. */
export function linesField(label: string, value: readonly string[], attributes: InputAttributes, onChange: (values: string[]) => void): HTMLElement {
  const area = element("textarea", { rows: 2, spellcheck: "false", autocomplete: "off", ...attributes });
  area.value = value.join("\n");
  area.addEventListener("input", () => onChange([...new Set(area.value.split(/[\n,;]+/).map((one) => one.trim()).filter(Boolean))]));
  return element("label", { class: "field" }, element("span", {}, label), area, element("small", {}, t("One on each line.")));
}

export const note = (text: string): HTMLElement => element("p", { class: "bubble-note" }, text);
