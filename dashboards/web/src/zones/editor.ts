/* Draws and changes the shape of one zone on the map.
 *
 * terra-draw has the pointer: it places corners, drags them, finishes. Whatever comes out is a `Shape` (shape.ts), which is what can be
 * undone, typed as numbers, measured, drawn and saved; after each step terra-draw is given the shape anew. It draws the handles only:
 * the area beneath is ours, since terra-draw knows neither holes nor lines with a width. A circle is an octagon to it, whose corners
 * are the handles of the radius. */
import type { FeatureCollection } from "geojson";
import type { ExpressionSpecification, Map as MapLibre, MapMouseEvent } from "maplibre-gl";
import {
  type GeoJSONStoreFeatures,
  type HexColor,
  TerraDraw,
  TerraDrawCircleMode,
  TerraDrawLineStringMode,
  TerraDrawModeUndoRedo,
  TerraDrawPolygonMode,
  TerraDrawSelectMode,
} from "terra-draw";
import { TerraDrawMapLibreGLAdapter } from "terra-draw-maplibre-gl-adapter";
import type { BaseMap } from "../map/base";
import { boxOf, circleRing, contains, type Kind, metres, picture, type Point, pointsOf, type Ring, rounded, type Shape, shifted, starter } from "./shape";
import { UndoStack } from "./undo";

const MODES = { circle: "circle", polygon: "polygon", corridor: "linestring" } as const;
const HANDLES = 8; // of a circle
const NEAR_PX = 16;
const DEFAULT_WIDTH_M = 100;

export type Doing = "idle" | "ready" | "drawing" | "changing";

export interface EditorState {
  shape: Shape | null;
  doing: Doing;
  hole: boolean;
  canUndo: boolean;
  canRedo: boolean;
  /** A corner has been chosen that may go. */
  corner: boolean;
}

type Drawn = GeoJSONStoreFeatures;
type Id = string | number;

export class ShapeEditor {
  private terra: TerraDraw | null = null;
  private steps = new UndoStack<Shape | null>(null);
  private live: Shape | null = null; // while a handle is being dragged
  private kind: Kind = "circle";
  private colour = "#2f7de1";
  private open = false;
  private drawing = false;
  private hole = false;
  private widthM = DEFAULT_WIDTH_M;
  private ids: Id[] = []; // of the rings, in their order
  private ring = 0; // whose handles are shown
  private corner: number | null = null;
  private loading = false;

  constructor(
    private readonly base: BaseMap,
    private readonly onChange: (state: EditorState) => void,
  ) {
    base.onStyle((map) => {
      map.addSource("draft", { type: "geojson", data: picture(null), tolerance: 0.1 });
      map.addSource("draft-corner", { type: "geojson", data: picture(null) });
      this.layers(map);
      if (this.open) this.begin();
    });
    base.beforeStyle(() => this.end()); // terra-draw can't take its layers out of a style that has gone
    base.map.on("click", (event) => this.click(event));
  }

  get shape(): Shape | null {
    return this.live ?? this.steps.now;
  }

  /** Starts with a shape, or with drawing one of the kind. */
  start(shape: Shape | null, kind: Kind, colour: string): void {
    this.stop();
    this.open = true;
    this.kind = shape?.kind ?? kind;
    this.dye(colour);
    this.widthM = shape?.kind === "corridor" ? shape.widthM : DEFAULT_WIDTH_M;
    this.steps = new UndoStack<Shape | null>(shape);
    this.ring = 0;
    this.begin();
  }

  stop(): void {
    if (!this.open) return;
    this.open = false;
    this.drawing = this.hole = false;
    this.live = null;
    this.corner = null;
    this.end();
    this.steps = new UndoStack<Shape | null>(null);
    this.paint();
  }

  /** Draws it anew; what was there stays until something is finished, and can be taken back to then. */
  draw(kind: Kind): void {
    this.kind = kind;
    this.pen(false);
  }

  cut(): void {
    this.pen(true);
  }

  /** Of a corridor or a polygon: the corners that are there will do. */
  finish(): void {
    this.key("Enter");
  }

  /** Gives up what is being drawn. */
  cancel(): boolean {
    if (!this.open || !this.drawing || (this.steps.now === null && !this.isPenDown)) return false;
    if (this.steps.now === null) this.pen(false);
    else this.load();
    return true;
  }

  undo(): void {
    if (this.isPenDown && this.terra?.canUndo()) this.terra.undo();
    else if (this.isPenDown) this.cancel();
    else if (this.steps.canUndo) this.set(this.steps.undo());
  }

