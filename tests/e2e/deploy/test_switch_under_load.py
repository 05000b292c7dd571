"""Whole deploys under every kind of traffic: the benchmark of the switch, in small."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench.project import remove_images
from bench.switch import CALLERS, CLIENTS, Switching
from lab import images
from tests.e2e.support.project import unique

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.harness import Project

pytestmark = [pytest.mark.engine, pytest.mark.server]

DEPLOYS = 2


def test_deploys_lose_nothing(ftl: Callable[..., Project], server: Server, proxy_image: str) -> None:
    """Public requests, calls by name, WebSockets, event streams and slow requests all outlive deploys.

    No client retries, none loses its connection, and each stream is left alone for `drain_timeout`.
    """
    images.ensure("python")
    name = unique("load")
    try:
        counted = Switching(ftl(), name, server, drain=4.0).run(DEPLOYS, requests=1000)
    finally:
        remove_images(name)
    assert counted.faults == []
    assert counted.is_flawless(requests=1000)
    assert counted.public.connections == CLIENTS
    assert counted.inner.connections == CALLERS
    assert counted.slow.requests > DEPLOYS
