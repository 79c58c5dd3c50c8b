/* The live socket: the newest position of every vehicle first, then what changes. It comes back by itself, each time a little later
 * (and not at the same instant as everybody else's), and says so meanwhile. */
import type { Command } from "./commands/model";
import { type Alert, type Device, type FleetEvent, type Position, isLeaving, toLogin } from "./api";

export interface News {
  devices?: Device[];
  positions?: Position[];
  events?: FleetEvent[];
  /** Devices deleted, or no longer this viewer's. */
  removed?: number[];
  /** What rules have asked for. */
  alerts?: Alert[];
  /** What was sent to trackers, and what became of it. */
  commands?: Command[];
}

export type Link = "connecting" | "open" | "lost";

const SIGNED_OUT = 4401; // how the server closes when the session is over
const NEVER_OPEN_MS = 10_000; // a dead server behind a living proxy may leave a socket hanging
const SILENCE_MS = 60_000; // the server says something at least every 25 s; longer than this, the line is dead
const LONGEST_WAIT_MS = 30_000;

/** Wait before attempt n (from 0): 1 s, 2 s, 4 s … 30 s, of which a random half. */
export const backoffMs = (attempt: number, random = Math.random()): number =>
  Math.min(LONGEST_WAIT_MS, 1000 * 2 ** attempt) * (0.5 + random / 2);

export class LiveSocket {
  private socket: WebSocket | null = null;
  private attempt = 0;
  private timer = 0;
  private silence = 0;
  private stopped = false;

  constructor(
    private readonly onNews: (news: News) => void,
    private readonly onLink: (link: Link) => void,
    private readonly only?: "alerts",
  ) {
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.hurry());
  }

  open(): void {
    this.onLink(this.attempt ? "lost" : "connecting");
    const address = new URL("/api/socket", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    if (this.only) address.searchParams.set("only", this.only);
    const socket = (this.socket = new WebSocket(address));
    let opened = false;
    this.silence = window.setTimeout(() => socket.close(), NEVER_OPEN_MS);
    socket.onopen = () => {
      opened = true;
      this.attempt = 0;
      this.onLink("open");
      this.heard();
    };
    socket.onmessage = (message) => {
      this.heard();
      this.onNews(JSON.parse(message.data as string) as News);
    };
    socket.onclose = (event) => {
      if (this.socket !== socket || this.stopped) return;
      clearTimeout(this.silence);
      this.onLink("lost");
      if (!opened || event.code === SIGNED_OUT) void this.askWhy();
      this.timer = window.setTimeout(() => this.open(), backoffMs(this.attempt++));
    };
  }

  /** A browser doesn't say why a socket was refused, and one that was closed may be opened again: whoever changes what the server knows of
   * them loses theirs. When nobody is signed in any more, trying again is no use. */
  private async askWhy(): Promise<void> {
    if (isLeaving()) return;
    const answer = await fetch("/api/session", { credentials: "same-origin", headers: { Accept: "application/json" } }).catch(() => null);
    if (answer?.status === 404) toLogin();
  }

  close(): void {
    this.stopped = true;
    this.socket?.close();
  }

  private heard(): void {
    clearTimeout(this.silence);
    this.silence = window.setTimeout(() => this.socket?.close(), SILENCE_MS);
  }

  /** The network is back, or somebody looks at the page again: no need to wait. */
  private hurry(): void {
    if (this.stopped || this.socket?.readyState !== WebSocket.CLOSED) return;
    clearTimeout(this.timer);
    this.attempt = Math.min(this.attempt, 1);
    this.open();
  }
}
