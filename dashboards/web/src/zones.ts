/* The page of zones: their list, the map they are drawn on, the form of one, files of them. */
import "./style/app.css";
import { ApiError, type Device, get, type Position, send } from "./api";
import { debounce, element, need, toast } from "./dom";
import { formatDuration } from "./format";
import { t, tn } from "./i18n";
import { BaseMap } from "./map/base";
import { ZoneLayer, zoneBox } from "./map/zones";
import { savedView } from "./map/view";
import { page } from "./page";
import { startShell } from "./shell";
import { beyondTariff } from "./tariff";
import { weekWords } from "./week";
import { openCalendars } from "./zones/calendars";
import { confirmed } from "./zones/confirm";
import { all, type Calendar, colourOf, forWhom, type Group, kindName, PALETTE, sizeWords, type Zone } from "./zones/data";
import { type EditorState, ShapeEditor } from "./zones/editor";
import { ZoneForm } from "./zones/form";
import { Importer } from "./zones/importer";
import { sections, ZoneList } from "./zones/list";
import { type Box, boxOf, fromJson, type Kind } from "./zones/shape";

const PHONE = matchMedia("(max-width: 720px)");
const COLOUR_KEY = "zone-colour";
const MOST = page.allowed?.zones ?? null; // zones of the tariff
type View = "list" | "form" | "import";

class ZonesPage {
  private zones: Zone[] = [];
  private devices: Device[] = [];
  private groups: Group[] = [];
  private calendars: Calendar[] = [];
  private selected: number | null = null;
  private editing: Zone | null = null; // null in the form: a new one
  private view: View = "list";
  private moved = false; // the shape, since it was opened
  private readonly readonly = page.viewer?.readonly ?? true;
  private readonly remembered = savedView();
  private readonly base = new BaseMap(need("#map"), page.map ?? { styleUrl: "", styleUrlDark: "" }, this.remembered);
  private readonly layer = new ZoneLayer(this.base);
  private readonly editor = new ShapeEditor(this.base, (state) => this.drawn(state));
  private readonly list = new ZoneList(need("#zone-list"), (id) => this.choose(id));
  private readonly search = need<HTMLInputElement>("#search");
  private readonly form = new ZoneForm({
    kind: (kind) => this.kind(kind),
    size: (size) => this.editor.resize(size),
    colour: (colour) => this.editor.recolour(colour),
    place: () => this.editor.place(this.form.kind),
    calendarAdded: (calendar) => {
      this.calendars.push(calendar);
      this.offer();
    },
  });
  private readonly importer = new Importer({
    preview: (zones, fit) => this.preview(zones, fit),
    close: (saved) => void this.imported(saved),
  });

  constructor() {
    this.listen();
    this.buttons();
    if (!this.readonly) this.files();
  }

  async start(): Promise<void> {
    try {
      await this.load();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.empty(error.message, true);
      return;
    }
    const wanted = Number(new URLSearchParams(location.search).get("zone"));
    if (this.zones.some(({ id }) => id === wanted)) this.choose(wanted, 0);
    else if (this.zones.length) this.fit(0);
    else if (!this.remembered) void this.goToFleet();
    const lists = [get<Device[]>("/api/devices?withBlocked=true"), all<Group>("/api/groups"), all<Calendar>("/api/calendars")] as const;
    const [devices, groups, calendars] = await Promise.allSettled(lists);
    if (devices.status === "fulfilled") this.devices = devices.value;
    if (groups.status === "fulfilled") this.groups = groups.value;
    if (calendars.status === "fulfilled") this.calendars = calendars.value;
    const failed = [devices, groups, calendars].find((one) => one.status === "rejected");
    if (failed?.status === "rejected" && failed.reason instanceof ApiError) toast(failed.reason.message, "error");
    this.offer();
    if (this.selected !== null) this.card();
  }

  /** The first zone is likely to be where the vehicles are. */
  private async goToFleet(): Promise<void> {
    const positions = await get<Position[]>("/api/positions").catch(() => []);
    const box = boxOf(positions.map(({ longitude, latitude }) => [longitude, latitude]));
    if (box && this.view === "list") this.base.map.fitBounds(box, { padding: 60, maxZoom: 12, duration: 0 });
  }

