"""The ways to pay that the settings name."""

from __future__ import annotations

from collections.abc import Mapping

from billing.payments.provider import Provider
from billing.payments.stripe import Stripe
from billing.payments.webhook import SignedWebhook
from telematics.config import ProviderSettings

BY_HAND = ("bank", "cash")  # ways that no program speaks for


class Providers:
    """By name, in the order of the settings."""

    def __init__(self, settings: Mapping[str, ProviderSettings]) -> None:
        self._providers: dict[str, Provider] = {
            name: Stripe(name, one) if one.kind == "stripe" else SignedWebhook(name, one) for name, one in settings.items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._providers)

    def get(self, name: str) -> Provider | None:
        return self._providers.get(name)

    def offered(self, currency: str) -> list[Provider]:
        return [provider for provider in self._providers.values() if provider.takes(currency)]

    async def aclose(self) -> None:
        for provider in self._providers.values():
            await provider.aclose()
