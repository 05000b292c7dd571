"""What a deploy will do, by tables: Project x Observed -> Plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ftl.config.models.project import Dependency, Hook, Hooks, Registry, Route
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.containers import RunHook, StartContainers, StartDependency, StopAndRemove
from ftl.deploy.plan.steps.proxy import PublishName, Switch
from ftl.deploy.request import Author, NewRelease, PlanRequest
from ftl.engine import labels
from ftl.releases.record import DependencyRecord
from tests.unit.deploy.world import (
    actions,
    container,
    dependency,
    first,
    images,
    kinds,
    plan,
    project,
    record,
    server,
    service,
)


def test_a_first_deploy_builds_everything_up_and_decides_last() -> None:
    """On an empty server the network, proxy and images come first, the switch after health, the routes last."""
    asked = project(
        dependencies=(Dependency(name="redis", image="redis:7", ports=(6379,)),), volumes=("media",)
    )
    found = plan(asked, server(asked, ready=False))
    assert found.release == "r1"
    assert kinds(found) == [
        "EnsureNetwork",
        "EnsureVolume",
        "BringImage",
        "EnsureProxy",
        "EnsureStore",
        "SendImages",
        "BringImage",
        "WriteRecord",
        "ConnectProxy",
        "ApplySite",
        "StartDependency",
        "WaitHealthy",
        "StartContainers",
        "WaitHealthy",
        "Switch",
        "WriteRecord",
        "ApplySite",
        "AwaitCertificates",
    ]
    assert actions(found) == {"web": "created", "redis": "created"}


def test_no_registry_password_is_kept_on_the_server() -> None:
    """The record has the project as it was deployed, but for who logs in to registries."""
    asked = project(registries=(Registry(server="ghcr.io", username="me", password="hunter2"),))
    found = plan(asked, server(asked))
    assert found.record is not None
    assert b"hunter2" not in found.record.to_json()
    assert found.record.project["services"]


def test_nothing_is_done_when_nothing_changed() -> None:
    """A deploy of what already runs has no steps and makes no release."""
    asked = project(dependencies=(Dependency(name="redis", image="redis:7"),))
    there = server(asked, *container(asked, "web", "r4"), dependency(asked, "redis"), live={"web": "r4"})
    found = plan(asked, there)
    assert found.empty
    assert found.release == "r4"
    assert actions(found) == {"web": "unchanged", "redis": "unchanged"}


@pytest.mark.parametrize(
    ("changed", "content", "why"),
    [
        ({}, "sha256:two", "new image"),
        ({"env": {"A": "1"}}, "sha256:one", "new configuration"),
        ({"command": "other"}, "sha256:one", "new configuration"),
        ({"volumes": ("media:/m",)}, "sha256:one", "new configuration"),
        ({"port": 9000}, "sha256:one", "new configuration"),
    ],
)
def test_a_changed_service_is_replaced(changed: dict[str, Any], content: str, why: str) -> None:
    """A new image, other settings or another port replace the containers."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    found = plan(project(service(**changed)), there, content)
    assert [(change.action, change.why) for change in found.changes] == [("replaced", why)]
    assert kinds(found)[-2:] == ["Drain", "StopAndRemove"]


@pytest.mark.parametrize(
    "changed",
    [{"drain_timeout": 5.0}, {"hooks": Hooks(pre=Hook(remote="true"))}, {"routes": (Route(path="/other"),)}],
)
def test_settings_that_no_container_knows_replace_none(changed: dict[str, Any]) -> None:
    """Routes, hooks and timeouts of ours are no reason to touch a container."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    assert actions(plan(project(service(**changed)), there)) == {"web": "unchanged"}


def test_changed_routes_alone_make_a_release_and_set_the_routes() -> None:
    """Another route is told to the proxy once, and recorded as a release of its own."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    found = plan(project(service(routes=(Route(path="/new"),))), there)
    assert found.release == "r2"
    assert kinds(found) == ["WriteRecord", "WriteRecord", "ApplySite"]


def test_only_the_changed_service_is_touched() -> None:
    """Of two services the one that did not change keeps its containers and its release."""
    before = project(service("web"), service("api", env={"A": "1"}))
    there = server(
        before,
        *container(before, "web", "r1"),
        *container(before, "api", "r1"),
        live={"web": "r1", "api": "r1"},
    )
    found = plan(project(service("web"), service("api", env={"A": "2"})), there)
    assert actions(found) == {"web": "unchanged", "api": "replaced"}
    assert {step.subject for step in found.steps} <= {None, "api"}
    switch = first(found, Switch)
    assert isinstance(switch, Switch)
    assert set(switch.aliases) == {"api"}


