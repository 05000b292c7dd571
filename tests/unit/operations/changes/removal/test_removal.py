"""Prune and remove: what goes, what stays, and nothing of another project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import pytest

from ftl.config.models.project import Dependency
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.steps.image_removal import drop_tags, prune_build_cache
from ftl.deploy.plan.leftovers import leftovers
from ftl.deploy.plan.steps.containers import RemoveVolumes, StopAndRemove
from ftl.deploy.plan.steps.images import DropTags, PruneBuildCache
from ftl.deploy.plan.steps.jobs import DeleteRunHistory, RemoveBackups
from ftl.deploy.plan.steps.proxy import RemoveNetworks
from ftl.deploy.plan.steps.records import AmendRecords
from ftl.engine import labels
from ftl.engine.values import DiskUsage, Endpoint, Image, Network, Volume
from ftl.errors import EngineError
from ftl.host.backup_folders import BackupFolder, StoredFolder
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.changes.prune import _freed, _sum, _usage, plan_prune
from ftl.operations.changes.remove import ProjectObjects, plan_remove, project_objects
from ftl.proxy.names import project_network
from ftl.releases.record import DependencyRecord, KeptLine
from ftl.releases.watch import ReleaseWatch
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.world import INFO, container, dependency, first, kinds, plan, project, server, service
from tests.unit.operations.changes.rollback.rollback_world import image, on_server, released

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.engine.api import Engine

OURS = {labels.PROJECT: "shop"}


def ours(one: Image) -> Image:
    """The image with the label of the project, as a build gives it."""
    return replace(one, config={"Labels": OURS})


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


def everything() -> Observed:
    """A project with a database, and another project beside it."""
    asked = project(
        service(stop_timeout=3.0),
        dependencies=(Dependency(name="db", image="postgres:16", volumes=("data:/d",)),),
    )
    observed = on_server(asked, released(asked, "r1"), released(asked, "r2"), images=(ours(image("r2")),))
    db = dependency(asked, "db")
    foreign = replace(db, id="f", name="other-db", labels={**db.labels, labels.PROJECT: "other"})
    return replace(
        observed,
        containers=(*observed.containers, foreign),
        networks=(
            Network("n", "ftl-p-shop", OURS, (), False),
            Network("m", "ftl-p-other", {labels.PROJECT: "other"}, (), False),
        ),
        volumes=(Volume("shop_data", OURS), Volume("shop_x_data", {labels.PROJECT: "shop_x"})),
    )


def test_remove_takes_all_but_the_data() -> None:
    """Routes first, so that nobody is sent to a container that is gone; volumes stay and are named."""
    found = project_objects(everything(), volumes=False)
    assert (found.containers, found.networks) == (("shop-db", "shop-web-r2"), ("ftl-p-shop",))
    assert (found.volumes, found.kept_volumes) == ((), ("shop_data",))
    assert found.routes == ("shop.example.com/web",)
    made = plan_remove(everything(), volumes=False)
    assert kinds(made) == [
        "RemoveSite",
        "StopAndRemove",
        "StopAndRemove",
        "RemoveNetworks",
        "DropTags",
        "AmendRecords",
    ]
    stop = first(made, StopAndRemove)
    assert isinstance(stop, StopAndRemove)
    assert (stop.service, stop.timeout) == ("web", 3.0)


def test_remove_leaves_a_container_that_only_inherits_the_label() -> None:
    """Somebody runs one by hand from an image of the project: it has what a build gives, and no role."""
    observed = everything()
    inherited = {labels.PROJECT: "shop", labels.SERVICE: "web"}
    byhand = replace(observed.containers[0], id="byhand", name="debug", labels=inherited)
    more = replace(observed, containers=(*observed.containers, byhand))
    assert project_objects(more, volumes=True) == project_objects(observed, volumes=True)
    assert plan_remove(more, volumes=True) == plan_remove(observed, volumes=True)
    nothing = replace(observed, containers=(), networks=(), images=(), volumes=(), proxy=None, releases=())
    assert plan_remove(replace(nothing, containers=(byhand,)), volumes=True).empty


def test_remove_drops_only_tags_that_ftl_gave() -> None:
    """A tag of the user's, and an image built from one of ours, have the label and stay."""
    kept = replace(ours(image("r2")), tags=("shop-web:r2", "keep:2026", "shop-web:mine"))
    derived = replace(
        ours(image("r3")), id="sha256:derived", tags=("derived:latest", "x.example.com/shop-a:r1")
    )
    here = replace(ours(image("r2")), tags=("shop-web:r1", "shop-web:latest", "keep:2026"))
    other = replace(here, tags=("shop-web-two:r1",), config={"Labels": {labels.PROJECT: "shop-web"}})
    made = plan_remove(replace(everything(), images=(kept, derived)), (here, derived, other), volumes=False)
    drops = [(step.tags, step.here) for step in made.steps if isinstance(step, DropTags)]
    assert drops == [(("shop-web:r2",), False), (("shop-web:r1", "shop-web:latest"), True)]


