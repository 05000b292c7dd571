"""What is said of the servers of a cluster and their proxies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.operations.views.servers import server_states
from ftl.proxy.site import Maintenance, SiteRedirect
from tests.unit.deploy.cluster import cluster, observed, proxy_of, tasks_of

if TYPE_CHECKING:
    from ftl.proxy.state import ProxyState

ASKED = cluster()


def with_site(**changed: object) -> ProxyState:
    """The proxy of c, whose site is another one."""
    proxy = proxy_of(ASKED, "r1", host="c")
    return replace(proxy, sites={"shop": replace(proxy.sites["shop"], **changed)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("proxy", "state"),
    [
        (proxy_of(ASKED, "r1", host="c"), "up"),
        (proxy_of(ASKED, "r0", host="c"), "behind"),
        (proxy_of(ASKED, "r1", host="c", with_site=False), "behind"),
        (with_site(maintenance=Maintenance()), "behind"),
        (with_site(redirects=(SiteRedirect("old.example", "new.example"),)), "behind"),
        (with_site(routes=()), "behind"),
        (replace(proxy_of(ASKED, "r1", host="c"), running=False), "down"),
        (None, "down"),
    ],
)
def test_a_proxy_that_answers_otherwise_than_the_others_is_behind(
    proxy: ProxyState | None, state: str
) -> None:
    """By its releases, and by its routes, redirects and maintenance; its place in the cluster is its own."""
    seen = observed(ASKED, *tasks_of(ASKED, "r1"), live="r1", behind={"c": proxy})
    assert [(each.host, each.proxy) for each in server_states(ASKED, seen)] == [
        ("a", "up"),
        ("b", "up"),
        ("c", state),
    ]
