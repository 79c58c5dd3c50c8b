/* Alerts on every page: those that name the viewer lie on the screen, with a sound for who wants one; the navigation counts the open ones,
 * the title those that came while nobody looked. Other modules of the page hear of all by `onAlerts`, and of commands
 * by `onCommands`. */
import { type Alert, ApiError, get, send } from "../api";
import type { Command } from "../commands/model";
import { throttle, toast } from "../dom";
import { formatCount, formatNumber, t } from "../i18n";
import { LiveSocket } from "../socket";
import { playSound } from "./sound";
import { AlertToasts } from "./toasts";

const COUNT_MS = 60_000; // others acknowledge, too
const NOT_SOONER_MS = 2_000;

type Listener = (alerts: readonly Alert[]) => void;
type CommandListener = (commands: readonly Command[]) => void;
const listeners: Listener[] = [];
const commandListeners = new Set<CommandListener>();
let toasts: AlertToasts | null = null;
let missed = 0;
const title = typeof document === "undefined" ? "" : document.title;

export function onAlerts(listener: Listener): void {
  listeners.push(listener);
}

/** Those that changed; none: the line was lost for a while, and whoever shows any should ask for them. Returns what ends it. */
export function onCommands(listener: CommandListener): () => void {
  commandListeners.add(listener);
  return () => commandListeners.delete(listener);
}

export function takeCommands(commands: readonly Command[]): void {
  for (const listener of commandListeners) listener(commands);
}

/** The number in the navigation is asked for anew. */
export const recount = throttle(NOT_SOONER_MS, () => void count());

async function count(): Promise<void> {
  const badge = document.querySelector<HTMLElement>("#alerts-open");
  if (!badge) return;
  try {
    const { open } = await get<{ open: number }>("/api/alerts/count");
    badge.hidden = open === 0;
    badge.textContent = open > 999 ? "999+" : formatCount(open);
    badge.title = t("Open alerts: {n}", { n: formatNumber(open) });
  } catch {
    // a number in a corner is no reason to disturb: it is asked for again
  }
}

/** What the socket has brought. */
export function takeAlerts(alerts: readonly Alert[]): void {
  const fresh = toasts?.add(alerts.filter((alert) => alert.toast && !alert.acknowledgedAt)) ?? [];
  for (const alert of alerts) if (alert.acknowledgedAt) toasts?.close(alert.id);
  if (fresh.length) {
    void playSound(fresh.some(({ urgent }) => urgent));
    if (document.hidden) missed += fresh.length;
    showMissed();
  }
  recount();
  for (const listener of listeners) listener(alerts);
}

let samples = 0;

/** What an alert looks and sounds like here, for whoever tries a rule. It is nowhere else, and has no number of the server's. */
export function showSample(text: string, urgent: boolean): void {
  const now = new Date().toISOString();
  const none = { deviceId: 0, deviceName: "", type: "", subject: "", geofenceId: null, geofenceName: null, acknowledgedAt: null, acknowledgedBy: null };
  toasts?.add([{ ...none, id: --samples, time: now, createdAt: now, late: false, urgent, comments: 0, text }]);
  void playSound(urgent);
}

async function acknowledge(alert: Alert): Promise<boolean> {
  try {
    await send("POST", `/api/alerts/${alert.id}/acknowledge`);
    for (const listener of listeners) listener([alert]);
    recount();
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, "error");
    return false;
  }
}

function showMissed(): void {
  document.title = missed ? `(${missed}) ${title}` : title;
}

export function watchAlerts(socket: boolean): void {
  toasts = new AlertToasts(acknowledge);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    missed = 0;
    showMissed();
    recount();
  });
  recount();
  setInterval(() => document.hidden || recount(), COUNT_MS);
  if (!socket) return;
  let lost = false;
  new LiveSocket(
    ({ alerts, commands }) => {
      if (alerts) takeAlerts(alerts);
      if (commands) takeCommands(commands);
    },
    (link) => {
      if (link === "open" && lost) {
        takeAlerts([]); // what came meanwhile is in the feed
        takeCommands([]);
      }
      lost = link === "lost";
    },
    "alerts",
  ).open();
}
