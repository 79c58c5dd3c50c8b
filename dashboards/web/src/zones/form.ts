/* The form of a zone: what is known of it goes in, what is to be saved comes out. */
import { ApiError, type Device } from "../api";
import { element, need, toast } from "../dom";
import { t } from "../i18n";
import { WeekEditor } from "../week";
import { type Calendar, type Group, PALETTE, paletteName, sizeWords, faultWords, formatArea, uploadCalendar, type Zone, colourOf } from "./data";
import { areaM2, faultOf, type Kind, KINDS, type Shape, toJson } from "./shape";
import { Picker } from "./picker";

/** Sensible for a depot in a town: what the database has for a zone that says nothing. */
const DEFAULTS = { border: 15, confirmFixes: 2, confirmSeconds: 120, dwell: 30, backBy: "20:00", speedLimit: 40 } as const;
const TOLD = ["dwell", "backBy", "speedLimit"] as const;

/** A zone to be stored, without those of its fields that the form doesn't know. */
export type Draft = Omit<Zone, "id" | "accountId" | "description" | "attributes" | "outline"> & { accountId?: number };

export interface Choices {
  devices: readonly Device[];
  groups: readonly Group[];
  calendars: readonly Calendar[];
  zoneGroups: readonly string[];
}

export interface FormHandlers {
  kind: (kind: Kind) => void;
  size: (size: number) => void;
  colour: (colour: string) => void;
  place: () => void;
  calendarAdded: (calendar: Calendar) => void;
}

export class ZoneForm {
  private readonly root = need<HTMLFormElement>("#zone-form");
  private readonly size = need<HTMLInputElement>("#size");
  private readonly error = need("#form-error");
  private readonly week: WeekEditor;
  private readonly whom: Picker;
  private shape: Shape | null = null;
  private choices: Choices = { devices: [], groups: [], calendars: [], zoneGroups: [] };
  private accountId: number | null = null; // of a zone that is there already
  private clean = "";

  constructor(private readonly handlers: FormHandlers) {
    this.week = new WeekEditor(need("#week"), { label: t("When"), onChange: () => undefined });
    this.whom = new Picker(need("#whom"), t("Search vehicles and groups"), () => this.error.toggleAttribute("hidden", true));
    this.swatches();
    this.root.addEventListener("change", (event) => this.changed(event.target as HTMLInputElement));
    this.size.addEventListener("input", () => this.size.validity.valid && Number(this.size.value) >= 1 && this.handlers.size(Number(this.size.value)));
    need("#place").addEventListener("click", () => this.handlers.place());
    this.calendarUpload();
  }

  get colour(): string {
    return this.root.querySelector<HTMLInputElement>("[name=colour]:checked")?.value ?? PALETTE[0];
  }

  get kind(): Kind {
    return (this.root.querySelector<HTMLInputElement>("[name=kind]:checked")?.value as Kind | undefined) ?? "circle";
  }

  /** Whether something would be lost. */
  get dirty(): boolean {
    return this.clean !== this.state();
  }

  /** What is there is what is stored. */
  settle(): void {
    this.clean = this.state();
  }

  fill(zone: Zone | null, colour: string, kind: Kind): void {
    need("#form-title").textContent = zone ? zone.name : t("New zone");
    this.accountId = zone?.accountId ?? null;
    this.error.hidden = true;
    this.text("name", zone?.name ?? "");
    this.text("group", zone?.group ?? "");
    this.choose("kind", kind);
    this.paint(zone ? colourOf(zone) : colour);
    this.offer(this.choices);
    this.choose("whom", !zone || zone.allDevices ? "all" : "some");
    this.whom.value = [...(zone?.groupIds ?? []).map((id) => `g${id}`), ...(zone?.deviceIds ?? []).map((id) => `d${id}`)];
    this.week.value = zone?.hours ?? null;
    this.text("calendarId", String(zone?.calendarId || ""));
    this.told(zone);
    this.text("border", String(zone?.border ?? DEFAULTS.border));
    this.text("confirmFixes", String(zone?.confirmFixes ?? DEFAULTS.confirmFixes));
    this.text("confirmSeconds", String(zone?.confirmSeconds ?? DEFAULTS.confirmSeconds));
    this.field("passes").checked = zone?.passes ?? true;
    this.field("enabled").checked = zone?.enabled ?? true;
    const account = this.root.querySelector<HTMLSelectElement>("[name=accountId]");
    if (account) account.disabled = zone !== null;
    if (account && zone) account.value = String(zone.accountId);
    need("#form-delete").hidden = zone === null;
    need<HTMLDetailsElement>(".zone-fine").open = zone?.enabled === false;
    need(".zone-fields", this.root).scrollTop = 0;
    this.reveal();
    this.settle();
  }

