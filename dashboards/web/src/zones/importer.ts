/* Zones from a file: the server reads it and says what it found; what is chosen of that is stored. */
import { ApiError, send, sendFile } from "../api";
import { element, icon, need } from "../dom";
import { t, tn } from "../i18n";
import { reasonWords } from "./reasons";
import { colourOf, sizeWords, type Zone } from "./data";
import { SIGNS } from "./list";
import { fromJson, type Kind, type ShapeJson } from "./shape";

const LARGEST_FILE = 1 << 20; // what the server takes
const AT_ONCE = 4;

/** A zone as a file has it. */
interface Imported extends ShapeJson {
  id: number; // of the row
  name: string;
  description: string | null;
  kind: Kind;
  color: string | null;
  group: string;
  note: string | null; // what was assumed
}

interface Found {
  geofences: Imported[];
  refused: { name: string | null; reason: string }[];
}

export interface ImportHandlers {
  /** What is shown on the map: those that are ticked. */
  preview: (zones: Zone[], fit: boolean) => void;
  close: (saved: boolean) => void;
}

export class Importer {
  private zones: Imported[] = [];
  private file: File | null = null;
  private readonly ticked = new Set<number>();
  private readonly list = need("#import-list");
  private readonly save = need<HTMLButtonElement>("#import-save");
  private readonly everything = need<HTMLInputElement>("#import-all");

  constructor(private readonly handlers: ImportHandlers) {
    this.list.addEventListener("change", (event) => this.tick(event.target as HTMLInputElement));
    this.everything.addEventListener("change", () => this.tickAll(this.everything.checked));
    this.save.addEventListener("click", () => void this.store());
    for (const button of ["#import-cancel", "#import-back"]) need(button).addEventListener("click", () => this.handlers.close(false));
  }

  /** Raises ApiError when the file can't be read at all. */
  async read(file: File): Promise<void> {
    if (file.size > LARGEST_FILE) throw new ApiError(413, t("The file is too large: at most 1 MB at once. Split it."));
    const found = await sendFile<Found>("/api/geofences/import", file);
    this.file = file;
    this.zones = found.geofences.map((zone, i) => ({ ...zone, id: -1 - i })); // no stored zone's numbers
    this.tickAll(true, false);
    need("#import-words").textContent = tn("{n} zone in {file}", "{n} zones in {file}", this.zones.length, { file: file.name });
    need("#import-all-field").hidden = this.zones.length < 2;
    this.list.replaceChildren(...this.zones.map((zone) => this.row(zone)));
    need("#refused").hidden = found.refused.length === 0;
    const refused = found.refused.map(({ name, reason }) => element("li", {}, element("b", {}, name || t("Without a name")), element("span", { class: "sub" }, reasonWords(reason))));
    need("#refused-list").replaceChildren(...refused);
    need("#import-error").hidden = true;
    this.count();
    this.handlers.preview(this.zones.map(drawable), true);
  }

  private row(zone: Imported): HTMLElement {
    const shape = fromJson(zone);
    const tile = element("span", { class: "zone-sign" }, icon(SIGNS[zone.kind]));
    tile.style.setProperty("--zone", colourOf(zone));
    const detail = [shape && sizeWords(shape), zone.group].filter(Boolean).join(" · ");
    const box = element("input", { type: "checkbox", "data-zone": zone.id, checked: true });
    const note = zone.note ? element("span", { class: "sub" }, reasonWords(zone.note)) : null;
    const lines = element("span", { class: "row-lines" }, element("span", { class: "row-name" }, zone.name), element("span", { class: "row-detail" }, detail), note);
    return element("li", {}, element("label", {}, box, tile, lines));
  }

  private tick(box: HTMLInputElement): void {
    const id = Number(box.dataset.zone);
    if (box.checked) this.ticked.add(id);
    else this.ticked.delete(id);
    this.count();
    this.handlers.preview(this.chosen.map(drawable), false);
  }

  private tickAll(on: boolean, tell = true): void {
    this.ticked.clear();
    if (on) for (const { id } of this.zones) this.ticked.add(id);
    for (const box of this.list.querySelectorAll<HTMLInputElement>("[data-zone]")) box.checked = on;
    this.count();
    if (tell) this.handlers.preview(this.chosen.map(drawable), false);
  }

  private get chosen(): Imported[] {
    return this.zones.filter(({ id }) => this.ticked.has(id));
  }

  private count(): void {
    const n = this.ticked.size;
    this.everything.checked = n > 0 && n === this.zones.length;
    this.everything.indeterminate = n > 0 && n < this.zones.length;
    this.save.disabled = n === 0;
    this.save.textContent = tn("Import {n} zone", "Import {n} zones", n);
  }

  private async store(): Promise<void> {
    need("#import-error").hidden = true;
    this.save.disabled = true;
    const group = need<HTMLInputElement>("#import-group").value.trim();
    const allDevices = need<HTMLInputElement>("#import-everybody").checked;
    const fields = { ...(group && { group }), allDevices };
    if (this.file && this.ticked.size === this.zones.length) return this.storeAll(this.file, fields);
    const waiting = this.chosen;
    const refused: string[] = [];
    const one = async (): Promise<void> => {
      for (let zone = waiting.shift(); zone; zone = waiting.shift()) {
        const { name, description, geometry, radius, width, color, group: own } = zone;
        try {
          await send("POST", "/api/geofences", { name, description, geometry, radius, width, color, group: own, ...fields });
          this.done(zone.id);
        } catch (reason) {
          if (!(reason instanceof ApiError)) throw reason;
          refused.push(`${zone.name}: ${reason.message}`);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
    if (refused.length === 0) return this.handlers.close(true);
    this.fail(refused.slice(0, 5).join(" "));
  }

  /** In one go, and all or none. */
  private async storeAll(file: File, fields: { group?: string; allDevices: boolean }): Promise<void> {
    const query = new URLSearchParams({ save: "true", allDevices: String(fields.allDevices), ...(fields.group && { group: fields.group }) });
    try {
      await sendFile(`/api/geofences/import?${query}`, file);
      this.handlers.close(true);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.fail(error.message);
    }
  }

  private fail(text: string): void {
    need("#import-error").textContent = text;
    need("#import-error").hidden = false;
    this.count();
  }

  /** What is stored needn't be stored again, should another fail. */
  private done(id: number): void {
    this.ticked.delete(id);
    this.zones = this.zones.filter((zone) => zone.id !== id);
    this.list.querySelector(`[data-zone="${id}"]`)?.closest("li")?.remove();
  }
}

/** What the map wants of it. */
const drawable = (zone: Imported): Zone => ({ ...BLANK, ...zone });

const BLANK: Omit<Zone, "id"> = {
  accountId: 0,
  name: "",
  description: null,
  kind: "polygon",
  color: null,
  group: "",
  allDevices: false,
  deviceIds: [],
  groupIds: [],
  enabled: true,
  hours: null,
  calendarId: 0,
  border: 15,
  confirmFixes: 2,
  confirmSeconds: 120,
  dwellSeconds: null,
  backBy: null,
  speedLimit: null,
  passes: true,
  attributes: {},
  geometry: { type: "Point", coordinates: [0, 0] },
  radius: null,
  width: null,
};
