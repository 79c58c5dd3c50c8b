/* The viewer's own ways to be told: phone, time zone, quiet hours, sound, messengers. */
import { playSound, soundOn, switchSound } from "./alerts/sound";
import { ApiError, get, send } from "./api";
import { element, icon, need, toast } from "./dom";
import { t } from "./i18n";
import { page } from "./page";
import { reasonWords } from "./wording";
import { tidyPhone } from "./rules/check";
import { type Weekly, WeekEditor } from "./week";

interface User {
  phone?: string | null;
  timeZone?: string | null;
  quietHours?: Weekly;
}

interface Messenger {
  id: number;
  name: string;
  service: string;
}

interface Outcome {
  state: string;
  reason: string | null;
}

function fail(target: HTMLElement, error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
  target.textContent = error.message;
  target.hidden = false;
}

async function own(form: HTMLFormElement, address: string): Promise<void> {
  const phone = need<HTMLInputElement>("[name=phone]", form);
  const zone = need<HTMLSelectElement>("[name=timeZone]", form);
  const error = need(".form-error", form);
  const quiet = new WeekEditor(need("#quiet-hours"), { label: t("Quiet hours"), always: t("Never"), presets: ["nights", "weekends"] });
  for (const name of Intl.supportedValuesOf("timeZone")) zone.append(element("option", { value: name }, name.replaceAll("_", " ")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.hidden = true;
    const wrong = tidyPhone(phone.value) !== "" && !/^\+[1-9]\d{6,14}$/.test(tidyPhone(phone.value));
    const problem = wrong ? t("Write the number with its country, such as +77011234567.") : quiet.problem;
    if (problem !== null) return fail(error, new ApiError(400, problem));
    const button = need<HTMLButtonElement>("[type=submit]", form);
    button.disabled = true;
    try {
      const changed: User = { phone: tidyPhone(phone.value) || null, timeZone: zone.value || null, quietHours: quiet.value };
      await send("PUT", address, changed);
      toast(t("Saved"));
    } catch (reason) {
      fail(error, reason);
    } finally {
      button.disabled = false;
    }
  });
  try {
    const user = await get<User>(address);
    phone.value = user.phone ?? "";
    if (user.timeZone && ![...zone.options].some(({ value }) => value === user.timeZone)) zone.append(element("option", {}, user.timeZone));
    zone.value = user.timeZone ?? "";
    quiet.value = user.quietHours ?? null;
    form.setAttribute("aria-busy", "false");
  } catch (reason) {
    fail(error, reason);
  }
}

function sound(): void {
  const box = need<HTMLInputElement>("#sound");
  box.checked = soundOn();
  box.addEventListener("change", () => {
    switchSound(box.checked);
    void playSound(false);
  });
}

class Messengers {
  private readonly list = need("#messengers");
  private readonly error = need("#messenger-error");

  constructor(form: HTMLFormElement) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      this.error.hidden = true;
      const { name, url } = Object.fromEntries(new FormData(form)) as Record<string, string>;
      if (!name?.trim() || !url?.trim()) return fail(this.error, new ApiError(400, t("A messenger needs a name and a URL.")));
      await this.tried(async () => {
        await send("POST", "/api/messengers", { name: name.trim(), url: url.trim() });
        form.reset();
        await this.load();
      });
    });
    void this.tried(() => this.load());
  }

  private async tried(act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (reason) {
      fail(this.error, reason);
    }
  }

  private async load(): Promise<void> {
    const known = await get<Messenger[]>("/api/messengers");
    this.list.replaceChildren(...known.map((one) => this.line(one)));
  }

  private line({ id, name, service }: Messenger): HTMLElement {
    const result = element("span", { class: "sub", role: "status" });
    const test = element("button", { type: "button", class: "button", "aria-label": t("Send a test to {name}", { name }) }, t("Test"));
    test.addEventListener("click", () => {
      test.disabled = true;
      result.textContent = t("Sending…");
      const told = send<Outcome | Outcome[]>("POST", `/api/messengers/${id}/test`).then((answer) => {
        const outcome = Array.isArray(answer) ? answer[0] : answer;
        const sent = !outcome?.state || outcome.state === "sent";
        result.textContent = sent ? t("Sent. Look whether it has come.") : t("Not sent: {reason}", { reason: reasonWords(outcome.reason ?? outcome.state) });
      });
      void this.tried(() => told).finally(() => {
        test.disabled = false;
        if (result.textContent === t("Sending…")) result.textContent = "";
      });
    });
    const remove = element("button", { type: "button", class: "icon-button", title: t("Remove"), "aria-label": t("Remove {name}", { name }) }, icon("bin"));
    remove.addEventListener("click", () => {
      if (!confirm(t("Remove {name}?", { name }))) return;
      void this.tried(async () => {
        await send("DELETE", `/api/messengers/${id}`);
        await this.load();
      });
    });
    return element("li", {}, element("span", { class: "messenger-name" }, element("b", {}, name), element("span", { class: "sub" }, service), result), test, remove);
  }
}

export function startAccount(form: HTMLFormElement): void {
  void own(form, `/api/users/${page.viewer?.id ?? 0}`);
  sound();
  new Messengers(need<HTMLFormElement>("#messenger-form"));
}
