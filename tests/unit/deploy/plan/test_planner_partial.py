"""Plan of a part: services that the user did not name are left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest

from ftl.config.models.backup import ScheduledBackup
from ftl.config.models.project import Job, Route, Service
from ftl.deploy.deploying import completed
from ftl.deploy.plan.checks.unfetched import without_secrets
from ftl.deploy.plan.steps.jobs import CreateJob
from ftl.deploy.plan.steps.proxy import ApplySite
from ftl.deploy.request import PlanRequest
from ftl.engine import labels
from ftl.engine.values import Container
from ftl.errors import UsageError
from ftl.proxy.project_site import site_of
from tests.unit.deploy.plan.data import DB, volumes, with_volumes
from tests.unit.deploy.world import (
    actions,
    container,
    dependency,
    plan,
    project,
    record,
    server,
    service,
)

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed


BACKUP = Container(
    "backup",
    "shop.job.backup.db",
    "postgres:16",
    "sha256:x",
    {
        labels.PROJECT: "shop",
        labels.SERVICE: "db",
        labels.JOB: "backup.db",
        labels.ROLE: labels.ROLE_JOB,
        labels.RELEASE: "r1",
    },
    "exited",
    "",
    0,
)
"""The container of the database's scheduled backup."""


def test_a_partial_deploy_starts_no_dependency_on_the_data_of_what_it_leaves() -> None:
    """The service that gives its volume up is not one of those that are deployed."""
    before = project(service("web"), service("old", volumes=("data:/data",)))
    asked = project(service("web"), service("old"), dependencies=(volumes("db", "data"),))
    running = [with_volumes(one, "data") for one in container(before, "old", "r1")]
    there = server(before, *container(before, "web", "r1"), *running, live={"web": "r1", "old": "r1"})
    with pytest.raises(UsageError, match="db would use the data of shop-old-r1"):
        plan(asked, there, "sha256:two", only=("web",))


def test_a_partial_deploy_sets_no_route_to_what_it_does_not_start() -> None:
    """`fresh` was taken out and put back: a deploy of `web` alone leaves its path to `web`."""
    asked = project(
        service("web", routes=(Route(path="/"),)), service("fresh", routes=(Route(path="/fresh"),))
    )
    told = record("r1", web="r1", fresh="r1")
    there = server(asked, *container(asked, "web", "r1"), live={"web": "r1"}, releases=(told,))
    assert there.proxy is not None
    site = site_of(asked, services=("web",), subnets=("172.30.0.0/16",))
    there = replace(there, proxy=replace(there.proxy, sites={"shop": site}))
    found = plan(asked, there, only=("web",))
    assert not any(isinstance(step, ApplySite) and len(step.site.routes) > 1 for step in found.steps)


@pytest.mark.parametrize(
    "changed",
    [
        service("api", port=9000),
        service("api", port=None, routes=()),
        service("api", protocol="h2c"),
        service("api", routes=(Route(path="/other"),)),
        None,
    ],
    ids=["port", "no port", "protocol", "route", "gone"],
)
def test_a_partial_deploy_leaves_the_routes_of_other_services(changed: Service | None) -> None:
    """They run as they were deployed, on the port that they had; ftl.yaml may say otherwise by now."""
    before = project(service("web"), service("api"))
    running = (*container(before, "web", "r1"), *container(before, "api", "r1"))
    there = server(before, *running, live={"web": "r1", "api": "r1"})
    after = project(service("web"), *([changed] if changed is not None else []))
    assert plan(after, there, only=("web",)).empty
    sites = [
        step.site
        for step in plan(after, there, "sha256:two", only=("web",)).steps
        if isinstance(step, ApplySite)
    ]
    assert sites == []


def test_a_partial_deploy_replaces_no_dependency_and_keeps_the_rest_of_the_record() -> None:
    """A dependency that changed in the file waits for a whole deploy, as does another service's definition."""
    before = project(service("web"), service("api"), dependencies=(DB,))
    after = project(
        service("web"), service("api", env={"NEW": "x"}), dependencies=(replace(DB, env={"A": "b"}),)
    )
    told = replace(record("r1", web="r1", api="r1"), project=before.to_dict())
    there = server(
        before,
        *container(before, "web", "r1"),
        *container(before, "api", "r1"),
        dependency(before, "db"),
        live={"web": "r1", "api": "r1"},
        releases=(told,),
    )
    found = plan(after, there, "sha256:two", only=("web",))
    assert actions(found) == {"web": "replaced", "db": "unchanged"}
    assert found.record is not None
    sections = {one["name"]: one["env"] for one in found.record.project["services"]}  # type: ignore[attr-defined]
    assert sections == {"web": {}, "api": {}}


