/* The form of a rule: its sentence, each part of which is a button that opens a bubble with what can stand there. */
import { ApiError, send } from "../api";
import { mayCommand, type Saved, typeTitle } from "../commands/model";
import { element, icon, need } from "../dom";
import { t } from "../i18n";
import { WeekEditor } from "../week";
import { type Data, namesOf } from "./data";
import { ruleProblem, ruleWarnings, tidyPhone } from "./check";
import { blankProximity, type ChannelName, CHANNELS, hasZones, isProximity, type Proximity, proximityIdOf, type Rule } from "./model";
import { Bubble, check, choices, field, linesField, note } from "./pickers";
import { Preview } from "./preview";
import { manner, noCommand, type Part, plain, sentence, type Slot, spanWords } from "./sentence";
import { alarmChoices, hintOf, typeChoices } from "./kinds";
import { nearness, vehicles, whom } from "./vehicles";

const COOLDOWNS_S = [0, 60, 300, 600, 1800, 3600, 21_600, 86_400];

export interface Surroundings {
  data: Data;
  ready: Partial<Record<ChannelName, boolean>>;
  /** Of the account that the rule is in; null: not an administrator, whose data are one account's anyway. */
  accountId: number | null;
}

const LONGEST_END = 20; // letters; a longer word fits no phone's line beside others, and may break anywhere

/** A text and the sign that it opens, which is not left alone on the next line. */
function unbroken(text: string): (Node | string)[] {
  const at = text.lastIndexOf(" ") + 1;
  if (text.length - at > LONGEST_END) return [text, icon("down")];
  return [text.slice(0, at), element("span", { class: "slot-end" }, text.slice(at), icon("down"))];
}

export class RuleForm {
  private readonly bubble: Bubble;
  private readonly preview: Preview;
  private proximity: Proximity | null = null;
  private several: boolean;
  private dirty = false;

  constructor(
    private readonly root: HTMLElement,
    private readonly rule: Rule,
    private readonly around: Surroundings,
    copy = false,
  ) {
    this.bubble = new Bubble(root);
    this.preview = new Preview(need("#preview", root), rule);
    this.several = rule.types.length > 1;
    const id = proximityIdOf(rule);
    const known = around.data.proximities.find((one) => one.id === id);
    if (isProximity(rule)) this.proximity = known ? structuredClone(known) : rule.id ? null : blankProximity();
    if (copy && this.proximity) this.proximity.id = 0; // its own, or a change would change the other rule's
    this.listen();
    this.render();
  }

