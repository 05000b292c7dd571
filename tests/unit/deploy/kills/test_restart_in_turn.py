"""A restart of several replicas, one after the other: killed or failing at any call."""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import replace

import pytest

from ftl.config.models.project import Project, ProjectInfo, Server, Service
from ftl.deploy.observe.snapshot import observe
from ftl.deploy.plan.steps.containers import StopAndRemove
from ftl.deploy.plan.steps.proxy import Switch
from ftl.deploy.replicas import generation_of, number_of
from ftl.deploy.request import Author
from ftl.engine import labels
from ftl.errors import FtlError, Unhealthy
from ftl.events import Event, StepFinished
from ftl.operations.changes.restart import plan_restart
from tests.support.clock import run as run_async
from tests.support.fake_container import Behavior
from tests.support.fake_images import INFO
from tests.unit.deploy.kills import restarting
from tests.unit.deploy.kills.model import Deploys
from tests.unit.deploy.model_server import Killed


def deployed(replicas: int = 3) -> Deploys:
    """A server with a web app of several replicas and a worker, at r1."""
    web = Service(name="web", image="app:1", port=8000, env={"A": "1"}, replicas=replicas)
    worker = Service(name="worker", image="app:1", env={"A": "1"}, replicas=2)
    machine = Deploys()
    machine.begin()
    machine.built["u"] = "1"
    machine.files["u"] = Project(
        project=ProjectInfo(name="u"), server=Server(host="server"), services=(web, worker)
    )
    assert machine._run("u")
    return machine


def restart(machine: Deploys, fault: tuple[str, int, bool] | None = None) -> list[Event]:
    """Restart all services; `fault` as in the model. Looks at who serves after each step."""
    events: list[Event] = []

    def emit(event: Event) -> None:
        events.append(event)
        if isinstance(event, StepFinished):
            assert len(serving(machine)) >= 3, event

    restarting.restart(machine, fault, emit)
    return events


def serving(machine: Deploys, service: str = "web") -> list[str]:
    """Names of the running containers that the live file leads to."""
    alias = machine.engine.live()[f"u.{service}"]
    return sorted(
        one.name
        for one in machine.engine.by_name.values()
        if one.state == "running" and any(alias in names for names in one.spec.networks.values())
    )


def services(machine: Deploys) -> list[str]:
    """Names of all containers of the services."""
    return sorted(
        one.name
        for one in machine.engine.by_name.values()
        if one.spec.labels.get(labels.ROLE) == labels.ROLE_SERVICE
    )


def test_one_container_at_a_time_is_replaced() -> None:
    """There are never more than one container more than replicas; each gets requests before an old one goes."""
    machine = deployed()
    seen: list[int] = []
    create = machine.engine.create

    async def counting(name: str, spec: object) -> str:
        made = await create(name, spec)  # type: ignore[arg-type]
        seen.append(sum(name.startswith("u-web-r1") for name in services(machine)))
        return made

    machine.engine.create = counting  # type: ignore[method-assign]
    events = restart(machine)
    assert max(seen) == 4
    assert services(machine) == sorted(
        [f"u-web-r1g2-{number}" for number in (1, 2, 3)] + [f"u-worker-r1g2-{number}" for number in (1, 2)]
    )
    assert serving(machine) == [f"u-web-r1g2-{number}" for number in (1, 2, 3)]
    assert serving(machine, "worker") == [f"u-worker-r1g2-{number}" for number in (1, 2)]
    texts = [event.text for event in events if isinstance(event, StepFinished)]
    assert "replace u-web-r1-2 with u-web-r1g2-2" in texts


@pytest.mark.parametrize("kind", ["kill", "fail"])
def test_a_restart_that_ends_anywhere_leaves_all_replicas_and_converges(kind: str) -> None:
    """All replicas get requests wherever it ends; a deploy finds them as they should be, a restart replaces all."""
    mixed = 0
    for number in range(1, 200, 3):
        machine = deployed()
        try:
            restart(machine, (kind, number, False))
        except (FtlError, Killed):
            ended = False
        else:
            ended = True
        assert len(serving(machine)) == 3, number
        assert len(serving(machine, "worker")) == 2, number
        observed = run_async(observe(machine.engine, INFO, "u", "server"))
        live = observed.live_containers("web")
        assert sorted(map(number_of, live)) == [1, 2, 3], number
        mixed += len(set(map(generation_of, live))) > 1
        if number % 2:
            assert machine._run("u"), number
            machine._converged("u")
            assert sorted(container.name for container in live) == serving(machine), "no replica was replaced"
        before = set(serving(machine))
        restart(machine)
        assert not before & set(serving(machine)), number
        assert len(serving(machine)) == 3, number
        assert len(services(machine)) == 5, number
        if ended and number > 60:
            break
    assert mixed > 3


def test_what_was_not_healthy_when_a_restart_was_killed_is_removed_first() -> None:
    """It has the alias that the next restart sends requests to."""
    found = 0
    for number in range(1, 120):
        machine = deployed()
        with suppress(Killed):
            restart(machine, ("kill", number, False))
        observed = run_async(observe(machine.engine, INFO, "u", "server"))
        live = {container.id for container in observed.live_containers("web")}
        left = [
            one for one in observed.containers_of("web") if one.id not in live and generation_of(one) == 2
        ]
        if not left or "-1" in left[0].name[-2:]:
            continue
        found += 1
        for plan in (
            plan_restart(restarting.REQUEST, Author("me"), observed),
            machine._operation("u").plan(observed),
        ):
            steps = list(itertools.takewhile(lambda step: not isinstance(step, Switch), plan.steps))
            removed = [ref.id for step in steps if isinstance(step, StopAndRemove) for ref in step.containers]
            assert left[0].id in removed, number
    assert found > 3


def test_a_replica_that_does_not_get_healthy_ends_the_restart() -> None:
    """What was replaced before stays; the new one goes, and the old one in its place serves on."""
    machine = deployed()
    create, made = machine.engine.create, 0

    async def third_breaks(name: str, spec: object) -> str:
        nonlocal made
        made += name.startswith("u-web")
        if made == 2:
            machine.engine.behaviors["app:1"] = Behavior(exit_code=3)
        return await create(name, spec)  # type: ignore[arg-type]

    machine.engine.create = third_breaks  # type: ignore[method-assign]
    with pytest.raises(Unhealthy):
        restart(machine)
    machine.engine.create = create  # type: ignore[method-assign]
    assert serving(machine) == ["u-web-r1-1", "u-web-r1-2", "u-web-r1g2-3"]
    assert len(services(machine)) == 5


def test_a_number_that_changes_after_a_restart_that_ended_half_way_replaces_all() -> None:
    """There is no alias for a set of some of both generations."""
    for number in range(10, 60):
        machine = deployed()
        with suppress(Killed):
            restart(machine, ("kill", number, False))
        observed = run_async(observe(machine.engine, INFO, "u", "server"))
        if len(set(map(generation_of, observed.live_containers("web")))) > 1:
            break
    else:
        raise AssertionError("no restart ended half way")
    project = machine.files["u"]
    machine.files["u"] = replace(
        project, services=(replace(project.services[0], replicas=2), *project.services[1:])
    )
    assert machine._run("u")
    machine._converged("u")
    assert serving(machine) == ["u-web-r2-1", "u-web-r2-2"]
