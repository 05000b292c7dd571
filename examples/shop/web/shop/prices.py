"""What things cost, as the `prices` service says."""

from __future__ import annotations

from collections.abc import Sequence

import httpx


class PricesUnavailable(Exception):
    """The prices service answered, but not with prices."""


class Prices:
    """The prices service, over connections that are kept alive; nothing is ever asked twice."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=5)

    def quote(self, skus: Sequence[str]) -> dict[str, int]:
        """The price of each, in cents."""
        prices = self._get("/quote", sku=list(skus))["prices"]
        missing = set(skus) - prices.keys()
        if missing:
            raise PricesUnavailable(f"no price for {', '.join(sorted(missing))}")
        return prices

    def version(self) -> str:
        """Which release of the service answers."""
        return str(self._get("/version")["version"])

    def _get(self, path: str, **query: list[str]) -> dict:
        answer = self._client.get(path, params=query)
        if answer.status_code != 200:
            raise PricesUnavailable(f"{path}: {answer.status_code}")
        return answer.json()
