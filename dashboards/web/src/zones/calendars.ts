/* The dialog of calendars: upload, rename, delete, and what each is used by. */
import { ApiError, send } from "../api";
import { element, icon, need, toast } from "../dom";
import { t } from "../i18n";
import { type Calendar, uploadCalendar } from "./data";
import { byName } from "./list";

const MOST_NAMED = 4;

export interface CalendarHandlers {
  /** The calendars as they are now. */
  get: () => readonly Calendar[];
  /** Names of what depends on it. */
  usedBy: (id: number) => string[];
  changed: (calendars: Calendar[]) => void;
}

export function openCalendars(readonly: boolean, handlers: CalendarHandlers): void {
  const dialog = need<HTMLDialogElement>("#dialog");
  const list = element("ul", { class: "calendars" });
  const error = element("p", { class: "form-error", role: "alert", hidden: true });
  const file = element("input", { type: "file", accept: ".ics,text/calendar", hidden: true, "aria-label": t("Upload .ics") });
  const upload = element("button", { type: "button", class: "button button-primary" }, icon("upload"), t("Upload .ics"));
  const close = element("button", { type: "button", class: "button" }, t("Close"));
  const words = t("A calendar (.ics) says when a zone counts: shifts, holidays, seasons. Export one from Google Calendar, Outlook or a phone.");

  const attempt = async (work: () => Promise<void>): Promise<void> => {
    error.hidden = true;
    try {
      await work();
      show();
    } catch (reason) {
      if (!(reason instanceof ApiError)) throw reason;
      error.textContent = reason.message;
      error.hidden = false;
    }
  };
  const rename = (calendar: Calendar, name: string): Promise<void> =>
    attempt(async () => {
      if (!name || name === calendar.name) return;
      await send("PUT", `/api/calendars/${calendar.id}`, { ...calendar, name });
      handlers.changed(handlers.get().map((one) => (one.id === calendar.id ? { ...one, name } : one)));
      toast(t("Saved"));
    });
  const remove = (calendar: Calendar): Promise<void> =>
    attempt(async () => {
      await send("DELETE", `/api/calendars/${calendar.id}`);
      handlers.changed(handlers.get().filter(({ id }) => id !== calendar.id));
      toast(t("Removed"));
    });
  const row = (calendar: Calendar): HTMLElement => {
    const users = handlers.usedBy(calendar.id);
    const used = users.length ? t("used by {names}", { names: shortened(users) }) : t("not used");
    const name = element("input", { value: calendar.name, maxlength: 128, "aria-label": t("Name of the calendar"), readonly });
    name.addEventListener("change", () => void rename(calendar, name.value.trim()));
    const bin = element("button", { type: "button", class: "icon-button", "aria-label": t("Delete {name}", { name: calendar.name }), title: t("Delete") }, icon("bin"));
    bin.disabled = users.length > 0;
    if (users.length) bin.title = t("Something still goes by it");
    bin.addEventListener("click", () => void remove(calendar));
    return element("li", {}, name, readonly ? null : bin, element("span", { class: "sub" }, used));
  };
  const show = (): void => {
    const rows = handlers.get().toSorted(byName).map(row);
    list.replaceChildren(...(rows.length ? rows : [element("li", { class: "muted" }, t("There are no calendars yet."))]));
  };

  upload.addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    file.value = "";
    if (chosen) void attempt(async () => handlers.changed([...handlers.get(), await uploadCalendar(chosen)]));
  });
  close.addEventListener("click", () => dialog.close());
  show();
  const title = element("h2", { id: "dialog-title" }, t("Calendars"));
  const buttons = element("div", { class: "dialog-buttons" }, close, ...(readonly ? [] : [upload, file]));
  need("#dialog-body").replaceChildren(element("div", { class: "dialog-form" }, title, element("p", {}, words), error, list, buttons));
  dialog.showModal();
}

const shortened = (names: string[]): string =>
  names.length > MOST_NAMED ? t("{names} and {n} more", { names: names.slice(0, MOST_NAMED).join(", "), n: names.length - MOST_NAMED }) : names.join(", ");
