"""Distances on the sphere, vectorised for the hot path. geographiclib's ellipsoid is the reference that tests compare with."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_M = 6_371_008.8  # mean radius of the GRS 80 ellipsoid (IUGG); the sphere is within 0.56 % of it


def distance_m(
    latitude_a: ArrayLike, longitude_a: ArrayLike, latitude_b: ArrayLike, longitude_b: ArrayLike
) -> NDArray[np.float64]:
    """Great-circle distance in metres between points given in degrees (haversine). NaN where a coordinate is NaN."""
    phi_a, phi_b = np.radians(latitude_a), np.radians(latitude_b)
    half_phi = np.sin((phi_b - phi_a) / 2)
    half_lambda = np.sin((np.radians(longitude_b) - np.radians(longitude_a)) / 2)
    chord = half_phi * half_phi + np.cos(phi_a) * np.cos(phi_b) * half_lambda * half_lambda
    return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(chord, 1.0))))