def test_a_partial_deploy_keeps_the_recorded_sections_of_what_it_leaves() -> None:
    """Of whatever list of ftl.yaml: services, jobs, and what belongs to no service."""
    early, late = (
        Job(name="clean", service="api", command="clean", schedule=f"0 {at} * * *") for at in (3, 4)
    )
    new = Job(name="new", service="api", command="new", schedule="0 5 * * *")
    own = Job(name="own", service="web", command="own", schedule="0 6 * * *")
    nightly = ScheduledBackup(dependency="db", schedule="15 3 * * *")
    before = project(
        service("web"),
        service("api"),
        dependencies=(DB,),
        jobs=(early, own),
        backups=(nightly,),
        volumes=("data",),
    )
    after = replace(before, jobs=(late, new, replace(own, command="other")))
    told = replace(record("r1", web="r1", api="r1"), project=before.to_dict())
    there = server(
        before,
        *container(before, "web", "r1"),
        *container(before, "api", "r1"),
        dependency(before, "db"),
        BACKUP,
        live={"web": "r1", "api": "r1"},
        releases=(told,),
    )
    found = plan(after, there, "sha256:two", only=("web",))
    assert found.record is not None
    kept = found.record.project
    assert {one["name"]: (one["schedule"], one["command"]) for one in kept["jobs"]} == {  # type: ignore[attr-defined]
        "clean": ("0 3 * * *", "clean"),
        "own": ("0 6 * * *", "other"),
    }
    for key in ("dependencies", "backups", "volumes"):
        assert kept[key] == before.to_dict()[key]


UNFETCHED = "********"


def secret_world(
    asked: Project,
    *,
    runs: bool = True,
    recorded: bool = True,
    pruned: bool = False,
    state: Literal["running", "exited", "dead"] = "running",
) -> Observed:
    """A server with `web`, `api` and the database, deployed with the values of all secrets."""
    told = replace(record("r1", web="r1", api="r1"), project=asked.to_dict(), secrets=("s3cr3t",))
    database = replace(dependency(asked, "db"), state=state)
    return server(
        asked,
        *container(asked, "web", "r1"),
        *container(asked, "api", "r1"),
        *([database] if runs else []),
        *(() if pruned else (BACKUP,)),
        live={"web": "r1", "api": "r1"},
        releases=(told,) if recorded else (),
    )


def with_secret(value: str, *, fetched: bool = True) -> Project:
    """A project of which `api` and the database have a secret."""
    return replace(
        project(
            service("web"),
            service("api", env={"KEY": value}),
            dependencies=(replace(DB, env={"PASSWORD": value}),),
            backups=(ScheduledBackup(dependency="db", schedule="15 3 * * *"),),
        ),
        secret_users={"SECRET": ("api", "db")},
        secret_values={"SECRET": value} if fetched else {},
    )


def test_a_placeholder_is_neither_compared_nor_recorded() -> None:
    """What a partial deploy leaves alone has the values that it had, and keeps its containers."""
    there = secret_world(with_secret("s3cr3t"))
    asked = with_secret(UNFETCHED, fetched=False)
    assert without_secrets(PlanRequest(asked, ("web",)), there) == ()
    found = plan(asked, there, "sha256:two", only=("web",))
    assert actions(found) == {"web": "replaced", "db": "unchanged"}
    assert found.record is not None
    assert UNFETCHED not in found.record.to_json().decode()
    assert found.record.secrets == ("s3cr3t",)
    sections = {
        one["name"]: one["env"]
        for key in ("services", "dependencies")
        for one in found.record.project[key]  # type: ignore[attr-defined]
    }
    assert sections == {"web": {}, "api": {"KEY": "s3cr3t"}, "db": {"PASSWORD": "s3cr3t"}}
    assert [one["dependency"] for one in found.record.project["backups"]] == ["db"]  # type: ignore[attr-defined]
    assert UNFETCHED not in repr(found.stages)


