/* What moves money is done once, however often it is clicked or sent: each deed has a key of its own, which stays the same until the
 * server has said what became of it, also over a page that is loaded anew after an answer was lost. */
import { ApiError, send } from "../api";
import { money } from "./money";

const KEPT = "deed ";
const running = new Map<string, Promise<unknown>>();

/** 128 random bits. (randomUUID isn't there on pages without TLS, such as those of a server in one's own house.) */
export function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether the server has decided: what got no answer, or only "not now", is sent again under its key. */
const decided = (error: unknown): boolean => error instanceof ApiError && error.status >= 400 && error.status < 500 && ![408, 409, 429].includes(error.status);

/** POST of a deed; `T` is the answer. Twice at once is once. Raises ApiError. */
export function act<T>(path: string, body: Record<string, unknown> = {}): Promise<T> {
  const whole = money.accountId === null ? path : `${path}?accountId=${money.accountId}`;
  const deed = `${KEPT}${whole} ${JSON.stringify(body)}`;
  const known = running.get(deed);
  if (known) return known as Promise<T>;
  const key = sessionStorage.getItem(deed) ?? newKey();
  sessionStorage.setItem(deed, key);
  const done = send<T>("POST", whole, body, { "Idempotency-Key": key })
    .then((answer) => {
      sessionStorage.removeItem(deed);
      return answer as T;
    })
    .catch((error: unknown) => {
      if (decided(error) || refused(error)) sessionStorage.removeItem(deed);
      throw error;
    })
    .finally(() => running.delete(deed));
  running.set(deed, done);
  return done;
}

/** 409 with a code is a refusal for good; without one the same request is under way. */
const refused = (error: unknown): boolean => error instanceof ApiError && error.code !== null;
