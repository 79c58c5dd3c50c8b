"""A name for a place: from the configured Nominatim server, or the nearest town from our own list when there is none or it fails.

Source: nominatim.org, "Reverse Geocoding" (jsonv2).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from pathlib import Path

import httpx
import msgspec
import structlog

from dashboards import towns

log = structlog.get_logger(__name__)
PATIENCE_S = 3.0
REST_S = 30.0  # after a failure, before the geocoder is asked again
AT_ONCE = 4
CACHED = 20_000  # places, about 5 MB
LARGEST_ANSWER = 64 * 1024
LONGEST_NAME = 300


class Geocoder:
    def __init__(self, url: str | None, data_dir: Path) -> None:
        self.url = url.rstrip("/") if url else None
        self._folder = data_dir / "cache"
        self._cache: OrderedDict[tuple[float, float, str], str] = OrderedDict()
        self._client: httpx.AsyncClient | None = None
        self._places = asyncio.Semaphore(AT_ONCE)
        self._resting_until = 0.0
        self._towns: towns.Towns | None = None
        self._loading: asyncio.Task[towns.Towns] | None = None  # tried once: what is broken stays so

    async def name(self, latitude: float, longitude: float, language: str) -> str:
        """Never fails; empty where nothing is known."""
        if self.url and time.monotonic() >= self._resting_until:
            key = (round(latitude, 4), round(longitude, 4), language)  # 10 m
            if key in self._cache:
                self._cache.move_to_end(key)
                return self._cache[key]
            if (name := await self._ask(*key)) is not None:
                self._cache[key] = name
                if len(self._cache) > CACHED:
                    self._cache.popitem(last=False)
                return name
        return await self.nearest_town(latitude, longitude, language)

    async def towns(self) -> towns.Towns:
        """The list of towns, loaded once. Raises whatever keeps it from being read; the next call tries again."""
        if self._loading is None or (self._loading.done() and (self._loading.cancelled() or self._loading.exception())):
            self._loading = asyncio.create_task(asyncio.to_thread(towns.load, self._folder))
        return await asyncio.shield(self._loading)

    async def nearest_town(self, latitude: float, longitude: float, language: str) -> str:
        if self._towns is None:
            if self._loading is None:
                self._loading = asyncio.create_task(asyncio.to_thread(towns.load, self._folder))
            try:
                self._towns = await asyncio.shield(self._loading)
            except Exception as error:  # whatever it is (disk full, file torn), a map without town names is better than none
                log.warning("the list of towns can't be loaded", error=repr(error))
                return ""
        return self._towns.describe(latitude, longitude, language)

    async def _ask(self, latitude: float, longitude: float, language: str) -> str | None:
        """None: it didn't answer well."""
        query: dict[str, str | float] = {
            "format": "jsonv2",
            "lat": latitude,
            "lon": longitude,
            "zoom": 16,
            "accept-language": language,
        }
        try:
            async with self._places, asyncio.timeout(PATIENCE_S):
                if self._client is None:
                    self._client = httpx.AsyncClient(headers={"User-Agent": "telematics"}, timeout=PATIENCE_S)
                async with self._client.stream("GET", f"{self.url}/reverse", params=query) as answer:
                    answer.raise_for_status()
                    body = b""
                    async for part in answer.aiter_bytes():
                        body += part
                        if len(body) > LARGEST_ANSWER:
                            raise ValueError("the geocoder's answer is too long")
            return _address(body)
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            self._resting_until = time.monotonic() + REST_S
            log.warning("the geocoder fails; towns from our own list meanwhile", url=self.url, error=repr(error))
            return None


def _address(body: bytes) -> str:
    found = msgspec.json.decode(body)
    if not isinstance(found, dict):
        raise ValueError("the geocoder's answer is no object")
    name = found.get("display_name", "")
    return name[:LONGEST_NAME] if isinstance(name, str) else ""