def test_a_named_service_alone_is_deployed() -> None:
    """`ftl deploy api` leaves the others alone, changed or vanished."""
    before = project(service("web"), service("api"), service("old"))
    there = server(
        before,
        *(one for name in ("web", "api", "old") for one in container(before, name, "r1")),
        live={"web": "r1", "api": "r1", "old": "r1"},
    )
    found = plan(project(service("web"), service("api")), there, "sha256:two", only=("api",))
    assert actions(found) == {"api": "replaced"}


def test_what_the_file_no_longer_names_is_drained_and_removed() -> None:
    """A service that was taken out of ftl.yaml loses its routes, then its containers, then its name."""
    before = project(service("web"), service("old"))
    there = server(
        before,
        *container(before, "web", "r1"),
        *container(before, "old", "r1"),
        live={"web": "r1", "old": "r1"},
    )
    found = plan(project(service("web")), there)
    assert actions(found) == {"web": "unchanged", "old": "removed"}
    assert kinds(found) == [
        "WriteRecord",
        "WriteRecord",
        "ApplySite",
        "Drain",
        "StopAndRemove",
        "RemoveRoutes",
    ]


def test_volumes_are_never_removed() -> None:
    """No plan has a step that removes a volume, whatever vanishes from the file."""
    before = project(dependencies=(Dependency(name="db", image="postgres:16", volumes=("data:/d",)),))
    there = server(before, *container(before, "web", "r1"), dependency(before, "db"), live={"web": "r1"})
    assert not any("volume" in step.text for step in plan(project(), there).steps)


def test_a_dependency_is_replaced_in_place_and_the_old_one_goes_last() -> None:
    """A changed dependency is set aside, and removed only after the release is decided."""
    before = project(dependencies=(Dependency(name="db", image="postgres:16"),))
    there = server(before, *container(before, "web", "r1"), dependency(before, "db"), live={"web": "r1"})
    found = plan(project(dependencies=(Dependency(name="db", image="postgres:17"),)), there)
    assert actions(found) == {"web": "unchanged", "db": "replaced"}
    last = found.steps[-1]
    assert isinstance(last, StopAndRemove)
    assert last.containers == (ContainerRef("id-db", "shop-db"),)
    start = first(found, StartDependency)
    assert isinstance(start, StartDependency)
    assert (start.replaces, start.parked) == (ContainerRef("id-db", "shop-db"), "shop-db.old-id-db")


def test_the_record_names_dependencies_and_where_they_came_from() -> None:
    """One that starts is filled in when it does; of one that goes on, the last record or its container tells."""
    asked = project(
        dependencies=(Dependency(name="db", image="postgres:16"), Dependency(name="cache", image="redis:7"))
    )
    runs = replace(dependency(asked, "db"), image="postgres:16@sha256:1")
    there = server(asked, *container(asked, "web", "r1"), runs, live={"web": "r1"})
    made = plan(asked, there).record
    assert made is not None
    expected = DependencyRecord("postgres:16", "sha256:y", "postgres@sha256:1")
    assert made.dependencies == {"db": expected, "cache": DependencyRecord("redis:7", "")}
    known = replace(
        record("r1", web="r1"), dependencies={"db": replace(expected, pulled="postgres@sha256:0")}
    )
    after = plan(asked, replace(there, releases=(known,))).record
    assert after is not None
    assert after.dependencies["db"].pulled == "postgres@sha256:0"


@pytest.mark.parametrize("changed", [{"recreate": True}, {"forwards": ("5000:5000",)}])
def test_the_old_stops_first_where_both_cannot_run(changed: dict[str, Any]) -> None:
    """`recreate` and published ports stop the old container before the new one starts."""
    before = project(service(**changed))
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    start = first(plan(before, there, "sha256:two"), StartContainers)
    assert isinstance(start, StartContainers)
    assert [stop.containers for stop in start.stops] == [(ContainerRef("id-shop-web-r1", "shop-web-r1"),)]


