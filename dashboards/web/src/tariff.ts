/* What the viewer's tariff doesn't allow, in words: of the server's refusals (billing/allowances.py), and told beforehand. */
import { t } from "./i18n";

const WORDS: Record<string, (values: { tariff: string; limit: string }) => string> = {
  zones: (values) => t("Zones that your tariff {tariff} allows: {limit}. Remove some, or choose another tariff.", values),
  proximities: (values) => t("Rules of nearness that your tariff {tariff} allows: {limit}. Remove some, or choose another tariff.", values),
  reports: (values) => t("Your tariff {tariff} has no reports. Positions and history are there.", values),
  api: () => t("Your tariff has no API: tokens open nothing."),
};

/** A sentence of a problem's members. */
export function beyondTariff({ feature, tariff, limit }: Record<string, unknown>): string {
  const words = WORDS[String(feature)];
  return words?.({ tariff: String(tariff ?? ""), limit: String(limit ?? "") }) ?? t("Your tariff doesn't allow this.");
}
