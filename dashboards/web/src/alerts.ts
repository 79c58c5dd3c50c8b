/* The feed of alerts, and what became of them. The server renders both; htmx fetches them anew when the filter changes or news come, and
 * only what differs is put in, so that nobody loses their place. */
import "./style/app.css";
import htmx from "htmx.org";
import { onAlerts, recount } from "./alerts/watch";
import { ApiError, type Device, get, getText, send } from "./api";
import { need, throttle, toast } from "./dom";
import { VehicleCombo } from "./history/combo";
import { language, t, tn } from "./i18n";
import { startShell } from "./shell";
import { keepTellingTimes } from "./times";

const NOT_SOONER_MS = 1_000;
const AT_ONCE = 1_000; // ids that the server acknowledges in one request

const panel = (): HTMLElement | null => document.querySelector("#panel");
const feed = (): HTMLElement => need("#feed");

/** A part of the page as it is at this address. */
const bring = (address: string, part: string): Promise<unknown> =>
  htmx.ajax("GET", address, { target: part, select: part, swap: "outerMorph" });

const refresh = throttle(NOT_SOONER_MS, () => void bring(feed().dataset.address ?? location.href, "#feed"));

function refreshPanel(): void {
  const id = panel()?.dataset.alert;
  if (!id) return;
  for (const part of ["#alert-facts", "#alert-deliveries"]) void bring(`/alerts/${id}`, part);
}

async function told(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    await ask();
    recount();
    refresh();
    refreshPanel();
    return true;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, "error");
    return false;
  }
}

async function acknowledgeShown(button: HTMLButtonElement): Promise<void> {
  const ids = [...document.querySelectorAll<HTMLElement>(".feed-row[data-open]")].map((row) => Number(row.dataset.alert));
  button.disabled = true;
  if (await told(() => send("POST", "/api/alerts/acknowledge", { ids: ids.slice(0, AT_ONCE) }))) {
    toast(tn("{n} alert has been acknowledged", "{n} alerts have been acknowledged", ids.length));
  }
  button.disabled = false;
}

function clicks(): void {
  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    const button = target.closest<HTMLButtonElement>("button");
    const { acknowledge, reopen } = button?.dataset ?? {};
    if (button?.id === "acknowledge-shown") void acknowledgeShown(button);
    else if (acknowledge) void told(() => send("POST", `/api/alerts/${acknowledge}/acknowledge`));
    else if (reopen) void told(() => send("DELETE", `/api/alerts/${reopen}/acknowledge`));
    const link = target.closest<HTMLAnchorElement>(".feed-row a, #panel-close");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || !panel()) return;
    event.preventDefault();
    if (link.id === "panel-close") closePanel();
    else void openPanel(link.href);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && panel()?.hidden === false && !(event.target as Element).closest("input, textarea, select")) closePanel();
  });
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (form.id !== "comment-form") return;
    event.preventDefault();
    const area = need<HTMLTextAreaElement>("textarea", form);
    const text = area.value.trim();
    if (!text) return area.focus();
    void told(() => send("POST", `/api/alerts/${form.dataset.alert}/comments`, { text })).then((done) => done && form.reset());
  });
}

function mark(id: string): void {
  for (const row of document.querySelectorAll<HTMLElement>(".feed-row")) row.toggleAttribute("data-chosen", row.dataset.alert === id);
}

async function openPanel(address: string, push = true): Promise<void> {
  await htmx.ajax("GET", address, { target: "#panel", select: "#panel", swap: "outerHTML" });
  if (push) history.pushState(null, "", address);
  document.body.classList.add("has-panel");
  mark(panel()?.dataset.alert ?? "");
  placeName();
  document.querySelector<HTMLElement>("#alert-title")?.focus({ preventScroll: true });
}

function closePanel(push = true): void {
  const aside = panel();
  if (!aside) return;
  const row = document.querySelector<HTMLElement>(`#alert-${aside.dataset.alert} a`);
  if (push) history.pushState(null, "", aside.dataset.back ?? "/alerts");
  aside.hidden = true;
  aside.dataset.alert = "";
  aside.replaceChildren();
  document.body.classList.remove("has-panel");
  mark("");
  row?.focus({ preventScroll: true });
}

/** The town near the place, which the server looks up when asked. */
function placeName(): void {
  const place = document.querySelector<HTMLElement>("[data-place]");
  const [latitude, longitude] = (place?.dataset.place ?? "").split(",").map(Number);
  if (!place || latitude === undefined || longitude === undefined) return;
  const query = { latitude, longitude, language };
  getText("/api/server/geocode", query).then(
    (name) => {
      if (name) place.title = place.textContent ?? "";
      if (name) place.textContent = name;
    },
    () => undefined, // the coordinates say it, too
  );
}

function filters(): void {
  const form = need<HTMLFormElement>("#filters");
  const apply = (): void => {
    const fields = [...new FormData(form)].filter(([name, value]) => value !== "" && !(name === "state" && value === "open"));
    const query = new URLSearchParams(fields.map(([name, value]) => [name, String(value)]));
    const address = query.size ? `${form.getAttribute("action")}?${query}` : (form.getAttribute("action") as string);
    history.pushState(null, "", address);
    if (panel()?.hidden === false) closePanel(false);
    need("#filters-clear").hidden = query.size === 0;
    void htmx.ajax("GET", address, { target: "#feed", select: "#feed", swap: "outerHTML" });
  };
  form.addEventListener("change", (event) => (event.target as Element).id !== "device" && apply());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  const device = document.querySelector<HTMLInputElement>("#device");
  if (!device) return;
  const hidden = need<HTMLInputElement>("[name=device]", form);
  let filled = false;
  const combo = new VehicleCombo(device, need("#device-options"), (chosen) => {
    hidden.value = String(chosen.id);
    apply();
  });
  device.addEventListener("focus", () => {
    if (filled) return;
    filled = true;
    get<Device[]>("/api/devices").then((devices) => combo.fill(devices), () => (filled = false));
  });
  device.addEventListener("change", () => {
    if (device.value.trim() !== "" || hidden.value === "") return;
    hidden.value = "";
    apply();
  });
}

addEventListener("popstate", () => location.reload());
document.addEventListener("htmx:response:error", () => toast(t("The server has a problem. Try again in a moment."), "error"));
onAlerts((alerts) => {
  refresh();
  if (alerts.some(({ id }) => String(id) === panel()?.dataset.alert)) refreshPanel();
});
clicks();
filters();
keepTellingTimes();
placeName();
startShell();
