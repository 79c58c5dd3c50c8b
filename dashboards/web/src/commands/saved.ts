/* Saved commands: the form of one, its removal, and sending one to a vehicle or to a whole group. */
import { onCommands } from "../alerts/watch";
import { ApiError, type Device, get, send } from "../api";
import { newKey } from "../billing/deeds";
import { closeOutside, element, icon, toast } from "../dom";
import { VehicleCombo } from "../history/combo";
import { t, tn } from "../i18n";
import { page, pageJson } from "../page";
import { CommandFields } from "./fields";
import { allTypes, type Command, type CommandType, factWords, type Saved, typeTitle } from "./model";
import { Question } from "./question";
import { isNewer, shortStatus } from "./status";

interface Named {
  id: number;
  name: string;
  accountId?: number;
}

/** A dialog with a heading, closed by its sign, Escape or a click beside it. `end` is called when it is gone. */
function opened(title: string, end: () => void = () => undefined): { dialog: HTMLDialogElement; body: HTMLElement } {
  const close = element("button", { type: "button", class: "icon-button", "aria-label": t("Close") }, icon("close"));
  const body = element("div", { class: "command-step" });
  const head = element("div", { class: "command-head" }, element("h2", { id: "command-title" }, title), close);
  const dialog = element("dialog", { class: "command-dialog", "aria-labelledby": "command-title" }, head, body);
  close.addEventListener("click", () => dialog.close());
  closeOutside(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    end();
  });
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, body };
}

const errorLine = (): HTMLElement => element("p", { class: "form-error", role: "alert", hidden: true });

function fail(line: HTMLElement, error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
  line.textContent = error.message;
  line.hidden = false;
}

async function typesOrNothing(): Promise<CommandType[] | null> {
  try {
    return await allTypes();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, "error");
    return null;
  }
}

/** A new one (null) or a change of one. */
export async function editSaved(saved: Saved | null, done: () => void): Promise<void> {
  const types = await typesOrNothing();
  if (!types) return;
  const { dialog, body } = opened(saved ? t("Edit a saved command") : t("New saved command"));
  const form = element("form", { class: "command-form", novalidate: true });
  const name = element("input", { maxlength: 128, value: saved?.description ?? "", autocomplete: "off", "aria-required": "true", autofocus: true });
  const select = element("select", {}, element("option", { value: "" }, t("Choose…")));
  const last = types.filter(({ type }) => type === "custom");
  for (const { type } of [...types.filter(({ type }) => type !== "custom"), ...last]) select.append(element("option", { value: type, selected: type === saved?.type }, typeTitle(type)));
  const fields = new CommandFields();
  const sms = element("input", { type: "checkbox", checked: saved?.textChannel ?? false });
  const error = errorLine();
  const account = accountField(saved);
  const typed = (): CommandType | null => types.find(({ type }) => type === select.value) ?? null;
  fields.show(typed(), saved?.attributes);
  select.addEventListener("change", () => fields.show(typed()));
  const cancel = element("button", { type: "button", class: "button" }, t("Cancel"));
  const submit = element("button", { type: "submit", class: "button button-primary" }, t("Save"));
  cancel.addEventListener("click", () => dialog.close());
  form.append(
    element("label", { class: "field" }, element("span", {}, t("Name")), name, element("small", {}, t("As the buttons and rules call it."))),
    element("label", { class: "field" }, element("span", {}, t("Command")), select),
    fields.root,
    element("label", { class: "check" }, sms, element("span", {}, t("By SMS"), " ", element("small", {}, t("to trackers with a phone number; each costs a text message")))),
    ...(account ? [element("label", { class: "field" }, element("span", {}, t("Account")), account)] : []),
    error,
    element("div", { class: "dialog-buttons" }, cancel, submit),
  );
  body.append(form);
  name.focus();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void store();
  });

  async function store(): Promise<void> {
    error.hidden = true;
    const description = name.value.trim();
    const problem = !description ? t("It needs a name.") : !typed() ? t("Choose a command.") : null;
    if (problem) {
      error.textContent = problem;
      error.hidden = false;
      return (description ? select : name).focus();
    }
    const attributes = fields.values();
    if (!attributes) return;
    const owner = account ? { accountId: Number(account.value) } : {};
    submit.disabled = true;
    try {
      const value = { description, type: select.value, attributes, textChannel: sms.checked };
      if (saved) await send("PUT", `/api/commands/${saved.id}`, { id: saved.id, ...value });
      else await send("POST", "/api/commands", { ...value, ...owner });
      dialog.close();
      toast(t("Saved"));
      done();
    } catch (reason) {
      submit.disabled = false;
      fail(error, reason);
    }
  }
}

