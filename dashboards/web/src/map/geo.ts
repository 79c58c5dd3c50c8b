/* A little geometry on the globe, exact enough for pictures. */

export interface Place {
  latitude: number;
  longitude: number;
}

const RADIUS_M = 6_371_008.8;
const rad = (degrees: number): number => (degrees * Math.PI) / 180;
const deg = (radians: number): number => (radians * 180) / Math.PI;

/** Degrees in (-180, 180]: how far it is to turn, or to go east, by the shorter way. */
export const shorter = (degrees: number): number => 180 - ((((180 - degrees) % 360) + 360) % 360);

export function distanceM(a: Place, b: Place): number {
  const dLat = rad(b.latitude - a.latitude) / 2;
  const dLon = rad(b.longitude - a.longitude) / 2;
  const h = Math.sin(dLat) ** 2 + Math.cos(rad(a.latitude)) * Math.cos(rad(b.latitude)) * Math.sin(dLon) ** 2;
  return 2 * RADIUS_M * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** The course from a to b over a few kilometres, in degrees from north. */
export function courseDeg(a: Place, b: Place): number {
  const east = rad(shorter(b.longitude - a.longitude)) * Math.cos(rad((a.latitude + b.latitude) / 2));
  const north = rad(b.latitude - a.latitude);
  return (deg(Math.atan2(east, north)) + 360) % 360;
}

/** Some metres east and north of a place. */
export function moved(place: Place, eastM: number, northM: number): Place {
  return {
    latitude: place.latitude + deg(northM / RADIUS_M),
    longitude: place.longitude + deg(eastM / RADIUS_M / Math.max(0.01, Math.cos(rad(place.latitude)))),
  };
}
