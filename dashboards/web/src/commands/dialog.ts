/* The dialog of commands to a vehicle: what to send, the second question where it is dangerous, what becomes of it, live, and the last ones. */
import { onCommands } from "../alerts/watch";
import { ApiError, type Device, get, send } from "../api";
import { newKey } from "../billing/deeds";
import { closeOutside, element, icon, toast } from "../dom";
import { t } from "../i18n";
import { page } from "../page";
import { CommandFields } from "./fields";
import { allTypes, type Command, type CommandType, factWords, mayCommandAnything, type Saved, typeTitle, type Value } from "./model";
import { Question } from "./question";
import { CommandStatus, PastCommands } from "./status";

const PAST = 10;

export type Target = Pick<Device, "id" | "name" | "phone">;

/** What somebody wants to send. */
interface Wish {
  type: CommandType;
  attributes: Record<string, Value>;
  sms: boolean;
  saved: Saved | null;
}

export function openCommand(target: Target): void {
  new CommandDialog(target).open();
}

class CommandDialog {
  private readonly root = element("dialog", { class: "command-dialog", "aria-labelledby": "command-title" });
  private readonly step = element("div", { class: "command-step" });
  private readonly past: PastCommands;
  private readonly fields = new CommandFields();
  private readonly select = element("select", { id: "command-choice" });
  private readonly sms = element("input", { type: "checkbox" });
  private readonly smsLine = element("label", { class: "check" });
  private readonly about = element("p", { class: "sub command-about" });
  private readonly error = element("p", { class: "form-error", role: "alert", hidden: true });
  private readonly form = element("form", { class: "command-form", novalidate: true });
  private readonly submit = element("button", { type: "submit", class: "button button-primary" });
  private types: CommandType[] = []; // of the way that is chosen
  private everything: CommandType[] = [];
  private saved: Saved[] = [];
  private status: CommandStatus | null = null;
  private question: Question | null = null;
  private key = newKey();
  private readonly unsubscribe: () => void;

  constructor(private readonly target: Target) {
    const close = element("button", { type: "button", class: "icon-button", "aria-label": t("Close") }, icon("close"));
    close.addEventListener("click", () => this.root.close());
    const title = element("h2", { id: "command-title" }, t("Command to {name}", { name: target.name }));
    this.past = new PastCommands((id) => void this.withdraw(id));
    this.root.append(element("div", { class: "command-head" }, title, close), this.step, this.past.root);
    this.buildForm();
    closeOutside(this.root);
    this.root.addEventListener("close", () => this.end());
    this.unsubscribe = onCommands((commands) => this.news(commands));
  }

  open(): void {
    document.body.append(this.root);
    this.step.replaceChildren(element("p", { class: "muted", role: "status" }, t("Loading…")));
    this.root.showModal();
    void this.load();
  }

  private end(): void {
    this.unsubscribe();
    this.question?.end();
    this.root.remove();
  }

  private async load(): Promise<void> {
    try {
      const deviceId = this.target.id;
      const [everything, types, saved] = await Promise.all([
        allTypes(),
        mayCommandAnything() ? get<CommandType[]>("/api/commands/types", { deviceId }) : [],
        get<Saved[]>("/api/commands/send", { deviceId }),
        this.loadPast(),
      ]);
      Object.assign(this, { everything, types, saved });
      this.past.types = everything;
      this.fill();
      this.showForm();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const again = element("button", { type: "button", class: "button" }, t("Try again"));
      again.addEventListener("click", () => void this.load());
      this.step.replaceChildren(element("p", { class: "form-error", role: "alert" }, error.message), again);
    }
  }

  private async loadPast(): Promise<void> {
    const commands = await get<Command[]>("/api/commands/log", { deviceId: this.target.id, limit: PAST });
    this.past.take(commands, PAST);
    this.status?.news(commands);
  }

  private news(commands: readonly Command[]): void {
    if (commands.length === 0) return void this.loadPast().catch(() => undefined); // the line is back; the next news tell the rest
    const own = commands.filter(({ deviceId }) => deviceId === this.target.id);
    if (own.length === 0) return;
    this.past.take(own, PAST);
    this.status?.news(own);
  }

  // --- the form

