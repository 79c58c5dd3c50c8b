/* Why a shape or a file can't be a zone, as telematics/zones/{shapes,formats}.py say it in English, in the viewer's words. Those who read
 * English get the server's own sentence; tests/browser/test_texts.py holds the two against each other, so that one that changes is noticed. */
import { language, t } from "../i18n";

const REASONS: readonly (readonly [RegExp, (found: string[]) => string])[] = [
  [/^a point, made a circle of (\d+) m$/, ([n = ""]) => t("a point: becomes a circle of {n} m", { n })],
  [/^a line, made a corridor (\d+) m wide$/, ([n = ""]) => t("a line: becomes a corridor {n} m wide", { n })],
  [/^there is no latitude/, () => t("There is no such latitude. Longitude has to come first.")],
  [/has no area that could be a zone/, () => t("It has no area: draw a polygon, a line or a point.")],
  [/^(it has no (geometry|Polygon)|.* has a list of coordinates|this isn't a GeoJSON object)/, () => t("It has no shape.")],
  [/(brackets or numbers can't be read|coordinates aren't numbers|a point is \[longitude|a Point has one|a Polygon has one)/, () => t("Its coordinates can't be read.")],
  [/coordinates aren't longitude and latitude/, () => t("Its coordinates aren't longitude and latitude. Save it as WGS 84 (EPSG:4326).")],
  [/^zones end at (\d+)°/, ([n = ""]) => t("It lies too near to a pole: zones end at {n}° north and south.", { n })],
  [/^a polygon's ring has at least three/, () => t("It has fewer than three different corners.")],
  [/^a corridor's line has at least two/, () => t("Its line has fewer than two different points.")],
  [/^a corridor is at most (\d+) km long/, ([n = ""]) => t("It is longer than {n} km. Make several of it.", { n })],
  [/^a zone has at most (\d+) points/, ([n = ""]) => t("It has more than {n} points. Simplify its outline, or make several zones of it.", { n })],
  [/^(a zone is at most .* wide|a zone can't go around the earth)/, () => t("It is too large. Make several zones of it.")],
  [/^the lines cross each other more than/, () => t("Its lines cross each other too often. Draw it anew, or make several zones of it.")],
  [/^the zone's border is too long/, () => t("Its border is too long for its detail. Make it shorter, or several of it.")],
  [/^the zone has no area/, () => t("It has no area: its points lie on one line, or on one spot.")],
  [/^its radius is between/, () => t("Its radius is too small or too large.")],
  [/^its width is between/, () => t("Its width is too small or too large.")],
  [/^a file has at most \d+ MiB/, () => t("The file is too large. Split it, or simplify its outlines.")],
  [/^(a file has at most|a KML file has at most)/, () => t("There is too much in the file. Split it.")],
  [/^this looks like GeoJSON/, () => t("The file looks like GeoJSON, but is damaged.")],
  [/^(this looks like KML|this XML declares)/, () => t("The file looks like KML, but is damaged. Save it anew.")],
];

/** null when there is no sentence for it. */
export function knownReason(text: string): string | null {
  for (const [pattern, words] of REASONS) {
    const found = pattern.exec(text);
    if (found) return words(found.slice(1));
  }
  return null;
}

/** A reason for a reader: with a capital and without its end, whichever language it is in. */
export function reasonWords(text: string): string {
  if (language === "en") return text;
  return knownReason(text) ?? t("It can't be a zone.");
}