  private async load(): Promise<void> {
    this.zones = await all<Zone>("/api/geofences", { outline: "true" });
    this.refresh();
  }

  private listen(): void {
    const { map } = this.base;
    this.search.addEventListener("input", debounce(80, () => this.refresh()));
    map.on("click", (event) => {
      if (this.view === "list") this.choose(this.layer.hit(event.point.x, event.point.y), null);
    });
    map.on("mousemove", (event) => {
      if (this.view === "list") map.getCanvas().style.cursor = this.layer.hit(event.point.x, event.point.y) === null ? "" : "pointer";
    });
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("beforeunload", (event) => {
      if (this.dirty) event.preventDefault();
    });
    const dialog = need<HTMLDialogElement>("#dialog");
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    need<HTMLFormElement>("#zone-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.save();
    });
  }

  private buttons(): void {
    const on = (selector: string, call: () => unknown): void => document.querySelector(selector)?.addEventListener("click", () => void call());
    on("#add", () => this.add());
    on("#form-back", () => this.leave());
    on("#form-cancel", () => this.leave());
    on("#form-delete", () => this.editing && this.remove(this.editing));
    on("#card-close", () => this.choose(null));
    on("#card-edit", () => this.edit(this.chosen));
    on("#card-delete", () => this.chosen && this.remove(this.chosen));
    on("#draw-undo", () => this.editor.undo());
    on("#draw-redo", () => this.editor.redo());
    on("#draw-finish", () => this.editor.finish());
    on("#draw-cancel", () => this.editor.cancel());
    on("#draw-again", () => this.editor.draw(this.form.kind));
    on("#draw-hole", () => this.editor.cut());
    on("#draw-corner", () => this.editor.removeCorner());
    on("#panel-toggle", () => this.panel(!document.body.classList.contains("panel-open")));
    on("#calendars", () => {
      need<HTMLDetailsElement>("#more").open = false;
      this.openCalendars();
    });
    const fit = need("#fit");
    fit.addEventListener("click", () => this.fit());
    this.base.addButton(fit);
  }

  private refresh(): void {
    const parts = sections(this.zones, this.search.value);
    const shown = parts.flatMap(({ zones }) => zones);
    const filtered = this.search.value.trim() !== "";
    this.list.show(parts);
    this.list.select(this.selected, false);
    this.layer.show(shown);
    need("#list-count").textContent = filtered
      ? t("{shown} of {all}", { shown: shown.length, all: this.zones.length })
      : MOST === null
        ? tn("{n} zone", "{n} zones", shown.length)
        : t("{n} of {most} zones that your tariff allows", { n: shown.length, most: MOST });
    if (shown.length === 0) this.empty(filtered ? t("No zone matches.") : t("There are no zones yet. Draw one, or import a file of them."));
    else need("#list-empty").hidden = true;
  }

  private empty(text: string, failed = false): void {
    const again = element("button", { type: "button", class: "button" }, t("Try again"));
    again.addEventListener("click", () => location.reload());
    need("#list-empty").replaceChildren(element("p", {}, text), ...(failed ? [again] : []));
    need("#list-empty").hidden = false;
    need("#list-count").textContent = "";
  }

  private offer(): void {
    const zoneGroups = [...new Set(this.zones.map(({ group }) => group).filter(Boolean))].sort();
    this.form.offer({ devices: this.devices, groups: this.groups, calendars: this.calendars, zoneGroups });
  }

  private get chosen(): Zone | null {
    return this.zones.find(({ id }) => id === this.selected) ?? null;
  }

  /** Marks a zone; `duration` null: without going there. */
  private choose(id: number | null, duration: number | null = 500): void {
    this.selected = id;
    this.layer.select(id);
    this.list.select(id);
    const address = new URL(location.href);
    if (id === null) address.searchParams.delete("zone");
    else address.searchParams.set("zone", String(id));
    history.replaceState(null, "", address);
    this.card();
    if (id !== null) this.panel(false);
    const box = this.chosen && zoneBox(this.chosen);
    if (box && duration !== null) this.base.map.fitBounds(box, { padding: this.padding(), maxZoom: 16, duration });
  }

  /** The map's free part, past the card or the sheet. */
  private padding(): { top: number; bottom: number; left: number; right: number } {
    const whole = this.base.map.getContainer().getBoundingClientRect();
    const card = need("#card").getBoundingClientRect();
    const open = PHONE.matches && document.body.classList.contains("panel-open");
    const sheet = open ? need("#panel").getBoundingClientRect() : null;
    const below = card.height > 0 && card.left <= whole.left;
    const bottom = (this.view === "form" ? 100 : 48) + (sheet?.height ?? (below ? card.height : 0));
    const right = 56 + (card.height > 0 && !below ? card.width : 0);
    return { top: 72, bottom: Math.min(bottom, whole.height * 0.7), left: 48, right: PHONE.matches ? 48 : right };
  }

  private card(): void {
    const zone = this.view === "list" ? this.chosen : null;
    const card = need("#card");
    card.hidden = zone === null;
    document.body.classList.toggle("has-card", zone !== null);
    if (!zone) return;
    const shape = fromJson(zone);
    need("#card-colour").style.background = colourOf(zone);
    need("#card-name").textContent = zone.name;
    need("#card-kind").textContent = [kindName(zone.kind), shape && sizeWords(shape), zone.group].filter(Boolean).join(" · ");
    need("#card-facts").replaceChildren(...this.facts(zone).flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]));
  }

  private facts(zone: Zone): [string, string][] {
    const names = (ids: number[], from: readonly { id: number; name: string }[]): string[] =>
      from.filter(({ id }) => ids.includes(id)).map(({ name }) => name);
    const whom = [...names(zone.groupIds, this.groups), ...names(zone.deviceIds, this.devices)];
    const calendar = this.calendars.find(({ id }) => id === zone.calendarId)?.name;
    const tells = [
      zone.dwellSeconds && t("stays over {duration}", { duration: formatDuration(zone.dwellSeconds) }),
      zone.backBy && t("not back by {time}", { time: zone.backBy.slice(0, 5) }),
      zone.speedLimit && t("over {speed} km/h", { speed: zone.speedLimit }),
      zone.passes && t("passing through"),
    ].filter((one): one is string => Boolean(one));
    const facts: [string, string][] = [
      [t("For"), zone.allDevices || whom.length === 0 || whom.length > 3 ? forWhom(zone) : whom.join(", ")],
      [t("When"), [weekWords(zone.hours), calendar].filter(Boolean).join(", ")],
      [t("Tells of"), [t("coming and going"), ...tells].join(", ")],
    ];
    if (!zone.enabled) facts.unshift([t("Switched off"), t("it raises no events")]);
    return facts;
  }

  private show(view: View): void {
    this.view = view;
    for (const one of ["list", "form", "import"] as const) need(one === "form" ? "#zone-form" : `#${one}-view`).hidden = one !== view;
    const editing = view === "form";
    need("#draw-bar").hidden = need("#draw-hint").hidden = !editing;
    document.body.classList.toggle("is-editing", editing);
    need("#panel-word").textContent = view === "list" ? t("Zones") : editing ? t("Details") : t("Import");
    this.card();
  }

  /** Better to be told before it is drawn than after. */
  private add(): void {
    if (MOST !== null && this.zones.length >= MOST) toast(beyondTariff({ feature: "zones", tariff: page.allowed?.tariff, limit: MOST }), "error");
    else this.edit(null);
  }

  /** Opens the form, and the editor on the map. */
  private edit(zone: Zone | null, kind: Kind = "circle"): void {
    const shape = zone && fromJson(zone);
    this.editing = zone;
    this.moved = false;
    const colour = zone ? colourOf(zone) : (localStorage.getItem(COLOUR_KEY) ?? PALETTE[0]);
    this.offer();
    this.form.fill(zone, colour, shape?.kind ?? kind);
    this.show("form");
    this.layer.hide(zone?.id ?? null);
    this.layer.select(null);
    this.editor.start(shape, kind, colour);
    this.form.settle();
    this.panel(false); // on a phone the map comes first: there the zone is drawn
    if (zone) this.editor.fit(this.padding());
    if (zone || !PHONE.matches) need("#zone-form [name=name]").focus({ preventScroll: true });
  }

  private kind(kind: Kind): void {
    this.editor.draw(kind);
    this.panel(false);
  }

  private drawn(state: EditorState): void {
    const { doing, hole, shape } = state;
    if (state.canUndo) this.moved = true;
    const kind = shape && doing !== "ready" ? shape.kind : this.form.kind;
    this.form.show(shape, doing === "ready" || doing === "drawing" ? this.form.kind : kind);
    const drawing = doing === "drawing";
    const idle = doing === "idle" || doing === "changing";
    need<HTMLButtonElement>("#draw-undo").disabled = !state.canUndo;
    need<HTMLButtonElement>("#draw-redo").disabled = !state.canRedo;
    need("#draw-finish").hidden = !drawing || (kind === "circle" && !hole);
    need("#draw-cancel").hidden = !drawing && !(doing === "ready" && (hole || state.canUndo || shape !== null));
    need("#draw-again").hidden = !idle;
    need("#draw-hole").hidden = !idle || shape?.kind !== "polygon";
    need("#draw-corner").hidden = !state.corner;
    need("#draw-hint").classList.toggle("is-idle", idle && !state.corner);
    need("#draw-hint").textContent = hint(doing, kind, hole, state.corner);
  }

  private get dirty(): boolean {
    return this.view === "form" && (this.moved || this.form.dirty);
  }

  private async leave(): Promise<boolean> {
    const words = t("What you have changed in this zone is not stored yet.");
    if (this.dirty && !(await confirmed(t("Leave without saving?"), words, t("Leave")))) return false;
    this.close();
    return true;
  }

  private close(): void {
    this.moved = false;
    this.editor.stop();
    this.layer.hide(null);
    this.editing = null;
    this.show("list");
    this.layer.select(this.selected);
    this.refresh();
    if (!PHONE.matches) (document.querySelector<HTMLElement>("[data-id][aria-current]") ?? this.search).focus();
  }

  private async save(): Promise<void> {
    this.form.busy(true);
    try {
      const draft = this.form.draft();
      const known = this.editing;
      const saved = known ? await send<Zone>("PUT", `/api/geofences/${known.id}`, draft) : await send<Zone>("POST", "/api/geofences", draft);
      localStorage.setItem(COLOUR_KEY, this.form.colour);
      await this.load();
      this.selected = saved?.id ?? known?.id ?? null;
      this.close();
      this.choose(this.selected, null);
      toast(t("{name} has been saved", { name: draft.name }));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.panel(true); // where it is told
      this.form.fail(error.message);
    } finally {
      this.form.busy(false);
    }
  }

  private async remove(zone: Zone): Promise<void> {
    const words = t("Its vehicles raise no events here any more, and rules that name it lose it. What it has told so far stays.");
    if (!(await confirmed(t("Delete {name}?", { name: zone.name }), words, t("Delete")))) return;
    try {
      await send("DELETE", `/api/geofences/${zone.id}`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status !== 404) return toast(error.message, "error");
    }
    this.zones = this.zones.filter(({ id }) => id !== zone.id);
    this.selected = null;
    this.close();
    this.choose(null);
    toast(t("Removed"));
  }

  private files(): void {
    const file = need<HTMLInputElement>("#import-file");
    need("#import").addEventListener("click", () => {
      need<HTMLDetailsElement>("#more").open = false;
      file.click();
    });
    file.addEventListener("change", () => {
      const chosen = file.files?.[0];
      file.value = "";
      if (chosen) void this.import(chosen);
    });
    const note = need("#drop-note");
    const holdsFile = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
    addEventListener("dragover", (event) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      note.hidden = false;
    });
    addEventListener("dragleave", (event) => event.relatedTarget === null && (note.hidden = true));
    addEventListener("drop", (event) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      note.hidden = true;
      const dropped = event.dataTransfer?.files[0];
      if (dropped) void this.import(dropped);
    });
  }

  private async import(file: File): Promise<void> {
    if (this.view === "form" && !(await this.leave())) return;
    try {
      await this.importer.read(file);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return toast(error.message, "error");
    }
    this.show("import");
    this.panel(true);
  }

  /** What a file holds, drawn beside what is there. */
  private preview(zones: Zone[], fit: boolean): void {
    this.layer.show([...this.zones.map((zone) => ({ ...zone, color: "#73808e", enabled: false })), ...zones]);
    if (fit) this.fit(500, zones);
  }

  private async imported(saved: boolean): Promise<void> {
    if (saved) {
      toast(t("The zones have been imported"));
      await this.load();
    }
    this.show("list");
    this.refresh();
    this.offer();
  }

  private openCalendars(): void {
    openCalendars(this.readonly, {
      get: () => this.calendars,
      usedBy: (id) => this.zones.filter(({ calendarId }) => calendarId === id).map(({ name }) => name),
      changed: (calendars) => {
        this.calendars = calendars;
        this.offer();
      },
    });
  }

  private key(event: KeyboardEvent): void {
    const { target } = event;
    if (document.querySelector("dialog[open]") || (target instanceof Element && target.closest("details.menu"))) return; // they have their own keys
    const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
    const text = typing && !["radio", "checkbox"].includes((target as HTMLInputElement).type);
    const command = event.ctrlKey || event.metaKey;
    if (this.view === "form") {
      const z = event.code === "KeyZ" || event.key.toLowerCase() === "z";
      if (command && !text && (z || event.code === "KeyY")) {
        event.preventDefault();
        if (event.shiftKey || !z) this.editor.redo();
        else this.editor.undo();
      } else if (event.key === "Escape" && !this.editor.cancel()) void this.leave();
      else if (event.key === "Delete" && !typing) this.editor.removeCorner();
      return;
    }
    if (event.key === "Escape" && this.view === "list" && this.selected !== null && !typing) this.choose(null);
    if (event.key !== "/" || typing || this.view !== "list") return;
    event.preventDefault();
    this.panel(true);
    this.search.focus();
  }

  private panel(open: boolean): void {
    document.body.classList.toggle("panel-open", open);
    need("#panel-toggle").setAttribute("aria-expanded", String(open));
    if (open && PHONE.matches && this.selected !== null && this.view === "list") this.choose(null);
  }

  private fit(duration = 600, zones: readonly Zone[] = this.zones): void {
    if (this.view === "form") return this.editor.fit(this.padding(), duration);
    const box = zones.map(zoneBox).reduce<Box | null>((sum, one) => (sum && one ? joined(sum, one) : (sum ?? one)), null);
    if (box) this.base.map.fitBounds(box, { padding: this.padding(), maxZoom: 15, duration });
  }
}

const joined = (a: Box, b: Box): Box => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];

/** What to do next, in a line. */
function hint(doing: EditorState["doing"], kind: Kind, hole: boolean, corner: boolean): string {
  if (doing === "ready" && hole) return t("Click inside the zone where the first corner of the hole shall be.");
  if (doing === "ready" && kind === "circle") return t("Click where the middle shall be, or drag from there.");
  if (doing === "ready" && kind === "polygon") return t("Click where the first corner shall be.");
  if (doing === "ready") return t("Click where the corridor begins.");
  if (doing === "drawing" && kind === "circle" && !hole) return t("Click again where the border shall be.");
  if (doing === "drawing" && (kind === "polygon" || hole)) return t("Click corner after corner; the first one again, or Enter, closes it.");
  if (doing === "drawing") return t("Click along the way; the last point again, or Enter, ends it.");
  if (corner) return t("Remove this corner by the button or the Delete key, or drag it elsewhere.");
  if (kind === "circle") return t("Drag a handle to change the radius, or the area to move it.");
  return t("Drag a corner, or a small point between two to add one. Drag the area to move it all.");
}

startShell();
void new ZonesPage().start();