  private listen(): void {
    const name = need<HTMLInputElement>("#rule-name", this.root);
    name.value = this.rule.description;
    name.addEventListener("input", () => {
      this.rule.description = name.value.trim();
      this.dirty = true;
    });
    this.root.addEventListener("click", (event) => {
      const button = (event.target as Element).closest<HTMLElement>("[data-slot]");
      if (button) this.open(button.dataset.slot as Slot);
    });
    this.root.addEventListener("keydown", (event) => {
      const slot = (event.target as HTMLElement).dataset.slot;
      if (!slot || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      this.open(slot as Slot);
    });
    need("#rule-form", this.root).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.save();
    });
    addEventListener("beforeunload", (event) => this.dirty && event.preventDefault());
  }

  private render(): void {
    const names = namesOf(this.around.data);
    // Not <button>: that can't be broken over lines as the words around it are
    const attributes = { class: "slot", role: "button", tabindex: 0, "aria-haspopup": "dialog", "aria-expanded": "false" };
    const button = (part: Part): Node | string =>
      typeof part === "string" ? part : element("span", { ...attributes, "data-slot": part.slot }, ...unbroken(part.text));
    need("#sentence", this.root).replaceChildren(...sentence(this.rule, names, this.proximity).map(button));
    need("#manner", this.root).replaceChildren(...manner(this.rule).map(button));
    const deed = need("#deed", this.root);
    deed.hidden = this.rule.commandId !== 0 || !mayCommand();
    deed.replaceChildren(...(deed.hidden ? [] : noCommand().map(button)));
    const warnings = ruleWarnings(this.rule, this.people, this.around.ready);
    need("#warnings", this.root).replaceChildren(...warnings.map((text) => element("li", {}, icon("alert"), element("span", {}, text))));
    const name = need<HTMLInputElement>("#rule-name", this.root);
    name.placeholder = plain(sentence(this.rule, names, this.proximity)).split(",")[0] ?? "";
    this.preview.show();
  }

  private changed(): void {
    this.dirty = true;
    need("#rule-error", this.root).hidden = true;
    this.render();
    this.bubble.place();
  }

  private mine<T extends { accountId?: number }>(list: readonly T[]): T[] {
    const { accountId } = this.around;
    return list.filter((one) => accountId === null || one.accountId === undefined || one.accountId === accountId);
  }

  /** Who may be named: people of the account, and whoever is named already, such as an administrator of the provider. */
  private get people(): Data["people"] {
    const named = this.around.data.people.filter(({ id }) => this.rule.userIds.includes(id));
    return [...new Set([...this.mine(this.around.data.people), ...named])];
  }

  private open(slot: Slot): void {
    const show = (title: string, ...content: (Node | string)[]): void => this.bubble.open(`[data-slot="${slot}"]`, title, ...content);
    if (slot === "who") show(t("Which vehicles?"), this.who());
    else if (slot === "what") show(t("What happens?"), this.what());
    else if (slot === "zones") show(t("Which zones?"), ...this.zones());
    else if (slot === "alarms") show(t("Which alarms?"), this.alarms());
    else if (slot === "hours") show(t("When?"), ...this.hours());
    else if (slot === "people") show(t("Who is told?"), ...this.recipients());
    else if (slot === "channels") show(t("How?"), ...this.channels());
    else if (slot === "command") show(t("What is the vehicle told?"), ...this.command());
    else if (slot === "urgency") show(t("Quiet hours"), ...this.urgency());
    else if (slot === "often") show(t("How often?"), this.often());
    else if (this.proximity && slot === "distance") show(t("How near?"), nearness(this.proximity, () => this.changed()));
    else if (this.proximity && slot === "whom") show(t("Near to what?"), whom(this.proximity, this.vehicleSource(), () => this.changed()));
  }

  private vehicleSource() {
    const { data } = this.around;
    return {
      groups: this.mine(data.groups),
      own: <T extends { accountId?: number }>(all: readonly T[]): T[] => this.mine(all),
      learn: (found: Data["vehicles"]): void => {
        const known = new Set(data.vehicles.map(({ id }) => id));
        data.vehicles.push(...found.filter(({ id }) => !known.has(id)));
      },
    };
  }

  private who(): HTMLElement {
    return vehicles(this.proximity ?? this.rule, this.vehicleSource(), () => this.changed());
  }

  private what(): HTMLElement {
    const box = element("div", { class: "what" });
    const hint = element("p", { class: "bubble-note", role: "status" });
    const tell = (): void => {
      hint.textContent = this.rule.types.length === 1 ? hintOf(this.rule.types[0] as string) : "";
      hint.hidden = hint.textContent === "";
    };
    const draw = (): void => {
      const list = choices<string>({
        label: t("What happens?"),
        all: typeChoices().filter(({ value }) => !this.several || !value.startsWith("proximity")),
        chosen: this.rule.types,
        single: !this.several,
        onChange: (types) => {
          this.choose(types);
          tell();
        },
      });
      const more = check(t("Several kinds of events"), this.several, (on) => {
        this.several = on;
        if (!on) this.choose(this.rule.types.slice(0, 1));
        else if (isProximity(this.rule)) this.choose(["geofenceExit"]);
        draw();
      });
      box.replaceChildren(hint, list, more);
    };
    tell();
    draw();
    return box;
  }

  private choose(types: string[]): void {
    if (types.length === 0) return; // the last one stays: without any there is no sentence
    this.rule.types = types;
    if (!types.includes("alarm")) this.rule.alarms = [];
    if (!hasZones(this.rule)) this.rule.geofenceIds = this.rule.geofenceGroups = [];
    this.proximity = isProximity(this.rule) ? (this.proximity ?? blankProximity()) : null;
    this.changed();
  }

  private zones(): (HTMLElement | string)[] {
    const zones = this.mine(this.around.data.zones);
    const groups = [...new Set([...zones.flatMap(({ group }) => group || []), ...this.rule.geofenceGroups])].sort();
    const options = [
      ...groups.map((group) => ({ value: `group ${group}`, label: group, heading: t("Groups of zones") })),
      ...zones.map(({ id, name, group }) => ({ value: String(id), label: name, hint: group, heading: t("Zones") })),
    ];
    const list = choices<string>({
      label: t("Which zones?"),
      all: options,
      chosen: [...this.rule.geofenceIds.map(String), ...this.rule.geofenceGroups.map((group) => `group ${group}`)],
      empty: t("There are no zones yet."),
      onChange: (chosen) => {
        this.rule.geofenceIds = chosen.filter((one) => !one.startsWith("group ")).map(Number);
        this.rule.geofenceGroups = chosen.flatMap((one) => (one.startsWith("group ") ? one.slice(6) : []));
        this.changed();
      },
    });
    const all = this.rule.types.includes("deviceOverspeed")
      ? t("None chosen: anywhere, by the limits of the vehicles and of all zones.")
      : t("None chosen: all zones.");
    return [note(all), list, element("a", { class: "bubble-link", href: "/zones" }, t("Draw a zone"))];
  }

  private alarms(): HTMLElement {
    return element(
      "div",
      {},
      note(t("None chosen: any alarm.")),
      choices<string>({
        label: t("Which alarms?"),
        all: alarmChoices(),
        chosen: this.rule.alarms,
        onChange: (alarms) => {
          this.rule.alarms = alarms;
          this.changed();
        },
      }),
    );
  }

  private hours(): HTMLElement[] {
    const host = element("div");
    const editor = new WeekEditor(host, {
      label: t("Hours of the rule"),
      onChange: (hours) => {
        if (editor.problem !== null) return;
        this.rule.hours = hours;
        this.changed();
      },
    });
    editor.value = this.rule.hours;
    const calendars = this.mine(this.around.data.calendars);
    if (calendars.length === 0) return [host, note(t("In the time of the account."))];
    const select = element("select", {}, element("option", { value: 0 }, t("no calendar")));
    for (const { id, name } of calendars) select.append(element("option", { value: id, selected: id === this.rule.calendarId }, name));
    select.addEventListener("change", () => {
      this.rule.calendarId = Number(select.value);
      this.changed();
    });
    return [host, element("label", { class: "field" }, element("span", {}, t("And only during")), select), note(t("In the time of the account."))];
  }

  private recipients(): HTMLElement[] {
    const { rule } = this;
    const list = choices<number>({
      label: t("People of the account"),
      all: this.people.map(({ id, name, email, phone }) => ({ value: id, label: name || email, hint: [email, phone].filter(Boolean).join(" · ") })),
      chosen: rule.userIds,
      onChange: (ids) => {
        rule.userIds = ids;
        this.changed();
      },
    });
    const emails = linesField(t("Other e-mail addresses"), rule.emails, { inputmode: "email", placeholder: "guard@example.com" }, (values) => {
      rule.emails = values;
      if (values.length && !rule.channels.includes("mail")) rule.channels = [...rule.channels, "mail"];
      this.changed();
    });
    const phones = linesField(t("Other phone numbers"), rule.phones, { inputmode: "tel", placeholder: "+7 701 123 45 67" }, (values) => {
      rule.phones = values;
      if (values.length && !rule.channels.includes("sms")) rule.channels = [...rule.channels, "sms"];
      this.changed();
    });
    return [note(t("Nobody chosen: everybody of the account, on the page.")), list, emails, phones];
  }

  private channels(): HTMLElement[] {
    const { rule } = this;
    const { ready } = this.around;
    const names: Record<ChannelName, [string, string]> = {
      web: [t("On the page"), t("On the screen of whoever is signed in, and in the list of alerts")],
      sms: [t("SMS, else e-mail"), ready.sms === false ? t("Not set up on this server: an e-mail goes out instead") : t("An e-mail goes out when no SMS can")],
      mail: [t("E-mail"), ready.mail === false ? t("Not set up on this server") : t("With a map of the place")],
      messenger: [t("Messenger"), t("Telegram and others, as each person has set up under Account")],
      webhook: [t("Webhook"), t("A signed request to a program of yours")],
    };
    const hook = element("div", { class: "hook" });
    const drawHook = (): void => {
      hook.hidden = !rule.channels.includes("webhook");
      if (hook.hidden || hook.childElementCount) return;
      const url = { type: "url", value: rule.webhookUrl ?? "", placeholder: "https://example.com/alerts", autocomplete: "off" };
      const secret = { type: "password", autocomplete: "new-password", maxlength: 200, placeholder: rule.hasWebhookSecret ? t("unchanged") : "" };
      hook.append(
        field(t("Address"), url, (value) => {
          rule.webhookUrl = value || null;
          this.changed();
        }),
        field(
          t("Secret"),
          secret,
          (value) => {
            if (value) rule.webhookSecret = value;
            else delete rule.webhookSecret;
            this.dirty = true;
          },
          t("Signs each request, so that the receiver knows who calls."),
        ),
      );
    };
    const list = choices<ChannelName>({
      label: t("How?"),
      all: CHANNELS.map((value) => ({ value, label: names[value][0], hint: names[value][1] })),
      chosen: rule.channels,
      onChange: (chosen) => {
        rule.channels = CHANNELS.filter((one) => chosen.includes(one));
        drawHook();
        this.changed();
      },
    });
    drawHook();
    return [list, hook];
  }

  private command(): HTMLElement[] {
    const { rule } = this;
    const saved = this.mine<Saved>(this.around.data.commands);
    const link = element("a", { class: "bubble-link", href: "/commands/saved" }, t("Saved commands"));
    if (!mayCommand()) return [note(t("You may not send commands, so you can't change this."))];
    if (saved.length === 0) return [note(t("There are no saved commands yet. Save one, and choose it here.")), link];
    const list = choices<number>({
      label: t("What is the vehicle told?"),
      single: true,
      all: [
        { value: 0, label: t("Nothing") },
        ...saved.map(({ id, description, type, textChannel }) => ({ value: id, label: description, hint: textChannel ? `${typeTitle(type)} · ${t("by SMS")}` : typeTitle(type) })),
      ],
      chosen: [rule.commandId],
      onChange: ([value]) => {
        rule.commandId = value ?? 0;
        this.changed();
      },
    });
    return [note(t("To the vehicle that the event is about, as soon as its tracker is connected. An engine is stopped only when it stands or is slow.")), list, link];
  }

  private urgency(): HTMLElement[] {
    const urgent = check(t("Urgent"), this.rule.urgent, (on) => {
      this.rule.urgent = on;
      this.changed();
    });
    return [urgent, note(t("Urgent alerts are sent in people's quiet hours, too, and stay on the screen until somebody closes them."))];
  }

  private often(): HTMLElement {
    const { cooldownSeconds } = this.rule;
    const known = COOLDOWNS_S.includes(cooldownSeconds) ? COOLDOWNS_S : [...COOLDOWNS_S, cooldownSeconds].sort((a, b) => a - b);
    return choices<number>({
      label: t("How often?"),
      single: true,
      all: known.map((value) => ({
        value,
        label: value ? t("At most once in {duration}", { duration: spanWords(value) }) : t("Each time it happens"),
      })),
      chosen: [cooldownSeconds],
      onChange: ([value]) => {
        this.rule.cooldownSeconds = value ?? 0;
        this.changed();
      },
    });
  }

  private async save(): Promise<void> {
    const error = need("#rule-error", this.root);
    const button = need<HTMLButtonElement>("#rule-save", this.root);
    const problem = ruleProblem(this.rule, this.proximity);
    if (problem !== null) return fail(error, problem);
    button.disabled = true;
    try {
      await this.store();
      this.dirty = false;
      location.assign("/rules");
    } catch (reason) {
      button.disabled = false;
      if (!(reason instanceof ApiError)) throw reason;
      fail(error, reason.message);
    }
  }

  /** The nearness first, since the rule names it. What the API doesn't know is not sent. */
  private async store(): Promise<void> {
    const { rule, proximity } = this;
    const account = this.around.accountId === null || rule.id ? {} : { accountId: this.around.accountId };
    if (proximity) {
      const name = proximity.name || plain(sentence(rule, namesOf(this.around.data), proximity)).split(",")[0]!.slice(0, 128);
      const { id, ...values } = { ...proximity, name, enabled: true };
      const stored = await send<Proximity>(id ? "PUT" : "POST", id ? `/api/proximities/${id}` : "/api/proximities", id ? { id, ...values } : { ...values, ...account });
      if (stored) proximity.id = stored.id;
      rule.attributes = { ...rule.attributes, proximityIds: [proximity.id] };
      Object.assign(rule, { allDevices: true, deviceIds: [], groupIds: [] }); // either of both may be the event's vehicle
    } else {
      const { proximityIds: _, ...rest } = rule.attributes;
      rule.attributes = rest;
    }
    const { id, accountId: _account, hasWebhookSecret: _secret, ...values } = rule;
    const body = { ...values, type: rule.types[0], always: rule.allDevices, notificators: rule.channels.join(","), phones: rule.phones.map(tidyPhone) };
    if (!rule.channels.includes("webhook")) body.webhookUrl = null;
    await send(id ? "PUT" : "POST", id ? `/api/notifications/${id}` : "/api/notifications", id ? { id, ...body } : { ...body, ...account });
  }
}

function fail(target: HTMLElement, text: string): void {
  target.textContent = text;
  target.hidden = false;
  target.scrollIntoView({ block: "nearest" });
}
