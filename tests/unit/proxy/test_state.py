"""The proxy's state, read from the files in its volume."""

from __future__ import annotations

import asyncio
import json

import pytest

from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.engine.tarball import tar_archive
from ftl.engine.values import Mount
from ftl.proxy.names import ProxyNames
from ftl.proxy.site import Site, SiteRoute
from ftl.proxy.state import ProxyState, observe
from tests.support.fake_engine import FakeEngine

SHOP = Site("shop", routes=(SiteRoute("shop.test", "/", False, "web", 8000),))
BLOG = Site("blog", routes=(SiteRoute("blog.test", "/", False, "web", 8000),))


def state(files: dict[str, bytes]) -> ProxyState:
    """State of a proxy whose volume has these files below /config."""

    async def work() -> ProxyState | None:
        engine = FakeEngine(images=["caddy:2"])
        spec = ContainerSpec(
            "caddy:2",
            {labels.ROLE: labels.ROLE_PROXY},
            mounts=(Mount(ProxyNames().config_volume, "/config"),),
        )
        await engine.create(ProxyNames().container, spec)
        await engine.put_archive(ProxyNames().container, "/config", tar_archive(files))
        return await observe(engine)

    found = asyncio.run(work())
    assert found is not None
    return found


@pytest.mark.parametrize("content", [b"", b"\0\0\0", b"{}", b"[]", SHOP.to_json().encode()[:100]])
def test_a_damaged_site_hides_no_other(content: bytes) -> None:
    """The other sites are read, and its own one from its copy, if that is intact."""
    files = {"ftl/sites/blog.json": BLOG.to_json().encode(), "ftl/sites/shop.json": content}
    found = state(files)
    assert (dict(found.sites), found.damaged, found.unreadable) == ({"blog": BLOG}, ("shop",), ())
    found = state({**files, "ftl/copies/shop.json": SHOP.to_json().encode()})
    assert (dict(found.sites), found.damaged) == ({"blog": BLOG, "shop": SHOP}, ("shop",))


def test_a_newer_site_is_not_damaged() -> None:
    """It is a site of its project with something that this version does not know."""
    newer = {**json.loads(SHOP.to_json()), "later": 1}
    found = state({"ftl/sites/shop.json": json.dumps(newer).encode()})
    assert (found.damaged, found.unreadable) == ((), ("shop",))


def test_the_copy_of_a_removed_site_does_not_count() -> None:
    """FTL 0.1.0 removes a site and leaves its copy."""
    assert not state({"ftl/copies/shop.json": SHOP.to_json().encode()}).sites


def test_an_interrupted_switch_leaves_no_service() -> None:
    """Files that are not renamed yet begin with a dot."""
    found = state({"live/shop.web": b"r1-web", "live/.shop.web": b"r2-web", "live/shop.api": b""})
    assert dict(found.live) == {("shop", "web"): "r1-web", ("shop", "api"): ""}
