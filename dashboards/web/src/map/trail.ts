/* The way of the chosen vehicle in the last hour: fetched once, then extended by each fix. */
import type { Feature, LineString } from "geojson";
import { ApiError, get, type Position } from "../api";
import { toast } from "../dom";
import { token } from "../theme";
import type { BaseMap } from "./base";

const HOUR_MS = 3_600_000;
const MOST = 5_000; // fixes; a tracker that reports more often than once a second is thinned by the end of the line

const HEAD_MS = 100; // the head is redrawn no more often: each time costs a trip through the map's worker

type Point = [number, number];

export class Trail {
  private device: number | null = null;
  private fixes: { time: number; at: Point }[] = [];
  private aborter = new AbortController();
  private headAt = 0;

  constructor(private readonly base: BaseMap) {
    base.onStyle((map) => {
      map.addSource("trail", { type: "geojson", data: line([]) });
      map.addSource("trail-head", { type: "geojson", data: line([]) });
      const paint = { "line-color": token("accent"), "line-width": 4, "line-opacity": 0.75 };
      const layout = { "line-cap": "round", "line-join": "round" } as const;
      map.addLayer({ id: "trail", type: "line", source: "trail", paint, layout });
      map.addLayer({ id: "trail-head", type: "line", source: "trail-head", paint, layout });
      this.draw();
    });
  }

  show(device: number | null): void {
    if (device === this.device) return;
    this.device = device;
    this.fixes = [];
    this.aborter.abort();
    this.aborter = new AbortController();
    this.draw();
    if (device !== null) void this.load(device);
  }

  add(position: Position): void {
    const time = Date.parse(position.fixTime);
    const last = this.fixes.at(-1);
    if (position.attributes.outlier || !position.valid || (last && last.time >= time)) return;
    this.fixes.push({ time, at: [position.longitude, position.latitude] });
    while (this.fixes.length > MOST || (this.fixes[0] && this.fixes[0].time < time - HOUR_MS)) this.fixes.shift();
    this.draw();
  }

  /** The vehicle glides on between the fixes, and the line with it. */
  head(place: Point): void {
    const last = this.fixes.at(-2)?.at;
    const now = performance.now();
    if (this.device === null || !last || now - this.headAt < HEAD_MS) return;
    this.headAt = now;
    this.base.source("trail-head")?.setData(line([last, place]));
  }

  private async load(device: number): Promise<void> {
    const now = Date.now();
    const query = { deviceId: device, from: new Date(now - HOUR_MS).toISOString(), to: new Date(now + 60_000).toISOString() };
    try {
      const positions = await get<Position[]>("/api/positions", query, this.aborter.signal);
      const since = this.fixes;
      this.fixes = [];
      for (const position of positions.slice(-MOST)) this.add(position);
      const last = this.fixes.at(-1)?.time ?? 0;
      this.fixes.push(...since.filter((fix) => fix.time > last));
      this.draw();
    } catch (error) {
      if (error instanceof ApiError) toast(error.message, "error");
    }
  }

  /** All but the last piece, which belongs to the head. */
  private draw(): void {
    this.base.source("trail")?.setData(line(this.fixes.slice(0, -1).map((fix) => fix.at)));
    if (this.fixes.length < 2) this.base.source("trail-head")?.setData(line([]));
  }
}

const line = (coordinates: Point[]): Feature<LineString> => ({
  type: "Feature",
  properties: {},
  geometry: { type: "LineString", coordinates: coordinates.length > 1 ? coordinates : [] },
});