  /** Whom and what there is to choose from: of the zone's account. */
  offer(choices: Choices): void {
    this.choices = choices;
    const account = this.account;
    const ours = <T extends { accountId?: number }>(all: readonly T[]): T[] =>
      all.filter((one) => account === null || one.accountId === undefined || one.accountId === account);
    this.whom.fill([
      ...ours(choices.groups).map(({ id, name }) => ({ key: `g${id}`, name, detail: t("group"), first: true })),
      ...ours(choices.devices).map(({ id, name, uniqueId }) => ({ key: `d${id}`, name, detail: uniqueId })),
    ]);
    const calendars = ours(choices.calendars).map(({ id, name }) => element("option", { value: id }, name));
    const select = need<HTMLSelectElement>("#calendar-choice");
    const { value } = select;
    select.replaceChildren(element("option", { value: "" }, t("No calendar")), ...calendars);
    select.value = value;
    need("#zone-groups").replaceChildren(...choices.zoneGroups.map((value) => element("option", { value })));
  }

  private get account(): number | null {
    const chosen = this.root.querySelector<HTMLSelectElement>("[name=accountId]")?.value;
    return this.accountId ?? (chosen ? Number(chosen) : null);
  }

  /** What the editor on the map has. */
  show(shape: Shape | null, kind: Kind): void {
    this.shape = shape;
    this.choose("kind", kind);
    const circle = kind === "circle";
    need("#size-field").hidden = kind === "polygon" || (circle && shape === null);
    need("#size-label").textContent = circle ? t("Radius, m") : t("Width, m");
    const value = shape?.kind === "circle" ? shape.radiusM : shape?.kind === "corridor" ? shape.widthM : null;
    if (document.activeElement !== this.size && value !== null) this.size.value = String(value);
    this.size.max = circle ? "500000" : "100000"; // telematics/zones/shapes.py
    need("#place").hidden = shape !== null;
    const fault = shape && faultOf(shape);
    const words = need("#size-words");
    words.classList.toggle("is-wrong", fault !== null);
    words.textContent = fault ? faultWords(fault) : shape ? this.sizes(shape) : t("Not drawn yet");
  }

  private sizes(shape: Shape): string {
    const size = sizeWords(shape);
    return shape.kind === "polygon" ? t("Area {area}", { area: size }) : t("{size}, area {area}", { size, area: formatArea(areaM2(shape)) });
  }

  /** Raises ApiError with a sentence when it can't be saved like this. */
  draft(): Draft {
    const { shape } = this;
    if (!shape) throw new ApiError(400, t("Draw the zone on the map first."));
    const fault = faultOf(shape);
    if (fault) throw new ApiError(400, faultWords(fault));
    const name = this.field("name").value.trim();
    if (!name) this.refuse("name", t("Give the zone a name."));
    const broken = [...this.root.querySelectorAll<HTMLInputElement>("input")].find((one) => !one.disabled && one !== this.size && !one.validity.valid);
    if (broken) {
      broken.closest("details")?.setAttribute("open", "");
      broken.focus();
      broken.closest(".zone-tell, .field")?.scrollIntoView({ block: "center" });
      throw new ApiError(400, outOfRange(broken));
    }
    if (this.week.problem) throw new ApiError(400, this.week.problem);
    const all = this.value("whom") === "all";
    const ids = (kind: string): number[] => (all ? [] : this.whom.value.filter((key) => key.startsWith(kind)).map((key) => Number(key.slice(1))));
    if (!all && this.whom.value.length === 0) {
      this.whom.focus();
      throw new ApiError(400, t("Choose a vehicle or a group, or all vehicles."));
    }
    const dwell = this.number("dwell");
    const account = this.accountId === null ? this.account : null;
    return {
      name,
      kind: shape.kind,
      ...toJson(shape),
      group: this.field("group").value.trim(),
      color: this.colour,
      allDevices: all,
      deviceIds: ids("d"),
      groupIds: ids("g"),
      hours: this.week.value,
      calendarId: Number(need<HTMLSelectElement>("#calendar-choice").value) || 0,
      dwellSeconds: dwell === null ? null : dwell * 60,
      backBy: this.tells("backBy") ? this.field("backBy").value : null,
      speedLimit: this.number("speedLimit"),
      passes: this.field("passes").checked,
      border: Number(this.field("border").value),
      confirmFixes: Number(this.field("confirmFixes").value),
      confirmSeconds: Number(this.field("confirmSeconds").value),
      enabled: this.field("enabled").checked,
      ...(account !== null && { accountId: account }),
    };
  }

