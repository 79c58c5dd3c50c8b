/* Chooses some of many: what is chosen stands as chips, a field searches the rest. Used for the vehicles and groups of a zone. */
import { element, icon } from "../dom";
import { t } from "../i18n";

export interface Option {
  key: string;
  name: string;
  /** A second line's worth of words, searched as well. */
  detail?: string;
  /** Shown before the others. */
  first?: boolean;
}

const SHOWN = 50;
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

/** Those with all words of the text, that aren't chosen yet. */
export function matching(options: readonly Option[], chosen: ReadonlySet<string>, text: string): Option[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found: Option[] = [];
  for (const option of options) {
    if (chosen.has(option.key)) continue;
    const searched = `${option.name} ${option.detail ?? ""}`.toLowerCase();
    if (words.every((word) => searched.includes(word)) && found.push(option) >= SHOWN) break;
  }
  return found;
}

let made = 0;

export class Picker {
  private options: Option[] = [];
  private matches: Option[] = [];
  private readonly chosen = new Set<string>();
  private active = -1;
  private readonly number = ++made;
  private readonly chips = element("ul", { class: "picker-chips" });
  private readonly list = element("ul", { class: "picker-options", role: "listbox", id: `picker-${this.number}`, hidden: true });
  private readonly input: HTMLInputElement;

  constructor(
    host: HTMLElement,
    label: string,
    private readonly onChange: () => void,
  ) {
    this.input = element("input", {
      type: "text",
      role: "combobox",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: label,
      "aria-label": label,
      "aria-expanded": "false",
      "aria-controls": this.list.id,
      "aria-autocomplete": "list",
    });
    this.list.setAttribute("aria-label", label);
    host.append(element("div", { class: "picker" }, this.chips, element("div", { class: "combo" }, this.input, this.list)));
    this.input.addEventListener("focus", () => this.open());
    this.input.addEventListener("click", () => this.list.hidden && this.open());
    this.input.addEventListener("input", () => this.open());
    this.input.addEventListener("blur", () => this.close());
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.list.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the field keeps the focus
      const index = (event.target as Element).closest<HTMLElement>("[data-index]")?.dataset.index;
      if (index !== undefined) this.choose(Number(index));
    });
  }

  fill(options: readonly Option[]): void {
    this.options = options.toSorted((a, b) => Number(b.first ?? false) - Number(a.first ?? false) || collator.compare(a.name, b.name));
    this.render();
  }

  get value(): string[] {
    return [...this.chosen];
  }

  set value(keys: readonly string[]) {
    this.chosen.clear();
    for (const key of keys) this.chosen.add(key);
    this.render();
  }

  focus(): void {
    this.input.focus();
  }

  private render(): void {
    const names = new Map(this.options.map((option) => [option.key, option]));
    this.chips.replaceChildren(
      ...[...this.chosen].map((key) => {
        const option = names.get(key);
        const name = option?.name ?? key;
        const remove = element("button", { type: "button", "aria-label": t("Take out {name}", { name }), title: t("Take out") }, icon("close"));
        remove.addEventListener("click", () => {
          this.chosen.delete(key);
          this.render();
          this.input.focus();
          this.close();
          this.onChange();
        });
        return element("li", { class: option?.first ? "picker-first" : "" }, element("span", {}, name), remove);
      }),
    );
    this.chips.hidden = this.chosen.size === 0;
  }

  private open(): void {
    this.matches = matching(this.options, this.chosen, this.input.value);
    this.list.replaceChildren(
      ...this.matches.map((option, i) =>
        element("li", { role: "option", id: `picker-${this.number}-${i}`, "data-index": i }, option.name, option.detail ? element("span", {}, option.detail) : null),
      ),
    );
    this.list.hidden = this.matches.length === 0;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this.mark(this.input.value.trim() && this.matches.length ? 0 : -1);
  }

  private close(): void {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.mark(-1);
  }

  private mark(index: number): void {
    this.active = index;
    [...this.list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === index)));
    const option = this.list.children[index];
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.input.setAttribute("aria-activedescendant", option.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  private key(event: KeyboardEvent): void {
    const count = Math.max(1, this.matches.length);
    if (event.key === "ArrowDown") this.list.hidden ? this.open() : this.mark((this.active + 1) % count);
    else if (event.key === "ArrowUp") this.mark((this.active - 1 + count) % count);
    else if (event.key === "Enter") this.choose(this.active);
    else if (event.key === "Escape" && !this.list.hidden) this.close();
    else if (event.key === "Backspace" && !this.input.value) this.chips.querySelector<HTMLElement>("li:last-child button")?.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private choose(index: number): void {
    const option = this.matches[index];
    if (!option) return;
    this.chosen.add(option.key);
    this.input.value = "";
    this.render();
    this.open();
    this.onChange();
  }
}