/** For administrators, who choose whose it is; it stays there. */
function accountField(saved: Saved | null): HTMLSelectElement | null {
  const accounts = pageJson<Named[]>("accounts-data") ?? [];
  if (accounts.length < 2 || saved) return null;
  return element("select", {}, ...accounts.map(({ id, name }) => element("option", { value: id, selected: id === page.accountId }, name)));
}

export function removeSaved(saved: Saved, done: () => void): void {
  const { dialog, body } = opened(t("Remove “{name}”?", { name: saved.description }));
  const error = errorLine();
  const cancel = element("button", { type: "button", class: "button", autofocus: true }, t("Cancel"));
  const submit = element("button", { type: "submit", class: "button button-danger" }, t("Remove"));
  const form = element("form", { class: "command-form" }, element("p", { class: "muted" }, t("Rules that send it only tell people from now on. What has been sent stays in the list.")), error, element("div", { class: "dialog-buttons" }, cancel, submit));
  body.append(form);
  cancel.focus();
  cancel.addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      await send("DELETE", `/api/commands/${saved.id}`);
      dialog.close();
      toast(t("Removed"));
      done();
    } catch (reason) {
      submit.disabled = false;
      fail(error, reason);
    }
  });
}

/** To a vehicle or a group; then what becomes of each. */
export async function sendSaved(saved: Saved, vehicles: () => Promise<Device[]>): Promise<void> {
  const types = await typesOrNothing();
  const type = types?.find(({ type }) => type === saved.type);
  if (!type) return;
  new Spread(saved, type, vehicles).open();
}

class Spread {
  private readonly error = errorLine();
  private readonly form = element("form", { class: "command-form", novalidate: true });
  private readonly submit = element("button", { type: "submit", class: "button button-primary" }, icon("command"), t("Send"));
  private readonly device = element("input", { type: "text", role: "combobox", "aria-expanded": "false", "aria-controls": "spread-options", "aria-autocomplete": "list", autocomplete: "off", spellcheck: "false", "aria-label": t("Vehicle"), placeholder: t("Name of the vehicle") });
  private readonly group = element("select", { "aria-label": t("Group") });
  private readonly groups: Named[];
  private body!: HTMLElement;
  private target: { id: number; name: string } | null = null;
  private question: Question | null = null;
  private results: Map<number, Command> | null = null;
  private readonly list = element("ol", { class: "command-results" });
  private readonly summary = element("h3", { role: "status", tabindex: -1 });
  private key = newKey();
  private unsubscribe: () => void = () => undefined;

  constructor(
    private readonly saved: Saved,
    private readonly type: CommandType,
    private readonly vehicles: () => Promise<Device[]>,
  ) {
    const own = ({ accountId }: Named): boolean => accountId === undefined || saved.accountId === undefined || accountId === saved.accountId;
    this.groups = (pageJson<Named[]>("groups-data") ?? []).filter(own);
  }

  open(): void {
    const { body } = opened(t("Send “{name}”", { name: this.saved.description }), () => this.end());
    this.body = body;
    this.unsubscribe = onCommands((commands) => this.news(commands));
    this.build();
    this.showForm();
  }

  private end(): void {
    this.unsubscribe();
    this.question?.end();
  }

  private get toGroup(): boolean {
    return new FormData(this.form).get("to") === "group";
  }