@pytest.mark.parametrize(
    "there",
    [
        secret_world(with_secret("s3cr3t"), runs=False),
        secret_world(with_secret("s3cr3t"), state="dead"),
        secret_world(with_secret("s3cr3t"), state="exited"),
        secret_world(with_secret("s3cr3t"), recorded=False),
        secret_world(with_secret("s3cr3t"), pruned=True),
    ],
    ids=["missing", "dead", "stopped", "no record", "pruned backup"],
)
def test_a_dependency_that_is_started_needs_its_secrets(there: Observed) -> None:
    """It would be created with a placeholder; a deploy that finds out under the lock ends."""
    asked = with_secret(UNFETCHED, fetched=False)
    assert without_secrets(PlanRequest(asked, ("web",)), there) == ("db",)
    with pytest.raises(UsageError, match="db stopped or was removed while this waited"):
        plan(asked, there, "sha256:two", only=("web",))
    found = plan(with_secret("s3cr3t"), there, "sha256:two", only=("web",))
    assert found.record is not None
    assert UNFETCHED not in found.record.to_json().decode()


def test_a_partial_deploy_makes_a_pruned_backup_again() -> None:
    """Of a database that it leaves as it is; one that is there stays."""
    asked = with_secret("s3cr3t")
    for pruned, made in ((True, ["backup.db"]), (False, [])):
        found = plan(asked, secret_world(asked, pruned=pruned), "sha256:two", only=("web",))
        assert actions(found)["db"] == "unchanged"
        assert [step.job for step in found.steps if isinstance(step, CreateJob)] == made
        assert found.record is not None
        assert len(found.record.project["backups"]) == 1  # type: ignore[arg-type]


def test_a_backup_that_is_made_again_has_the_image_that_its_database_runs() -> None:
    """A newer one in the file comes with the next deploy of all, which replaces both."""
    asked = with_secret("s3cr3t")
    there = secret_world(asked, pruned=True)
    newer = replace(asked, dependencies=(replace(asked.dependencies[0], image="postgres:17"),))
    found = plan(newer, there, "sha256:two", only=("web",))
    (made,) = (step for step in found.steps if isinstance(step, CreateJob))
    running = next(one.image for one in there.containers if one.labels[labels.SERVICE] == "db")
    assert (made.image, made.spec.labels.get(labels.CONTENT, running)) == (running, running)
    job = replace(BACKUP, labels={**BACKUP.labels, **made.spec.labels}, image=made.image)
    later = plan(newer, replace(there, containers=(*there.containers, job)), "sha256:two")
    assert actions(later)["db"] == "replaced"
    assert actions(later)["backup.db"] == "replaced"


def test_a_recorded_backup_is_one_that_is_there() -> None:
    """Without a record, or with a damaged one, the backup is made and recorded: a rollback does not end it."""
    asked = with_secret("s3cr3t")
    there = secret_world(asked, pruned=True)
    damaged = tuple(replace(one, project={}) for one in there.releases)
    for releases in ((), damaged):
        found = plan(asked, replace(there, releases=releases), "sha256:two", only=("web",))
        assert actions(found)["db"] == "unchanged"
        assert [step.job for step in found.steps if isinstance(step, CreateJob)] == ["backup.db"]
        assert found.record is not None
        assert [one["dependency"] for one in found.record.project["backups"]] == ["db"]  # type: ignore[attr-defined]


def test_what_is_read_again_is_taken_for_the_dependencies_alone() -> None:
    """The file was edited while the image was built: the service keeps what the image was built for."""
    asked = with_secret(UNFETCHED, fetched=False)
    edited = with_secret("s3cr3t")
    edited = replace(edited, services=(service("web", env={"NEW": "1"}),))
    whole = completed(asked, edited, ("db",))
    assert whole.services == asked.services
    assert whole.dependencies == edited.dependencies
    assert whole.secret_values == {"SECRET": "s3cr3t"}
    with pytest.raises(UsageError, match="db was taken out of the file"):
        completed(asked, replace(edited, dependencies=()), ("db",))
