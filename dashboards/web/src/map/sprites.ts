/* How a vehicle and a cluster look on the canvas. State is told by colour and by sign, since not everybody sees colours. */
import { formatCount } from "../i18n";
import { type State, STATES } from "../fleet";

export interface Palette {
  states: Record<State, string>;
  ring: string;
  glyph: string;
  label: string;
  labelText: string;
  cluster: string;
  clusterText: string;
  accent: string;
}

export interface Sprite {
  x: number;
  y: number;
  courseDeg: number;
  state: State;
  chosen: boolean;
  now: number;
}

const FAMILY = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';
export const LABEL_FONT = `600 11.5px ${FAMILY}`;
const RADIUS = 11;

const widths = new Map<string, number>();
/** Measuring text is slow, names are few. The context's font must be LABEL_FONT. */
export function labelWidth(context: CanvasRenderingContext2D, text: string): number {
  let width = widths.get(text);
  if (width === undefined) widths.set(text, (width = context.measureText(text).width));
  return width;
}

export function drawVehicle(context: CanvasRenderingContext2D, sprite: Sprite, palette: Palette): void {
  const { x, y, state, chosen } = sprite;
  context.save();
  context.translate(x, y);
  if (chosen) halo(context, palette.accent, 21);
  if (state === "alarm") halo(context, palette.states.alarm, 17 + 5 * Math.sin(sprite.now / 260));
  context.fillStyle = palette.states[state];
  context.strokeStyle = palette.ring;
  context.lineWidth = 2;
  context.shadowColor = "rgb(0 0 0 / 35%)";
  context.shadowBlur = 4;
  context.shadowOffsetY = 1;
  if (state === "moving" || state === "alarm") pointer(context, sprite.courseDeg);
  else circle(context, state === "offline" ? RADIUS - 3 : RADIUS - 1);
  context.fill();
  context.shadowColor = "transparent";
  context.stroke();
  sign(context, sprite, palette.glyph);
  context.restore();
}

function halo(context: CanvasRenderingContext2D, colour: string, radius: number): void {
  context.globalAlpha = 0.22;
  context.fillStyle = colour;
  circle(context, radius);
  context.fill();
  context.globalAlpha = 1;
}

function circle(context: CanvasRenderingContext2D, radius: number): void {
  context.beginPath();
  context.arc(0, 0, radius, 0, Math.PI * 2);
}

/** A disc with a nose in the direction of travel. */
function pointer(context: CanvasRenderingContext2D, courseDeg: number): void {
  const nose = ((courseDeg - 90) * Math.PI) / 180;
  const half = 0.72;
  context.beginPath();
  context.arc(0, 0, RADIUS, nose + half, nose - half + Math.PI * 2);
  context.lineTo(Math.cos(nose) * (RADIUS + 8), Math.sin(nose) * (RADIUS + 8));
  context.closePath();
}

/** The sign on the disc: an arrowhead, pause bars, a P, a !. */
function sign(context: CanvasRenderingContext2D, { state, courseDeg }: Sprite, colour: string): void {
  context.fillStyle = colour;
  if (state === "moving") {
    context.rotate((courseDeg * Math.PI) / 180);
    context.beginPath();
    context.moveTo(0, -6);
    context.lineTo(4.6, 5);
    context.lineTo(0, 2.6);
    context.lineTo(-4.6, 5);
    context.closePath();
    context.fill();
  } else if (state === "idle") {
    context.fillRect(-3.6, -4, 2.6, 8);
    context.fillRect(1, -4, 2.6, 8);
  } else if (state !== "offline") {
    context.font = `700 ${state === "alarm" ? 14 : 12}px ${FAMILY}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(state === "alarm" ? "!" : "P", 0, 0.8);
  }
}

/** A number in a ring that shows the shares of the states. */
export function drawCluster(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  count: number,
  counts: Record<State, number>,
  palette: Palette,
): void {
  const radius = 15 + Math.min(13, Math.log10(count) * 4.5);
  context.save();
  context.translate(x, y);
  context.shadowColor = "rgb(0 0 0 / 30%)";
  context.shadowBlur = 6;
  context.shadowOffsetY = 1;
  context.fillStyle = palette.cluster;
  circle(context, radius + 2);
  context.fill();
  context.shadowColor = "transparent";
  let angle = -Math.PI / 2;
  context.lineWidth = 4;
  for (const state of STATES) {
    const share = (counts[state] / count) * Math.PI * 2;
    if (share === 0) continue;
    context.strokeStyle = palette.states[state];
    context.beginPath();
    context.arc(0, 0, radius - 0.5, angle, angle + share);
    context.stroke();
    angle += share;
  }
  context.fillStyle = palette.clusterText;
  context.font = `650 12px ${FAMILY}`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(formatCount(count), 0, 0.8);
  context.restore();
}
