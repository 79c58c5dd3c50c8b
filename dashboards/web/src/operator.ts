/* The operator's pages. The server renders lists and forms; a form first says what will come of it (the server has tried it and taken it
 * back), and only what is confirmed is sent to the JSON API, under a key that makes it happen once. */
import "./style/app.css";
import htmx from "htmx.org";
import { ApiError, send } from "./api";
import { debounce, need, toast } from "./dom";
import { t } from "./i18n";
import { startBank } from "./operator/bank";
import { startSwitches } from "./operator/switches";
import { startShell } from "./shell";
import { keepTellingTimes } from "./times";

const SEARCH_MS = 250;

const dialog = need<HTMLDialogElement>("#dialog");
const body = need("#dialog-body");

/** The page as it is now, with what has changed put in. */
const refresh = (): Promise<unknown> =>
  htmx.ajax("GET", location.pathname + location.search, { target: "#content", select: "#content", swap: "outerMorph" });

/** A form's next step: the consequence, the fields again, or what is wrong with them. */
async function step(address: string, fields: FormData): Promise<void> {
  const answer = await fetch(address, {
    method: "POST",
    credentials: "same-origin",
    body: new URLSearchParams([...fields].map(([name, value]) => [name, String(value)])),
  }).catch(() => null);
  if (!answer?.ok) return toast(t("The server has a problem. Try again in a moment."), "error");
  body.innerHTML = await answer.text();
  focusFirst();
}

function focusFirst(): void {
  const wrong = body.querySelector(".form-error:not([hidden])");
  const first = body.querySelector<HTMLElement>(wrong ? "input:not([type=hidden]), select" : "[autofocus], input:not([type=hidden]), select");
  (first ?? body.querySelector<HTMLElement>("button"))?.focus();
}

async function confirmed(form: HTMLFormElement): Promise<void> {
  const { send: address = "", method, key = "", body: text = "{}", done = "" } = form.dataset;
  const error = need(".form-error", form);
  const buttons = [...form.querySelectorAll<HTMLButtonElement>("button")];
  error.hidden = true;
  for (const button of buttons) button.disabled = true;
  try {
    await send(method as "POST" | "PUT", address, JSON.parse(text), { "Idempotency-Key": key });
    dialog.close();
    toast(done);
    await refresh();
  } catch (reason) {
    if (!(reason instanceof ApiError)) throw reason;
    error.textContent = reason.message;
    error.hidden = false;
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

body.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target as HTMLFormElement;
  if (form.dataset.send) void confirmed(form);
  else if (form.dataset.ask) void step(form.dataset.ask, new FormData(form));
});
body.addEventListener("click", (event) => {
  const target = event.target as Element;
  if (target.closest("[data-close]")) dialog.close();
  const back = target.closest<HTMLElement>("[data-back]");
  if (!back) return;
  const fields = new FormData(back.closest("form") as HTMLFormElement);
  fields.set("back", "1");
  void step(back.dataset.back ?? "", fields);
});

/** All lines of an entry, or those that are ticked. */
body.addEventListener("change", (event) => {
  const box = event.target as HTMLInputElement;
  const lines = [...body.querySelectorAll<HTMLInputElement>("[name=no]:not(:disabled)")];
  const all = body.querySelector<HTMLInputElement>("[data-all]");
  if (box === all) for (const line of lines) line.checked = all.checked;
  else if (all && box.name === "no") {
    all.checked = lines.every((line) => line.checked);
    all.indeterminate = !all.checked && lines.some((line) => line.checked);
  }
});

dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
dialog.addEventListener("close", () => body.replaceChildren());
document.addEventListener("htmx:after:swap", (event) => {
  const { ctx } = (event as CustomEvent<{ ctx?: { target?: Element } }>).detail;
  if (ctx?.target !== body || dialog.open) return;
  dialog.showModal();
  focusFirst();
});
document.addEventListener("htmx:response:error", () => toast(t("The server has a problem. Try again in a moment."), "error"));

/** What a list shows is in its address, so that it can be kept and sent. */
function filters(): void {
  const apply = (): void => {
    const form = document.querySelector<HTMLFormElement>("#filters");
    if (!form) return;
    const fields = [...new FormData(form)].filter(([, value]) => String(value).trim() !== "");
    const query = new URLSearchParams(fields.map(([name, value]) => [name, String(value).trim()]));
    const address = query.size ? `${form.getAttribute("action")}?${query}` : (form.getAttribute("action") as string);
    history.replaceState(null, "", address);
    const clear = document.querySelector<HTMLElement>("#filters-clear");
    if (clear) clear.hidden = query.size === 0;
    void htmx.ajax("GET", address, { target: "#list", select: "#list", swap: "outerHTML" });
  };
  const soon = debounce(SEARCH_MS, apply);
  document.addEventListener("input", (event) => (event.target as Element).matches("#filters input:not([type=date])") && soon());
  document.addEventListener("change", (event) => (event.target as Element).matches("#filters select, #filters [type=date]") && apply());
  document.addEventListener("submit", (event) => {
    if ((event.target as Element).id !== "filters") return;
    event.preventDefault();
    apply();
  });
}

for (const here of document.querySelectorAll(".alert-tabs [aria-current]")) here.scrollIntoView({ inline: "center", block: "nearest" });
filters();
startBank({
  refresh,
  ask: (form) => {
    body.replaceChildren(form.content.cloneNode(true));
    dialog.showModal();
    focusFirst();
  },
});
startSwitches(refresh);
keepTellingTimes();
startShell();
