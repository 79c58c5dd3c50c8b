/* Switches of an account that need no form: what they do is said beside them, and turning them back undoes it. */
import { ApiError, send } from "../api";
import { need, toast } from "../dom";
import { t } from "../i18n";

export function startSwitches(refresh: () => Promise<unknown>): void {
  document.addEventListener("change", (event) => {
    const box = event.target as HTMLInputElement;
    if (box.matches("[data-switch]")) void turn(box, refresh);
  });
}

async function turn(box: HTMLInputElement, refresh: () => Promise<unknown>): Promise<void> {
  const { account, switch: name = "" } = box.dataset;
  const error = need(".form-error", box.closest("section") as HTMLElement);
  error.hidden = true;
  try {
    await send("PUT", `/api/accounts/${account}`, { [name]: box.checked });
    toast(t("Saved"));
    await refresh();
  } catch (reason) {
    if (!(reason instanceof ApiError)) throw reason;
    box.checked = !box.checked;
    error.textContent = reason.message;
    error.hidden = false;
  }
}
