/* The log of commands and the saved ones. The server renders both; htmx fetches them anew when the filter changes or news come, and only what
 * differs is put in. */
import "./style/app.css";
import htmx from "htmx.org";
import { onCommands } from "./alerts/watch";
import { ApiError, type Device, get, send } from "./api";
import { openCommand } from "./commands/dialog";
import type { Saved } from "./commands/model";
import { editSaved, removeSaved, sendSaved } from "./commands/saved";
import { need, throttle, toast } from "./dom";
import { VehicleCombo } from "./history/combo";
import { t } from "./i18n";
import { startShell } from "./shell";
import { keepTellingTimes } from "./times";

const NOT_SOONER_MS = 1_000;

/** A part of the page as it is at this address. */
const bring = (address: string, part: string): Promise<unknown> => htmx.ajax("GET", address, { target: part, select: part, swap: "outerMorph" });

let devices: Promise<Device[]> | null = null;

function vehicles(): Promise<Device[]> {
  devices ??= get<Device[]>("/api/devices").catch((error: unknown) => {
    devices = null;
    throw error;
  });
  return devices;
}

function log(feed: HTMLElement): void {
  const refresh = throttle(NOT_SOONER_MS, () => void bring(document.querySelector<HTMLElement>("#feed")?.dataset.address ?? location.href, "#feed"));
  onCommands(refresh);
  const form = need<HTMLFormElement>("#filters");
  const hidden = need<HTMLInputElement>("[name=device]", form);
  const device = need<HTMLInputElement>("#device");
  const fresh = document.querySelector<HTMLButtonElement>("#new-command");
  let chosen: Device | null = null;
  const offer = (): void => void (fresh && (fresh.hidden = chosen === null));
  const apply = (): void => {
    const fields = [...new FormData(form)].filter(([, value]) => value !== "");
    const query = new URLSearchParams(fields.map(([name, value]) => [name, String(value)]));
    const address = query.size ? `/commands?${query}` : "/commands";
    history.pushState(null, "", address);
    need("#filters-clear").hidden = query.size === 0;
    void htmx.ajax("GET", address, { target: "#feed", select: "#feed", swap: "outerHTML" });
  };
  form.addEventListener("change", (event) => (event.target as Element).id !== "device" && apply());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    apply();
  });
  const combo = new VehicleCombo(device, need("#device-options"), (one) => {
    hidden.value = String(one.id);
    chosen = one;
    offer();
    apply();
  });
  device.addEventListener("focus", () => void vehicles().then((all) => combo.fill(all), () => undefined), { once: true });
  device.addEventListener("change", () => {
    if (device.value.trim() !== "" || hidden.value === "") return;
    hidden.value = "";
    chosen = null;
    offer();
    apply();
  });
  if (hidden.value) {
    const known = (one: Device | undefined): void => {
      chosen = one ?? null;
      offer();
    };
    get<Device>(`/api/devices/${hidden.value}`).then(known, () => undefined);
  }
  fresh?.addEventListener("click", () => chosen && openCommand(chosen));
  feed.parentElement?.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLButtonElement>("[data-withdraw]");
    if (button) void withdraw(button, refresh);
  });
  addEventListener("popstate", () => location.reload());
}

async function withdraw(button: HTMLButtonElement, refresh: () => void): Promise<void> {
  button.disabled = true;
  try {
    await send("DELETE", `/api/commands/log/${button.dataset.withdraw}`);
    toast(t("Withdrawn"));
  } catch (error) {
    button.disabled = false;
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, "error");
  }
  refresh();
}

function saved(): void {
  const refresh = (): void => void bring(location.pathname + location.search, "#saved");
  document.querySelector("#add-saved")?.addEventListener("click", () => void editSaved(null, refresh));
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>("[data-send], [data-edit], [data-remove]");
    const json = button?.closest<HTMLElement>("[data-saved]")?.dataset.saved;
    if (!button || !json) return;
    const one = JSON.parse(json) as Saved;
    if (button.dataset.send !== undefined) void sendSaved(one, vehicles);
    else if (button.dataset.edit !== undefined) void editSaved(one, refresh);
    else removeSaved(one, refresh);
  });
}

document.addEventListener("htmx:response:error", () => toast(t("The server has a problem. Try again in a moment."), "error"));
const feed = document.querySelector<HTMLElement>("#feed");
if (feed) log(feed);
else saved();
keepTellingTimes();
startShell();
