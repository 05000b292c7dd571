"""Reasons and records in plans: what changed, never a value; how many releases count."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.plan.reasons import new_image
from ftl.deploy.plan.steps.containers import (
    SetRestartPolicy,
)
from ftl.deploy.plan.steps.images import DropTags
from ftl.deploy.plan.steps.proxy import Drain, Switch
from ftl.deploy.plan.steps.records import CompactRecords, WriteRecord
from ftl.engine import labels
from ftl.engine.values import Image
from tests.unit.deploy.plan.data import DB
from tests.unit.deploy.plan.test_planner_safety import foreign
from tests.unit.deploy.world import (
    container,
    dependency,
    first,
    kinds,
    plan,
    project,
    record,
    server,
    service,
)

if TYPE_CHECKING:
    from ftl.releases.record import ReleaseRecord


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"image": "postgres:17"}, "new image: postgres:16 -> postgres:17"),
        (
            {"image": "postgres:17", "env": {"A": "1"}},
            "new image: postgres:16 -> postgres:17; new configuration: env A added",
        ),
    ],
)
def test_a_dependency_with_another_image_says_which(changed: dict[str, object], why: str) -> None:
    """Its image is what changed, and not its configuration."""
    before = project(service(), dependencies=(replace(DB, image="postgres:16"),))
    after = replace(
        before,
        dependencies=(
            replace(before.dependencies[0], **changed),  # type: ignore[arg-type]
        ),
    )
    there = server(
        before,
        *container(before, "web", "r1"),
        dependency(before, "db"),
        live={"web": "r1"},
        releases=(replace(record("r1", web="r1"), project=before.to_dict()),),
    )
    assert {change.name: change.why for change in plan(after, there).changes}["db"] == why


def test_a_plan_says_what_changed_and_never_a_value() -> None:
    """Variables and keys by name, commits by their first digits; the database says that it stops."""
    before = project(service(env={"COLOUR": "red", "GONE": "1"}), dependencies=(DB,))
    after = project(
        service(env={"COLOUR": "hunter2", "NEW": "1"}, command="serve"),
        dependencies=(replace(DB, env={"POSTGRES_PASSWORD": "hunter2"}),),
    )
    told: ReleaseRecord = replace(record("r1", web="r1"), project=before.to_dict(), commit="a" * 40)
    there = server(
        before,
        *container(before, "web", "r1"),
        dependency(before, "db"),
        live={"web": "r1"},
        releases=(told,),
    )
    found = plan(after, there)
    why = {change.name: change.why for change in found.changes}
    assert why["web"] == "new configuration: env COLOUR, env GONE removed, env NEW added, command"
    assert why["db"] == "new configuration: env POSTGRES_PASSWORD added"
    notes = " ".join(found.notes)
    assert "db stops and starts again" in notes
    assert "POSTGRES_PASSWORD only counts when the database is first initialised" in notes
    assert "hunter2" not in notes + str(why) + " ".join(step.text for step in found.steps)


def test_a_service_without_a_port_is_not_said_to_get_requests() -> None:
    """No word of requests or of traffic for a worker."""
    asked = project(service("worker", port=None, routes=()), service("web"))
    there = server(
        asked,
        *container(asked, "worker", "r1"),
        *container(asked, "web", "r1"),
        live={"web": "r1", "worker": "r1"},
    )
    found = plan(asked, there, "sha256:two")
    switch = first(found, Switch)
    assert isinstance(switch, Switch)
    assert switch.with_port == ("web",)
    assert set(switch.aliases) == {"web", "worker"}
    assert [step.service for step in found.steps if isinstance(step, Drain)] == ["web"]


def test_only_what_was_live_counts_as_a_release_to_keep() -> None:
    """Five good releases, six deploys that were interrupted, one good deploy: r2 to r5 and the new one stay."""
    asked = project()
    tags = tuple(Image(f"i{n}", (f"shop-web:r{n}",), (), (), {}, "linux/amd64", 1) for n in range(1, 12))
    records = tuple(
        replace(record(f"r{n}", "live" if n < 6 else "started", web=f"r{n}"), project=asked.to_dict())
        for n in range(1, 12)
    )
    started = container(asked, "web", "r11")  # by the last of the interrupted ones
    running = (*container(asked, "web", "r5"), *started)
    there = server(asked, *running, live={"web": "r5"}, images=tags, releases=records)
    found = plan(asked, there, "sha256:two")
    dropped = [step.tags for step in found.steps if isinstance(step, DropTags)]
    assert dropped == [("shop-web:r1", *(f"shop-web:r{n}" for n in range(6, 11))), ("shop-web:r11",)]
    outcomes = {
        step.record.release: step.record.outcome for step in found.steps if isinstance(step, WriteRecord)
    }
    assert outcomes == {**{f"r{n}": "interrupted" for n in range(6, 12)}, "r12": "live"}


def test_the_restart_policy_of_containers_of_an_earlier_version_is_set_once() -> None:
    """What runs and stays gets it: the unchanged service, the database, the proxy; not what was stopped."""
    asked = project(service("web"), service("api"), service("off"), dependencies=(DB,))
    running = (
        *container(asked, "web", "r1"),
        *container(asked, "api", "r1"),
        *container(asked, "off", "r1", state="exited"),
        dependency(asked, "db"),
        replace(foreign("ftl-proxy"), id="p", labels={labels.ROLE: labels.ROLE_PROXY}),
        foreign("somebody-elses"),
    )
    old = [
        replace(one, labels={key: value for key, value in one.labels.items() if key != labels.RESTART})
        for one in running
    ]
    there = server(asked, *old, live={"web": "r1", "api": "r1", "off": "r1"})
    there = replace(there, policies={one.id: "unless-stopped" for one in old})
    changed = replace(asked, services=(service("web", env={"A": "1"}), *asked.services[1:]))
    found = [step for step in plan(changed, there).steps if isinstance(step, SetRestartPolicy)]
    assert [ref.name for step in found for ref in step.containers] == ["shop-api-r1", "shop-db", "ftl-proxy"]
    without_off = replace(asked, services=asked.services[:2])
    rest = server(without_off, *old[:2], *old[3:], live={"web": "r1", "api": "r1"})
    assert plan(without_off, replace(rest, policies={one.id: "always" for one in old})).empty
    assert kinds(plan(without_off, replace(rest, policies=there.policies))) == ["SetRestartPolicy"]
    new = server(asked, *running[:2], dependency(asked, "db"), live={"web": "r1", "api": "r1"})
    assert SetRestartPolicy not in {type(step) for step in plan(changed, new).steps}


def test_records_of_old_releases_are_summed_up_once_there_are_many() -> None:
    """Neither the newest ones, nor those that a rollback needs; and not at every deploy."""
    asked = project()
    running = container(asked, "web", "r400")
    records = tuple(record(f"r{number}", web=f"r{number}") for number in range(1, 401))
    kept = (replace(records[0], services={}), *records[300:])  # one is summed up already
    there = server(asked, *running, live={"web": "r400"}, releases=records)
    step = first(plan(asked, there, "sha256:two"), CompactRecords)
    assert isinstance(step, CompactRecords)
    assert [one.release for one in step.records] == [f"r{number}" for number in range(1, 351)]
    few = plan(asked, replace(there, releases=kept), "sha256:two")
    assert CompactRecords not in {type(one) for one in few.steps}


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("a" * 40, "b" * 40, "new image: commit aaaaaaa -> bbbbbbb"),
        ("a" * 40, f"{'a' * 40}-dirty", "new image"),
        (None, "b" * 40, "new image"),
    ],
)
def test_a_new_image_names_commits_that_differ(before: str | None, after: str | None, why: str) -> None:
    """With uncommitted changes, the commit is the same: `3b9a3d4 -> 3b9a3d4` is no reason."""
    assert new_image(before, after) == why


def test_a_deploy_says_which_command_has_a_secret() -> None:
    """Once, as `ftl validate` does; not where nothing is deployed."""
    asked = replace(
        project(service(command="serve hunter2")), secret_words={("services", 0, "command"): ("KEY",)}
    )
    (note,) = [note for note in plan(asked, server(asked, ready=False)).notes if "secret" in note]
    assert note.startswith("ftl.yaml")
    assert "command has the secret KEY in it" in note
    assert "hunter2" not in note
    there = server(
        asked, *container(asked, "web", "r1"), live={"web": "r1"}, releases=(record("r1", web="r1"),)
    )
    assert not any("secret" in note for note in plan(asked, there).notes)
