/* Which alerts lie on the screen: three at most (on a phone one), urgent ones first and until somebody closes them, the others for some seconds. The rest
 * is a number, and all of them are in the feed. */
import type { Alert } from "../api";
import { element, icon } from "../dom";
import { formatTime } from "../format";
import { t, tn } from "../i18n";

export const AT_ONCE = 3;
const SHOWN_MS = 10_000;
const REMEMBERED = 500; // ids that were shown: a socket that comes back may repeat itself

/** What is on the screen, without the screen. */
export class Stack {
  shown: Alert[] = [];
  private rest: Alert[] = [];
  private readonly seen = new Set<number>();

  constructor(private readonly atOnce = AT_ONCE) {}

  /** False when it was here before. */
  add(alert: Alert): boolean {
    if (this.seen.has(alert.id)) return false;
    this.seen.add(alert.id);
    if (this.seen.size > REMEMBERED) this.seen.delete(this.seen.values().next().value as number);
    const lesser = this.shown.findIndex((one) => !one.urgent);
    if (this.shown.length < this.atOnce) this.shown.push(alert);
    else if (alert.urgent && lesser >= 0) {
      this.rest.push(...this.shown.splice(lesser, 1));
      this.shown.push(alert);
    } else this.rest.push(alert);
    return true;
  }

  /** Its place goes to an urgent one that waits. Others don't come forward: they would be old by then. */
  remove(id: number): void {
    this.shown = this.shown.filter((alert) => alert.id !== id);
    this.rest = this.rest.filter((alert) => alert.id !== id);
    const next = this.shown.length < this.atOnce ? this.rest.findIndex((alert) => alert.urgent) : -1;
    if (next >= 0) this.shown.push(...this.rest.splice(next, 1));
    if (this.shown.length === 0) this.rest = [];
  }

  get more(): number {
    return this.rest.length;
  }
}

export class AlertToasts {
  private readonly stack = new Stack(matchMedia("(max-width: 720px)").matches ? 1 : AT_ONCE); // a phone has other things to show
  private readonly cards = new Map<number, HTMLElement>();
  private readonly list = element("div", { class: "alert-list", role: "status", "aria-live": "polite" });
  private readonly more = element("a", { class: "alert-more", href: "/alerts", hidden: true });

  constructor(private readonly acknowledge: (alert: Alert) => Promise<boolean>) {
    document.body.append(element("section", { id: "alert-toasts", "aria-label": t("Alerts") }, this.list, this.more));
  }

  /** Those that were not shown before. */
  add(alerts: readonly Alert[]): Alert[] {
    const fresh = alerts.filter((alert) => this.stack.add(alert));
    if (fresh.length) this.render();
    return fresh;
  }

  close(id: number): void {
    const card = this.cards.get(id);
    if (!card) return;
    const next = card.nextElementSibling ?? card.previousElementSibling;
    if (card.contains(document.activeElement)) next?.querySelector<HTMLElement>(".alert-close")?.focus(); // whoever closes them one by one
    this.stack.remove(id);
    this.render();
  }

  private render(): void {
    const there = new Set(this.stack.shown.map(({ id }) => id));
    for (const [id, card] of this.cards) {
      if (there.has(id)) continue;
      card.remove();
      this.cards.delete(id);
    }
    for (const alert of this.stack.shown) {
      if (this.cards.has(alert.id)) continue;
      const card = this.card(alert);
      this.cards.set(alert.id, card);
      this.list.append(card);
      if (!alert.urgent) this.fade(alert, card);
    }
    this.more.hidden = this.stack.more === 0;
    this.more.textContent = tn("{n} more alert", "{n} more alerts", this.stack.more);
  }

  private card(alert: Alert): HTMLElement {
    const text = alert.id > 0 ? element("a", { class: "alert-text", href: `/alerts/${alert.id}` }, alert.text) : element("span", { class: "alert-text" }, alert.text);
    const time = element("time", { datetime: alert.time }, formatTime(Date.parse(alert.time)));
    const map = alert.deviceId
      ? element("a", { href: `/?device=${alert.deviceId}`, "data-show-device": alert.deviceId }, t("On the map"))
      : element("a", { href: "/billing" }, t("Balance and top-up")); // about the account itself
    const done = element("button", { type: "button", class: "link-button" }, t("Acknowledge"));
    done.addEventListener("click", async () => {
      done.disabled = true;
      if (await this.acknowledge(alert)) this.close(alert.id);
      else done.disabled = false;
    });
    const close = element("button", { type: "button", class: "icon-button alert-close", "aria-label": t("Close") }, icon("close"));
    close.addEventListener("click", () => this.close(alert.id));
    return element(
      "div",
      { class: "alert-toast", "data-alert": alert.id, "data-urgent": alert.urgent, role: alert.urgent ? "alert" : null },
      icon(alert.urgent ? "alert" : "bell"),
      element("div", { class: "alert-body" }, text, element("div", { class: "alert-line" }, time, ...(alert.id > 0 ? [map, done] : [t("A test: nothing has happened")]))),
      close,
    );
  }

  /** Not while somebody points at it or is in it. */
  private fade(alert: Alert, card: HTMLElement): void {
    const go = (): void => {
      if (card.matches(":hover") || card.contains(document.activeElement)) setTimeout(go, 2_000);
      else this.close(alert.id);
    };
    setTimeout(go, SHOWN_MS);
  }
}
