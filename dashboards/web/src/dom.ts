/* Small helpers for the document. */

/** An element that the page must have; its template and its script belong together. */
export function need<T extends HTMLElement = HTMLElement>(selector: string, root: ParentNode = document): T {
  const found = root.querySelector<T>(selector);
  if (!found) throw new Error(`The page has no ${selector}`);
  return found;
}

type Child = Node | string | null | false;
type Attributes = Record<string, string | number | boolean | null | undefined>;

/** An element with attributes and children. Text goes in as text: nothing here reads markup. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== false));
  return made;
}

/** An icon of the page's sprite (templates/icons.svg). */
export function icon(name: string): SVGSVGElement {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** A click beside the dialog closes it, but not one that began within: what was under the finger may just have gone. */
export function closeOutside(dialog: HTMLDialogElement): void {
  let outside = false;
  dialog.addEventListener("pointerdown", (event) => (outside = event.target === dialog));
  dialog.addEventListener("click", (event) => outside && event.target === dialog && dialog.close());
}

/** Calls no sooner than `ms` after the last time, and at the end once more. */
export function throttle(ms: number, call: () => void): () => void {
  let timer = 0;
  let last = -Infinity;
  return () => {
    if (timer) return;
    const wait = Math.max(0, last + ms - performance.now());
    timer = window.setTimeout(() => {
      timer = 0;
      last = performance.now();
      call();
    }, wait);
  };
}

export function debounce(ms: number, call: () => void): () => void {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(call, ms);
  };
}

/** A line at the bottom of the page that goes away by itself. */
export function toast(text: string, kind: "info" | "error" | "alarm" = "info", onClick?: () => void): void {
  let stack = document.querySelector("#toasts");
  if (!stack) document.body.append((stack = element("div", { id: "toasts", role: "status", "aria-live": "polite" })));
  const sign = icon(kind === "info" ? "check" : "alert");
  const line = onClick
    ? element("button", { class: `toast toast-${kind}`, type: "button" }, sign, text)
    : element("div", { class: `toast toast-${kind}` }, sign, text);
  if (onClick) line.addEventListener("click", onClick);
  stack.append(line);
  while (stack.children.length > 4) stack.firstElementChild?.remove();
  setTimeout(() => line.remove(), kind === "info" ? 4_000 : 9_000);
}
