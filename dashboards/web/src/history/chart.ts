/* Speed over time (uPlot), with a line where the player is; a click or a drag goes there. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { t } from "../i18n";
import { dateFormat } from "../intl";
import { onTheme, token } from "../theme";
import type { Track } from "./track";

const SILENT_MS = 10 * 60_000; // a longer pause leaves a hole in the curve

export class SpeedChart {
  private plot: uPlot | null = null;
  private track: Track | null = null;
  private time = 0;
  private readonly head = document.createElement("div");

  constructor(
    private readonly root: HTMLElement,
    private readonly onSeek: (time: number) => void,
  ) {
    this.head.className = "playhead";
    new ResizeObserver(() => {
      this.plot?.setSize({ width: root.clientWidth, height: root.clientHeight });
      this.at(this.time);
    }).observe(root);
    onTheme(() => this.track && this.show(this.track));
  }

  show(track: Track): void {
    this.track = track;
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), holes(track), this.root);
    const over = this.plot.over;
    over.append(this.head);
    const seek = (event: PointerEvent): void => {
      if (this.plot) this.onSeek(this.plot.posToVal(event.clientX - over.getBoundingClientRect().left, "x") * 1000);
    };
    over.addEventListener("pointerdown", (event) => {
      over.setPointerCapture(event.pointerId);
      seek(event);
    });
    over.addEventListener("pointermove", (event) => event.buttons && seek(event));
    this.at(this.time);
  }

  at(time: number): void {
    this.time = time;
    if (this.plot) this.head.style.transform = `translateX(${this.plot.valToPos(time / 1000, "x")}px)`;
  }

  private options(): uPlot.Options {
    const axis = {
      stroke: token("text-3"),
      grid: { stroke: token("line"), width: 1 },
      ticks: { show: false },
      font: "11px system-ui, sans-serif",
    };
    const hour = dateFormat({ hour: "2-digit", minute: "2-digit" });
    const day = dateFormat({ day: "numeric", month: "short" });
    return {
      width: this.root.clientWidth || 600,
      height: this.root.clientHeight || 96,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { x: { time: true }, y: { range: (_, __, max) => [0, Math.max(20, max * 1.08)] } },
      axes: [
        { ...axis, size: 24, values: (_, splits, __, ___, step) => splits.map((s) => (step >= 86_400 ? day : hour).format(s * 1000)) },
        { ...axis, size: 36, space: 28, values: (_, splits) => splits.map(String) },
      ],
      series: [
        {},
        { label: t("km/h"), stroke: token("accent"), width: 1.4, fill: token("accent-soft"), points: { show: false } },
      ],
    };
  }
}

/** The curve, with a hole wherever the tracker was silent for long. */
function holes(track: Track): [number[], (number | null)[]] {
  const xs: number[] = [];
  const ys: (number | null)[] = [];
  track.times.forEach((time, i) => {
    const before = track.times[i - 1];
    if (before !== undefined && time - before > SILENT_MS) {
      xs.push((before + 1000) / 1000);
      ys.push(null);
    }
    xs.push(time / 1000);
    ys.push(track.speeds[i] as number);
  });
  return [xs, ys];
}
