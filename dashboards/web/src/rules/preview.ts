/* What would be sent: the SMS with the number of its parts, the e-mail, and a test to whoever asks. */
import { showSample } from "../alerts/watch";
import { ApiError, send } from "../api";
import { debounce, element, icon, need } from "../dom";
import { t, tn } from "../i18n";
import { reasonWords, wording } from "../wording";
import { CHANNELS, type ChannelName, type Rule } from "./model";

interface Text {
  subject: string;
  text: string;
  short: string;
  parts: number;
}

interface Outcome {
  channel: ChannelName;
  address: string;
  state: string;
  reason: string | null;
}

const LATE_MS = 400;

export class Preview {
  private asked = "";
  private readonly storedUrl: string | null;
  private readonly later = debounce(LATE_MS, () => void this.load());

  constructor(
    private readonly root: HTMLElement,
    private readonly rule: Rule,
  ) {
    this.storedUrl = rule.webhookUrl;
    const test = need<HTMLButtonElement>("#test", root);
    test.addEventListener("click", () => void this.test(test));
  }

  show(): void {
    this.later();
  }

  private get sample(): Record<string, unknown> {
    const { types, deviceIds, geofenceIds, alarms } = this.rule;
    return {
      type: types[0],
      ...(deviceIds[0] && { deviceId: deviceIds[0] }),
      ...(geofenceIds[0] && { geofenceId: geofenceIds[0] }),
      ...(types[0] === "alarm" && alarms[0] && { alarm: alarms[0] }),
    };
  }

  private async load(): Promise<void> {
    const body = JSON.stringify(this.sample);
    if (body === this.asked) return;
    this.asked = body;
    try {
      const text = await send<Text>("POST", "/api/notifications/preview", this.sample);
      if (!text || body !== this.asked) return;
      need("#preview-short", this.root).textContent = text.short;
      need("#preview-parts", this.root).textContent = tn("{n} SMS", "{n} SMS", text.parts);
      need("#preview-subject", this.root).textContent = text.subject;
      need("#preview-text", this.root).textContent = text.text;
      need("#preview-texts", this.root).hidden = false;
    } catch (error) {
      this.asked = "";
      if (!(error instanceof ApiError)) throw error;
      need("#preview-texts", this.root).hidden = true;
    }
  }

  private async test(button: HTMLButtonElement): Promise<void> {
    const result = need("#test-result", this.root);
    const channels = CHANNELS.filter((one) => this.rule.channels.includes(one) && one !== "webhook");
    button.disabled = true;
    result.replaceChildren(element("li", {}, t("Sending…")));
    const lines: HTMLElement[] = [];
    for (const channel of channels) lines.push(...(await this.tested(channel)));
    if (this.rule.channels.includes("webhook")) {
      if (this.rule.id && this.rule.webhookUrl === this.storedUrl) lines.push(...(await this.tested("webhook", `?id=${this.rule.id}`)));
      else lines.push(element("li", {}, t("Save the rule first to test its webhook.")));
    }
    if (lines.length === 0) lines.push(element("li", {}, t("Choose how to tell.")));
    result.replaceChildren(...lines);
    button.disabled = false;
  }

  private async tested(channel: ChannelName, which = ""): Promise<HTMLElement[]> {
    const { channels, states } = wording();
    const line = (good: boolean, address: string, text: string): HTMLElement =>
      element("li", { "data-good": good }, icon(good ? "check" : "alert"), element("span", {}, [channels[channel] ?? channel, address].filter(Boolean).join(" ")), element("span", { class: "muted" }, text));
    try {
      const outcomes = (await send<Outcome[]>("POST", `/api/notifications/test/${channel}${which}`, this.sample)) ?? [];
      if (channel === "web" && outcomes.some(({ state }) => state === "sent")) {
        showSample(need("#preview-subject", this.root).textContent || t("A test: nothing has happened"), this.rule.urgent);
      }
      return outcomes.map(({ address, state, reason }) => {
        const text = [states[state] ?? state, reasonWords(reason)].filter(Boolean).join(": ");
        return line(state === "sent", channel === "web" ? "" : address, text);
      });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      return [line(false, "", error.message)];
    }
  }
}
