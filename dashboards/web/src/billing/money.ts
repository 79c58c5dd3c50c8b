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

/** `€9.68`, `9,68 €`. */
export function formatMoney(amount: number, currency = money.currency): string {
  const format = numberFormat({ style: "currency", currency });
  const { maximumFractionDigits = 2 } = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions();
  return format.format(amount / 10 ** maximumFractionDigits);
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
