/* Asks before something is lost. */
import { element, need } from "../dom";
import { t } from "../i18n";

/** Whether the viewer wants it. Escape and a click beside the dialog are a no. */
export function confirmed(title: string, words: string, yes: string): Promise<boolean> {
  const dialog = need<HTMLDialogElement>("#dialog");
  const no = element("button", { type: "button", class: "button", autofocus: true }, t("Cancel"));
  const go = element("button", { type: "button", class: "button button-danger" }, yes);
  const buttons = element("div", { class: "dialog-buttons" }, no, go);
  need("#dialog-body").replaceChildren(element("div", { class: "dialog-form" }, element("h2", { id: "dialog-title" }, title), element("p", {}, words), buttons));
  dialog.returnValue = "";
  no.addEventListener("click", () => dialog.close());
  go.addEventListener("click", () => dialog.close("yes"));
  dialog.showModal();
  no.focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
