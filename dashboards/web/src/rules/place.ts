/* A small map on which a place is picked. Loaded when somebody asks for it: MapLibre is the largest thing that the pages have. */
import { type Map, Marker } from "maplibre-gl";
import { get, type Position } from "../api";
import { BaseMap, type StyleUrls } from "../map/base";
import { boxOf } from "../zones/shape";

type Show = (latitude: number, longitude: number) => void;

export function showPlace(frame: HTMLElement, urls: StyleUrls | undefined, at: [number, number] | null, picked: Show): Show {
  const view = at ? { center: [at[1], at[0]] as [number, number], zoom: 12 } : lastView();
  const { map } = new BaseMap(frame, urls ?? { styleUrl: "", styleUrlDark: "" }, view);
  const marker = new Marker({ draggable: true });
  const put: Show = (latitude, longitude) => void marker.setLngLat([longitude, latitude]).addTo(map);
  if (at) put(...at);
  map.on("click", ({ lngLat }) => {
    put(lngLat.lat, lngLat.wrap().lng);
    picked(lngLat.lat, lngLat.wrap().lng);
  });
  marker.on("dragend", () => picked(marker.getLngLat().lat, marker.getLngLat().wrap().lng));
  if (!view) void goToFleet(map);
  return (latitude, longitude) => {
    put(latitude, longitude);
    map.easeTo({ center: [longitude, latitude], zoom: Math.max(map.getZoom(), 10) });
  };
}

/** Whoever hasn't looked at a map yet is likely to mean a place near their vehicles. */
async function goToFleet(map: Map): Promise<void> {
  const positions = await get<Position[]>("/api/positions").catch(() => []);
  const box = boxOf(positions.map(({ longitude, latitude }) => [longitude, latitude]));
  if (box) map.fitBounds(box, { padding: 30, maxZoom: 12, duration: 0 });
}

/** Where the live map was looked at last. */
function lastView(): { center: [number, number]; zoom: number } | undefined {
  try {
    return JSON.parse(sessionStorage.getItem("map-view") ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}
