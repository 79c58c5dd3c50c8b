/* A field to choose one of many vehicles: type a part of the name, arrows and Enter choose. Ten thousand names stay quick, since only the
 * first matches are shown. */
import type { Device } from "../api";
import { element } from "../dom";

const SHOWN = 60;

export class VehicleCombo {
  private devices: Device[] = [];
  private matches: Device[] = [];
  private active = -1;

  constructor(
    private readonly input: HTMLInputElement,
    private readonly options: HTMLElement,
    private readonly onChoose: (device: Device) => void,
  ) {
    input.addEventListener("focus", () => {
      input.select();
      this.open("");
    });
    input.addEventListener("input", () => this.open(input.value));
    input.addEventListener("keydown", (event) => this.key(event));
    // Not at once: where the list takes room, a click beside it would find its button moved away
    input.addEventListener("blur", () => setTimeout(() => document.activeElement !== input && this.close(), 200));
    options.addEventListener("pointerdown", (event) => {
      event.preventDefault(); // the field keeps the focus
      const index = (event.target as Element).closest<HTMLElement>("[data-index]")?.dataset.index;
      if (index !== undefined) this.choose(Number(index));
    });
  }

  fill(devices: Device[]): void {
    const collator = new Intl.Collator(undefined, { numeric: true });
    this.devices = devices.toSorted((a, b) => collator.compare(a.name, b.name));
    if (document.activeElement === this.input) this.open(this.input.selectionStart === this.input.selectionEnd ? this.input.value : "");
  }

  private open(text: string): void {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const has = (device: Device): boolean => words.every((word) => `${device.name} ${device.uniqueId}`.toLowerCase().includes(word));
    this.matches = [];
    for (const device of this.devices) if (has(device) && this.matches.push(device) >= SHOWN) break;
    this.options.replaceChildren(
      ...this.matches.map((device, i) =>
        element("li", { role: "option", id: `option-${i}`, "data-index": i }, device.name, element("span", {}, device.uniqueId)),
      ),
    );
    this.options.hidden = this.matches.length === 0;
    this.input.setAttribute("aria-expanded", String(!this.options.hidden));
    this.mark(words.length && this.matches.length ? 0 : -1);
  }

  private close(): void {
    this.options.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.mark(-1);
  }

  private mark(index: number): void {
    this.active = index;
    [...this.options.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === index)));
    const option = this.options.children[index];
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.input.setAttribute("aria-activedescendant", option.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  private key(event: KeyboardEvent): void {
    const count = this.matches.length;
    if (event.key === "ArrowDown") this.options.hidden ? this.open("") : this.mark((this.active + 1) % Math.max(1, count));
    else if (event.key === "ArrowUp") this.mark((this.active - 1 + count) % Math.max(1, count));
    else if (event.key === "Enter") this.choose(this.active);
    else if (event.key === "Escape" && !this.options.hidden) this.close(); // a second one is for the dialog around it
    else return;
    event.preventDefault();
  }

  private choose(index: number): void {
    const device = this.matches[index];
    if (!device) return;
    this.input.value = device.name;
    this.close();
    this.onChoose(device);
  }
}
