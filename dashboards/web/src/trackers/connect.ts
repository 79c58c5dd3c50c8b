/* What helps to connect a tracker: the list of protocols narrowed down by maker or model, and in the form of a tracker where its model reports to. */
import { type Door, find } from "../doors";
import { element, need } from "../dom";
import { t } from "../i18n";
import { type PageData, page } from "../page";

const HINTS = 2; // protocols that a model's name may mean, in the form

const { doors = [], host = "" } = page as PageData & { doors?: Door[]; host?: string };

export function startDoors(): void {
  const search = need<HTMLInputElement>("#doors-search");
  const list = need("#doors-list");
  const none = need("#doors-none");
  const rows = new Map([...list.children].map((row) => [(row as HTMLElement).dataset.protocol ?? "", row as HTMLElement]));
  search.addEventListener("input", () => {
    const found = find(doors, search.value).flatMap(({ protocol }) => rows.get(protocol) ?? []);
    list.replaceChildren(...found);
    list.scrollTop = 0;
    list.hidden = found.length === 0;
    none.hidden = found.length > 0;
  });
}

/** Under the model, as it is typed: where such a tracker reports to. */
export function hint(form: HTMLFormElement): void {
  const model = form.querySelector<HTMLInputElement>("[name=model]");
  const target = form.querySelector<HTMLElement>("#model-hint");
  if (!model || !target) return;
  const tell = (): void => {
    const found = model.value.trim().length > 1 ? find(doors, model.value) : [];
    const told = found.slice(0, HINTS).map(({ protocol, port, transport }) => element("span", {}, t("{protocol}: point it to", { protocol }), " ", element("code", {}, `${host}:${port}`), ` ${transport}`));
    target.replaceChildren(...told);
    target.hidden = told.length === 0;
  };
  model.addEventListener("input", tell);
  tell();
}
