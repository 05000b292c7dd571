"""Notes of a plan for several servers, and the messages that these send by themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.container import Resources
from ftl.config.models.notification import Notification
from ftl.config.models.project import Job
from ftl.config.models.proxy import Proxy
from ftl.config.models.server import ClusterServer
from ftl.deploy.plan.steps.images import BringImage
from ftl.deploy.plan.steps.notifications import SetNotifications
from ftl.deploy.plan.steps.records import EnsureStore
from ftl.operations.changes.remove import plan_remove
from tests.unit.deploy.cluster import cluster, observed, tasks_of, where
from tests.unit.deploy.world import plan, service

if TYPE_CHECKING:
    from ftl.config.models.project import Project

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


def sending(*hosts: str) -> tuple[Project, dict[str, bytes]]:
    """A project on servers in this order, and what each is to be told by a deploy."""
    asked = cluster(service(), notify=(Notification(url="https://hooks.example.com/x"),))
    asked = replace(asked, servers=tuple(ClusterServer(host=host) for host in hosts))
    return asked, {host: server_lines_of(asked) if host == hosts[0] else b"" for host in hosts}


def server_lines_of(asked: Project) -> bytes:
    """The lines that the first server is told."""
    (step,) = (one for one in plan(asked, observed(asked)).steps if isinstance(one, SetNotifications))
    return step.lines


@pytest.mark.parametrize("before", ["abc", "bac", "cab", "none", "all"])
@pytest.mark.parametrize("down", ["", "a", "b", "c"])
def test_one_server_sends_whatever_the_order_was(before: str, down: str) -> None:
    """The first; one that was it before ends, also one that is up again since. While the first is down, it goes on."""
    asked, wanted = sending("a", "b", "c")
    had = {"none": "", "all": "abc"}.get(before, before[0])
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1", down=tuple(down))
    views = tuple(replace(view, notify=b"old\n" if view.name in had else b"") for view in seen.views)
    found = plan(asked, replace(seen, views=views))
    now = {view.name: view.notify for view in views}
    now |= {step.servers[0]: step.lines for step in found.steps if isinstance(step, SetNotifications)}
    expected = {host: lines for host, lines in wanted.items() if host in now}
    assert now == (expected if down != "a" else {view.name: view.notify for view in views})


def test_a_change_of_the_order_alone_moves_the_messages() -> None:
    """Without a release, and then nothing is left to do."""
    asked, wanted = sending("b", "a")
    before, _ = sending("a", "b")
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1")
    first = server_lines_of(before)
    had = tuple(replace(view, notify=first if view.name == "a" else b"") for view in seen.views)
    found = plan(asked, replace(seen, views=had))
    assert where(found, SetNotifications) == [("b",), ("a",)]
    assert found.record is None
    views = tuple(replace(view, notify=wanted[view.name]) for view in seen.views)
    assert where(plan(asked, replace(seen, views=views)), SetNotifications) == []


def test_the_image_for_messages_is_on_the_server_that_sends_them() -> None:
    """Each of several would have it for nothing."""
    job = Job(name="nightly", service="web", command="true", schedule="15 3 * * *")
    place = Notification(url="mailto://me:s3cr3t@example.com")
    asked = cluster(service(), notify=(place,), jobs=(job,))
    found = plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1"))
    brought = [step for step in found.steps if isinstance(step, BringImage) and step.sends]
    assert [(step.reference, step.servers) for step in brought] == [(place.image, ("a",))]


def test_a_removed_project_sends_nothing_from_any_server() -> None:
    """Whichever had been told."""
    asked, _ = sending("a", "b", "c")
    seen = observed(asked)
    views = tuple(replace(view, notify=b"old\n" if view.name != "a" else b"") for view in seen.views)
    found = plan_remove(replace(seen, views=views), volumes=False)
    ended = [step for step in found.steps if isinstance(step, SetNotifications)]
    assert [(step.servers, step.lines) for step in ended] == [(("b",), b""), (("c",), b"")]


def test_the_first_server_can_keep_where_it_sends_messages_where_it_is_no_manager() -> None:
    """The store is otherwise on managers alone; of two servers the first one may have become a worker."""
    asked, _ = sending("b", "a")
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1")
    views = tuple(
        replace(view, manager=False, containers=()) if view.name == "b" else view for view in seen.views
    )
    found = plan(asked, replace(seen, views=views))
    assert where(found, EnsureStore) == [("b",)]
    kinds = [step.kind for step in found.steps]
    assert kinds.index("ensure_store") < kinds.index("set_notifications")
    others = tuple(replace(view, manager=False) if view.name == "a" else view for view in seen.views)
    assert where(plan(asked, replace(seen, views=others)), EnsureStore) == []
