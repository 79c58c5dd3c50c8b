/* Why billing refused something, for people: by the codes of billing/errors.py and the values that come with them. */
import { t } from "../i18n";
import { dateFormat } from "../intl";
import { beyondTariff } from "../tariff";
import { formatMoney } from "./money";

type Values = Record<string, unknown>;

const day = dateFormat({ dateStyle: "medium", timeZone: "UTC" });
const amount = (values: Values, name: string): string => formatMoney(Number(values[name]), String(values.currency), values.digits as number | undefined);

const CODES: Record<string, (values: Values) => string> = {
  not_enough_money: (values) =>
    t("{needed} are needed, and {balance} is on the balance. Top up first.", { needed: amount(values, "needed"), balance: amount(values, "balance") }),
  too_many_changes: ({ next }) =>
    t("The tariff has been changed twice this month. It can be changed again from {day} on.", { day: day.format(Date.parse(String(next))) }),
  same_tariff: () => t("This is your tariff already."),
  not_offered: () => t("This tariff is not on offer for you. Choose another one."),
  other_currency: () => t("This tariff is not on offer for you. Choose another one."),
  no_tariff: () => t("This tariff is not on offer for you. Choose another one."),
  test_taken: ({ name }) => t("An account has one test tracker, and that is {name}: make it an ordinary one first.", { name: String(name) }),
  blocked_by_administrator: () => t("The provider has blocked it. Ask there to unblock it."),
  not_blocked: () => t("It is not blocked any more."),
  already_blocked: () => t("It is blocked already."),
  no_tracker: () => t("This tracker has been removed, or it isn't yours."),
  tariff: beyondTariff,
  not_refundable: (values) => t("At most {amount} can be given back.", { amount: amount(values, "refundable") }),
  too_many_payments: () => t("Many payments were begun and not finished. Wait an hour, or pay in another way."),
  no_provider: () => t("This way to pay is not on offer any more. Load the page anew."),
  not_open: () => t("The request has been decided meanwhile. Load the page anew."),
  too_late: () => t("The 14 days are over. The unused balance can be given back all the same."),
  nothing_paid: () => t("There is nothing to give back."),
  sms_under_way: () => t("An SMS is on its way just now. Try again in a minute."),
  bad_amount: () => t("Write the amount like 1234.50."),
};

/** A sentence for the viewer; null for a code that isn't billing's. */
export const refusal = (code: string, values: Values): string | null => CODES[code]?.(values) ?? null;
