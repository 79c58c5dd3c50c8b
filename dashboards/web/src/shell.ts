/* What every page has: the account menu, theme and language, log out, and the alerts. */
import { watchAlerts } from "./alerts/watch";
import { ApiError, leave, send } from "./api";
import { showBalance } from "./billing/sign";
import { need, toast } from "./dom";
import { page } from "./page";
import { type Choice, choice, choose } from "./theme";

function menus(): void {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu")) {
    addEventListener("click", (event) => menu.contains(event.target as Node) || (menu.open = false));
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      need("summary", menu).focus();
    });
  }
}

function themes(): void {
  const buttons = [...document.querySelectorAll<HTMLButtonElement>("[data-theme-choice]")];
  const mark = () => buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice())));
  for (const button of buttons) {
    button.addEventListener("click", () => {
      choose(button.dataset.themeChoice as Choice);
      mark();
    });
  }
  mark();
}

function languages(): void {
  for (const link of document.querySelectorAll<HTMLElement>("[data-language]")) {
    link.addEventListener("click", () => {
      document.cookie = `language=${link.dataset.language}; path=/; max-age=31536000; samesite=lax`;
      location.reload();
    });
  }
}

async function logOut(): Promise<void> {
  leave(true);
  try {
    await send("DELETE", "/api/session");
  } catch (error) {
    leave(false);
    if (error instanceof ApiError) return toast(error.message, "error");
  }
  location.assign("/login");
}

/** `socket`: whether alerts come by a socket of their own; a page that has one for the whole fleet hands them on (takeAlerts). */
export function startShell({ socket = true } = {}): void {
  menus();
  themes();
  languages();
  document.querySelector("#log-out")?.addEventListener("click", () => void logOut());
  if (!page.viewer) return;
  watchAlerts(socket);
  void showBalance(document.body.classList.contains("page-billing")); // where money may have moved just now
}
