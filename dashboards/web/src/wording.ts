/* The server's short words of channels, states and reasons, as the page carries them (templates/parts/alert_words.html). */
import { pageJson } from "./page";

interface Wording {
  channels: Record<string, string>;
  states: Record<string, string>;
  reasons: Record<string, string>;
}

export const wording = (): Wording => pageJson<Wording>("wording") ?? { channels: {}, states: {}, reasons: {} };

/** "gateway: refused" in the viewer's words; the facts behind the colon stay as they came. */
export function reasonWords(reason: string | null): string {
  if (!reason) return "";
  const [code = "", ...facts] = reason.split(": ");
  const told = wording().reasons[code] ?? code;
  return facts.length ? `${told}: ${facts.join(": ")}` : told;
}
