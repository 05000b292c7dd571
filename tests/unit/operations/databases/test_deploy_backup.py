"""`ftl deploy --backup`: when the dumps are made, and what a failed one stops."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ftl.config.models.project import Dependency, Hook
from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.executor import DeployExecutor
from ftl.deploy.backend import DOCKER
from ftl.deploy.observe.cluster import observe_fleet
from ftl.deploy.plan.model import Plan, Stage
from ftl.deploy.plan.planner import PlanInputs
from ftl.deploy.plan.steps.backups import BackUp
from ftl.deploy.plan.steps.base import ONLY_SERVER
from ftl.deploy.request import Author, PlanRequest
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.errors import FtlError
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.operations.databases.deploy_backup import backup_runners, with_backups
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine
from tests.unit.deploy.cluster import ASKED as CLUSTER
from tests.unit.deploy.cluster import live
from tests.unit.deploy.world import INFO, container, dependency, kinds, plan, project, record, server, service

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.engine.api import Engine
    from ftl.events import Event
    from ftl.ssh.machine import Machine

ASKED = project(
    replace(service(), hooks=replace(service().hooks, pre=Hook(remote="migrate"))),
    dependencies=(Dependency(name="db", image="postgres:16"), Dependency(name="cache", image="redis:7")),
)

REQUEST = PlanRequest(ASKED)


def planned(observed: Observed, content: str = "sha256:one", asked: Project = ASKED) -> Plan:
    """The plan of a deploy with backups."""
    backend = replace(DOCKER, plan=lambda _request, _inputs, found: plan(asked, found, content))
    return with_backups(backend).plan(PlanRequest(asked), cast("PlanInputs", None), observed)


def deployed() -> Observed:
    """A server on which the project is live, and its database is there."""
    boxes = (*container(ASKED, "web", "r1"), dependency(ASKED, "db"))
    return server(ASKED, *boxes, live={"web": "r1"}, releases=(record("r1", web="r1"),))


def test_dumps_are_made_before_dependencies_and_hooks_change() -> None:
    """And after the images are on the server, which may take long; a dependency that is new has nothing to dump."""
    made = planned(deployed(), "sha256:two")
    names = kinds(made)
    assert [step.service for step in made.steps if isinstance(step, BackUp)] == ["db"]
    assert names.index("SendImages") < names.index("BackUp") < names.index("StartDependency")
    assert names.index("BackUp") < names.index("RunHook") < names.index("Switch")


@pytest.mark.parametrize("now", [(), (Dependency(name="database", image="postgres:16"),)])
def test_a_dependency_that_is_removed_or_renamed_is_dumped_before(now: tuple[Dependency, ...]) -> None:
    """Its data is what the deploy puts at risk; ftl.yaml no longer has its name."""
    made = planned(deployed(), asked=replace(ASKED, dependencies=now))
    assert [step.service for step in made.steps if isinstance(step, BackUp)] == ["db"]
    names = kinds(made)
    assert names.index("BackUp") < names.index("StopAndRemove")


def test_a_deploy_that_has_nothing_to_do_makes_no_dump() -> None:
    """Nothing can go wrong with the data. Neither does the first one, which finds none."""
    asked = replace(ASKED, dependencies=())
    boxes = container(asked, "web", "r1")
    observed = server(asked, *boxes, live={"web": "r1"}, releases=(record("r1", web="r1"),))
    backend = with_backups(replace(DOCKER, plan=lambda *_: plan(asked, observed)))
    assert backend.plan(REQUEST, cast("PlanInputs", None), observed).empty
    assert "BackUp" not in kinds(planned(server(ASKED, ready=False)))


def test_the_backend_runs_all_steps_of_the_deploy_and_its_own() -> None:
    """The deploy's table lacks only that."""
    assert set(with_backups(DOCKER).runners) == {*DOCKER.runners, BackUp}


@pytest.mark.parametrize("fails", [False, True])
def test_a_dump_that_fails_ends_the_deploy(
    fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing after it is done. Its file is in the user's folder, which nobody else reads; a cache has none."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    machine, engine = FakeMachine(), FakeEngine(images=["db"])
    machine.answers = [
        (("sh detect",), CommandOutput(0, b"pg_dump\n")),
        (
            ("sh pg_dump",),
            CommandOutput(
                1 if fails else 0, b"PGDMP" + b"x" * 600, b"disk full" if fails else b"ftl-checked"
            ),
        ),
    ]
    events: list[Event] = []

    async def scenario() -> None:
        label_map = {labels.PROJECT: "shop", labels.SERVICE: "db", labels.ROLE: labels.ROLE_DEPENDENCY}
        await engine.create("shop-db", ContainerSpec(image="db", labels=label_map))
        engine.by_name["shop-db"].state = "running"
        session = Session("server", cast("Machine", machine), cast("Engine", engine), INFO)
        made = Plan("server", "shop", "r2", (), (Stage("backups", ((BackUp("db", servers=ONLY_SERVER),),)),))
        resources = RunClients(ASKED, tmp_path)
        context = DeployContext(
            ASKED, tmp_path, Fleet([session]), session, server(ASKED), "r2", events.append, resources
        )
        await DeployExecutor(made, backup_runners(observe_fleet), context).run()

    if fails:
        with pytest.raises(FtlError, match="the backup of db failed") as caught:
            asyncio.run(scenario())
        assert caught.value.cause == "disk full"
        assert list((tmp_path / "ftl/backups/shop").iterdir()) == []
        return
    asyncio.run(scenario())
    folder = tmp_path / "ftl/backups/shop"
    (file,) = folder.iterdir()
    assert (file.name.startswith("db-2"), file.stat().st_mode & 0o777) == (True, 0o600)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_of_several_servers_the_one_with_the_dependency_is_named() -> None:
    """Its step runs there."""
    made = Plan("a, b, c", "shop", "r2", (), (Stage("services", ((BackUp("web", servers=("a",)),),)),))
    backend = with_backups(replace(DOCKER, plan=lambda *_: made))
    found = backend.plan(PlanRequest(CLUSTER), PlanInputs(Author("me@here"), {}), live())
    assert found.steps[0].located_text == "back up db, if it is a database on b"
