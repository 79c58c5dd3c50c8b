/* The line to /api/listen. It comes back by itself, and says why it doesn't. */
import { isLeaving, toLogin } from "../api";
import { backoffMs } from "../socket";
import type { Heard, Whom } from "./log";

/** What it is doing: `refused` and `gone` are for good, `full` and `lost` are tried again. */
export type Line = "connecting" | "open" | "lost" | "full" | "gone";

const SIGNED_OUT = 4401; // close codes of dashboards/api/socket.py and listen.py
const NOT_YOURS = 4404;
const FULL = 4429;
const SILENCE_MS = 60_000; // the server says something every 30 s

export class ListenSocket {
  private attempt = 0;
  private silence = 0;

  constructor(
    private readonly whom: Whom,
    private readonly onHeard: (message: Heard | { missed: number }) => void,
    private readonly onLine: (line: Line) => void,
  ) {}

  open(): void {
    const address = new URL("/api/listen", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    if (this.whom.deviceId === null) address.searchParams.set("uniqueId", this.whom.uniqueId);
    else address.searchParams.set("deviceId", String(this.whom.deviceId));
    const socket = new WebSocket(address);
    const alive = (): void => {
      clearTimeout(this.silence);
      this.silence = window.setTimeout(() => socket.close(), SILENCE_MS);
    };
    alive();
    let opened = 0;
    socket.onopen = () => {
      opened = window.setTimeout(() => this.settled(), 300); // a full house opens the door to say so
    };
    socket.onmessage = (message) => {
      alive();
      clearTimeout(opened);
      this.settled();
      const said = JSON.parse(message.data as string) as Heard | { missed: number } | Record<string, never>;
      if (Object.keys(said).length) this.onHeard(said as Heard);
    };
    socket.onclose = ({ code }) => {
      clearTimeout(this.silence);
      clearTimeout(opened);
      void this.closed(code);
    };
  }

  private settled(): void {
    this.attempt = 0;
    this.onLine("open");
  }

  private async closed(code: number): Promise<void> {
    if (code === NOT_YOURS) return this.onLine("gone");
    this.onLine(code === FULL ? "full" : "lost");
    if (code === SIGNED_OUT || this.attempt > 0) {
      const state = await this.askWhy();
      if (state !== null) return state === "signed out" ? toLogin() : this.onLine(state);
    }
    window.setTimeout(() => this.open(), backoffMs(this.attempt++));
  }

  /** A browser doesn't say why a socket was refused: nobody is signed in any more, or the page itself is gone. null: it is worth trying. */
  private async askWhy(): Promise<"signed out" | "gone" | null> {
    if (isLeaving()) return null;
    const asked = { credentials: "same-origin", headers: { Accept: "application/json" } } as const;
    const session = await fetch("/api/session", asked).catch(() => null);
    if (session?.status === 404) return "signed out";
    const here = await fetch(location.pathname + location.search, { ...asked, redirect: "manual" }).catch(() => null);
    return here?.status === 404 ? "gone" : null;
  }
}