  redo(): void {
    if (this.isPenDown) this.terra?.redo();
    else this.set(this.steps.redo());
  }

  recolour(colour: string): void {
    this.dye(colour);
    if (this.terra && !this.isPenDown) {
      this.end();
      this.begin();
    }
  }

  private dye(colour: string): void {
    this.colour = colour;
    const { map } = this.base;
    for (const [layer, property] of COLOURED) if (map.getLayer(layer)) map.setPaintProperty(layer, property, colour);
  }

  /** A radius or a width as a number. */
  resize(size: number): void {
    const { now } = this.steps;
    this.widthM = this.kind === "corridor" ? size : this.widthM;
    if (now?.kind === "circle") this.push({ ...now, radiusM: size }, "size");
    else if (now?.kind === "corridor") this.push({ ...now, widthM: size }, "size");
    else this.tell();
  }

  /** A shape in the middle of what the map shows, for those who can't or won't draw. */
  place(kind: Kind): void {
    const { map } = this.base;
    this.kind = kind;
    const center: Point = map.getCenter().toArray();
    const { clientWidth, clientHeight } = map.getContainer();
    const away = map.unproject([clientWidth / 2 + Math.min(clientWidth, clientHeight) / 4, clientHeight / 2]).toArray();
    this.ring = 0;
    this.push(starter(kind, center, metres(center, away)));
  }

  removeCorner(): void {
    const { now } = this.steps;
    if (this.corner === null || !now || now.kind === "circle") return;
    const without = (points: Point[]): Point[] => points.filter((_, i) => i !== this.corner);
    if (now.kind === "corridor") {
      if (now.line.length > 2) this.push({ ...now, line: without(now.line) });
      return;
    }
    const rings = now.rings.map((ring, i) => (i === this.ring ? { ...ring, points: without(ring.points) } : ring));
    const left = rings.filter(({ points }) => points.length > 2);
    if (left.some(({ hole }) => !hole)) this.push({ kind: "polygon", rings: left });
  }

  /** Everything in view, beside a margin for what covers the map. */
  fit(padding: number | { top: number; bottom: number; left: number; right: number }, duration = 500): void {
    const box = this.shape && boxOf(pointsOf(this.shape));
    if (box) this.base.map.fitBounds(box, { padding, maxZoom: 17, duration });
  }

  private get isPenDown(): boolean {
    return this.drawing && this.terra?.getModeState() === "drawing";
  }

  private begin(): void {
    if (!this.base.map.getSource("draft")) return; // the style comes
    const terra = new TerraDraw({
      adapter: new TerraDrawMapLibreGLAdapter({ map: this.base.map, coordinatePrecision: 7, prefixId: "draw" }),
      modes: modes(this.colour as HexColor),
      idStrategy: { isValidId: (id) => typeof id === "number", getId: nextId },
      undoRedo: { modeLevel: new TerraDrawModeUndoRedo() },
    });
    terra.start();
    terra.on("change", (_, __, context) => {
      if (!(context && "origin" in context)) this.changed();
    });
    terra.on("finish", (id, { action }) => this.finished(id, action === "draw"));
    this.terra = terra;
    if (this.steps.now) this.load();
    else this.pen(false);
  }

  private end(): void {
    const { terra } = this;
    this.terra = null;
    if (!terra) return;
    terra.stop();
    this.base.map.doubleClickZoom.enable();
    this.base.map.dragPan.enable();
    this.base.map.getCanvas().style.cursor = "";
  }

  private pen(hole: boolean): void {
    const { terra } = this;
    this.hole = hole;
    this.drawing = true;
    this.live = null;
    this.corner = null;
    if (terra) {
      this.quietly(() => {
        terra.setMode("select");
        terra.clear();
        terra.setMode(MODES[hole ? "polygon" : this.kind]);
      });
    }
    this.tell();
  }

  /** Gives terra-draw the shape, with the handles of one ring. */
  private load(): void {
    const { terra } = this;
    const shape = this.steps.now;
    this.live = null;
    this.corner = null;
    this.drawing = this.hole = false;
    if (!terra || !shape) return this.pen(false);
    this.kind = shape.kind;
    if (shape.kind === "polygon") this.ring = Math.min(this.ring, shape.rings.length - 1);
    else this.ring = 0;
    this.quietly(() => {
      terra.setMode("select");
      terra.clear();
      this.ids = featuresOf(shape).map((feature) => {
        const id = nextId();
        terra.addFeatures([{ ...feature, id }]);
        return id;
      });
      const chosen = this.ids[this.ring];
      if (chosen !== undefined && terra.hasFeature(chosen)) terra.selectFeature(chosen);
    });
    this.tell();
  }

