/* The second question before what is dangerous: it names the vehicle and the deed, and says how fast it goes. */
import { ApiError, get, type Position } from "../api";
import { element, icon } from "../dom";
import { formatAgo, formatSpeed, speedKmh } from "../format";
import { t } from "../i18n";
import { page } from "../page";
import { factWords, type CommandType, typeTitle, type Value } from "./model";

const SPEED_EVERY_MS = 3_000;
const FRESH_MS = 2 * 60_000; // an older speed is not the speed now

export interface Deed {
  type: CommandType;
  attributes: Record<string, Value>;
  sms: boolean;
  /** Of one vehicle its name and number; of a group its name. */
  name: string;
  deviceId: number | null;
}

/** "Stop the engine of Truck 7?" */
export function questionWords({ type, attributes, name, deviceId }: Pick<Deed, "type" | "attributes" | "name" | "deviceId">): string {
  const vehicle = deviceId === null ? t("every vehicle of the group {name}", { name }) : name;
  const texts: Record<string, () => string> = {
    engineStop: () => t("Stop the engine of {vehicle}?", { vehicle }),
    powerOff: () => t("Switch the tracker of {vehicle} off?", { vehicle }),
    factoryReset: () => t("Reset the tracker of {vehicle} to factory settings?", { vehicle }),
    firmwareUpdate: () => t("Update the firmware of the tracker of {vehicle}?", { vehicle }),
    setConnection: () => t("Let the tracker of {vehicle} report to another server?", { vehicle }),
    custom: () => t("Send “{text}” to {vehicle}?", { text: String(attributes.data ?? ""), vehicle }),
  };
  return texts[type.type]?.() ?? t("Send “{text}” to {vehicle}?", { text: typeTitle(type.type), vehicle });
}

/** What may come of it. */
function warningWords(type: string): string {
  const texts: Record<string, string> = {
    engineStop: t("A vehicle whose engine is cut off on the road can no longer be steered and braked as usual."),
    powerOff: t("It reports no more until somebody switches it on by hand."),
    factoryReset: t("It forgets the address of this server, and may not report any more."),
    firmwareUpdate: t("If it fails, the tracker may not report any more."),
    setConnection: t("It reports here no more."),
    custom: t("It goes to the tracker as it stands here; nobody checks what it does."),
  };
  return texts[type] ?? "";
}

/** The question with its buttons, in place of the form. */
export class Question {
  readonly root = element("form", { class: "command-question", novalidate: true });
  private readonly speed = element("p", { class: "command-speed", role: "status" });
  private readonly yes = element("button", { type: "submit", class: "button button-danger" });
  private readonly error = element("p", { class: "form-error", role: "alert", hidden: true });
  private timer = 0;

  /** `send` is called with the choice and says what went wrong, or nothing; `back` leads to the form. */
  constructor(
    deed: Deed,
    send: (whenSlow: boolean) => Promise<string | null>,
    back: () => void,
  ) {
    const { type, attributes, sms } = deed;
    const title = element("h3", { class: "command-asked", id: "command-asked", tabindex: -1 }, questionWords(deed));
    const facts = type.type === "custom" ? "" : factWords(attributes, type);
    const warning = warningWords(type.type);
    const cancel = element("button", { type: "button", class: "button" }, t("Back"));
    cancel.addEventListener("click", () => back());
    this.yes.textContent = type.type === "custom" ? t("Send it") : typeTitle(type.type);
    const choice = sms ? element("p", { class: "sub" }, t("By SMS it leaves at once, however fast the vehicle goes.")) : this.choice();
    this.root.append(
      title,
      ...(facts ? [element("p", { class: "sub" }, facts)] : []),
      ...(warning ? [element("p", { class: "command-warning" }, icon("alert"), element("span", {}, warning))] : []),
      this.speed,
      choice,
      this.error,
      element("div", { class: "dialog-buttons" }, cancel, this.yes),
    );
    this.root.setAttribute("aria-labelledby", title.id);
    this.root.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.confirm(send);
    });
    this.speed.hidden = deed.deviceId === null;
    if (deed.deviceId !== null) this.watch(deed.deviceId);
  }

  focus(): void {
    this.root.querySelector<HTMLElement>("#command-asked")?.focus();
  }

  /** No longer shown. */
  end(): void {
    clearInterval(this.timer);
  }

  private choice(): HTMLElement {
    const limit = page.commands?.slowKmh ?? 0;
    const line = (value: string, checked: boolean, label: string, hint: string): HTMLElement =>
      element(
        "label",
        { class: "choice" },
        element("input", { type: "radio", name: "when", value, checked }),
        element("span", {}, label, element("span", { class: "sub" }, hint)),
      );
    return element(
      "fieldset",
      { class: "command-when" },
      element("legend", {}, t("When?")),
      line("slow", true, t("When it stands or is slow"), t("It waits until the vehicle goes at most {speed}.", { speed: formatSpeed(limit) })),
      line("now", false, t("At once"), t("Also while it is moving.")),
    );
  }

  private async confirm(send: (whenSlow: boolean) => Promise<string | null>): Promise<void> {
    const when = new FormData(this.root).get("when");
    this.yes.disabled = true;
    this.error.hidden = true;
    const problem = await send(when === "slow");
    this.yes.disabled = false;
    if (problem === null) return;
    this.error.textContent = problem;
    this.error.hidden = false;
  }

  private watch(deviceId: number): void {
    void this.tell(deviceId);
    this.timer = window.setInterval(() => (this.root.isConnected ? void this.tell(deviceId) : this.end()), SPEED_EVERY_MS);
  }

  private async tell(deviceId: number): Promise<void> {
    try {
      const [position] = await get<Position[]>("/api/positions", { deviceId });
      const text = speedWords(position);
      if (this.speed.textContent !== text) this.speed.textContent = text;
      this.speed.toggleAttribute("data-moving", position !== undefined && isFresh(position) && speedKmh(position.speed) > (page.commands?.slowKmh ?? 0));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.speed.textContent ||= t("Its speed is not known just now.");
    }
  }
}

const isFresh = (position: Position, now = Date.now()): boolean => now - Date.parse(position.fixTime) < FRESH_MS;

export function speedWords(position: Position | undefined, now = Date.now()): string {
  if (!position) return t("Its speed is not known: it has not reported a place yet.");
  const speed = formatSpeed(speedKmh(position.speed));
  if (isFresh(position, now)) return t("It goes {speed} now.", { speed });
  return t("Its last known speed: {speed}, {ago}.", { speed, ago: formatAgo(Date.parse(position.fixTime), now) });
}
