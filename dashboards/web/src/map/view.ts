/* Where the map was when the viewer last looked, for as long as the browser's tab lives. */
export interface MapView {
  center: [number, number];
  zoom: number;
}

const VIEW_KEY = "map-view";

export function savedView(): MapView | undefined {
  try {
    return JSON.parse(sessionStorage.getItem(VIEW_KEY) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

export const saveView = (center: [number, number], zoom: number): void => sessionStorage.setItem(VIEW_KEY, JSON.stringify({ center, zoom }));
