/* The map that everything is drawn on: the style of the configuration if it can be had, the offline base map if not. */
import {
  AttributionControl,
  type GeoJSONSource,
  Map as MapLibre,
  NavigationControl,
  ScaleControl,
  setWorkerUrl,
  type StyleSpecification,
} from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import { t } from "../i18n";
import { currentTheme, onTheme } from "../theme";
import { OfflineDetail, offlineStyle, type Theme } from "./offline";

setWorkerUrl(workerUrl);

export interface StyleUrls {
  styleUrl: string;
  styleUrlDark: string;
}

const PATIENCE_MS = 3_000; // for the style; after this the offline map is shown
const TILE_ERRORS = 4; // in a row, and no tile seen: the style's server answers, but its tiles don't come
const REMEMBERED = "map-offline"; // for the visit: the next page needn't wait again

/** Whatever a module draws on the map, to be drawn again when the style beneath it changes. */
type Draw = (map: MapLibre, theme: Theme) => void;

export class BaseMap {
  readonly map: MapLibre;
  private readonly draws: Draw[] = [];
  private readonly leaves: (() => void)[] = [];
  private readonly detail: OfflineDetail;
  private theme: Theme = currentTheme();
  private offline = false;
  private ready = false;
  private tileErrors = 0;
  private tilesSeen = false;

  constructor(
    private readonly container: HTMLElement,
    private readonly urls: StyleUrls,
    view?: { center: [number, number]; zoom: number },
  ) {
    const blank: StyleSpecification = { version: 8, sources: {}, layers: [] };
    this.map = new MapLibre({
      container,
      style: blank,
      center: view?.center ?? [68, 47],
      zoom: view?.zoom ?? 3.2,
      minZoom: 1.5,
      maxZoom: 19,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      fadeDuration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 150,
      locale: {
        "Map.Title": t("Map"),
        "NavigationControl.ZoomIn": t("Zoom in"),
        "NavigationControl.ZoomOut": t("Zoom out"),
        "AttributionControl.ToggleAttribution": t("About the map's data"),
        "ScaleControl.Meters": t("m"),
        "ScaleControl.Kilometers": t("km"),
      },
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new AttributionControl({ compact: true }), "bottom-right");
    this.foldCredits();
    this.map.addControl(new NavigationControl({ showCompass: false }), "bottom-right");
    this.map.addControl(new ScaleControl({ maxWidth: 90 }), "bottom-left");
    this.detail = new OfflineDetail(this.map);
    this.map.on("style.load", () => this.styled());
    this.map.on("error", ({ error }) => this.failed(error));
    this.map.on("sourcedata", (event) => {
      // What we draw ourselves is GeoJSON, and says nothing about the map's server
      if (event.tile?.hasData() && event.source.type !== "geojson") this.tilesSeen = true;
    });
    onTheme((theme) => {
      this.theme = theme;
      void this.dress();
    });
    void this.dress();
  }

  /** Runs now, if the style is there, and again after each change of style. */
  onStyle(draw: Draw): void {
    this.draws.push(draw);
    if (this.ready) draw(this.map, this.theme);
  }

  /** Runs before a style makes way for another, for what has to take itself out of it. */
  beforeStyle(leave: () => void): void {
    this.leaves.push(leave);
  }

  /** MapLibre opens the credits with each new source; here they open when asked for. */
  private foldCredits(): void {
    const credits = this.container.querySelector(".maplibregl-ctrl-attrib");
    const fold = (): void => {
      credits?.removeAttribute("open");
      credits?.classList.remove("maplibregl-compact-show");
    };
    this.map.on("sourcedata", fold);
    credits?.addEventListener("pointerdown", () => this.map.off("sourcedata", fold), { once: true });
    credits?.addEventListener("keydown", () => this.map.off("sourcedata", fold), { once: true });
  }

  /** A button among the map's own. */
  addButton(button: HTMLElement): void {
    const group = document.createElement("div");
    group.className = "maplibregl-ctrl maplibregl-ctrl-group";
    group.append(button);
    this.map.addControl({ onAdd: () => group, onRemove: () => group.remove() }, "bottom-right");
  }

  source(name: string): GeoJSONSource | undefined {
    return this.map.getSource<GeoJSONSource>(name);
  }

  private async dress(): Promise<void> {
    const url = this.theme === "dark" ? this.urls.styleUrlDark || this.urls.styleUrl : this.urls.styleUrl;
    const style = url && !sessionStorage.getItem(REMEMBERED) ? await fetchStyle(url) : null;
    if (style === null && url) sessionStorage.setItem(REMEMBERED, "1");
    this.put(style);
  }

  private put(style: StyleSpecification | null): void {
    this.offline = style === null;
    this.tileErrors = 0;
    this.tilesSeen = false;
    for (const leave of this.leaves) leave();
    this.map.setStyle(style ?? offlineStyle(this.theme), { diff: false });
    this.container.classList.toggle("is-offline", this.offline);
    this.note(this.offline && Boolean(this.urls.styleUrl));
  }

  private styled(): void {
    if (this.offline) void this.detail.restart(this.theme);
    if (Object.keys(this.map.getStyle().sources).length === 0) return; // the blank one at the start
    this.ready = true;
    for (const draw of this.draws) draw(this.map, this.theme);
  }

  private failed(error: { message: string }): void {
    if (this.offline || this.tilesSeen || ++this.tileErrors < TILE_ERRORS) return;
    console.info("The map's tiles can't be had, so the offline map is shown:", error.message);
    sessionStorage.setItem(REMEMBERED, "1");
    this.put(null);
  }

  /** Says so, discreetly, when the map is not the one that was configured. */
  private note(shown: boolean): void {
    let note = this.container.querySelector<HTMLElement>(".map-note");
    if (!note && shown) {
      note = document.createElement("div");
      note.className = "map-note";
      note.textContent = t("Offline map");
      note.title = t("The map server can't be reached, so a simpler map from this server is shown.");
      this.container.append(note);
    }
    if (note) note.hidden = !shown;
  }
}

/** The style, or null when it can't be had in time. */
async function fetchStyle(url: string): Promise<StyleSpecification | null> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
    return response.ok ? ((await response.json()) as StyleSpecification) : null;
  } catch {
    return null;
  }
}


