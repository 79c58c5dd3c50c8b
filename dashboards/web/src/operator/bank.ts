/* Statements of the bank: the file stays in the browser until it is imported; the server says what each line is, as often as the operator
 * names another account for one. */
import { ApiError, send } from "../api";
import { need, toast } from "../dom";
import { t } from "../i18n";

const MOST_BYTES = 700_000; // what the server reads of a statement

interface Page {
  refresh: () => Promise<unknown>;
  ask: (form: HTMLTemplateElement) => void;
}

export function startBank({ refresh, ask }: Page): void {
  const form = document.querySelector<HTMLFormElement>("#bank-form");
  if (!form) return;
  const preview = need("#bank-preview");
  const input = need<HTMLInputElement>("#bank-file");
  let file: File | null = null;

  const assigned = (): Record<string, string> =>
    Object.fromEntries(
      [...preview.querySelectorAll<HTMLInputElement>("[data-fingerprint]")]
        .filter(({ value }) => value.trim())
        .map((field) => [field.dataset.fingerprint ?? "", field.value.trim()]),
    );

  const look = async (): Promise<void> => {
    if (!file) return;
    if (file.size > MOST_BYTES) return toast(t("The file is too large. Export fewer days at once."), "error");
    const fields = new FormData();
    fields.set("file", file);
    fields.set("currency", need<HTMLInputElement>("[name=currency]", form).value);
    fields.set("assigned", JSON.stringify(assigned()));
    const answer = await fetch("/operator/bank/preview", { method: "POST", body: fields, credentials: "same-origin" }).catch(() => null);
    if (!answer?.ok) return toast(t("The server has a problem. Try again in a moment."), "error");
    const focused = document.activeElement?.id;
    const place = preview.querySelector(".op-scroll")?.scrollTop ?? 0;
    preview.innerHTML = await answer.text();
    preview.querySelector(".op-scroll")?.scrollTo(0, place);
    if (focused && preview.querySelector(`#${CSS.escape(focused)}`)) document.getElementById(focused)?.focus();
  };

  const forget = (): void => {
    file = null;
    input.value = "";
    preview.replaceChildren();
  };

  const take = (chosen: File | undefined): void => {
    if (!chosen) return;
    file = chosen;
    preview.replaceChildren();
    void look();
  };

  input.addEventListener("change", () => take(input.files?.[0]));
  need<HTMLInputElement>("[name=currency]", form).addEventListener("change", () => void look());
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("dragover", (event) => {
    event.preventDefault();
    form.toggleAttribute("data-over", true);
  });
  form.addEventListener("dragleave", () => form.removeAttribute("data-over"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.removeAttribute("data-over");
    take(event.dataTransfer?.files[0]);
  });
  preview.addEventListener("change", () => void look());
  preview.addEventListener("click", (event) => {
    const { id } = (event.target as Element).closest("button") ?? { id: "" };
    if (id === "bank-cancel") forget();
    if (id === "bank-import") ask(need("#bank-ask", preview) as HTMLTemplateElement);
  });

  document.addEventListener("submit", async (event) => {
    const asked = event.target as HTMLFormElement;
    if (asked.dataset.bank === undefined || !file) return;
    const error = need(".form-error", asked);
    const button = need<HTMLButtonElement>("[type=submit]", asked);
    error.hidden = true;
    button.disabled = true;
    try {
      const body = {
        file: base64(await file.arrayBuffer()),
        currency: need<HTMLInputElement>("[name=currency]", form).value.trim().toUpperCase(),
        accounts: JSON.parse(asked.dataset.assigned ?? "{}") as Record<string, number>,
      };
      await send("POST", "/api/billing/operator/bank/import", body, { "Idempotency-Key": asked.dataset.key ?? "" });
      asked.closest("dialog")?.close();
      toast(asked.dataset.done ?? "");
      forget();
      await refresh();
    } catch (reason) {
      if (!(reason instanceof ApiError)) throw reason;
      error.textContent = reason.message;
      error.hidden = false;
    } finally {
      button.disabled = false;
    }
  });
}

function base64(content: ArrayBuffer): string {
  let text = "";
  for (const byte of new Uint8Array(content)) text += String.fromCharCode(byte);
  return btoa(text);
}
