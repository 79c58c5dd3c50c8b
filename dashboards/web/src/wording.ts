/* The server's short words of channels, states and reasons, as the page carries them (templates/parts/alert_words.html). */
import { pageJson } from "./page";

interface Wording {
  channels: Record<string, string>;
  states: Record<string, string>;
  reasons: Record<string, string>;
}

export const wording = (): Wording => pageJson<Wording>("wording") ?? { channels: {}, states: {}, reasons: {} };

/** "gateway: refused" in the viewer's words; facts behind the colon that aren't ours stay as they came. */
export function reasonWords(reason: string | null): string {
  if (!reason) return "";
  const [code = "", ...facts] = reason.split(": ");
  const { reasons } = wording();
  const told = reasons[code] ?? code;
  const more = facts.join(": ");
  return more ? `${told}: ${reasons[more] ?? more}` : told;
}