  /** What terra-draw does because we told it to is no news. */
  private quietly(work: () => void): void {
    this.loading = true;
    try {
      work();
    } finally {
      this.loading = false;
    }
  }

  private push(shape: Shape, label = ""): void {
    this.steps.push(shape, label);
    this.set(shape);
  }

  private set(shape: Shape | null): void {
    if (shape) {
      this.kind = shape.kind;
      if (shape.kind === "corridor") this.widthM = shape.widthM;
    }
    if (shape) this.load();
    else this.pen(false);
  }

  private changed(): void {
    if (this.loading || !this.terra) return;
    this.live = this.read();
    this.tell();
  }

  private finished(id: Id, drawn: boolean): void {
    if (this.loading || !this.terra) return;
    const shape = this.read();
    if (drawn && this.hole && shape?.kind === "polygon") this.ring = shape.rings.length - 1;
    else if (drawn) this.ring = 0;
    else this.ring = Math.max(0, this.ids.indexOf(id));
    // terra-draw is still at it: it is given the new shape when it is done
    setTimeout(() => {
      if (!this.open) return;
      if (shape) this.push(shape.kind === "corridor" ? { ...shape, widthM: this.widthM } : shape); // a width may have been typed meanwhile
      else this.load();
    });
  }

  /** What terra-draw has now, as a shape; null while it is none yet. */
  private read(): Shape | null {
    const snapshot = this.terra?.getSnapshot() ?? [];
    const before = this.steps.now;
    if (this.drawing) {
      const mode = MODES[this.hole ? "polygon" : this.kind];
      const pen = snapshot.find(({ properties, geometry }) => properties.mode === mode && geometry.type !== "Point");
      const points = pen && pointsIn(pen);
      if (!points) return this.hole ? before : null;
      if (this.hole && before?.kind === "polygon") return { kind: "polygon", rings: [...before.rings, { points, hole: true }] };
      if (this.kind === "circle") return circleOf(points);
      return this.kind === "corridor" ? { kind: "corridor", line: points, widthM: this.widthM } : { kind: "polygon", rings: [{ points, hole: false }] };
    }
    const now = this.ids.map((id) => snapshot.find((one) => one.id === id)).map((one) => one && pointsIn(one));
    if (before?.kind === "circle") return now[0] ? circleOf(now[0], before) : before;
    if (before?.kind === "corridor") return now[0] ? { ...before, line: now[0] } : before;
    if (!before) return null;
    return { kind: "polygon", rings: carried(before.rings, before.rings.map((ring, i) => ({ ...ring, points: now[i] ?? ring.points }))) };
  }

  /** A click chooses a corner, or the ring that lies there. */
  private click(event: MapMouseEvent): void {
    const { now } = this.steps;
    if (!this.open || this.drawing || !now || now.kind === "circle") return;
    const rings = now.kind === "corridor" ? [now.line] : now.rings.map(({ points }) => points);
    const near = nearestCorner(this.base.map, rings, event.point);
    if (near && near.ring === this.ring) this.corner = near.corner;
    else {
      const at: Point = event.lngLat.toArray();
      const within = rings.map((points, i) => ({ i, points })).filter(({ points }) => contains(points, at));
      const chosen = near?.ring ?? (now.kind === "polygon" ? within.at(-1)?.i : undefined); // holes come after their borders
      this.corner = null;
      if (chosen !== undefined && chosen !== this.ring) {
        this.ring = chosen;
        return this.load();
      }
    }
    this.tell();
  }

  private key(key: string): void {
    const canvas = this.base.map.getCanvas();
    for (const type of ["keydown", "keyup"]) canvas.dispatchEvent(new KeyboardEvent(type, { key, bubbles: false }));
  }

  private tell(): void {
    this.paint();
    if (!this.open) return;
    const down = this.isPenDown;
    this.onChange({
      shape: this.drawing && !this.hole && !down ? this.steps.now : this.shape,
      doing: this.drawing ? (down ? "drawing" : "ready") : this.live ? "changing" : "idle",
      hole: this.hole,
      canUndo: down || this.steps.canUndo,
      canRedo: down ? Boolean(this.terra?.canRedo()) : this.steps.canRedo,
      corner: this.corner !== null,
    });
  }

