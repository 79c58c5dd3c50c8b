/* What became of a command, as sentences that keep up with the news; and the last ones of a vehicle. */
import { element } from "../dom";
import { formatMinute, formatSpeed, formatTime } from "../format";
import { t, tn } from "../i18n";
import { page } from "../page";
import { type Command, type CommandType, factWords, mayCommand, reasonWords, stateWords, typeTitle } from "./model";

const WAITING = ["offline", "not slow"]; // why one waits; of one that was taken back they tell nothing any more
const STEPS = ["queued", "sent", "answered"] as const;

/** Whether a is later news than b of the same command: answers of the server and the socket may overtake each other. */
const rank = ({ state, awaits, tries }: Command): number => (state === "queued" ? 0 : state === "sent" ? (awaits ? 1 + tries / 1000 : 2) : 3);
export const isNewer = (a: Command, b: Command): boolean => rank(a) >= rank(b);

/** Why it waits, or how it ended: a sentence. */
export function explained(command: Command): string {
  const { state, reason, awaits, tries, textChannel } = command;
  const until = formatMinute(Date.parse(command.expiresAt));
  if (state === "queued") {
    if (textChannel) return reason ? t("Waits: {reason}.", { reason: reasonWords(reason) }) : t("The SMS is on its way to the gateway.");
    if (reason === "offline") return t("The tracker is not connected. The command leaves as soon as it is, until {time}.", { time: until });
    if (reason === "not slow") {
      const speed = formatSpeed(page.commands?.slowKmh ?? 0);
      return t("The vehicle is moving. The command leaves when it stands or goes at most {speed}, until {time}.", { speed, time: until });
    }
    return reason ? t("Waits: {reason}.", { reason: reasonWords(reason) }) : t("It is about to leave.");
  }
  if (state === "sent") {
    if (textChannel) return t("The SMS has been handed to the gateway.");
    if (!awaits) return t("It has been sent. This tracker does not answer such commands.");
    return tries > 1 ? tn("Sent {n} time; the tracker has not answered yet.", "Sent {n} times; the tracker has not answered yet.", tries) : t("Sent; the tracker has not answered yet.");
  }
  if (state === "answered") return t("The tracker has answered:");
  if (state === "expired") {
    if (command.sentAt) return t("No answer came in time.");
    return reason ? t("It could not be sent in time: {reason}.", { reason: reasonWords(reason) }) : t("It could not be sent in time.");
  }
  if (state === "withdrawn" && command.sentAt) return t("Taken back, but it had left: the tracker has it.");
  if (state === "withdrawn") return whyEnded(command) ? t("Withdrawn: {reason}.", { reason: whyEnded(command) }) : t("Withdrawn before it was sent.");
  return reason ? t("It failed: {reason}.", { reason: reasonWords(reason) }) : t("It failed.");
}

/** Why it is as it is, for a line of a list. What somebody took back may still say why it had waited: that is over. */
function whyEnded({ state, reason }: Command): string {
  if (state === "answered" || state === "sent" || (state === "withdrawn" && WAITING.includes(reason ?? ""))) return "";
  return reasonWords(reason);
}

const titleOf = (command: Command): string => command.description || typeTitle(command.type);

function factsOf(command: Command, types: readonly CommandType[]): string {
  const facts = factWords(command.attributes, types.find(({ type }) => type === command.type));
  return [command.description ? typeTitle(command.type) : "", facts, command.textChannel ? t("by SMS") : ""].filter(Boolean).join(" · ");
}

function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

export class CommandStatus {
  readonly root = element("div", { class: "command-status" });
  private readonly title = element("h3", { tabindex: -1 });
  private readonly steps = element("ol", { class: "command-steps", "aria-label": t("State") });
  private readonly words = element("p", { class: "command-words", role: "status" });
  private readonly answer = element("blockquote", { class: "command-answer", hidden: true });
  private readonly back = element("button", { type: "button", class: "button" }, t("Take back"));
  private readonly another = element("button", { type: "button", class: "button button-primary" }, t("Another command"));

  constructor(
    private command: Command,
    types: readonly CommandType[],
    actions: { withdraw(): void; another(): void },
  ) {
    this.back.addEventListener("click", actions.withdraw);
    this.another.addEventListener("click", actions.another);
    this.title.textContent = titleOf(command);
    const facts = factsOf(command, types);
    this.root.append(
      this.title,
      ...(facts ? [element("p", { class: "sub" }, facts)] : []),
      this.steps,
      this.words,
      this.answer,
      element("div", { class: "dialog-buttons" }, this.back, this.another),
    );
    this.steps.append(...STEPS.map((step) => element("li", { "data-step": step }, element("i", { "aria-hidden": "true" }), element("span"))));
    this.render();
  }

  focus(): void {
    this.title.focus();
  }

