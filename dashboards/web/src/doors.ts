/* Which protocol a tracker speaks, by its maker or model as people write them: "fmb920" is one of "FMB9xx", "GT-06 N" is "GT06N". */

export interface Door {
  protocol: string;
  port: number;
  transport: string;
  makers: string;
  models: string;
}

const MIN_MODEL = 3; // letters and digits that tell a model from others

const tidy = (text: string): string => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

/** In a manual x behind a digit stands for any: FMB9xx. */
const same = (model: string, at: number, asked: string): boolean =>
  model[at] === asked[at] || (model[at] === "x" && /[\dx]/.test(model[at - 1] ?? "") && /\d/.test(asked[at] ?? ""));

/** How well a model's name and what somebody typed agree: both, one as the beginning of the other, or 0. */
function likeness(model: string, asked: string): number {
  const length = Math.min(model.length, asked.length);
  if (length < MIN_MODEL) return length > 0 && model === asked ? 3 : 0;
  for (let at = 0; at < length; at++) if (!same(model, at, asked)) return 0;
  return model.length === asked.length ? 3 : asked.length < model.length ? 2 : 1.5;
}

function weigh(door: Door, asked: string): number {
  if (!asked.trim()) return 1;
  const whole = tidy(asked);
  const models = door.models.split(/[,;:()]/).map(tidy).filter(Boolean);
  const model = Math.max(0, ...models.map((one) => likeness(one, whole)));
  if (door.protocol === whole || String(door.port) === whole) return 4;
  if (model) return model;
  const all = `${door.protocol} ${door.makers} ${door.models} ${door.transport} ${door.port}`.toLowerCase();
  const words = asked.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.every((word) => all.includes(word))) return 1;
  // "Teltonika FMB920": a maker's word, and a model's
  const left = words.filter((word) => !door.makers.toLowerCase().includes(word));
  return left.length < words.length && left.length > 0 && models.some((one) => likeness(one, tidy(left.join(""))) > 0) ? 2.5 : 0;
}

/** Those that fit, the likeliest first, otherwise in the order given. */
export function find<T extends Door>(doors: readonly T[], asked: string): T[] {
  const weighed = doors.map((door) => ({ door, weight: weigh(door, asked) })).filter(({ weight }) => weight > 0);
  return weighed.sort((a, b) => b.weight - a.weight).map(({ door }) => door);
}
