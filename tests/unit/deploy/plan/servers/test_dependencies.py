"""Plans for dependencies in a cluster: they stay with their data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.config.models.project import Dependency
from ftl.deploy.plan.changes import ANOTHER_NETWORK, NEW_CONFIGURATION
from ftl.deploy.plan.steps.containers import EnsureVolume, StartDependency
from ftl.deploy.plan.steps.images import BringImage
from ftl.errors import UsageError
from tests.unit.deploy.cluster import cluster, dependency_on, observed, tasks_of, where
from tests.unit.deploy.world import plan, project


def test_a_dependency_runs_where_on_says() -> None:
    """Its image goes there alone, and so does its volume."""
    db = Dependency(name="db", image="postgres:16", volumes=("data:/data",), on="b")
    asked = cluster(dependencies=(db,), volumes=("data",))
    found = plan(asked, observed(asked))
    bringing = [step for step in found.steps if isinstance(step, BringImage)]
    assert [step.servers for step in bringing if step.reference == "postgres:16"] == [("b",)]
    assert where(found, StartDependency) == [("b",)]
    assert where(found, EnsureVolume) == [("b",)]


def test_a_dependency_that_only_changes_its_network_says_so() -> None:
    """From one server to several: the plan names what restarts, why, and for how long; data stay."""
    db = Dependency(name="db", image="postgres:16", volumes=("data:/data",))
    alone = project(dependencies=(db,), volumes=("data",))
    for asked, why in (
        (cluster(dependencies=(db,), volumes=("data",)), ANOTHER_NETWORK),
        (
            cluster(dependencies=(replace(db, command="postgres -c x=1"),), volumes=("data",)),
            NEW_CONFIGURATION,
        ),
    ):
        seen = observed(asked, on={"a": (dependency_on(alone, "db"),)})
        found = plan(asked, seen)
        (change,) = (change for change in found.changes if change.name == "db")
        assert (change.action, change.why) == ("replaced", why)
        assert any("may take 30 s, and started" in note for note in found.notes)


def test_a_dependency_does_not_move_away_from_its_data() -> None:
    """It would start on an empty volume there."""
    db = Dependency(name="db", image="postgres:16", volumes=("data:/data",))
    before, asked = (cluster(dependencies=(replace(db, on=on),), volumes=("data",)) for on in ("a", "b"))
    seen = observed(asked, *tasks_of(before, "r1"), live="r1", on={"a": (dependency_on(before, "db"),)})
    with pytest.raises(UsageError, match="db has its data on a, and `on` places it on b"):
        plan(asked, seen)
    moved = cluster(dependencies=(replace(db, on=None),), volumes=("data",))
    moved = replace(moved, servers=(moved.servers[1], moved.servers[0]))
    with pytest.raises(UsageError, match="on a, and without `on` it runs on the first server, b"):
        plan(moved, observed(moved, live="r1", on={"a": (dependency_on(before, "db"),)}))