def test_a_tag_of_the_server_is_dropped_here_only_from_an_image_of_the_project() -> None:
    """The same tag may name an image of the user's on this machine."""

    async def check() -> None:
        remote, local = FakeEngine(images=["shop-web:r1", "shop-web:r2"]), FakeEngine(images=["shop-web:r1"])
        local.add_image("shop-web:r2", config={"Labels": OURS})
        session = Session("server", None, remote, INFO)  # type: ignore[arg-type]
        resources = RunClients(project(), Path(), local)
        context = DeployContext(
            project(), Path(), Fleet([session]), session, server(project()), "r3", lambda _: None, resources
        )
        await drop_tags(context, DropTags(("shop-web:r1", "shop-web:r2")))
        assert await remote.images() == []
        assert [one.tags for one in await local.images()] == [("shop-web:r1",)]
        local.add_image("shop-web:latest", config={"Labels": OURS})
        remote.add_image("shop-web:latest")
        await drop_tags(context, DropTags(("shop-web:latest",), here=True))
        assert [one.tags for one in await local.images()] == [("shop-web:r1",)]
        assert [one.tags for one in await remote.images()] == [("shop-web:latest",)]

    run(check())


def test_records_of_a_removed_project_have_no_secrets() -> None:
    """Numbers go on where they were, but there is nothing to go back to, and no value of a secret in any field."""
    secret = "hunter2"
    record = replace(
        released(project(service(env={"TOKEN": secret})), "r1"),
        secrets=(secret,),
        logs=(KeptLine("web", "web-1", "stdout", "2026-01-01T00:00:00Z", f"token {secret}"),),
    )
    there = replace(
        everything(), releases=(record, replace(record, release="r2", outcome="failed", project={}))
    )
    amend = first(plan_remove(there, volumes=False), AmendRecords)
    assert isinstance(amend, AmendRecords)
    assert [record.outcome for record in amend.records] == ["replaced", "failed"]
    assert not [record for record in amend.records if secret.encode() in record.to_json()]


def test_a_removal_that_was_killed_before_its_records_is_completed() -> None:
    """All that `remove` lists is gone, and the values of env are still in the records: the next one takes them."""
    asked = project(service(env={"TOKEN": "hunter2"}))
    there = replace(
        server(asked, live={}), networks=(), volumes=(), proxy=None, releases=(released(asked, "r1"),)
    )
    assert project_objects(there, volumes=True) == ProjectObjects()
    found = plan_remove(there, volumes=True)
    amended = first(found, AmendRecords)
    assert isinstance(amended, AmendRecords)
    assert kinds(found) == ["AmendRecords"]
    assert plan_remove(replace(there, releases=amended.records), volumes=True).empty


def test_remove_with_volumes_takes_those_of_the_project_by_label() -> None:
    """`shop_x_data` begins like one of ours, and belongs to another project."""
    volumes = first(plan_remove(everything(), volumes=True), RemoveVolumes)
    assert isinstance(volumes, RemoveVolumes)
    assert volumes.volumes == ("shop_data",)
    drop = first(plan_remove(everything(), volumes=True), DropTags)
    assert isinstance(drop, DropTags)
    assert drop.tags == ("shop-web:r2",)


def test_remove_leaves_scheduled_backups_unless_it_is_asked_to() -> None:
    """They go when their jobs have gone, and before the image that reads them."""
    folder = StoredFolder(BackupFolder("/var/backups/ftl/shop", "sha256:db"), ())
    observed = everything()
    assert "RemoveBackups" not in kinds(plan_remove(observed, volumes=True))
    made = plan_remove(observed, (), (folder,), volumes=False)
    assert kinds(made)[2:5] == ["StopAndRemove", "RemoveBackups", "RemoveNetworks"]
    step = first(made, RemoveBackups)
    assert isinstance(step, RemoveBackups)
    assert step.text == "remove the scheduled backups in /var/backups/ftl/shop"
    nothing = replace(observed, containers=(), networks=(), volumes=(), images=(), releases=(), proxy=None)
    assert kinds(plan_remove(nothing, (), (folder,), volumes=False)) == ["RemoveBackups"]


def test_remove_forgets_how_jobs_ended() -> None:
    """Also those of jobs whose containers are gone: a project of this name that comes later has had no run."""
    observed = replace(everything(), jobs=("backup.db", "old"))
    step = first(plan_remove(observed, volumes=False), DeleteRunHistory)
    assert isinstance(step, DeleteRunHistory)
    assert step.jobs == ("backup.db", "old")
    assert step.text == "delete the run history of backup.db, old"
