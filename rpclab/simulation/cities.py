"""How far cities are from one another, as round-trip times.

Floor: rpc. The times are estimates, no measurements: the great circle between the two
centres, half as long again for the ways that cables take, at the speed of light in glass (200 km
a millisecond), there and back. Cables that run straight, as under the North Atlantic, are as fast
as that; between Europe and East Asia real packets need longer by half. `sandbox.link` with two
cities puts your own figure in the place of one of these.
"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

CITIES = {
    "amsterdam": (52.37, 4.90),
    "cape-town": (-33.92, 18.42),
    "dubai": (25.20, 55.27),
    "frankfurt": (50.11, 8.68),
    "hong-kong": (22.32, 114.17),
    "johannesburg": (-26.20, 28.05),
    "lisbon": (38.72, -9.14),
    "london": (51.51, -0.13),
    "mumbai": (19.08, 72.88),
    "new-york": (40.71, -74.01),
    "paris": (48.86, 2.35),
    "san-francisco": (37.77, -122.42),
    "sao-paulo": (-23.55, -46.63),
    "singapore": (1.35, 103.82),
    "sydney": (-33.87, 151.21),
    "tokyo": (35.68, 139.69),
    "warsaw": (52.23, 21.01),
}
"""Latitude and longitude of each, in degrees."""

SAME_CITY = 0.001
"""The round trip within a city, and the least between two, in seconds."""

_EARTH = 6371.0  # km, the mean radius
_DETOUR = 1.5
_GLASS = 200_000.0  # km/s


def distance(one: str, other: str) -> float:
    """The great circle between two cities, in kilometres."""
    (south, west), (north, east) = (map(radians, CITIES[name]) for name in (one, other))
    half = sin((north - south) / 2) ** 2 + cos(south) * cos(north) * sin((east - west) / 2) ** 2
    return 2 * _EARTH * asin(sqrt(half))


def round_trip(one: str, other: str) -> float:
    """The estimated round trip between two cities, in seconds, to the millisecond."""
    estimate = 2 * distance(one, other) * _DETOUR / _GLASS
    return max(SAME_CITY, round(estimate, 3))
