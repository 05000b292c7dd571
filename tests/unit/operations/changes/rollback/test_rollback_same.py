"""Rollback past releases that run the same as the live one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.common.next_step import ftl
from ftl.errors import UsageError
from ftl.operations.changes.rollback.choice import choose
from tests.unit.deploy.world import project, service
from tests.unit.operations.changes.rollback.rollback_world import image, on_server, released, rolled_back

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.releases.record import ReleaseRecord

WEB = project(service(env={"A": "1"}))


def same_as(record: ReleaseRecord, release: str) -> ReleaseRecord:
    """A release that left the services of another as they were."""
    return replace(record, release=release, started=float(release[1:]))


def deployed_again(bad: str = "") -> Observed:
    """r1, then r2, and r3 that changed nothing."""
    first, second = released(WEB, "r1", bad=bad), released(WEB, "r2")
    return on_server(WEB, first, second, same_as(second, "r3"), images=(image("r1"), image("r2")))


def test_a_release_that_runs_the_same_is_passed_over_with_a_note() -> None:
    """Going back to it would leave the bad code where it is."""
    observed = deployed_again()
    assert choose(observed, None).release == "r1"
    made = rolled_back(observed)
    assert not made.empty
    assert "r2 runs the same as r3" in made.notes


@pytest.mark.parametrize(
    "before",
    [
        project(service(env={"A": "2"})),
        project(service(env={"A": "1"}, replicas=2)),
        project(service(port=81)),
    ],
)
def test_a_release_with_other_settings_is_another_one(before: object) -> None:
    """Env, replicas and ports count, with the same image."""
    second = released(WEB, "r2")
    other = replace(same_as(second, "r1"), project=before.to_dict())  # type: ignore[attr-defined]
    assert choose(on_server(WEB, other, second), None).release == "r1"


def test_records_that_do_not_say_what_they_ran_are_not_taken_for_the_same() -> None:
    """Nothing equals nothing: the rollback passed over the release before, whatever its image was."""
    second = released(WEB, "r2")
    unknown = {name: replace(entry, content="") for name, entry in second.services.items()}
    first, live = (replace(same_as(second, release), services=unknown) for release in ("r1", "r2"))
    assert choose(on_server(WEB, first, live), None).release == "r1"


def test_a_named_release_that_runs_the_same_changes_nothing_and_names_another() -> None:
    """The same command once more is no error."""
    made = rolled_back(deployed_again(), "r2")
    assert made.empty
    assert f"r2 runs the same as r3: {ftl('rollback r1')} goes to the last one that differs" in made.notes


@pytest.mark.parametrize(("bad", "hint"), [("", "git checkout"), ("loses data", "marked bad")])
def test_where_nothing_differs_it_is_an_error(bad: str, hint: str) -> None:
    """Success would be told of a server that still runs the bad code."""
    observed = deployed_again(bad)
    if not bad:
        observed = replace(observed, releases=observed.releases[1:])
    with pytest.raises(UsageError, match="nothing before r3 differs from it: r2 runs the same") as refused:
        choose(observed, None)
    assert hint in (refused.value.hint or "")
