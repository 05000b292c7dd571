"""A model of deploys: two projects with colliding names, edits, and FTL killed at any call.

Real planner and runners against a server in memory. From every state that is reached, a deploy converges.
"""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    run_state_machine_as_test,
)

from ftl.config.models.project import Build, Dependency, Project, ProjectInfo, Proxy, Route, Server, Service
from ftl.deploy.observe.snapshot import observe
from ftl.engine import labels
from tests.support.clock import run as run_async
from tests.support.fake_images import INFO
from tests.unit.deploy.kills.model import Deploys, Volumes

# --- runners ----------------------------------------------------------------------------------------


# --- files ------------------------------------------------------------------------------------------


# --- the machine ------------------------------------------------------------------------------------


PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""Without shrinking, which would take longer than all the rest: the first failure is short enough to read."""


def profile(examples: int, steps: int, *, same: bool = False) -> settings:
    """Settings of a run; with `same`, it tries the same histories each time, so that CI says what a machine says."""
    return settings(
        derandomize=same,
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("machine", [Deploys, Volumes])
def test_deploys_of_projects_whose_names_collide_converge(machine: type[Deploys]) -> None:
    """From every state, whatever was killed, failed or done by hand; and no rule is broken on the way."""
    # Tasks of the machine before, collected while Hypothesis parses this file, would fail that: "AST constructor
    # recursion depth mismatch" (CPython issue 106905, seen with 3.11.7).
    gc.collect()
    run_state_machine_as_test(machine, settings=profile(25, 10, same=True))


@pytest.mark.nightly
@pytest.mark.parametrize("machine", [Deploys, Volumes])
def test_longer_histories_of_deploys_converge(machine: type[Deploys]) -> None:
    """The same for some minutes."""
    run_state_machine_as_test(machine, settings=profile(1500, 25))


def test_records_outlive_the_container_that_they_are_read_through() -> None:
    """`docker container prune` removes it, for it never runs: the next release has the next number."""
    machine = Deploys()
    machine.begin()
    web = Service(name="web", image="app:1", env={"A": "1"})
    machine.files["u"] = Project(project=ProjectInfo(name="u"), server=Server(host="server"), services=(web,))
    machine.built["u"] = "1"
    machine._run("u")
    run_async(machine.engine.remove("ftl-state", force=True))
    machine.files["u"] = replace(machine.files["u"], services=(replace(web, env={"A": "2"}),))
    machine._run("u")
    observed = run_async(observe(machine.engine, INFO, "u", "server"))
    assert [(one.release, one.outcome) for one in observed.releases] == [("r1", "live"), ("r2", "live")]


def test_a_new_dependency_that_never_gets_healthy_is_taken_back() -> None:
    """Like services: nothing of the failed first deploy goes on restarting."""
    machine = Deploys()
    machine.begin()
    web = Service(name="web", image="app:1", env={"A": "1"})
    machine.files["u"] = Project(
        project=ProjectInfo(name="u"),
        server=Server(host="server"),
        services=(web,),
        dependencies=(Dependency(name="db", image="app:broken"),),
    )
    machine.built["u"] = "broken"
    assert not machine._run("u")
    assert [one.name for one in machine.engine.by_name.values() if one.name.startswith("u-")] == ["u-web-r9"]


def test_a_container_that_two_need_stopped_starts_again_after_both_are_undone() -> None:
    """A service becomes a dependency with its data, beside another that must not run with it; the build is broken."""
    machine = Deploys()
    machine.begin()
    env, data = {"A": "1"}, ("y:/data",)
    db = Service(name="db", image="app:1", recreate=True, env=env, volumes=data)
    first = Project(
        project=ProjectInfo(name="u"), server=Server(host="server"), services=(db,), volumes=("y",)
    )
    machine.files["u"], machine.built["u"] = first, "1"
    assert machine._run("u")
    api = Service(name="api", build=Build(), recreate=True, env=env)
    taken = Dependency(name="db", image="store:1", env=env, volumes=data)
    machine.files["u"] = replace(first, services=(api,), dependencies=(taken,))
    machine.built["u"] = "broken"
    assert not machine._run("u")
    assert machine.engine.broken == []
    assert [one.name for one in machine.engine.by_name.values() if one.name.startswith("u-db")] == ["u-db-r1"]
    assert machine.engine.by_name["u-db-r1"].state == "running"


def test_a_project_is_removed_while_the_proxy_is_stopped() -> None:
    """Its site is taken out of what the proxy will serve; another program may have the ports by now."""
    machine = Deploys()
    machine.begin()
    for name in ("u", "u-web"):
        web = Service(
            name="site", image="app:1", port=8000, routes=(Route(host=f"{name}.test"),), env={"A": "1"}
        )
        machine.files[name] = Project(
            project=ProjectInfo(name=name),
            server=Server(host="server"),
            services=(web,),
            proxy=Proxy(tls="off"),
        )
        machine.built[name] = "1"
        assert machine._run(name)
    machine.engine.begin(None)
    run_async(machine.engine.stop("ftl-proxy", timeout=1))
    assert machine._run("u", verb="remove")
    assert machine.engine.by_name["ftl-proxy"].state == "exited"
    observed = run_async(observe(machine.engine, INFO, "u", "server"))
    assert observed.proxy is not None
    assert (observed.proxy.has_traces("u"), observed.proxy.has_traces("u-web")) == (False, True)
    assert not [one.name for one in observed.containers if one.labels.get(labels.PROJECT) == "u"]


def deployed(*services: Service, dependencies: tuple[Dependency, ...] = ()) -> Deploys:
    """A server with a project of these services."""
    machine = Deploys()
    machine.begin()
    machine.files["u"] = Project(
        project=ProjectInfo(name="u"),
        server=Server(host="server"),
        services=services,
        dependencies=dependencies,
        volumes=("y",),
    )
    machine.built["u"] = "1"
    assert machine._run("u")
    return machine


def test_a_policy_that_a_killed_stop_took_is_given_back() -> None:
    """It was taken before the container was stopped, and the kill came between: the container runs on."""
    machine = deployed(Service(name="web", image="app:1", env={"A": "1"}, recreate=True))
    machine._run("u", fault=("kill", 1, True), verb="remove")
    run_async(machine.engine.set_restart_policy("u-web-r1", "no"))
    assert machine.engine.by_name["u-web-r1"].state == "running"
    assert machine._run("u")
    machine._converged("u")
    assert machine.engine.by_name["u-web-r1"].spec.restart == "always"


WORKER = Service(name="web", image="app:1", env={"A": "1"}, recreate=True)
SITE = replace(WORKER, port=8000, volumes=("y:/data",))
STORE = Dependency(name="db", image="store:1", env={"A": "1"}, volumes=("y:/data",))


@pytest.mark.parametrize("effect", [True, False])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (((WORKER,), ()), ((replace(WORKER, env={"A": "2"}),), ())),
        (((SITE,), ()), ((replace(SITE, env={"A": "2"}),), ())),
        (((WORKER,), (STORE,)), ((WORKER,), (replace(STORE, env={"A": "2"}),))),
        (((WORKER,), (STORE,)), ((WORKER,), (replace(STORE, name="pg"),))),
    ],
    ids=["recreate", "recreate with a port", "changed dependency", "renamed dependency"],
)
def test_a_kill_at_any_call_leaves_one_of_the_two_running(
    before: tuple[tuple[Service, ...], tuple[Dependency, ...]],
    after: tuple[tuple[Service, ...], tuple[Dependency, ...]],
    effect: bool,
) -> None:
    """Without FTL, with its restart policy, and where it answers requests; and the next deploy converges."""
    number, done = 0, False
    while not done:
        number += 1
        machine = deployed(*before[0], dependencies=before[1])
        file = replace(machine.files["u"], services=after[0], dependencies=after[1])
        machine.files["u"] = file
        done = machine._run("u", fault=("kill", number, effect))
        own = [one for one in machine.engine.by_name.values() if one.name.startswith("u-")]
        own = [one for one in own if one.name != "u-web-r9" and labels.SERVICE in one.spec.labels]
        running = [one for one in own if one.state == "running"]
        roles = sorted(one.spec.labels[labels.ROLE] for one in running)
        assert roles == sorted(["service"] * len(after[0]) + ["dependency"] * len(after[1])), (
            f"after call {number}: {[(one.name, one.state) for one in own]}"
        )
        assert {one.spec.restart for one in running} == {"always"}, number
        if after[0][0].port:
            machine._routed(file, run_async(observe(machine.engine, INFO, "u", "server")))
            (one,) = running
            aliases = {alias for endpoint in one.endpoints.values() for alias in endpoint.aliases}
            assert machine.engine.live()["u.web"] in aliases, number
        assert machine._run("u")
        machine._converged("u")
    assert number > 5