def test_a_new_inner_service_answers_by_name_before_the_switch() -> None:
    """A service without routes that was never live opens its name at once, so that others can become healthy."""
    asked = project(service("web"), service("api", routes=()))
    found = plan(asked, server(asked, ready=False))
    opened = [step.subject for step in found.steps if isinstance(step, PublishName)]
    assert opened == ["api"]


def test_a_hook_may_be_a_list_that_needs_no_shell() -> None:
    """An image without a shell can migrate, too; nothing is put before its words."""
    asked = project(
        service(hooks=Hooks(pre=Hook(remote=("/app", "migrate")), post=Hook(remote="warm", timeout=60.0)))
    )
    pre, post = (step for step in plan(asked, server(asked, ready=False)).steps if isinstance(step, RunHook))
    assert (pre.spec.entrypoint, pre.spec.command) == (("/app",), ("migrate",))
    assert (post.spec.entrypoint, post.spec.command) == (("/bin/sh", "-c"), ("warm",))
    assert (pre.timeout, post.timeout) == (3600.0, 60.0)


@pytest.mark.parametrize("hook", [Hook(remote="migrate"), Hook(local="migrate")])
def test_a_hook_knows_its_release_commit_service_and_environment(hook: Hook) -> None:
    """On the server and here: a migration may be told by the commit, and a message to the team, too."""
    asked = replace(project(service(hooks=Hooks(pre=hook))), environment="staging")
    inputs = PlanInputs(Author("me@here", commit="c0ffee-dirty"), images(asked))
    found = make_plan(PlanRequest(asked), inputs, server(asked, ready=False))
    (step,) = (step for step in found.steps if isinstance(step, RunHook))
    variables = {
        "FTL_RELEASE": "r1",
        "FTL_COMMIT": "c0ffee-dirty",
        "FTL_SERVICE": "web",
        "FTL_ENV": "staging",
    }
    assert step.variables == variables
    assert variables.items() <= step.spec.env.items()


def test_pre_hooks_run_before_the_new_containers_and_post_hooks_after_the_switch() -> None:
    """A migration comes after the dependencies and before anything that needs it starts."""
    hooks = Hooks(pre=Hook(remote="migrate"), post=Hook(local="echo", remote="warm"))
    asked = project(service(hooks=hooks), dependencies=(Dependency(name="db", image="postgres:16"),))
    found = plan(asked, server(asked, ready=False))
    ran = [(step.hook, step.where) for step in found.steps if isinstance(step, RunHook)]
    assert ran == [("pre", "remote"), ("post", "local"), ("post", "remote")]
    names = kinds(found)
    order = ["StartDependency", "WaitHealthy", "RunHook", "StartContainers", "Switch"]
    assert [names.index(name) for name in order] == sorted(names.index(name) for name in order)


def test_without_hooks_none_runs() -> None:
    """The way back to a commit whose migrations do not know the database's revision: `ftl deploy --no-hooks`."""
    asked = project(service(hooks=Hooks(pre=Hook(remote="migrate"), post=Hook(remote="warm"))))
    inputs = PlanInputs(Author("me@here"), images(asked))
    request = PlanRequest(asked, purpose=NewRelease(hooks=False))
    left_out = make_plan(request, inputs, server(asked, ready=False))
    usual = make_plan(replace(request, purpose=NewRelease()), inputs, server(asked, ready=False))
    assert ("RunHook" in kinds(left_out), "RunHook" in kinds(usual)) == (False, True)
    assert left_out.record is not None
    assert usual.record is not None
    assert (left_out.record.hooks, usual.record.hooks) == (False, True)


def test_other_projects_containers_are_not_ours() -> None:
    """Containers of another project with the same service name are left alone."""
    asked = project()
    (one,) = container(asked, "web", "r1")
    foreign = replace(one, name="other-web-r1", labels={**one.labels, labels.PROJECT: "other"})
    found = plan(asked, server(asked, foreign, ready=False))
    assert actions(found) == {"web": "created"}
    assert not any(isinstance(step, StopAndRemove) for step in found.steps)


def test_secrets_are_in_no_step_that_is_told() -> None:
    """What a plan prints never holds a value of env."""
    asked = project(service(env={"KEY": "hunter2"}, hooks=Hooks(pre=Hook(remote="echo hunter2"))))
    found = plan(asked, server(asked, ready=False))
    assert not any("hunter2" in step.text for step in found.steps)
    assert "hunter2" not in str(found.changes)
