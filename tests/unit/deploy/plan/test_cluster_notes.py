"""Notes of a plan for several servers, and the messages that these send by themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.config.models.container import Resources
from ftl.config.models.notification import Notification
from ftl.config.models.proxy import Proxy
from ftl.deploy.plan.steps.notifications import SetNotifications
from tests.unit.deploy.cluster import cluster, observed
from tests.unit.deploy.world import plan, service

GB = 1 << 30


@pytest.mark.parametrize(
    ("memory", "on", "note"),
    [
        (
            4 * GB,
            ("a", "b", "c"),
            "4 replicas of web may use 16G of memory (`resources`), and a and b and c have 12G",
        ),
        (2 * GB, ("b",), "4 replicas of web may use 8G of memory (`resources`), and b has 4G"),
        (3 * GB, ("a", "b", "c"), ""),
        (None, ("a",), ""),
    ],
)
def test_more_replicas_than_memory_are_named(memory: int | None, on: tuple[str, ...], note: str) -> None:
    """With the servers that may run them; Swarm itself places them all the same."""
    asked = cluster(service(replicas=4, on=on, resources=Resources(memory=memory)))
    seen = observed(asked)
    views = tuple(replace(view, info=replace(view.info, memory=4 * GB)) for view in seen.views)
    notes = [text for text in plan(asked, replace(seen, views=views)).notes if "memory" in text]
    assert [text.partition(": ")[0] for text in notes] == ([note] if note else [])


@pytest.mark.parametrize("first_is_web", [True, False])
def test_the_first_server_sends_messages(*, first_is_web: bool) -> None:
    """It has the jobs; certificates are checked at its proxy, if it has one."""
    roles = ("web", "worker") if first_is_web else ("worker",)
    notification = Notification(url="https://hooks.example.com/x")
    asked = cluster(service(), notify=(notification,), proxy=Proxy(tls="auto"))
    asked = replace(asked, servers=(replace(asked.servers[0], roles=roles), *asked.servers[1:]))
    (step,) = (one for one in plan(asked, observed(asked)).steps if isinstance(one, SetNotifications))
    assert step.servers == ("a",)
    assert (b"\nhost shop.example.com\n" in step.lines, step.certificates) == (first_is_web, first_is_web)
    without = plan(asked, observed(asked, down=("a",)))
    assert not [one for one in without.steps if isinstance(one, SetNotifications)]