  private buildForm(): void {
    const hint = element("small", {}, this.target.phone ? t("To {phone}; it costs a text message.", { phone: this.target.phone }) : "");
    this.smsLine.append(this.sms, element("span", {}, t("By SMS"), " ", hint));
    this.smsLine.hidden = !(page.commands?.sms && this.target.phone && mayCommandAnything());
    this.submit.append(icon("command"), t("Send"));
    const choice = element("label", { class: "field", for: this.select.id }, element("span", {}, t("Command")), this.select);
    this.form.append(choice, this.about, this.fields.root, this.smsLine, this.error, element("div", { class: "dialog-buttons" }, this.submit));
    this.select.addEventListener("change", () => this.chosen());
    this.sms.addEventListener("change", () => void this.changeWay());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.wish();
    });
  }

  /** The choices, with what was chosen before where it is still there. */
  private fill(): void {
    const before = this.select.value;
    const group = (label: string, options: HTMLOptionElement[]): HTMLElement => element("optgroup", { label }, ...options);
    const kept = this.saved.map(({ id, description, textChannel }) =>
      element("option", { value: `saved ${id}` }, textChannel ? `${description} (${t("SMS")})` : description),
    );
    const own = this.types.filter(({ type }) => type !== "custom").concat(this.types.filter(({ type }) => type === "custom")); // rarely what is looked for
    const kinds = own.map(({ type }) => element("option", { value: type }, typeTitle(type)));
    this.select.replaceChildren(
      element("option", { value: "" }, t("Choose…")),
      ...(kept.length ? [group(t("Saved commands"), kept)] : []),
      ...(kinds.length ? [kept.length ? group(t("Commands of this tracker"), kinds) : kinds].flat() : []),
    );
    this.select.value = before;
    if (this.select.selectedIndex < 0) this.select.value = "";
    this.chosen();
  }

  private showForm(): void {
    this.status = null;
    this.question?.end();
    this.question = null;
    if (this.saved.length + this.types.length === 0 && this.smsLine.hidden) {
      const why = mayCommandAnything()
        ? t("The protocol of this tracker knows no commands.")
        : t("No saved command fits this tracker, and you may send only saved ones. Ask an administrator.");
      this.step.replaceChildren(element("p", { class: "muted" }, why));
      return;
    }
    this.step.replaceChildren(this.form);
    this.select.focus();
  }

  private get savedChosen(): Saved | null {
    const id = this.select.value.startsWith("saved ") ? Number(this.select.value.slice(6)) : 0;
    return this.saved.find((one) => one.id === id) ?? null;
  }

  private chosen(): void {
    const saved = this.savedChosen;
    const type = saved ? null : (this.types.find(({ type }) => type === this.select.value) ?? null);
    this.fields.show(type);
    this.error.hidden = true;
    this.submit.disabled = this.select.value === "";
    this.sms.disabled = saved !== null;
    this.about.textContent = saved ? this.savedWords(saved) : type?.dangerous ? t("You are asked once more before it is sent.") : "";
    this.about.hidden = this.about.textContent === "";
  }

  private savedWords(saved: Saved): string {
    const type = this.everything.find(({ type }) => type === saved.type);
    const facts = factWords(saved.attributes, type);
    return [typeTitle(saved.type), facts, saved.textChannel ? t("by SMS") : ""].filter(Boolean).join(" · ");
  }

  private async changeWay(): Promise<void> {
    const query = { deviceId: this.target.id, ...(this.sms.checked && { textChannel: "true" }) };
    this.sms.disabled = true;
    try {
      this.types = await get<CommandType[]>("/api/commands/types", query);
      this.fill();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.sms.checked = !this.sms.checked;
      this.fail(error.message);
    } finally {
      this.sms.disabled = this.savedChosen !== null;
      this.sms.focus();
    }
  }

  private fail(text: string): void {
    this.error.textContent = text;
    this.error.hidden = false;
  }

  private wish(): void {
    const saved = this.savedChosen;
    const name = saved ? saved.type : this.select.value;
    const type = this.everything.find(({ type }) => type === name);
    const attributes = saved ? saved.attributes : this.fields.values();
    if (!type || !attributes) return;
    const wish = { type, attributes, sms: saved ? saved.textChannel : this.sms.checked, saved };
    if (type.dangerous) this.ask(wish);
    else {
      this.submit.disabled = true;
      void this.dispatch(wish, false).then((problem) => {
        this.submit.disabled = false;
        if (problem !== null) this.fail(problem);
      });
    }
  }

  private ask(wish: Wish): void {
    const deed = { ...wish, name: this.target.name, deviceId: this.target.id };
    this.question = new Question(
      deed,
      (whenSlow) => this.dispatch(wish, whenSlow),
      () => this.showForm(),
    );
    this.step.replaceChildren(this.question.root);
    this.question.focus();
  }

  /** What went wrong, or null. A click again after a lost answer sends no second one: the key stays until the server has said something. */
  private async dispatch({ type, attributes, sms, saved }: Wish, whenSlow: boolean): Promise<string | null> {
    const what = saved ? { id: saved.id } : { type: type.type, attributes, textChannel: sms };
    try {
      const command = await send<Command>("POST", "/api/commands/send", { deviceId: this.target.id, ...what, whenSlow }, { "Idempotency-Key": this.key });
      this.key = newKey();
      if (command) this.sent(command);
      return null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status >= 400 && error.status < 500) this.key = newKey();
      return error.message;
    }
  }

  // --- what becomes of it

  private sent(command: Command): void {
    this.question?.end();
    this.question = null;
    this.status = new CommandStatus(command, this.everything, {
      withdraw: () => void this.withdraw(command.id),
      another: () => {
        this.select.value = "";
        this.chosen();
        this.showForm();
      },
    });
    this.step.replaceChildren(this.status.root);
    this.status.focus();
    this.past.take([command], PAST);
    void this.loadPast().catch(() => undefined); // what happened before this dialog listened
  }

  private async withdraw(id: number): Promise<void> {
    try {
      const command = await send<Command>("DELETE", `/api/commands/log/${id}`);
      if (command) this.news([command]);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.message, "error");
      void this.loadPast().catch(() => undefined);
    }
  }
}
