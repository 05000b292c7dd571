"""Prune: what goes, what stays for a rollback, and nothing of another project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import pytest

from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.steps.images.removal import prune_build_cache
from ftl.deploy.plan.leftovers import leftovers
from ftl.deploy.plan.steps.containers import StopAndRemove
from ftl.deploy.plan.steps.images import PruneBuildCache
from ftl.deploy.plan.steps.proxy import RemoveNetworks
from ftl.engine import labels
from ftl.engine.values import DiskUsage, Endpoint, Image, Network
from ftl.errors import EngineError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.changes.prune import _freed, _sum, _usage, plan_prune
from ftl.proxy.names import project_network
from ftl.releases.record import DependencyRecord
from ftl.releases.watch import ReleaseWatch
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.world import INFO, container, first, kinds, plan, project, server, service
from tests.unit.operations.changes.removal.project_images import OURS, ours
from tests.unit.operations.changes.rollback.rollback_world import image, on_server, released

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.engine.api import Engine


def pruned(keep: int = 2) -> Observed:
    """Four releases, the last one live, and something that an interrupted deploy left."""
    asked = project()
    records = tuple(released(asked, f"r{number}") for number in range(1, 5))
    images = tuple(ours(image(f"r{number}")) for number in range(1, 5))
    observed = on_server(replace(asked, keep_releases=keep), *records, images=images, live="r4")
    left = container(asked, "web", "r5", content="content-r5")
    foreign = replace(
        left[0], id="f", name="other-web-r1", labels={**left[0].labels, labels.PROJECT: "other"}
    )
    return replace(observed, containers=(*observed.containers, *left, foreign))


def test_prune_keeps_what_a_rollback_needs() -> None:
    """Images and records of the last releases stay, those before go, and so do containers without requests."""
    untagged = ours(Image("sha256:old", (), (), (), {}, "linux/amd64", 1))
    here = (ours(image("r2")), ours(image("r9")), untagged)
    observed = pruned()
    found = leftovers(replace(observed, images=(*observed.images, untagged)), here, keep=2)
    assert [one.name for one in found.containers] == ["shop-web-r5"]
    assert set(found.tags) == {"shop-web:r1", "shop-web:r2", "shop-web:r9"}
    assert (found.images, found.images_here) == (("sha256:old",), ("sha256:old",))
    assert [record.release for record in found.records] == ["r1", "r2"]
    assert all(not record.project for record in found.records)
    made = plan_prune(observed, (), keep=2)
    assert kinds(made) == ["StopAndRemove", "DropTags", "AmendRecords"]


HOUR = 3600.0


@pytest.mark.parametrize(
    ("role", "more", "state", "age", "goes"),
    [
        (labels.ROLE_TRANSFER, {}, "exited", 2 * HOUR, True),  # of a restore, after a reboot
        (labels.ROLE_TRANSFER, {}, "created", 2 * HOUR, True),
        (labels.ROLE_TRANSFER, {}, "created", 60.0, False),
        (labels.ROLE_TRANSFER, {}, "running", 9 * HOUR, False),  # reads a large backup
        (labels.ROLE_NOTIFY, {}, "created", 2 * HOUR, True),  # its script was killed just then
        (labels.ROLE_RUN, {labels.DRILL: "true"}, "exited", 60.0, True),
        (labels.ROLE_RUN, {labels.DRILL: "true"}, "running", 7 * HOUR, True),
        (labels.ROLE_RUN, {labels.DRILL: "true"}, "running", HOUR, False),
        (labels.ROLE_RUN, {}, "exited", 90 * HOUR, False),
    ],
)
def test_helpers_and_throwaway_databases_that_nobody_uses_go(
    role: str, more: dict[str, str], state: Literal["created", "running", "exited"], age: float, goes: bool
) -> None:
    """By a prune and by the next deploy; those of another project stay."""
    observed = pruned()
    label_map = {labels.PROJECT: "shop", labels.ROLE: role, **more}
    (one,) = container(project(), "web", "r5", content="content-r5")
    made = replace(
        one, id="left", name="left", labels=label_map, state=state, created=int(observed.info.now - age)
    )
    other = replace(made, id="other", name="other", labels={**label_map, labels.PROJECT: "other"})
    observed = replace(observed, containers=(*observed.containers, made, other))
    assert ("left" in {each.name for each in leftovers(observed, (), keep=2).containers}) is goes
    steps = plan(project(), observed, "content-r4").steps
    removed = {ref.name for step in steps if isinstance(step, StopAndRemove) for ref in step.containers}
    assert ("left" in removed) is goes
    assert "other" not in removed


@pytest.mark.parametrize("left", [60.0, -60.0, -600.0])
def test_prune_keeps_what_a_watch_may_go_back_to(left: float) -> None:
    """Containers, image and record of the release before stay; a watch that never ended is over with its time."""
    asked = project()
    observed = pruned(keep=1)
    old = container(asked, "web", "r3", content="content-r3")
    watch = ReleaseWatch("r4", "r3", "me@here", observed.info.now + left)
    observed = replace(observed, containers=(*observed.containers, *old), watches={"r4": watch})
    found = leftovers(observed, (), keep=1)
    runs = left > -180
    gone = {one.name for one in found.containers}
    assert gone == ({"shop-web-r5"} if runs else {"shop-web-r5", "shop-web-r3"})
    assert ("shop-web:r3" in found.tags) is not runs
    assert {record.release for record in found.records} == ({"r1", "r2"} if runs else {"r1", "r2", "r3"})
    notes = plan_prune(observed, (), keep=1).notes
    assert [note.split(",")[0] for note in notes] == (["the server watches r4"] if runs else [])
    ended = replace(observed, watches={"r4": replace(watch, outcome="passed")})
    assert "shop-web-r3" in {one.name for one in leftovers(ended, (), keep=1).containers}


@pytest.mark.parametrize("answers", [2, 1])
def test_prune_does_not_invent_what_it_freed(answers: int) -> None:
    """Where the engine does not say once how much it uses, nobody knows; it is not all that there was before."""

    class Disk:
        """An engine that answers some times."""

        def __init__(self) -> None:
            self.answers = [DiskUsage(0, 50, layers=900), DiskUsage(0, 20, layers=700)][:answers]

        async def usage(self, *, seconds: float) -> DiskUsage:
            """Take the next answer."""
            if not self.answers:
                raise EngineError(f"no answer within {seconds}")
            return self.answers.pop(0)

    async def scenario() -> tuple[DiskUsage | None, DiskUsage | None]:
        engine = cast("Engine", Disk())
        return await _usage(engine), await _usage(engine)

    before, after = run(scenario())
    freed = _freed(before, after)
    assert freed == (200 if answers == 2 else None)
    assert _freed(before, after, cache=True) == (230 if answers == 2 else None)
    assert _freed(before, after, images=False) == 0
    assert _sum([freed, 5]) == (205 if answers == 2 else None)


def test_prune_removes_the_build_cache_of_this_machine_only_when_asked() -> None:
    """It belongs to all projects; that of the server stays."""
    observed = pruned()
    assert "prune_build_cache" not in kinds(plan_prune(observed, (), keep=2))
    made = plan_prune(observed, (), keep=2, build_cache=True)
    assert "this machine's" in first(made, PruneBuildCache).text

    async def scenario() -> None:
        here, there = FakeEngine(), FakeEngine()
        session = Session("server", None, there, INFO)  # type: ignore[arg-type]
        resources = RunClients(project(), Path(), here)
        context = DeployContext(
            project(), Path(), Fleet([session]), session, server(project()), "r3", lambda _: None, resources
        )
        await prune_build_cache(context, PruneBuildCache())
        assert (here.calls, there.calls) == (["prune_build_cache"], [])

    run(scenario())


def test_prune_removes_networks_of_the_project_that_nothing_is_in() -> None:
    """By its label; its own network stays, and so does one that a container is in, stopped or not."""
    observed = pruned()
    theirs = {labels.PROJECT: "shop-2"}
    networks = (
        *observed.networks,
        Network("1", "ftl-p-shop-old", OURS, (), False),
        Network("2", "by-hand", OURS, (), False),
        Network("3", "ftl-p-shop-2", theirs, (), False),
        Network("4", project_network("shop"), OURS, (), False),
    )
    inside = replace(observed.containers[0], endpoints=(Endpoint("by-hand", "", network_id=""),))
    observed = replace(observed, networks=networks, containers=(inside, *observed.containers[1:]))
    assert leftovers(observed, (), keep=2).networks == ("ftl-p-shop-old",)
    removal = first(plan_prune(observed, (), keep=2), RemoveNetworks)
    assert isinstance(removal, RemoveNetworks)
    assert removal.networks == ("ftl-p-shop-old",)


def test_prune_drops_tags_of_built_dependencies_that_no_release_needs() -> None:
    """The one that runs, and that of a kept release, stay; so do the user's own tags."""
    observed = pruned()
    tags = [f"shop-db:c{digit * 12}" for digit in "abcd"]
    images = tuple(
        replace(ours(image("r9")), id=f"sha256:{tag}", tags=(tag, f"mine/{number}:1"))
        for number, tag in enumerate(tags)
    )
    kept = replace(observed.releases[-1], dependencies={"db": DependencyRecord(tags[1], "")})
    db = replace(observed.containers[0], id="db", name="shop-db", image=tags[0])
    observed = replace(
        observed,
        images=(*observed.images, *images[:3]),
        releases=(*observed.releases[:-1], kept),
        containers=(*observed.containers, db),
    )
    found = leftovers(observed, images[3:], keep=2)
    assert {tag for tag in found.tags if tag.startswith("shop-db")} == {tags[2], tags[3]}


def test_prune_of_a_tidy_server_does_nothing() -> None:
    """Nothing is removed that is in use or kept; the images of another project are none of ours."""
    asked = project()
    observed = on_server(
        asked, released(asked, "r1"), released(asked, "r2"), images=(ours(image("r1")), ours(image("r2")))
    )
    foreign = replace(image("r1"), tags=("shop-web:r0",), config={"Labels": {labels.PROJECT: "shop-web"}})
    assert plan_prune(observed, (foreign,), keep=5).empty


def test_prune_removes_images_of_services_that_are_gone() -> None:
    """No release that is kept has the service."""
    asked, before = project(service("web")), project(service("web"), service("old", port=9000))
    images = (ours(image("r1", "old")), ours(image("r2")))
    observed = on_server(asked, released(before, "r1"), released(asked, "r2"), images=images)
    assert leftovers(observed, (), keep=1).tags == ("shop-old:r1",)
    assert leftovers(observed, (), keep=2).tags == ()
