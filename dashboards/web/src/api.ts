/* The server's JSON, in Traccar's shapes. Errors arrive as RFC 9457 problem details and leave as ApiError, with a sentence to show. */
import { language, t } from "./i18n";
import { refusal } from "./billing/refusals";
import { knownReason } from "./zones/reasons";

export interface Device {
  id: number;
  name: string;
  uniqueId: string;
  status: "online" | "offline" | "unknown";
  disabled: boolean;
  lastUpdate: string | null;
  positionId: number;
  moving?: boolean;
  phone?: string | null;
  model?: string | null;
  contact?: string | null;
  category?: string | null;
  groupId?: number;
  accountId?: number;
  attributes: Record<string, unknown>;
}

export interface Position {
  id: number;
  deviceId: number;
  protocol: string;
  deviceTime: string;
  fixTime: string;
  serverTime: string;
  outdated: boolean;
  valid: boolean;
  latitude: number;
  longitude: number;
  altitude: number;
  speed: number; // knots
  course: number;
  accuracy: number;
  attributes: PositionAttributes;
}

/** The telemetry that the pages know by name; everything else is there too. */
export interface PositionAttributes extends Record<string, unknown> {
  ignition?: boolean;
  motion?: boolean;
  alarm?: string;
  sat?: number;
  power?: number;
  battery?: number;
  batteryLevel?: number;
  odometer?: number;
  totalDistance?: number;
  hours?: number;
  fuel?: number;
  rssi?: number;
  outlier?: boolean;
}

export interface FleetEvent {
  id: number;
  type: string;
  eventTime: string;
  deviceId: number;
  positionId: number | null;
  attributes: Record<string, unknown>;
}

/** An event that a rule asked for. */
export interface Alert {
  id: number;
  deviceId: number; // 0: about the account itself
  deviceName: string;
  time: string;
  type: string;
  subject: string;
  geofenceId: number | null;
  geofenceName: string | null;
  late: boolean;
  urgent: boolean;
  createdAt: string;
  acknowledgedAt: string | null;
  acknowledgedBy: string | null;
  comments: number;
  text: string;
  /** Of the live socket: whether a rule names this viewer. */
  toast?: boolean;
}

export interface Stop {
  deviceId: number;
  startTime: string;
  endTime: string;
  duration: number; // ms
  lat: number;
  lon: number;
  address: string | null;
}

export interface Summary {
  deviceId: number;
  distance: number; // m
  averageSpeed: number; // knots
  maxSpeed: number; // knots
}

export interface UnknownTracker {
  protocol: string;
  uniqueId: string;
  address: string;
  firstHeard: string;
  lastHeard: string;
  count: number;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly retryAfterS: number | null = null,
    /** Of billing's refusals: a word for programs. */
    readonly code: string | null = null,
  ) {
    super(message);
  }
}

/** Of many vehicles the one that can't be told something, as the English detail names it. */
const whose = (detail: string): string => /^(.+) can't be told so\./.exec(detail)?.[1] ?? "";

/** The server's refusals that a person meets on the pages, by their titles. The API's own language is English; these are sentences for the
 * viewer, and tests/browser asks the server for each, so that a title that changes is noticed. */
