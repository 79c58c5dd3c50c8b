/* The balance in the head of every page: in few words, and louder when the money runs out. Pages that are opened one after another don't
 * ask for it anew; what was known a moment ago is shown at once. */
import { get } from "../api";
import { element, icon } from "../dom";
import { t, tn } from "../i18n";
import { page } from "../page";
import { formatMoney } from "./money";

interface Standing {
  balance: number;
  currency: string;
  digits: number;
  daysLeft: number | null;
  unpaid: number; // trackers that are blocked for want of money
}

const KEPT = "standing";
const FRESH_MS = 30_000;
const WARN_DAYS = 7;
const BAD_DAYS = 3;

interface Kept {
  at: number;
  user: number;
  standing: Standing;
}

function kept(): Kept | null {
  const found = JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as Kept | null;
  return found && found.user === page.viewer?.id ? found : null;
}

function show(sign: HTMLElement, { balance, currency, digits, daysLeft, unpaid }: Standing): void {
  const lasts = daysLeft === null ? "" : daysLeft === 0 ? t("until tonight") : tn("{n} day", "{n} days", daysLeft);
  const tone = unpaid || (daysLeft !== null && daysLeft <= BAD_DAYS) ? "bad" : daysLeft !== null && daysLeft <= WARN_DAYS ? "warn" : "";
  const amount = formatMoney(balance, currency, digits);
  const words = unpaid ? tn("{n} tracker blocked", "{n} trackers blocked", unpaid) : tone ? lasts : "";
  sign.hidden = !tone && !balance && daysLeft === null;
  sign.dataset.tone = tone;
  const [before = "", after = ""] = t("Balance: {amount}", { amount: "{amount}" }).split("{amount}");
  const hidden = (text: string): HTMLElement => element("span", { class: "visually-hidden" }, text);
  sign.replaceChildren(
    ...(tone ? [icon("alert")] : []),
    element("span", { class: "sign-amount" }, hidden(before), amount, hidden(`${after} `)),
    ...(words ? [element("span", { class: "sign-words" }, words)] : []),
  );
  sign.title = lasts && t("lasts for {duration}", { duration: lasts });
}

/** `anew`: something was paid or charged just now. */
export async function showBalance(anew = false): Promise<void> {
  const sign = document.querySelector<HTMLElement>("#balance-sign");
  if (!sign || !page.viewer) return;
  const known = kept();
  if (known) show(sign, known.standing);
  if (known && !anew && Date.now() - known.at < FRESH_MS) return;
  const standing = await get<Standing>("/api/billing").catch(() => null); // a page without its sign is a page all the same
  if (!standing) return;
  sessionStorage.setItem(KEPT, JSON.stringify({ at: Date.now(), user: page.viewer.id, standing } satisfies Kept));
  show(sign, standing);
}
