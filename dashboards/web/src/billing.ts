/* The cabinet. The server renders the pages and the dialogs, with what things cost by the code that charges; what is done goes through the
 * JSON API under a key of its own (billing/deeds.ts). */
import "./style/app.css";
import htmx from "htmx.org";
import { ApiError } from "./api";
import { BurnDown, type ChartData } from "./billing/chart";
import { act } from "./billing/deeds";
import { formatMoney, money, parseAmount } from "./billing/money";
import { showBalance } from "./billing/sign";
import { need, toast } from "./dom";
import { t, tn } from "./i18n";
import { page } from "./page";
import { startShell } from "./shell";
import { keepTellingTimes } from "./times";

interface Outcome {
  charges?: unknown[];
  blocked?: string[];
  unblocked?: string[];
}

const TELL_NEXT = "told"; // what the page that is loaded next says

/** Loads the page anew, which then says what has been done. */
function again(text: string, address = location.pathname + location.search): void {
  sessionStorage.setItem(TELL_NEXT, text);
  if (address === location.pathname + location.search) location.reload();
  else location.assign(address);
}

function at(path: string): string {
  return money.accountId === null ? path : `${path}?accountId=${money.accountId}`;
}

/** Runs a form's deed with its button held down, and says what is wrong in the form. */
async function deed(form: HTMLFormElement, run: () => Promise<void>): Promise<void> {
  const error = need(".form-error", form);
  const button = need<HTMLButtonElement>("[type=submit]", form);
  error.hidden = true;
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await run();
  } catch (reason) {
    button.disabled = false;
    if (!(reason instanceof ApiError)) throw reason;
    error.textContent = reason.message;
    error.hidden = false;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function amountOf(form: HTMLFormElement): number {
  const field = need<HTMLInputElement>("[name=amount]", form);
  const amount = parseAmount(field.value);
  if (amount === null || amount <= 0) {
    field.focus();
    throw new ApiError(400, t("Write the amount like 1234.50."));
  }
  return amount;
}

const forms: Record<string, (form: HTMLFormElement) => Promise<void>> = {
  "topup-form": async (form) => {
    const provider = String(new FormData(form).get("provider"));
    const payment = await act<{ url?: string; pageUrl?: string }>("/api/billing/payments", { amount: amountOf(form), provider });
    const address = payment.pageUrl ?? payment.url;
    if (!address) throw new ApiError(502, t("The server has a problem. Try again in a moment."));
    location.assign(address);
  },
  "tariff-form": async (form) => {
    const { blocked = [] } = await act<Outcome>("/api/billing/tariff", { tariffId: Number(form.dataset.tariff) });
    again(blocked.length ? tn("The tariff has been changed; {n} tracker is blocked", "The tariff has been changed; {n} trackers are blocked", blocked.length) : t("The tariff has been changed"));
  },
  "tracker-act": async (form) => {
    const { device, act: what, test } = form.dataset;
    const path = `/api/billing/trackers/${device}/${what}`;
    if (what === "block") await act(path, { reason: String(new FormData(form).get("reason") ?? "").trim() });
    else if (what === "test") await act(path, { test: test === "true" });
    else await act(path);
    again(what === "block" ? t("Blocked") : what === "unblock" ? t("It works again") : t("Saved"));
  },
  "refund-form": async (form) => {
    const comment = String(new FormData(form).get("comment") ?? "").trim();
    try {
      await act("/api/billing/refunds", { amount: amountOf(form), comment });
    } catch (reason) {
      if (!(reason instanceof ApiError) || reason.code !== "not_enough_money") throw reason;
      throw new ApiError(reason.status, t("At most {amount} can be given back.", { amount: formatMoney(Number(form.dataset.most)) })); // and not: top up first
    }
    again(t("The refund has been requested"));
  },
  "withdraw-form": async () => {
    await act("/api/billing/withdrawal");
    again(t("You have withdrawn from the contract"), at("/billing/refund"));
  },
};

document.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  const run = forms[form.id];
  if (!run) return;
  event.preventDefault();
  void deed(form, () => run(form));
});

document.addEventListener("click", (event) => {
  const target = (event.target as Element).closest<HTMLElement>("button");
  if (!target) return;
  const { amount, copy, cancelRefund } = target.dataset;
  if (amount !== undefined) {
    const field = need<HTMLInputElement>("#topup-form [name=amount]");
    field.value = amount;
    field.focus();
    need(".form-error", need("#topup-form")).hidden = true; // of another amount
  } else if (copy) {
    const code = need(copy);
    getSelection()?.selectAllChildren(code);
    void navigator.clipboard?.writeText(code.textContent ?? "").then(() => toast(t("Copied")));
  } else if (cancelRefund) void takeBack(target as HTMLButtonElement, cancelRefund);
  else if (target.classList.contains("fold")) unfold(target);
});

async function takeBack(button: HTMLButtonElement, refund: string): Promise<void> {
  button.disabled = true;
  try {
    await act(`/api/billing/refunds/${refund}/cancel`);
    again(t("The request has been taken back"));
  } catch (error) {
    button.disabled = false;
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, "error");
  }
}

/** The lines of an entry; htmx fetches them the first time. */
function unfold(button: HTMLElement): void {
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", String(open));
  need(`#${button.getAttribute("aria-controls")}`).hidden = !open;
}

/** A change of the filter is a new address. */
function filters(form: HTMLFormElement): void {
  const dates = form.querySelector<HTMLElement>("#dates");
  form.addEventListener("change", (event) => {
    const field = event.target as HTMLInputElement | HTMLSelectElement;
    if (field.name === "period" && dates) {
      dates.hidden = field.value !== "dates";
      for (const date of dates.querySelectorAll<HTMLInputElement>("input")) date.disabled = dates.hidden;
      if (!dates.hidden) return dates.querySelector<HTMLInputElement>("input")?.focus();
    }
    for (const other of form.querySelectorAll<HTMLInputElement | HTMLSelectElement>("[name]")) if (!other.value) other.disabled = true;
    form.submit();
  });
}

function dialogs(dialog: HTMLDialogElement): void {
  const body = need("#dialog-body");
  body.addEventListener("click", (event) => (event.target as Element).closest("[data-close]") && dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.addEventListener("htmx:after:swap", (event) => {
    const { ctx } = (event as CustomEvent<{ ctx?: { target?: Element } }>).detail;
    if (ctx?.target !== body || dialog.open) return;
    dialog.showModal();
    body.querySelector<HTMLElement>("[autofocus]")?.focus();
  });
  dialog.addEventListener("close", () => body.replaceChildren());
}

document.addEventListener("htmx:response:error", () => toast(t("The server has a problem. Try again in a moment."), "error"));
document.addEventListener("htmx:after:swap", () => void showBalance(true));

const told = sessionStorage.getItem(TELL_NEXT);
if (told) {
  sessionStorage.removeItem(TELL_NEXT);
  toast(told);
}
const burn = document.querySelector<HTMLElement>("#burn");
const chart = (page as { chart?: ChartData | null }).chart;
if (burn && chart) new BurnDown(burn, chart);
const filter = document.querySelector<HTMLFormElement>("#filters");
if (filter) filters(filter);
const dialog = document.querySelector<HTMLDialogElement>("#dialog");
if (dialog) dialogs(dialog);
const sure = document.querySelector<HTMLInputElement>("#withdraw-form [name=sure]");
sure?.addEventListener("change", () => (need<HTMLButtonElement>("#withdraw-form [type=submit]").disabled = !sure.checked));
void htmx; // its attributes are in the templates
keepTellingTimes();
startShell();
