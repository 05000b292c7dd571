"""Remove: routes first, all but the data, and nothing of another project or the user."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.config.models.project import Dependency
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.steps.images.removal import drop_tags
from ftl.deploy.plan.steps.containers import RemoveVolumes, StopAndRemove
from ftl.deploy.plan.steps.images import DropTags
from ftl.deploy.plan.steps.jobs import DeleteRunHistory, RemoveBackups
from ftl.deploy.plan.steps.records import AmendRecords
from ftl.engine import labels
from ftl.engine.values import Network, Volume
from ftl.host.backup_folders import BackupFolder, StoredFolder
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.changes.remove import ProjectObjects, plan_remove, project_objects
from ftl.releases.record import KeptLine
from tests.support.clock import run
from tests.support.fake_engine import FakeEngine
from tests.unit.deploy.world import INFO, dependency, first, kinds, project, server, service
from tests.unit.operations.changes.removal.project_images import OURS, ours
from tests.unit.operations.changes.rollback.rollback_world import image, on_server, released

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed


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
