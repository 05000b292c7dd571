"""Values of secrets in release records, by which later commands mask them."""

from __future__ import annotations

from dataclasses import replace

from ftl.config.models.project import Registry
from ftl.deploy.plan.records.retention import retention
from ftl.deploy.plan.steps.records import WriteRecord
from ftl.operations.changes.restart import plan_restart
from ftl.operations.changes.rollback.fresh import FreshSecrets
from tests.unit.deploy.world import plan, project, server, service
from tests.unit.operations.changes.rollback.rollback_world import (
    ME,
    REQUEST,
    image,
    on_server,
    released,
    rolled_back,
)


def test_a_release_records_the_values_that_its_deploy_fetched() -> None:
    """In the record that only root can read; a deploy of one service keeps those of the others.

    A value that no container gets, such as a registry's password, is in no field of it.
    """
    asked = replace(
        project(service(env={"A": "other-token"}), service("api", env={"URL": "x://me:one-token@db"})),
        registries=(Registry(server="registry.example.com", username="me", password="push-token"),),
        secret_values={"TOKEN": "one-token", "REGISTRY": "push-token"},
    )
    made = plan(asked, server(asked))
    assert made.record is not None
    assert made.record.secrets == ("one-token",)
    assert "secrets=" not in repr(made.record)
    assert b"push-token" not in made.record.to_json()
    before = replace(released(asked, "r1"), secrets=("other-token",))
    partial = plan(asked, on_server(asked, before, live="r1"), only=("api",))
    assert partial.record is not None
    assert partial.record.secrets == ("one-token", "other-token")


def test_a_rollback_records_the_values_of_both_releases_and_fresh_ones() -> None:
    """The services are those of the earlier release, the dependencies those of the live one."""
    asked = project(service(env={"ALL": "token-fresh token-r1 token-r2"}))
    records = [replace(released(asked, name), secrets=(f"token-{name}",)) for name in ("r1", "r2")]
    observed = on_server(asked, *records, images=(image("r1"), image("r2")))
    made = rolled_back(observed, "r1", fresh=FreshSecrets({"TOKEN": "token-fresh"}))
    assert made.record is not None
    assert made.record.secrets == ("token-fresh", "token-r1", "token-r2")
    restarted = plan_restart(REQUEST.operation, ME, observed)
    assert not [step for step in restarted.steps if isinstance(step, WriteRecord)]


def test_a_release_that_is_no_longer_kept_loses_the_values() -> None:
    """As it loses its env."""
    asked = project()
    records = [replace(released(asked, f"r{number}"), secrets=("token",)) for number in (1, 2, 3)]
    outdated = retention(on_server(asked, *records, live="r3"), keep=1).outdated_records
    assert [(record.release, record.secrets) for record in outdated] == [("r1", ()), ("r2", ())]
