/* Light and dark: as the system says, or as the viewer chose. The choice is a cookie, so that the server already writes it into the page
 * and nothing flashes. */
export type Theme = "light" | "dark";
export type Choice = Theme | "auto";

const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners: ((theme: Theme) => void)[] = [];

export const choice = (): Choice => (document.documentElement.dataset.theme as Choice | undefined) ?? "auto";

export function currentTheme(): Theme {
  const chosen = choice();
  return chosen === "auto" ? (dark.matches ? "dark" : "light") : chosen;
}

export function choose(theme: Choice): void {
  document.documentElement.dataset.theme = theme;
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
  tell();
}

export function onTheme(listener: (theme: Theme) => void): void {
  listeners.push(listener);
}

let last = currentTheme();
function tell(): void {
  const now = currentTheme();
  if (now === last) return;
  last = now;
  for (const listener of listeners) listener(now);
}
dark.addEventListener("change", tell);

/** A colour token of the style sheet, as a colour that canvases and map layers understand. */
export function token(name: string): string {
  probe.style.color = `var(--${name})`;
  if (!probe.isConnected) document.body.append(probe);
  return getComputedStyle(probe).color;
}

const probe = document.createElement("span");
probe.hidden = true;
