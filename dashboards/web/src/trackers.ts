/* The trackers page. The server renders the list and the forms, htmx fetches them; what is changed goes through the same JSON API that
 * everybody uses, so that there is one place where a tracker is added. */
import "./style/app.css";
import htmx from "htmx.org";
import { ApiError, type Device, get, send } from "./api";
import { act } from "./billing/deeds";
import { openCommand } from "./commands/dialog";
import { need, toast } from "./dom";
import { t } from "./i18n";
import { page } from "./page";
import { startShell } from "./shell";
import { keepTellingTimes } from "./times";
import { hint, startDoors } from "./trackers/connect";
import { openGroups } from "./zones/groups";

const dialog = need<HTMLDialogElement>("#dialog");
const body = need("#dialog-body");

/** The fields of a form; an empty one is null. */
function fields(form: HTMLFormElement): Record<string, string | null> {
  return Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value).trim() || null]));
}

async function save(form: HTMLFormElement): Promise<string> {
  const { speedLimit, accountId, groupId, disabled, test, ...rest } = fields(form);
  if (!rest.name || !rest.uniqueId) throw new ApiError(400, t("A tracker needs a name and an id."));
  const id = form.dataset.device;
  const account = { ...(accountId && { accountId: Number(accountId) }), ...(groupId && { groupId: Number(groupId) }) };
  if (id) {
    const known = await get<Device>(`/api/devices/${id}`);
    const attributes = { ...known.attributes };
    if (speedLimit) attributes.speedLimit = Number(speedLimit);
    else delete attributes.speedLimit;
    await send("PUT", `/api/devices/${id}`, { ...known, ...rest, ...account, attributes, disabled: disabled !== undefined });
    return t("Saved");
  }
  const attributes = speedLimit ? { speedLimit: Number(speedLimit) } : {};
  const protocol = form.dataset.protocol;
  if (protocol) await send("POST", "/api/unknown-trackers/adopt", { ...rest, ...account, attributes, protocol, test: test !== undefined });
  else await send("POST", "/api/devices", { ...rest, ...account, attributes, test: test !== undefined });
  return t("{name} has been added", { name: rest.name });
}

async function remove(form: HTMLFormElement): Promise<string> {
  await send("DELETE", `/api/devices/${form.dataset.device}`);
  return t("Removed");
}

const refresh = (): Promise<unknown> =>
  Promise.all(
    ["#trackers", "#unknown"]
      .filter((part) => document.querySelector(part))
      .map((part) => htmx.ajax("GET", location.pathname + location.search, { target: part, select: part, swap: "outerHTML" })),
  );

body.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target as HTMLFormElement;
  const error = need(".form-error", form);
  const button = need<HTMLButtonElement>("[type=submit]", form);
  error.hidden = true;
  button.disabled = true;
  try {
    const done = form.id === "remove-form" ? await remove(form) : await save(form);
    dialog.close();
    toast(done);
    await refresh();
  } catch (reason) {
    if (!(reason instanceof ApiError)) throw reason;
    error.textContent = reason.message;
    error.hidden = false;
  } finally {
    button.disabled = false;
  }
});

/** For the price on the button. A refusal stays beside it. */
async function unblock(button: HTMLButtonElement): Promise<void> {
  const { unblock: device, account } = button.dataset;
  const error = need(".form-error", button.closest<HTMLElement>("tr")!);
  error.hidden = true;
  button.disabled = true;
  try {
    await act(`/api/billing/trackers/${device}/unblock${page.viewer?.administrator ? `?accountId=${account}` : ""}`);
    toast(t("It works again"));
    await refresh();
  } catch (reason) {
    if (!(reason instanceof ApiError)) throw reason;
    error.textContent = reason.message;
    error.hidden = false;
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("click", (event) => {
  const button = (event.target as Element).closest<HTMLButtonElement>("[data-unblock]");
  if (button) void unblock(button);
  const { command, name = "", phone } = (event.target as Element).closest<HTMLElement>("[data-command]")?.dataset ?? {};
  if (command) openCommand({ id: Number(command), name, phone: phone || null });
});
document.querySelector("#groups")?.addEventListener("click", () => void openGroups());
body.addEventListener("click", (event) => (event.target as Element).closest("[data-close]") && dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());

/** htmx has put a form into the dialog. */
document.addEventListener("htmx:after:swap", (event) => {
  const { ctx } = (event as CustomEvent<{ ctx?: { target?: Element } }>).detail;
  if (ctx?.target !== body || dialog.open) return;
  dialog.showModal();
  const form = body.querySelector<HTMLFormElement>("#tracker-form");
  if (form) hint(form);
  body.querySelector<HTMLElement>("[autofocus]")?.focus();
});
dialog.addEventListener("close", () => body.replaceChildren());
document.addEventListener("htmx:response:error", () => toast(t("The server has a problem. Try again in a moment."), "error"));

startDoors();
keepTellingTimes();
startShell();

// A fleet without trackers is led here to add its first
if (location.hash === "#add") {
  history.replaceState(null, "", location.pathname + location.search);
  if (document.querySelector("#add")) void htmx.ajax("GET", "/trackers/new", { target: "#dialog-body" });
}
