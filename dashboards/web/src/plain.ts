/* Login and account: pages of forms. */
import "./style/app.css";
import { startAccount } from "./account";
import { ApiError, sendForm } from "./api";
import { need, toast } from "./dom";
import { formatDuration } from "./format";
import { t } from "./i18n";
import { startShell } from "./shell";

function showError(target: HTMLElement, text: string): void {
  target.textContent = text;
  target.hidden = false;
}

function login(form: HTMLFormElement): void {
  const error = need("#login-error");
  const button = need<HTMLButtonElement>("button[type=submit]", form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.hidden = true;
    button.disabled = true;
    const fields = new FormData(form);
    try {
      await sendForm("/api/session", { email: String(fields.get("email")).trim(), password: String(fields.get("password")) });
      location.assign(form.dataset.next || "/");
    } catch (reason) {
      button.disabled = false;
      if (!(reason instanceof ApiError)) throw reason;
      if (reason.status === 429) slowed(error, button, reason.retryAfterS ?? 60);
      else showError(error, reason.message);
      need<HTMLInputElement>("[name=password]", form).select();
    }
  });
}

/** Too many failures: says how long to wait, and counts it down. */
function slowed(error: HTMLElement, button: HTMLButtonElement, seconds: number): void {
  const end = Date.now() + seconds * 1000;
  button.disabled = true;
  const tick = (): void => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left <= 0) {
      error.hidden = true;
      button.disabled = false;
      return;
    }
    showError(error, t("Too many attempts. Try again in {wait}.", { wait: formatDuration(left) }));
    setTimeout(tick, 1000);
  };
  tick();
}

function tokens(form: HTMLFormElement): void {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const days = Number(new FormData(form).get("days"));
    const expiration = new Date(Date.now() + days * 86_400_000).toISOString();
    const error = need("#token-error");
    error.hidden = true;
    try {
      need("#token").textContent = await sendForm("/api/session/token", { expiration });
      need("#token-result").hidden = false;
    } catch (reason) {
      if (!(reason instanceof ApiError)) throw reason;
      showError(error, reason.message);
    }
  });
  need("#token-copy").addEventListener("click", async () => {
    const code = need("#token");
    getSelection()?.selectAllChildren(code);
    await navigator.clipboard?.writeText(code.textContent ?? "").then(() => toast(t("Copied")));
  });
}

startShell();
const loginForm = document.querySelector<HTMLFormElement>("#login");
if (loginForm) login(loginForm);
const tokenForm = document.querySelector<HTMLFormElement>("#token-form");
if (tokenForm) tokens(tokenForm);
const alertForm = document.querySelector<HTMLFormElement>("#alert-form");
if (alertForm) startAccount(alertForm);