  private paint(): void {
    this.base.source("draft")?.setData(picture(this.open ? this.shape : null));
    this.base.source("draft-corner")?.setData(this.cornerPicture());
  }

  private cornerPicture(): FeatureCollection {
    const { now } = this.steps;
    const points = now?.kind === "corridor" ? now.line : now?.kind === "polygon" ? now.rings[this.ring]?.points : undefined;
    const at = this.corner === null || this.live ? undefined : points?.[this.corner];
    const features = at ? [{ type: "Feature" as const, properties: {}, geometry: { type: "Point" as const, coordinates: at } }] : [];
    return { type: "FeatureCollection", features };
  }

  private layers(map: MapLibre): void {
    const colour = this.colour;
    const area: ExpressionSpecification = ["==", ["geometry-type"], "Polygon"];
    const way: ExpressionSpecification = ["==", ["geometry-type"], "LineString"];
    const width: ExpressionSpecification = ["interpolate", ["exponential", 2], ["zoom"], 0, ["get", "width"], 22, ["*", 2 ** 22, ["get", "width"]]];
    const round = { "line-cap": "round", "line-join": "round" } as const;
    map.addLayer({ id: "draft-fill", type: "fill", source: "draft", filter: area, paint: { "fill-color": colour, "fill-opacity": 0.25 } });
    const pieces: ExpressionSpecification = ["all", way, ["get", "piece"]]; // side by side, so that none lies on another's end
    const whole: ExpressionSpecification = ["all", way, ["!", ["get", "piece"]]];
    map.addLayer({ id: "draft-pieces", type: "line", source: "draft", filter: pieces, layout: { "line-join": "round" }, paint: { "line-color": colour, "line-width": width, "line-opacity": 0.3 } });
    map.addLayer({ id: "draft-way", type: "line", source: "draft", filter: whole, layout: round, paint: { "line-color": colour, "line-width": width, "line-opacity": 0.3 } });
    map.addLayer({ id: "draft-line", type: "line", source: "draft", layout: round, paint: { "line-color": colour, "line-width": 2.5 } });
    const paint = { "circle-radius": 11, "circle-color": colour, "circle-opacity": 0.35, "circle-stroke-color": colour, "circle-stroke-width": 2 };
    map.addLayer({ id: "draft-corner", type: "circle", source: "draft-corner", paint });
  }
}

const COLOURED = [
  ["draft-fill", "fill-color"],
  ["draft-way", "line-color"],
  ["draft-pieces", "line-color"],
  ["draft-line", "line-color"],
  ["draft-corner", "circle-color"],
  ["draft-corner", "circle-stroke-color"],
] as const;

let lastId = 0;
const nextId = (): number => ++lastId;

/** Handles only, in the zone's colour; the area is drawn by the layers of the draft. */
function modes(colour: HexColor) {
  const white: HexColor = "#ffffff";
  const closing = { closingPointColor: white, closingPointOutlineColor: colour, closingPointWidth: 7, closingPointOutlineWidth: 3 };
  const points = { coordinatePointColor: white, coordinatePointOutlineColor: colour, coordinatePointWidth: 5, coordinatePointOutlineWidth: 2 };
  const select = {
    selectedPolygonColor: colour,
    selectedPolygonFillOpacity: 0,
    selectedPolygonOutlineWidth: 0,
    selectedLineStringColor: colour,
    selectedLineStringWidth: 2,
    selectionPointColor: white,
    selectionPointOutlineColor: colour,
    selectionPointWidth: 7,
    selectionPointOutlineWidth: 2.5,
    midPointColor: colour,
    midPointOutlineColor: white,
    midPointWidth: 4,
    midPointOutlineWidth: 1.5,
    midPointOpacity: 0.75,
  };
  const corners = { draggable: true, midpoints: { draggable: true }, deletable: true };
  const keyEvents = { cancel: null, finish: "Enter" };
  return [
    new TerraDrawSelectMode({
      pointerDistance: 24,
      dragEventThrottle: Infinity, // each so-many-th move is left out; where a drag ends must not be
      allowManualDeselection: false,
      allowManualSelection: false,
      keyEvents: { deselect: null, delete: null, rotate: null, scale: null },
      flags: {
        circle: { feature: { draggable: true, coordinates: { resizable: "center-fixed" } } },
        polygon: { feature: { draggable: true, coordinates: corners } },
        linestring: { feature: { draggable: true, coordinates: corners } },
      },
      styles: select,
    }),
    new TerraDrawCircleMode({
      segments: HANDLES,
      drawInteraction: "click-move-or-drag",
      keyEvents,
      styles: { fillColor: colour, fillOpacity: 0, outlineWidth: 0 },
    }),
    new TerraDrawPolygonMode({
      keyEvents,
      showCoordinatePoints: true,
      pointerDistance: 24,
      styles: { fillColor: colour, fillOpacity: 0, outlineColor: colour, outlineWidth: 1.5, ...closing, ...points },
    }),
    new TerraDrawLineStringMode({
      keyEvents,
      showCoordinatePoints: true,
      pointerDistance: 24,
      styles: { lineStringColor: colour, lineStringWidth: 2, ...closing, ...points },
    }),
  ];
}

