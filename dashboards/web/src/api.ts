/* The server's JSON, in Traccar's shapes. Errors arrive as RFC 9457 problem details and leave as ApiError, with a sentence to show. */
import { t } from "./i18n";

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
  ) {
    super(message);
  }
}

/** What to tell a person when the server has no sentence of its own. */
function excuse(status: number): string {
  if (status === 401) return t("You are no longer logged in.");
  if (status === 403) return t("You may not do this.");
  if (status === 404) return t("This is not there any more.");
  return status >= 500 ? t("The server has a problem. Try again in a moment.") : t("The server refused this.");
}

async function failure(response: Response): Promise<ApiError> {
  const wait = Number(response.headers.get("Retry-After")) || null;
  if (response.headers.get("Content-Type")?.includes("json")) {
    const problem = (await response.json().catch(() => ({}))) as { detail?: unknown; title?: unknown };
    if (typeof problem.detail === "string") return new ApiError(response.status, problem.detail, wait);
  }
  return new ApiError(response.status, excuse(response.status), wait);
}

async function ask(path: string, options: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, t("The server can't be reached. Check the connection."));
  }
  if (response.status === 401 && !path.startsWith("/api/session")) {
    location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
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
export async function send<T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<T | null> {
  const headers = { ...json, ...(body !== undefined && { "Content-Type": "application/json" }) };
  const response = await ask(path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  const text = await response.text();
  return text && response.headers.get("Content-Type")?.includes("json") ? (JSON.parse(text) as T) : null;
}

export async function sendForm(path: string, fields: Record<string, string>): Promise<string> {
  return (await ask(path, { method: "POST", headers: json, body: new URLSearchParams(fields) })).text();
}

export async function getText(path: string, query: Record<string, string | number>, signal?: AbortSignal): Promise<string> {
  const search = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)]));
  return (await ask(`${path}?${search}`, { headers: { Accept: "text/plain" }, ...(signal && { signal }) })).text();
}
