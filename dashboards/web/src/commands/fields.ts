/* The fields of a command: one for each parameter of its type, with its unit and bounds; what is wrong is said while it is typed. */
import { element } from "../dom";
import { t } from "../i18n";
import { boundsWords, LONGEST_TEXT, ownZone, read } from "./check";
import { type CommandType, factTitle, type Parameter, unitName, type Value } from "./model";

let made = 0; // ids need a number of their own

interface Field {
  parameter: Parameter;
  input: HTMLInputElement | HTMLSelectElement;
  note: HTMLElement;
  hint: string;
}

export class CommandFields {
  readonly root = element("div", { class: "command-fields" });
  private fields: Field[] = [];

  /** Fields of this type, filled with what is there already. */
  show(type: CommandType | null, values: Record<string, Value> = {}): void {
    this.fields = (type?.parameters ?? []).map((parameter) => this.field(parameter, values[parameter.name]));
    this.root.replaceChildren(...this.fields.map((field) => this.row(field)));
  }

  /** What to send; null when something is wrong, which is said and focused. */
  values(): Record<string, Value> | null {
    const found: Record<string, Value> = {};
    let wrong: Field | null = null;
    for (const field of this.fields) {
      const value = this.check(field);
      if (value === undefined) wrong ??= field;
      else if (value !== null) found[field.parameter.name] = value;
    }
    wrong?.input.focus();
    return wrong ? null : found;
  }

  private field(parameter: Parameter, value: Value | undefined): Field {
    const hint = hintOf(parameter);
    const input = inputOf(parameter, value);
    const note = element("small", { id: `fact-${++made}` }, hint);
    note.hidden = hint === "";
    input.setAttribute("aria-describedby", note.id);
    const field = { parameter, input, note, hint };
    input.addEventListener("input", () => this.check(field));
    input.addEventListener("change", () => this.check(field));
    return field;
  }

  private row({ parameter, input, note }: Field): HTMLElement {
    const unit = parameter.unit ? `, ${unitName(parameter.unit)}` : "";
    const label = factTitle(parameter) + unit;
    if (parameter.kind === "yes") return element("label", { class: "check" }, input, element("span", {}, label), note);
    return element("label", { class: "field" }, element("span", {}, label), input, note);
  }

  /** The value, null for its default, undefined when it is wrong. */
  private check({ parameter, input, note, hint }: Field): Value | null | undefined {
    if (input instanceof HTMLInputElement && input.type === "checkbox") return input.checked;
    const said = read(parameter, input.value);
    const problem = "problem" in said ? said.problem : "";
    if (problem) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    const text = problem || hint;
    if (note.textContent !== text) note.textContent = text;
    note.hidden = text === "";
    note.classList.toggle("is-wrong", problem !== "");
    return "problem" in said ? undefined : said.value;
  }
}

function hintOf({ kind, least, most, default: usual, name }: Parameter): string {
  const parts: string[] = [];
  if (kind === "integer" || kind === "number") parts.push(boundsWords(least, most));
  if (kind === "zone") parts.push(t("Written +05:00, or UTC"));
  if (name === "phone") parts.push(t("With its country, such as +77011234567"));
  if (usual !== null && kind !== "yes") parts.push(t("empty: {value}", { value: String(usual) }));
  return parts.join("; ");
}

function inputOf(parameter: Parameter, value: Value | undefined): HTMLInputElement | HTMLSelectElement {
  const { kind, name } = parameter;
  if (kind === "yes") return element("input", { type: "checkbox", checked: value === undefined ? true : value === true });
  if (kind === "choice") {
    const select = element("select");
    for (const choice of parameter.choices ?? []) select.append(element("option", { value: choice, selected: choice === value }, choice));
    return select;
  }
  const filled = value ?? (kind === "zone" ? ownZone() : (parameter.default ?? ""));
  const isNumber = kind === "integer" || kind === "number";
  return element("input", {
    type: name === "phone" ? "tel" : "text",
    inputmode: isNumber ? (kind === "integer" && parameter.least >= 0 ? "numeric" : "decimal") : null,
    class: name === "data" && kind === "text" ? "command-data" : null,
    value: String(filled),
    maxlength: isNumber ? 20 : LONGEST_TEXT,
    "aria-required": parameter.required ? "true" : null,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
  });
}
