/* Amounts that scripts show or read: whole minor units, as everywhere. What the server can write it writes itself. */
import { numberFormat } from "../intl";
import { page } from "../page";

export interface Money {
  accountId: number | null;
  currency: string;
  digits: number;
}

export const money: Money = page.billing ?? { accountId: null, currency: "EUR", digits: 2 };

const LARGEST_DIGITS = 13;

// Those of billing/money.py whose short sign is nobody else's; of others the language's usual sign or the code
const SIGNED = new Set("AMD AZN CZK EUR GBP HUF ILS INR JPY KRW KZT MNT NGN PHP PLN RUB THB TRY UAH VND".split(" "));

/** `€9.68`, `9,68 €`, written as the server writes it. Browsers and the server don't agree on every currency's decimals (of HUF browsers
 * show none): the server tells them. */
export function formatMoney(amount: number, currency = money.currency, digits = money.digits, language = page.language): string {
  const currencyDisplay = SIGNED.has(currency) ? "narrowSymbol" : "symbol";
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return numberFormat({ style: "currency", currency, currencyDisplay, ...options }, language).format(amount / 10 ** digits);
}

/** Minor units of what a person wrote: "300", "1 234,50", "1,234.50"; null for anything else. As billing/money.py reads it. */
export function parseAmount(text: string, digits = money.digits): number | null {
  const bare = text.replace(/[\s'’]/gu, "");
  const point = Math.max(bare.lastIndexOf("."), bare.lastIndexOf(","));
  let [whole, part] = point < 0 ? [bare, ""] : [bare.slice(0, point), bare.slice(point + 1)];
  if (point >= 0 && part.length > digits && part.length === 3 && /^[1-9]\d{0,2}([.,]\d{3})+$/.test(bare)) [whole, part] = [bare, ""];
  if (/^\d{1,3}([.,]\d{3})*$/.test(whole)) whole = whole.replace(/[.,]/g, "");
  if (!/^\d+$/.test(whole) || !/^\d*$/.test(part) || part.length > digits || whole.length > LARGEST_DIGITS) return null;
  return Number(whole) * 10 ** digits + Number(part.padEnd(digits, "0") || "0");
}