const REFUSALS: readonly (readonly [RegExp, (found: RegExpMatchArray, detail: string) => string])[] = [
  [/^The tracker .+ is in use already$/, () => t("A tracker with this id has been added already. Check the id, or remove the other one.")],
  [/^Wrong e-mail or password$/, () => t("The e-mail or the password is wrong.")],
  [/^Too many failed logins$/, () => t("There were too many attempts. Try again a little later.")],
  [/^Too many people are logging in$/, () => t("Many people are logging in just now. Try again in a few seconds.")],
  [/^Too many tokens$/, () => t("You have too many tokens. They expire by themselves, or can be revoked through the API.")],
  [/^You may only look$/, () => t("You may only look. Ask an administrator for the right to change things.")],
  [/^No such (device|tracker)$/, () => t("This tracker has been removed, or it isn't yours.")],
  [/^The tracker is blocked$/, () => t("This tracker is blocked. The list of trackers says why.")],
  [/^No such account$/, () => t("This account is not there any more.")],
  [/^The payment provider (refused|doesn't answer)$/, () => t("The payment provider gave no page to pay on. Try again in a minute, or pay in another way.")],
  [/^The database doesn't answer just now$/, () => t("The database doesn't answer just now. Try again in a few seconds.")],
  [/^More than \d[\d,]* (positions|events)$/, () => t("There are too many positions in this period. Choose a shorter one.")],
  [/^The range is too long$/, () => t("The period is too long. Choose a shorter one.")],
  [/^The range is empty$/, () => t("The first day must not be after the last one.")],
  [/^You may not send commands$/, () => t("You may not send commands. Ask an administrator for the right.")],
  [/^You may send saved commands only$/, () => t("You may send saved commands only. Ask an administrator for the right to more.")],
  [/^(.+) has no phone number$/, ([, name = ""]) => t("No phone number is known of {name}. Write that of its SIM card into the tracker's form.", { name })],
  [/^(\d+) commands wait for (.+) already$/, ([, n = "", name = ""]) => t("{n} commands wait for {name} already. Withdraw some of them first.", { n, name })],
  [/^(.+) is (?:blocked|disabled)$/, ([, name = ""]) => t("{name} is blocked or switched off. The list of trackers says why.", { name })],
  [/: not by SMS to \S+ trackers$/, (_, detail) => t("{name} does not take this command by SMS.", { name: whose(detail) })],
  [/: not to (\S+) trackers$/, ([, protocol = ""], detail) => t("{name} does not take this command: it reports by {protocol}.", { name: whose(detail), protocol })],
  [/^This server sends no SMS$/, () => t("This server can't send SMS yet. The provider sets that up.")],
  [/^It has been sent already$/, () => t("It has been sent already: what has left can't be taken back.")],
  [/^No such command$/, () => t("This command has been removed, or it isn't yours.")],
  [/^No such group with devices$/, () => t("There is no vehicle in this group that could be told.")],
  [/^The group has more than (\d+) devices$/, ([, n = ""]) => t("The group has more than {n} vehicles. Send to the groups within it one by one.", { n })],
  [/^An account has at most (\d+) saved commands$/, ([, n = ""]) => t("An account has at most {n} saved commands. Remove one that is no longer needed.", { n })],
  [/^Sent by another site's page$/, () => t("The server doesn't take this page for its own. Open it by its proper address.")],
  [/^The request holds a value that can't be stored$/, () => t("A field holds characters or numbers that can't be stored.")],
];

/** Where the English detail says more than a sentence for all cases can, those who read English get the detail. */
const GENERAL: readonly (readonly [RegExp, () => string])[] = [
  [/^There is no such zone$/, () => t("The zone can't have this shape. Check its border and its size.")],
  [/^The file can't be read$/, () => t("The file can't be read. It has to be GeoJSON, KML or WKT.")],
  [/^The calendar can't be (read|used)$/, () => t("The calendar can't be read. It has to be an iCalendar file (.ics).")],
  [/^The calendar is in use$/, () => t("Something still goes by this calendar.")],
  [/^A group can't be within itself$/, () => t("A group can't be within itself.")],
  [/^Too many test messages$/, () => t("There were too many tests. Try again in some minutes.")],
  [/^Something it names is gone$/, () => t("Something that is named here has been removed meanwhile. Load the page anew.")],
  [/^This command can't be sent( by SMS)?$/, () => t("This command can't be sent so. Check its fields.")],
  [/^There is no such channel$/, () => t("There is no such way to tell.")],
  [/^Nobody would be told by /, () => t("Choose whom to tell.")],
  [/^Where does the webhook go\?$/, () => t("The webhook needs an address, such as https://example.com/alerts.")],
  [/^This messenger can't be used$/, () => t("The address of the messenger can't be used. Check how it is written.")],
  [/ stays with its account$/, () => t("It can't be moved to another account. Make a new one there.")],
  [/^Too many /, () => t("There are too many. Remove some that are not needed.")],
];

interface ProblemDetails extends Record<string, unknown> {
  code?: unknown;
  title?: unknown;
  detail?: unknown;
  errors?: unknown;
}

/** A sentence for the viewer; what has none is told in English to those who read it, in general terms to others. */
function sentence(status: number, problem: ProblemDetails): string {
  const { title, detail, errors, code } = problem;
  const refused = typeof code === "string" ? refusal(code, problem) : null;
  if (refused) return refused;
  for (const [pattern, told] of REFUSALS) {
    const found = pattern.exec(String(title));
    if (found) return told(found, String(detail));
  }
  if (Array.isArray(errors)) {
    const fields = errors.flatMap((one: { field?: unknown }) => (typeof one.field === "string" ? one.field : []));
    if (language !== "en") return t("The server doesn't accept these fields: {fields}", { fields: fields.map(fieldName).join(", ") });
  }
  if (language !== "en") {
    const shape = /^(There is no such zone|The (file|area) can't be read)$/.test(String(title)) ? knownReason(String(detail)) : null;
    const general = GENERAL.find(([pattern]) => pattern.test(String(title)));
    if (shape || general) return shape ?? (general?.[1]() as string);
  }
  return language === "en" && typeof detail === "string" && status < 500 ? detail : excuse(status);
}

/** What a field of the API is called on the pages. */
function fieldName(field: string): string {
  const names: Record<string, string> = {
    name: t("Name"),
    uniqueId: t("Tracker id"),
    phone: t("Phone"),
    model: t("Model"),
    contact: t("Contact"),
    "attributes.speedLimit": t("Speed limit, km/h"),
    speedLimit: t("Speed limit, km/h"),
    group: t("Group of zones"),
    hours: t("When"),
    quietHours: t("Quiet hours"),
    timeZone: t("Time zone"),
    radius: t("Radius, m"),
    width: t("Width, m"),
    emails: t("E-mail addresses"),
    phones: t("Phone numbers"),
    webhookUrl: t("Webhook"),
    description: t("Name of the rule"),
    enter: t("Distance, m"),
    text: t("Comment"),
    url: t("Apprise address"),
    from: t("From"),
    to: t("To"),
  };
  return names[field] ?? field;
}

/** What to tell a person when there is no sentence for it. */
function excuse(status: number): string {
  if (status === 401) return t("You are no longer logged in.");
  if (status === 403) return t("You may not do this.");
  if (status === 404) return t("This is not there any more.");
  return status >= 500 ? t("The server has a problem. Try again in a moment.") : t("The server refused this.");
}

async function failure(response: Response): Promise<ApiError> {
  const wait = Number(response.headers.get("Retry-After")) || null;
  if (response.headers.get("Content-Type")?.includes("json")) {
    const problem = ((await response.json().catch(() => null)) ?? {}) as ProblemDetails;
    return new ApiError(response.status, sentence(response.status, problem), wait, typeof problem.code === "string" ? problem.code : null);
  }
  return new ApiError(response.status, excuse(response.status), wait);
}

let leaving = false;

/** Whoever logs out is on the way to the login already, and needn't come back to this view. */
export function leave(yes: boolean): void {
  leaving = yes;
}

/** Whether somebody is logging out just now. */
export const isLeaving = (): boolean => leaving;

/** The session is over: log in, and come back to this very view. */
export function toLogin(): void {
  if (leaving) return;
  location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

async function ask(path: string, options: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, t("The server can't be reached. Check the connection."));
  }
  if (response.status === 401 && (path !== "/api/session" || options.method !== "POST")) toLogin();
  if (!response.ok) throw await failure(response);
  return response;
}

const json = { Accept: "application/json" };

export async function get<T>(path: string, query: Record<string, string | number> = {}, signal?: AbortSignal): Promise<T> {
  const search = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
  const address = search.size ? `${path}?${search}` : path;
  return (await (await ask(address, { headers: json, ...(signal && { signal }) })).json()) as T;
}

/** POST, PUT or DELETE with a JSON body; the answer, or null when there is none. */
export async function send<T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown, more: Record<string, string> = {}): Promise<T | null> {
  const headers = { ...json, ...more, ...(body !== undefined && { "Content-Type": "application/json" }) };
  const response = await ask(path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  const text = await response.text();
  return text && response.headers.get("Content-Type")?.includes("json") ? (JSON.parse(text) as T) : null;
}

/** POST with a file as the body, as it is. */
export async function sendFile<T>(path: string, file: Blob): Promise<T> {
  const headers = { ...json, "Content-Type": file.type || "application/octet-stream" };
  return (await (await ask(path, { method: "POST", headers, body: file })).json()) as T;
}

export async function sendForm(path: string, fields: Record<string, string>): Promise<string> {
  return (await ask(path, { method: "POST", headers: json, body: new URLSearchParams(fields) })).text();
}

export async function getText(path: string, query: Record<string, string | number>, signal?: AbortSignal): Promise<string> {
  const search = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
  return (await ask(`${path}?${search}`, { headers: { Accept: "text/plain" }, ...(signal && { signal }) })).text();
}
