/* Groups of vehicles: the dialog that makes and nests them, and the live list's filter by them. */
import { ApiError, send } from "../api";
import { element, icon, need, toast } from "../dom";
import { t } from "../i18n";
import type { Vehicle } from "../fleet";
import { all, type Group } from "./data";
import { byName } from "./list";

export interface Nested {
  group: Group;
  depth: number;
}

/** Each group after the one it is in, by name. Loops, which the server doesn't make, would be left out. */
export function nested(groups: readonly Group[]): Nested[] {
  const known = new Set(groups.map(({ id }) => id));
  const found: Nested[] = [];
  const under = (parent: number, depth: number): void => {
    const children = groups.filter(({ groupId }) => (known.has(groupId) ? groupId : 0) === parent);
    for (const group of children.toSorted(byName)) {
      found.push({ group, depth });
      under(group.id, depth + 1);
    }
  };
  under(0, 0);
  return found;
}

/** A group and all that are in it, however deep. */
export function within(groups: readonly Group[], id: number): Set<number> {
  const found = new Set([id]);
  for (let grown = true; grown; ) {
    grown = false;
    for (const group of groups) {
      if (!found.has(group.groupId) || found.has(group.id)) continue;
      found.add(group.id);
      grown = true;
    }
  }
  return found;
}

const indented = ({ group, depth }: Nested): string => "\u2003".repeat(depth) + group.name;

/** Asks for the vehicles of one group; not there at all where there are no groups. */
export class GroupFilter {
  private groups: Group[] = [];
  private ids: Set<number> | null = null;

  constructor(
    private readonly select: HTMLSelectElement,
    onChange: () => void,
  ) {
    select.addEventListener("change", () => {
      this.apply();
      onChange();
    });
  }

  get chosen(): number | null {
    return Number(this.select.value) || null;
  }

  async load(): Promise<void> {
    this.groups = await all<Group>("/api/groups").catch(() => []); // the map is worth more than its filter
    const { value } = this.select;
    const options = nested(this.groups).map((one) => element("option", { value: one.group.id }, indented(one)));
    this.select.replaceChildren(element("option", { value: "" }, t("All groups")), ...options);
    this.select.value = value;
    if (this.select.selectedIndex < 0) this.select.value = "";
    (this.select.parentElement as HTMLElement).hidden = this.groups.length === 0;
    this.apply();
  }

  clear(): void {
    this.select.value = "";
    this.apply();
  }

  *members(vehicles: Iterable<Vehicle>): Generator<Vehicle> {
    for (const one of vehicles) if (this.ids === null || this.ids.has(one.device.groupId ?? 0)) yield one;
  }

  private apply(): void {
    this.ids = this.chosen === null ? null : within(this.groups, this.chosen);
  }
}

/** The dialog: a line each, with a name and what it is in. */
export async function openGroups(): Promise<void> {
  const dialog = need<HTMLDialogElement>("#dialog");
  let groups: Group[];
  try {
    groups = await all<Group>("/api/groups");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return toast(error.message, "error");
  }
  const list = element("ul", { class: "group-list" });
  const error = element("p", { class: "form-error", role: "alert", hidden: true });
  const name = element("input", { placeholder: t("Trucks, North, Tow trucks …"), maxlength: 128, "aria-label": t("Name of the new group"), autocomplete: "off" });
  const add = element("form", { class: "group-add", novalidate: true }, name, element("button", { class: "button" }, icon("plus"), t("Add")));

  const attempt = async (work: () => Promise<unknown>): Promise<void> => {
    error.hidden = true;
    try {
      await work();
      groups = await all<Group>("/api/groups");
    } catch (reason) {
      if (!(reason instanceof ApiError)) throw reason;
      error.textContent = reason.message;
      error.hidden = false;
    }
    show();
  };
  const row = (one: Nested): HTMLElement => {
    const { group, depth } = one;
    const put = (change: Partial<Group>): void => void attempt(() => send("PUT", `/api/groups/${group.id}`, { ...group, ...change }));
    const input = element("input", { value: group.name, maxlength: 128, "aria-label": t("Name of the group") });
    input.addEventListener("change", () => (input.value.trim() ? put({ name: input.value.trim() }) : (input.value = group.name)));
    const own = within(groups, group.id);
    const others = nested(groups.filter(({ id, accountId }) => !own.has(id) && accountId === group.accountId));
    const parent = element("select", { "aria-label": t("{name} is in", { name: group.name }) });
    parent.append(element("option", { value: 0 }, t("In no other")), ...others.map((other) => element("option", { value: other.group.id }, indented(other))));
    parent.value = String(group.groupId);
    parent.addEventListener("change", () => put({ groupId: Number(parent.value) }));
    const bin = element("button", { type: "button", class: "icon-button", "aria-label": t("Delete {name}", { name: group.name }), title: t("Delete") }, icon("bin"));
    bin.addEventListener("click", () => {
      if (bin.classList.contains("is-sure")) return void attempt(() => send("DELETE", `/api/groups/${group.id}`));
      bin.classList.add("is-sure");
      bin.replaceChildren(t("Sure?"));
      bin.title = t("Its vehicles stay, in no group");
      setTimeout(() => {
        bin.classList.remove("is-sure");
        bin.replaceChildren(icon("bin"));
      }, 4_000);
    });
    const line = element("li", {}, input, parent, bin);
    line.style.paddingLeft = `${Math.min(depth, 6) * 18}px`;
    return line;
  };
  const show = (): void => {
    const rows = nested(groups).map(row);
    list.replaceChildren(...(rows.length ? rows : [element("li", { class: "muted" }, t("There are no groups yet."))]));
  };
  add.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation(); // the page's own handler is for trackers
    const wanted = name.value.trim();
    if (!wanted) return name.focus();
    void attempt(async () => {
      await send("POST", "/api/groups", { name: wanted, groupId: 0 });
      name.value = "";
    }).then(() => name.focus());
  });
  const close = element("button", { type: "button", class: "button", "data-close": true }, t("Close"));
  const words = t("Zones and rules can be for a group: a vehicle that joins it is meant, too. Groups can be within others.");
  const buttons = element("div", { class: "dialog-buttons" }, close);
  show();
  const title = element("h2", { id: "dialog-title" }, t("Groups"));
  need("#dialog-body").replaceChildren(element("div", { class: "dialog-form" }, title, element("p", {}, words), error, list, add, buttons));
  dialog.showModal();
}