  news(commands: readonly Command[]): void {
    const found = commands.find(({ id }) => id === this.command.id);
    if (!found || !isNewer(found, this.command)) return;
    this.command = found;
    this.render();
  }

  private render(): void {
    const { command } = this;
    const { state, sentAt, answeredAt, createdAt } = command;
    this.root.dataset.state = state;
    const at = (time: string | null): string => (time ? formatTime(Date.parse(time)) : "");
    const ended = state !== "queued" && state !== "sent";
    const texts = [
      [t("Queued"), at(createdAt)],
      [t("Sent"), at(sentAt)],
      [ended ? stateWords(command) : t("Answered"), at(answeredAt)],
    ];
    const done = [true, sentAt !== null, ended || (state === "sent" && !command.awaits)];
    [...this.steps.children].forEach((step, i) => {
      const line = step as HTMLElement;
      line.toggleAttribute("data-done", done[i] ?? false);
      line.toggleAttribute("data-bad", i === 2 && (state === "failed" || state === "expired"));
      line.toggleAttribute("data-now", (done[i] ?? false) && !(done[i + 1] ?? false) && !ended);
      setText(line.querySelector("span") as HTMLElement, (texts[i] ?? []).filter(Boolean).join(" "));
    });
    (this.steps.lastElementChild as HTMLElement).hidden = state === "sent" && !command.awaits;
    setText(this.words, explained(command));
    setText(this.answer, command.answer ?? "");
    this.answer.hidden = !command.answer;
    const lost = state !== "queued" && document.activeElement === this.back;
    this.back.hidden = state !== "queued";
    if (lost) this.another.focus();
  }
}

/** The last commands of a vehicle, the newest first. */
export class PastCommands {
  readonly root = element("section", { class: "command-past", "aria-labelledby": "command-past-title", hidden: true });
  private readonly list = element("ol");
  private commands: Command[] = [];
  private known: readonly CommandType[] = [];
  private readonly drawn = new Map<number, [string, HTMLElement]>();

  constructor(private readonly withdraw: (id: number) => void) {
    this.root.append(element("h3", { id: "command-past-title" }, t("Last commands")), this.list);
  }

  set types(types: readonly CommandType[]) {
    this.known = types;
    this.drawn.clear();
    this.render();
  }

  take(commands: readonly Command[], most: number): void {
    const all = new Map(this.commands.map((one) => [one.id, one]));
    for (const command of commands) {
      const before = all.get(command.id);
      if (!before || isNewer(command, before)) all.set(command.id, command);
    }
    this.commands = [...all.values()].sort((a, b) => b.id - a.id).slice(0, most);
    this.render();
  }

  /** Lines that have not changed stay the same elements: what has the focus keeps it. */
  private render(): void {
    this.root.hidden = this.commands.length === 0;
    const lines = this.commands.map((command) => {
      const key = JSON.stringify(command);
      const [before, line] = this.drawn.get(command.id) ?? ["", null];
      if (line && before === key) return line;
      const made = this.line(command);
      this.drawn.set(command.id, [key, made]);
      return made;
    });
    if (lines.length !== this.list.children.length || lines.some((line, i) => this.list.children[i] !== line)) this.list.replaceChildren(...lines);
  }

  private line(command: Command): HTMLElement {
    const facts = factsOf(command, this.known);
    const who = command.userName || (command.ruleName ? t("Rule: {name}", { name: command.ruleName }) : "");
    const why = whyEnded(command);
    const time = element("time", { datetime: command.createdAt }, formatTime(Date.parse(command.createdAt)));
    const line = element(
      "li",
      { "data-command": command.id, "data-state": command.state },
      element("div", { class: "past-head" }, element("b", {}, titleOf(command)), element("span", { class: "command-chip", "data-state": command.state, "data-awaits": command.awaits }, stateWords(command))),
      element("p", { class: "sub" }, time, who ? ` · ${who}` : null, facts ? ` · ${facts}` : null),
    );
    if (why) line.append(element("p", { class: "told-reason" }, why));
    if (command.answer) line.append(element("code", { class: "command-answer" }, command.answer));
    if (command.state === "queued" && mayCommand()) {
      const button = element("button", { type: "button", class: "link-button", "aria-label": t("Take back: {command}", { command: titleOf(command) }) }, t("Take back"));
      button.addEventListener("click", () => this.withdraw(command.id));
      line.append(button);
    }
    return line;
  }
}

/** A line for one of many vehicles that were told the same. */
export function shortStatus(command: Command): HTMLElement {
  const chip = element("span", { class: "command-chip", "data-state": command.state, "data-awaits": command.awaits }, stateWords(command));
  const more = command.answer ?? whyEnded(command);
  return element("li", { "data-command": command.id, "data-state": command.state }, element("div", { class: "past-head" }, element("b", {}, command.deviceName), chip), more ? element("p", { class: "sub" }, more) : null);
}