  fail(text: string): void {
    this.error.textContent = text;
    this.error.hidden = false;
  }

  busy(yes: boolean): void {
    need<HTMLButtonElement>("#form-save").disabled = yes;
    if (yes) this.error.hidden = true;
  }

  private refuse(name: string, text: string): never {
    this.field(name).focus();
    throw new ApiError(400, text);
  }

  private field(name: string): HTMLInputElement {
    return need<HTMLInputElement>(`[name="${name}"]`, this.root);
  }

  private text(name: string, value: string): void {
    this.field(name).value = value;
  }

  private value(name: string): string | undefined {
    return this.root.querySelector<HTMLInputElement>(`[name="${name}"]:checked`)?.value;
  }

  private choose(name: string, value: string): void {
    const radio = this.root.querySelector<HTMLInputElement>(`[name="${name}"][value="${value}"]`);
    if (radio) radio.checked = true;
  }

  private tells(name: string): boolean {
    return need<HTMLInputElement>(`[data-for="${name}"]`, this.root).checked;
  }

  private number(name: string): number | null {
    return this.tells(name) ? Number(this.field(name).value) : null;
  }

  private told(zone: Zone | null): void {
    const known = { dwell: zone?.dwellSeconds ? zone.dwellSeconds / 60 : null, backBy: zone?.backBy ?? null, speedLimit: zone?.speedLimit ?? null };
    for (const name of TOLD) {
      need<HTMLInputElement>(`[data-for="${name}"]`, this.root).checked = known[name] !== null;
      this.text(name, String(known[name] ?? DEFAULTS[name]));
    }
  }

  /** Fields that count for nothing are not there. */
  private reveal(): void {
    need("#whom").hidden = this.value("whom") !== "some";
    for (const name of TOLD) {
      const field = this.field(name);
      field.hidden = field.disabled = !this.tells(name);
    }
  }

  private changed(target: HTMLInputElement): void {
    this.reveal();
    if (target.name === "kind") this.handlers.kind(this.kind);
    else if (target.name === "colour") this.handlers.colour(this.colour);
    else if (target.name === "accountId") this.offer(this.choices);
    else if (target.name === "whom" && target.value === "some") this.whom.focus();
    else if (target.dataset.for) this.field(target.dataset.for).focus();
  }

  private swatches(): void {
    for (const colour of PALETTE) this.swatch(colour);
  }

  private swatch(colour: string): void {
    const name = paletteName(colour);
    const input = element("input", { type: "radio", name: "colour", value: colour, "aria-label": name });
    const dot = element("span", { title: name });
    dot.style.background = colour;
    need("#colours").append(element("label", {}, input, dot));
  }

  /** Others' programs give zones colours that the palette doesn't have. */
  private paint(colour: string): void {
    if (!this.root.querySelector(`[name=colour][value="${colour}"]`)) this.swatch(colour);
    this.choose("colour", colour);
  }

  private calendarUpload(): void {
    const file = need<HTMLInputElement>("#calendar-file");
    need("#calendar-upload").addEventListener("click", () => file.click());
    file.addEventListener("change", async (event) => {
      event.stopPropagation();
      const chosen = file.files?.[0];
      file.value = "";
      if (!chosen) return;
      try {
        const made = await uploadCalendar(chosen, this.account ?? undefined);
        this.handlers.calendarAdded(made);
        need<HTMLSelectElement>("#calendar-choice").value = String(made.id);
        toast(t("{name} has been added", { name: made.name }));
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        this.fail(error.message);
      }
    });
  }

  private state(): string {
    const fields = [...new FormData(this.root)].filter(([name]) => name !== "kind" && !name.startsWith("week-"));
    const told = TOLD.map((name) => this.tells(name));
    return JSON.stringify([fields.map(([name, value]) => [name, String(value)]), told, this.week.value, this.whom.value]);
  }
}

/** The browser's own words are in the browser's language, which needn't be the page's. */
function outOfRange(input: HTMLInputElement): string {
  const { min, max, type } = input;
  const name = input.ariaLabel ?? input.closest("label")?.querySelector("span")?.textContent ?? input.name;
  if (type === "number" && min && max) return t("{field}: a number from {min} to {max}.", { field: name, min, max });
  return t("{field}: this can't be read.", { field: name });
}

export const isKind = (text: string | null): text is Kind => KINDS.includes(text as Kind);
