/* The rules: a list of sentences, and the form of one. */
import "./style/app.css";
import { ApiError, send } from "./api";
import { element, icon, need, toast } from "./dom";
import { t } from "./i18n";
import { page } from "./page";
import { type Data, load, namesOf } from "./rules/data";
import { RuleForm } from "./rules/form";
import { blankRule, isProximity, type Names, proximityIdOf, type Rule } from "./rules/model";
import { manner, plain, sentence } from "./rules/sentence";
import { startShell } from "./shell";

const readonly = page.viewer?.readonly ?? true;

class RulesList {
  private readonly names: Names;
  private readonly dialog = need<HTMLDialogElement>("#dialog");
  private removing: Rule | null = null;

  constructor(
    private readonly list: HTMLElement,
    private readonly data: Data,
  ) {
    this.names = namesOf(data);
    this.render();
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog || (event.target as Element).closest("[data-close]")) this.dialog.close();
    });
    need("#remove-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void this.remove();
    });
  }

  private render(): void {
    const lines = this.data.rules.map((rule) => this.line(rule));
    if (lines.length === 0) lines.push(this.empty());
    this.list.replaceChildren(...lines);
    this.list.setAttribute("aria-busy", "false");
  }

  private empty(): HTMLElement {
    const first = t("For instance: when any vehicle raises the alarm “SOS button”, tell everybody on the page.");
    return element("li", { class: "block empty" }, icon("bell"), element("p", {}, t("There are no rules yet, so nobody is told of anything.")), element("p", { class: "muted" }, first));
  }

  private line(rule: Rule): HTMLElement {
    const said = plain(sentence(rule, this.names));
    const text = element("p", { class: "rule-sentence" }, ...this.marked(rule));
    const name = rule.description ? element("h2", {}, rule.description) : null;
    const how = rule.urgent || rule.cooldownSeconds ? element("p", { class: "sub" }, plain(manner(rule))) : null;
    const body = element("div", { class: "rule-body" }, name, text, how);
    const item = element("li", { class: "block rule", "data-rule": rule.id, "data-off": !rule.enabled }, body);
    if (readonly) {
      if (!rule.enabled) body.append(element("span", { class: "tag" }, t("Switched off")));
      return item;
    }
    const on = element("input", { type: "checkbox", role: "switch", checked: rule.enabled, "aria-label": t("Switched on: {rule}", { rule: rule.description || said }) });
    on.addEventListener("change", () => void this.toggle(rule, on, item));
    const tool = (sign: string, text: string, href: string): HTMLElement =>
      element("a", { class: "icon-button", href, title: text, "aria-label": `${text}: ${rule.description || said}` }, icon(sign));
    const bin = element("button", { type: "button", class: "icon-button", title: t("Remove"), "aria-label": `${t("Remove")}: ${rule.description || said}` }, icon("bin"));
    bin.addEventListener("click", () => this.ask(rule, said));
    item.append(
      element(
        "div",
        { class: "rule-tools" },
        element("label", { class: "switch", title: t("Switched on") }, on, element("i")),
        tool("edit", t("Edit"), `/rules/${rule.id}`),
        tool("copy", t("Duplicate"), `/rules/new?from=${rule.id}`),
        bin,
      ),
    );
    return item;
  }

  /** The parts that were chosen stand out from the words between. */
  private marked(rule: Rule): (Node | string)[] {
    return sentence(rule, this.names).map((part) => (typeof part === "string" ? part : element("b", {}, part.text)));
  }

  private async toggle(rule: Rule, box: HTMLInputElement, item: HTMLElement): Promise<void> {
    box.disabled = true;
    try {
      await send("PUT", `/api/notifications/${rule.id}`, { id: rule.id, enabled: box.checked });
      rule.enabled = box.checked;
      item.toggleAttribute("data-off", !rule.enabled);
    } catch (error) {
      box.checked = rule.enabled;
      if (!(error instanceof ApiError)) throw error;
      toast(error.message, "error");
    } finally {
      box.disabled = false;
      box.focus();
    }
  }

  private ask(rule: Rule, said: string): void {
    this.removing = rule;
    need("#remove-sentence").textContent = said;
    need(".form-error", this.dialog).hidden = true;
    this.dialog.showModal();
  }

  private async remove(): Promise<void> {
    const rule = this.removing;
    if (!rule) return;
    try {
      await send("DELETE", `/api/notifications/${rule.id}`);
      await this.removeNearness(rule);
      this.data.rules = this.data.rules.filter((one) => one !== rule);
      this.dialog.close();
      this.render();
      toast(t("Removed"));
      document.querySelector<HTMLElement>("#add-rule")?.focus();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const target = need(".form-error", this.dialog);
      target.textContent = error.message;
      target.hidden = false;
    }
  }

  /** What was watched for this rule alone needn't be watched any more. */
  private async removeNearness(rule: Rule): Promise<void> {
    const id = isProximity(rule) ? proximityIdOf(rule) : null;
    const others = this.data.rules.some((one) => one !== rule && proximityIdOf(one) === id);
    if (id !== null && !others) await send("DELETE", `/api/proximities/${id}`).catch(() => undefined);
  }
}

/** A copy has everything but what it is called and its secret, which nobody can read. */
function copyOf(rule: Rule): Rule {
  const { hasWebhookSecret: _, ...rest } = structuredClone(rule);
  return { ...rest, id: 0, description: rule.description ? t("{name} (copy)", { name: rule.description }) : "" };
}

function form(data: Data): void {
  const known = (id: number | null | undefined): Rule | undefined => data.rules.find((rule) => rule.id === id);
  const wanted = page.rule ? known(page.rule) : undefined;
  if (page.rule && !wanted) {
    need("#rule-loading").textContent = t("This rule has been removed, or it isn't yours.");
    return;
  }
  const like = known(page.from);
  const rule = wanted ? structuredClone(wanted) : like ? copyOf(like) : blankRule();
  const select = document.querySelector<HTMLSelectElement>("#rule-account");
  const account = rule.accountId ?? (page.viewer?.administrator ? (page.accountId ?? null) : null);
  if (select && account !== null) select.value = String(account);
  const around = { data, ready: page.ready ?? {}, accountId: page.viewer?.administrator ? account : null };
  select?.addEventListener("change", () => (around.accountId = Number(select.value)));
  need("#rule-loading").hidden = true;
  need("#rule-form").hidden = false;
  need("#rule-page").setAttribute("aria-busy", "false");
  new RuleForm(need("#rule-page"), rule, around, Boolean(like));
}

/** In place of what could not be loaded. */
function failed(text: string): HTMLElement {
  const again = element("button", { type: "button", class: "button" }, t("Try again"));
  again.addEventListener("click", () => location.reload());
  return element("div", { class: "empty" }, icon("alert"), element("p", {}, text), again);
}

async function start(): Promise<void> {
  const list = document.querySelector<HTMLElement>("#rules");
  try {
    const data = await load();
    if (list) new RulesList(list, data);
    else form(data);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (list) list.replaceChildren(element("li", { class: "block" }, failed(error.message)));
    else need("#rule-loading").replaceChildren(failed(error.message));
    list?.setAttribute("aria-busy", "false");
  }
}

startShell();
void start();
