/* The balance by day (uPlot): as it was, today, and as it will be if nothing changes, with the day on which trackers get blocked. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { element } from "../dom";
import { t, tn } from "../i18n";
import { dateFormat, numberFormat } from "../intl";
import { onTheme, token } from "../theme";

/** [day in seconds, balance, the same in words] */
type Past = [number, number, string];
/** … what is charged that day, how many trackers are blocked */
type Ahead = [number, number, string, string, number];

export interface ChartData {
  past: Past[];
  ahead: Ahead[];
  /** The day on which the first trackers are blocked, in seconds. */
  blocks: number | null;
}

const DAY_S = 86_400;
const GAP = 12; // px between the line under the pointer and what is said of its day

export class BurnDown {
  private plot: uPlot | null = null;
  private readonly told = element("div", { class: "burn-told", "aria-hidden": "true", hidden: true });
  private readonly day = dateFormat({ day: "numeric", month: "short", timeZone: "UTC" });
  private readonly fullDay = dateFormat({ weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
  private readonly compact = numberFormat({ notation: "compact", maximumFractionDigits: 1 });

  constructor(
    private readonly root: HTMLElement,
    private readonly data: ChartData,
  ) {
    new ResizeObserver(() => this.plot?.setSize({ width: root.clientWidth, height: root.clientHeight })).observe(root);
    onTheme(() => this.draw());
    this.draw();
  }

  private draw(): void {
    this.plot?.destroy();
    this.plot = new uPlot(this.options(), this.columns(), this.root);
    this.plot.over.append(this.told);
  }

  /** Both lines meet today. */
  private columns(): [number[], (number | null)[], (number | null)[]] {
    const { past, ahead } = this.data;
    const days = [...past.map(([day]) => day), ...ahead.map(([day]) => day)];
    const today = past.length - 1;
    return [days, days.map((_, i) => past[i]?.[1] ?? null), days.map((_, i) => (i < today ? null : (past[i]?.[1] ?? ahead[i - past.length]?.[1] ?? null)))];
  }

  private options(): uPlot.Options {
    const axis = { stroke: token("text-3"), grid: { stroke: token("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    const steps = uPlot.paths.stepped?.({ align: 1 });
    const line = { width: 2, points: { show: false }, ...(steps && { paths: steps }) };
    return {
      width: this.root.clientWidth || 600,
      height: this.root.clientHeight || 220,
      padding: [14, 22, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: false }, y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
      axes: [
        { ...axis, size: 26, space: 64, incrs: [1, 2, 7, 14, 28].map((days) => days * DAY_S), values: (_, splits) => splits.map((s) => this.day.format(s * 1000)) },
        { ...axis, size: 52, space: 36, values: (_, splits) => splits.map((value) => this.compact.format(value)) },
      ],
      series: [
        {},
        { ...line, stroke: token("accent"), fill: token("accent-soft") },
        { ...line, stroke: token("accent"), dash: [5, 4] },
      ],
      hooks: { drawAxes: [(plot) => this.shade(plot)], draw: [(plot) => this.marks(plot)], setCursor: [(plot) => this.tell(plot)] },
    };
  }

  /** The days without money, over the grid's lines and under the balance's. */
  private shade(plot: uPlot): void {
    const { ctx, bbox } = plot;
    const { blocks } = this.data;
    if (blocks === null) return;
    const x = plot.valToPos(blocks, "x", true);
    ctx.save();
    ctx.fillStyle = token("danger-soft");
    ctx.fillRect(x, bbox.top, bbox.left + bbox.width - x, bbox.height);
    ctx.restore();
  }

  /** Today, and from when on there is no money. */
  private marks(plot: uPlot): void {
    const { blocks, past } = this.data;
    const today = past.at(-1);
    plot.ctx.save();
    if (blocks !== null) this.upright(plot, blocks, token("danger"), t("Blocked from here"), token("danger-soft"), 20, Infinity);
    if (today) this.upright(plot, today[0], token("text-3"), t("Today"), token("surface"), 3, blocks ?? Infinity);
    plot.ctx.restore();
  }

  /** With words beside it, on a ground that hides the lines behind them; on the left, where they would reach over the day `until`. */
  private upright(plot: uPlot, seconds: number, colour: string, text: string, ground: string, below: number, until: number): void {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    const x = plot.valToPos(seconds, "x", true);
    ctx.strokeStyle = colour;
    ctx.lineWidth = ratio;
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
    const width = ctx.measureText(text).width;
    const end = Number.isFinite(until) ? plot.valToPos(until, "x", true) : bbox.left + bbox.width;
    const left = x + width + 8 * ratio > end;
    if (left && below > 3) return; // the legend says it, too
    const start = left ? x - width - 5 * ratio : x + 5 * ratio;
    const top = bbox.top + below * ratio;
    ctx.fillStyle = ground;
    ctx.fillRect(start - 2 * ratio, top - ratio, width + 4 * ratio, 14 * ratio);
    ctx.fillStyle = colour;
    ctx.textAlign = "left";
    ctx.textBaseline = "top";
    ctx.fillText(text, start, top);
  }

  private tell(plot: uPlot): void {
    const index = plot.cursor.idx;
    const { past, ahead } = this.data;
    const point = index === null || index === undefined ? undefined : (past[index] ?? ahead[index - past.length]);
    this.told.hidden = !point || (plot.cursor.left ?? -1) < 0;
    if (!point || this.told.hidden) return;
    const [day, , balance, charged, blocked] = point as Ahead;
    this.told.replaceChildren(
      element("b", {}, this.fullDay.format(day * 1000)),
      element("span", {}, charged === undefined ? t("Balance: {amount}", { amount: balance }) : t("Left: {amount}", { amount: balance })),
      ...(charged === undefined ? [] : [element("span", {}, t("Charged: {amount}", { amount: charged }))]),
      ...(blocked ? [element("span", { class: "bad" }, tn("{n} tracker is blocked", "{n} trackers are blocked", blocked))] : []),
    );
    const x = plot.valToPos(day, "x");
    const width = this.told.offsetWidth;
    const room = plot.over.clientWidth;
    this.told.style.transform = `translateX(${Math.max(0, x + GAP + width > room ? x - GAP - width : x + GAP)}px)`;
  }
}
