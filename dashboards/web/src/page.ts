/* What the server has written into the page for its script: <script type="application/json" id="page">. */

export interface Viewer {
  id: number;
  name: string;
  administrator: boolean;
  readonly: boolean;
  /** Which commands they may send to trackers. */
  commands: "all" | "saved" | "none";
}

export interface PageData {
  language: string;
  viewer: Viewer | null;
  /** Of commands to trackers: whether any can go by SMS, and how slow is slow. */
  commands?: { sms: boolean; slowKmh: number };
  map?: { styleUrl: string; styleUrlDark: string };
  /** Of the pages that ask for what a tariff may not have. */
  allowed?: Allowed;
  /** Of the history page: the device asked for by the address, and who can be chosen. */
  device?: { id: number; name: string } | null;
  /** Of the pages of rules: the one that is edited (0: a new one), or the one it begins as; what this server can send by. */
  rule?: number;
  from?: number | null;
  accountId?: number;
  ready?: { mail: boolean; sms: boolean };
  /** Of the pages of money: whose account it is, when not the viewer's own; its currency and decimals. */
  billing?: { accountId: number | null; currency: string; digits: number };
}

/** What the viewer's tariff allows, as far as a page has to know; null: without a limit. */
export interface Allowed {
  tariff: string;
  zones: number | null;
  reports: boolean;
  historyFrom: string | null;
}

/** The JSON of a data element of the page; null when the page has none. */
export function pageJson<T>(id: string): T | null {
  const text = document.getElementById(id)?.textContent;
  return text ? (JSON.parse(text) as T) : null;
}

export const page: PageData =
  (typeof document === "undefined" ? null : pageJson<PageData>("page")) ?? { language: "en", viewer: null };