function featuresOf(shape: Shape): Drawn[] {
  const polygon = (points: Point[], mode: string): Drawn => ({
    type: "Feature",
    properties: { mode },
    geometry: { type: "Polygon", coordinates: [[...points, points[0] as Point].map(rounded)] },
  });
  if (shape.kind === "circle") return [polygon(circleRing(shape.center, shape.radiusM, HANDLES), "circle")];
  if (shape.kind === "polygon") return shape.rings.map(({ points }) => polygon(points, "polygon"));
  return [{ type: "Feature", properties: { mode: "linestring" }, geometry: { type: "LineString", coordinates: shape.line.map(rounded) } }];
}

function pointsIn({ geometry }: Drawn): Point[] | null {
  if (geometry.type === "LineString") return distinct(geometry.coordinates.map(rounded));
  return geometry.type === "Polygon" ? distinct((geometry.coordinates[0] ?? []).slice(0, -1).map(rounded)) : null;
}

/** terra-draw begins with two corners at one place. */
const distinct = (points: Point[]): Point[] => points.filter(([x, y], i) => i === 0 || x !== points[i - 1]?.[0] || y !== points[i - 1]?.[1]);

/** Of a circle's handles: drawn apart if their middle is where it was, else moved. */
function circleOf(points: Point[], before?: Shape & { kind: "circle" }): Shape | null {
  const box = boxOf(points);
  if (!box || points.length < 3) return null;
  const middle: Point = [(box[0] + box[2]) / 2, mercatorMiddle(box[1], box[3])];
  const radiusM = points.reduce((sum, point) => sum + metres(middle, point), 0) / points.length;
  const round = Math.max(1, roundedMetres(radiusM));
  if (!before) return { kind: "circle", center: rounded(middle), radiusM: round };
  const stays = metres(before.center, middle) < radiusM * 0.02;
  return stays ? { ...before, radiusM: round } : { ...before, center: rounded(middle) };
}

/** Nobody draws to the centimetre, and round numbers read better: a hundredth of it at most. */
function roundedMetres(value: number): number {
  const step = 10 ** Math.max(-1, Math.floor(Math.log10(value)) - 2);
  return Number((Math.round(value / step) * step).toFixed(1));
}

function mercatorMiddle(south: number, north: number): number {
  const y = (latitude: number): number => Math.asinh(Math.tan((latitude * Math.PI) / 180));
  return (Math.atan(Math.sinh((y(south) + y(north)) / 2)) * 180) / Math.PI;
}

/** Who moves a border as a whole moves its holes along. */
function carried(before: Ring[], after: Ring[]): Ring[] {
  const moved = after.findIndex(({ points, hole }, i) => {
    const old = before[i]?.points ?? [];
    return !hole && points.length === old.length && points.every(([x, y], j) => x !== old[j]?.[0] || y !== old[j]?.[1]);
  });
  const [from, to] = [before[moved]?.points[0], after[moved]?.points[0]];
  if (!from || !to) return after;
  const border = before[moved]?.points ?? [];
  return after.map((ring) => (ring.hole && contains(border, ring.points[0] as Point) ? { ...ring, points: shifted(ring.points, from, to) } : ring));
}

function nearestCorner(map: MapLibre, rings: Point[][], at: { x: number; y: number }): { ring: number; corner: number } | null {
  let best: { ring: number; corner: number } | null = null;
  let bestPx = NEAR_PX;
  for (const [ring, points] of rings.entries()) {
    for (const [corner, point] of points.entries()) {
      const { x, y } = map.project(point);
      const px = Math.hypot(x - at.x, y - at.y);
      if (px < bestPx) [best, bestPx] = [{ ring, corner }, px];
    }
  }
  return best;
}