  private build(): void {
    const { saved, type } = this;
    const facts = factWords(saved.attributes, type);
    const options = element("ul", { id: "spread-options", role: "listbox", "aria-label": t("Vehicles"), hidden: true });
    const vehicle = element("div", { class: "combo" }, this.device, options);
    const combo = new VehicleCombo(this.device, options, ({ id, name }) => (this.target = { id, name }));
    this.device.addEventListener("input", () => (this.target = null));
    this.device.addEventListener("focus", () => void this.own().then((all) => combo.fill(all), (reason: unknown) => fail(this.error, reason)), { once: true });
    for (const { id, name } of this.groups) this.group.append(element("option", { value: id }, name));
    const radio = (value: string, label: string, checked: boolean): HTMLElement => element("label", {}, element("input", { type: "radio", name: "to", value, checked }), element("span", {}, label));
    const ways = element("div", { class: "command-to", role: "radiogroup", "aria-label": t("To whom?") }, radio("vehicle", t("A vehicle"), true), radio("group", t("A group"), false));
    const draw = (): void => {
      vehicle.hidden = this.toGroup;
      this.group.hidden = !this.toGroup;
      this.error.hidden = true;
    };
    ways.addEventListener("change", draw);
    ways.hidden = this.groups.length === 0;
    this.form.append(
      element("p", { class: "sub command-about" }, [typeTitle(type.type), facts, saved.textChannel ? t("by SMS") : ""].filter(Boolean).join(" · ")),
      ways,
      vehicle,
      this.group,
      this.error,
      element("div", { class: "dialog-buttons" }, this.submit),
    );
    draw();
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.wish();
    });
  }

  private async own(): Promise<Device[]> {
    const { accountId } = this.saved;
    return (await this.vehicles()).filter((one) => one.accountId === undefined || accountId === undefined || one.accountId === accountId);
  }

  /** The vehicle whose name was typed in full, but not chosen from the list; null: none, or several. */
  private async typed(): Promise<Device | null> {
    const name = this.device.value.trim().toLowerCase();
    const found = (await this.own().catch(() => [])).filter((one) => one.name.toLowerCase() === name);
    return found.length === 1 ? (found[0] ?? null) : null;
  }

  private showForm(): void {
    this.question?.end();
    this.question = null;
    this.body.replaceChildren(this.form);
    (this.toGroup ? this.group : this.device).focus();
  }

  private async wish(): Promise<void> {
    const group = this.groups.find(({ id }) => id === Number(this.group.value));
    const target = this.toGroup ? group : (this.target ?? (await this.typed()));
    if (!target) {
      this.error.textContent = this.toGroup ? t("Choose a group.") : t("Choose a vehicle from the list.");
      this.error.hidden = false;
      return this.device.focus();
    }
    const { saved, type } = this;
    if (!type.dangerous) {
      this.submit.disabled = true;
      void this.dispatch(target.id, false).then((problem) => {
        this.submit.disabled = false;
        if (problem === null) return;
        this.error.textContent = problem;
        this.error.hidden = false;
      });
      return;
    }
    const deed = { type, attributes: saved.attributes, sms: saved.textChannel, name: target.name, deviceId: this.toGroup ? null : target.id };
    this.question = new Question(
      deed,
      (whenSlow) => this.dispatch(target.id, whenSlow),
      () => this.showForm(),
    );
    this.body.replaceChildren(this.question.root);
    this.question.focus();
  }

  private async dispatch(id: number, whenSlow: boolean): Promise<string | null> {
    const { saved } = this;
    const body = { id: saved.id, whenSlow };
    const once = { "Idempotency-Key": this.key };
    try {
      const sent = this.toGroup
        ? await send<Command[]>("POST", `/api/commands/send?groupId=${id}`, body, once)
        : [(await send<Command>("POST", "/api/commands/send", { ...body, deviceId: id }, once)) as Command];
      this.key = newKey();
      this.question?.end();
      this.show(sent ?? []);
      return null;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status >= 400 && error.status < 500) this.key = newKey();
      return error.message;
    }
  }

  private show(commands: readonly Command[]): void {
    this.results = new Map(commands.map((one) => [one.id, one]));
    const all = element("a", { class: "button", href: "/commands" }, t("All commands"));
    this.body.replaceChildren(this.summary, this.list, element("div", { class: "dialog-buttons" }, all));
    this.render();
    this.summary.focus();
    void this.ask();
  }

  /** What happened before the socket told of it. */
  private async ask(): Promise<void> {
    const found = await get<Command[]>("/api/commands/log", { limit: 500 }).catch(() => []);
    this.news(found);
  }

  private news(commands: readonly Command[]): void {
    if (!this.results) return;
    if (commands.length === 0) return void this.ask();
    let changed = false;
    for (const one of commands) {
      const before = this.results.get(one.id);
      if (!before || !isNewer(one, before)) continue;
      this.results.set(one.id, one);
      changed = true;
    }
    if (changed) this.render();
  }

  private render(): void {
    const all = [...(this.results?.values() ?? [])];
    const waiting = all.filter(({ state, awaits }) => state === "queued" || (state === "sent" && awaits)).length;
    const text = waiting
      ? tn("{n} of {all} still waits", "{n} of {all} still wait", waiting, { all: all.length })
      : tn("{n} command is done", "{n} commands are done", all.length);
    if (this.summary.textContent !== text) this.summary.textContent = text;
    this.list.replaceChildren(...all.map(shortStatus));
  }
}
