"""Rollback: target, images, dependencies, notes and record of its plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency, Hook, Hooks
from ftl.config.models.proxy import Redirect
from ftl.deploy.plan.desired.sources import BuiltImage
from ftl.deploy.plan.steps.containers import RunHook, StartContainers, StartDependency, WaitHealthy
from ftl.deploy.plan.steps.images import DropTags, PushPull, SendImages, TagPulled
from ftl.deploy.plan.steps.proxy import Switch
from ftl.deploy.plan.steps.records import AmendRecords, SetHold
from ftl.errors import UsageError
from ftl.health.spec import SETTLE_SECONDS
from ftl.operations.changes.mark_bad import plan_mark
from ftl.operations.changes.rollback.choice import choose
from ftl.operations.changes.rollback.rollback import plan_rollback, restored_project
from ftl.operations.views.releases import list_releases
from tests.unit.deploy.world import container, first, kinds, plan, project, server, service
from tests.unit.operations.changes.rollback.rollback_world import (
    ME,
    REQUEST,
    image,
    on_server,
    released,
    rolled_back,
)

if TYPE_CHECKING:
    from ftl.releases.record import ReleaseOutcome


def test_it_restores_image_and_env_as_recorded_in_a_new_release() -> None:
    """The earlier release's image gets the new release's tag, its env goes into the container, nothing travels."""
    old, new = project(service(env={"A": "1"})), project(service(env={"A": "2"}))
    observed = on_server(new, released(old, "r1"), released(new, "r2"), images=(image("r1"), image("r2")))
    made = rolled_back(observed)
    assert made.release == "r3"
    assert made.record is not None
    assert (made.record.rollback_of, made.record.commit, made.record.subject) == (
        "r1",
        "1" * 40,
        "work of r1",
    )
    tag, start = first(made, TagPulled), first(made, StartContainers)
    assert isinstance(tag, TagPulled)
    assert isinstance(start, StartContainers)
    assert (tag.pulled, tag.tag) == ("shop-web:r1", "shop-web:r3")
    assert (start.specs[0].env, start.image) == ({"A": "1"}, "shop-web:r3")
    assert "SendImages" not in kinds(made)
    assert isinstance(first(made, Switch), Switch)


def test_the_image_gets_its_tag_beside_the_record() -> None:
    """Neither waits for the other; the containers wait for both."""
    old, new = project(service(env={"A": "1"})), project(service(env={"A": "2"}))
    observed = on_server(new, released(old, "r1"), released(new, "r2"), images=(image("r1"), image("r2")))
    stages = {stage.name: stage for stage in rolled_back(observed).stages}
    assert [[step.kind for step in track] for track in stages["record"].tracks] == [
        ["record"],
        ["tag_pulled"],
    ]
    assert "images" not in stages
    assert list(stages).index("record") < list(stages).index("services")


def test_what_was_live_before_does_not_have_to_settle() -> None:
    """An image with this configuration has proven itself; a new one is watched for a moment before the switch."""
    old, new = project(service(env={"A": "1"})), project(service(env={"A": "2"}))
    observed = on_server(new, released(old, "r1"), released(new, "r2"), images=(image("r1"), image("r2")))
    back, onward = (
        first(rolled_back(observed), WaitHealthy),
        first(plan(old, observed, "content-r3"), WaitHealthy),
    )
    assert isinstance(back, WaitHealthy)
    assert isinstance(onward, WaitHealthy)
    assert (back.check.settle, onward.check.settle) == (0.0, SETTLE_SECONDS)


def test_a_service_that_did_not_change_since_is_left_alone() -> None:
    """Only what differs from the live release is replaced."""
    asked = project(service("web"), service("api", port=9000))
    two = released(asked, "r2")
    two = replace(two, services={**two.services, "api": released(asked, "r1").services["api"]})
    running = (
        *container(asked, "web", "r2", content="content-r2"),
        *container(asked, "api", "r1", content="content-r1"),
    )
    observed = server(
        asked,
        *running,
        live={"web": "r2", "api": "r1"},
        images=(image("r1"), image("r2"), image("r1", "api")),
        releases=(released(asked, "r1"), two),
    )
    made = rolled_back(observed)
    assert {change.name: change.action for change in made.changes} == {"web": "replaced", "api": "unchanged"}


def test_hooks_do_not_run_unless_asked_for() -> None:
    """A migration of the old release must not run against newer data by itself."""
    asked = project(service(hooks=Hooks(pre=Hook(remote="migrate"))))
    observed = on_server(asked, released(asked, "r1"), released(asked, "r2"), images=(image("r1"),))
    assert "RunHook" not in kinds(rolled_back(observed))
    assert isinstance(first(rolled_back(observed, hooks=True), RunHook), RunHook)
    assert any("1 pre hook ran since r1" in note for note in rolled_back(observed).notes)


@pytest.mark.parametrize("outcome", ["failed", "started", "interrupted"])
def test_the_migration_of_a_release_that_failed_is_counted(outcome: ReleaseOutcome) -> None:
    """It ran, and its health check failed: the release to go back to meets a newer schema."""
    asked = project(service(hooks=Hooks(pre=Hook(remote="migrate"))))
    records = (
        released(asked, "r1"),
        replace(released(asked, "r2"), pre_hooks=("web",)),
        replace(released(asked, "r3", outcome=outcome), pre_hooks=("web",)).without_values(),
        replace(released(asked, "r4", outcome=outcome), pre_hooks=()),
    )
    notes = rolled_back(on_server(asked, *records, images=(image("r1"),))).notes
    told = "2 pre hooks ran since r1, also of r3, which did not stay live; what pre hooks changed in databases stays"
    assert told in notes


def test_of_an_earlier_version_it_is_not_known_whether_a_failed_release_ran_its_hook() -> None:
    """It may have failed before: the note says so. One that was deployed without hooks ran none."""
    asked = project(service(hooks=Hooks(pre=Hook(local="./migrate.sh"))))
    left_out = replace(released(asked, "r4", outcome="failed"), hooks=False)
    records = (
        released(asked, "r1"),
        released(asked, "r2"),
        released(asked, "r3", outcome="failed"),
        left_out,
    )
    notes = rolled_back(on_server(asked, *records, images=(image("r1"),))).notes
    assert any(note.startswith("1 pre hook ran since r1; ") for note in notes), "local ones change data, too"
    assert any(note.startswith("pre hooks may have run in r3, which did not stay live") for note in notes)


def test_hooks_that_were_left_out_did_not_run() -> None:
    """A release of `ftl deploy --no-hooks` is not among those whose migrations stay."""
    asked = project(service(hooks=Hooks(pre=Hook(remote="migrate"))))
    left_out = replace(released(asked, "r2"), hooks=False)
    observed = on_server(asked, released(asked, "r1"), left_out, images=(image("r1"),))
    assert not any("pre hook" in note for note in rolled_back(observed).notes)


def test_dependencies_stay_as_they_are_and_the_note_names_those_that_differed() -> None:
    """A database is not taken back to an older image: it would not read its own data."""
    old = project(dependencies=(Dependency(name="postgres", image="postgres:15"),))
    new = project(dependencies=(Dependency(name="postgres", image="postgres:16"),))
    observed = on_server(new, released(old, "r1"), released(new, "r2"), images=(image("r1"),))
    made = rolled_back(observed)
    assert not any(isinstance(step, StartDependency) for step in made.steps)
    assert any("r1 had others: postgres (postgres:15, now postgres:16)" in note for note in made.notes)


def test_an_image_that_this_machine_still_has_is_sent() -> None:
    """The server lost it, but its content is here."""
    asked = project()
    observed = on_server(asked, released(asked, "r1"), released(asked, "r2"))
    local = {"web": BuiltImage("sha256:here", "content-r1")}
    made = plan_rollback(REQUEST, choose(observed, None), ME, local, observed)
    assert isinstance(first(made, SendImages), SendImages)


def test_an_image_of_a_registry_is_restored_by_its_digest() -> None:
    """It is what that release ran, even where the tag has moved; no name of the user's registry is pushed to."""
    asked = project(service(build=None, image="nginx:1.27"))
    records = (released(asked, "r1", pulled="nginx@sha256:1"), released(asked, "r2", pulled="nginx@sha256:2"))
    made = rolled_back(on_server(asked, *records))
    start = first(made, StartContainers)
    assert isinstance(start, StartContainers)
    assert start.image == "nginx:1.27@sha256:1"
    assert made.record is not None
    assert made.record.services["web"].image == "nginx:1.27"
    assert not any(isinstance(step, PushPull) for step in made.steps)
    assert "the server pulls the image of web again: it is no longer there" in made.notes


def test_a_tag_that_stands_for_another_image_is_not_taken_for_the_recorded_one() -> None:
    """The recorded ID counts: somebody may have tagged something else."""
    asked = project()
    moved = replace(image("r2"), tags=("shop-web:r1", "shop-web:r2"))
    observed = on_server(asked, released(asked, "r1"), released(asked, "r2"), images=(moved,))
    with pytest.raises(UsageError, match="cannot be restored"):
        rolled_back(observed)


def test_the_default_target_skips_bad_and_failed_releases() -> None:
    """Without a name it is the last release that was live, unless that is marked bad."""
    asked = project()
    records = (
        released(asked, "r1"),
        released(asked, "r2", bad="loses sessions"),
        released(asked, "r3", outcome="failed"),
        released(asked, "r4"),
    )
    observed = on_server(asked, *records, live="r4")
    assert choose(observed, None).release == "r1"
    assert choose(observed, "r2").release == choose(observed, "2").release == "r2"


def test_a_rollback_is_undone_by_the_next_one() -> None:
    """After r3 restored r1, the last one that was live is r2; r1 itself would change nothing."""
    asked = project()
    restored = replace(released(asked, "r3"), rollback_of="r1")
    observed = on_server(asked, released(asked, "r1"), released(asked, "r2"), restored, live="r3")
    assert choose(observed, None).release == "r2"
    bad = released(asked, "r2", bad="wrong")
    with pytest.raises(UsageError, match="no release before r3"):
        choose(on_server(asked, released(asked, "r1"), bad, restored, live="r3"), None)


def test_a_hold_is_set_before_the_switch() -> None:
    """Deploys stop with the reason that was given."""
    asked = project()
    observed = on_server(asked, released(asked, "r1"), released(asked, "r2"), images=(image("r1"),))
    made = rolled_back(observed, hold="locks the table")
    step = first(made, SetHold)
    assert isinstance(step, SetHold)
    assert step.hold is not None
    assert (step.hold.reason, step.hold.by) == ("locks the table", "me@here")
    assert kinds(made).index("SetHold") < kinds(made).index("Switch")


def test_the_image_that_it_restores_is_not_dropped() -> None:
    """`keep_releases` counts the live releases; what is restored gets a new tag before old ones go."""
    asked = replace(project(), keep_releases=2)
    records = tuple(released(asked, f"r{number}") for number in range(1, 5))
    observed = on_server(
        asked, *records, images=tuple(image(f"r{number}") for number in range(1, 5)), live="r4"
    )
    drop = first(rolled_back(observed, "r1"), DropTags)
    assert isinstance(drop, DropTags)
    assert set(drop.tags) == {"shop-web:r1", "shop-web:r2", "shop-web:r3"}


def test_outcomes_of_the_list() -> None:
    """One release is live; others were replaced, failed or were interrupted; those without an image are not kept."""
    asked = project()
    records = (
        released(asked, "r1"),
        released(asked, "r2"),
        released(asked, "r3", outcome="failed"),
        replace(released(asked, "r4", outcome="failed"), error="interrupted"),
        released(asked, "r5", outcome="started"),
    )
    found = list_releases(on_server(asked, *records, images=(image("r2"),)))
    assert [(one.record.release, one.outcome, one.live, one.kept) for one in found] == [
        ("r5", "interrupted", False, False),
        ("r4", "interrupted", False, False),
        ("r3", "failed", False, False),
        ("r2", "live", True, True),
        ("r1", "replaced", False, False),
    ]


def test_a_mark_changes_the_record_alone() -> None:
    """Marking is a plan of one step, and again of none."""
    asked = project()
    observed = on_server(asked, released(asked, "r1"), released(asked, "r2", bad="slow"))
    assert kinds(plan_mark(observed, "r1", "slow")) == ["AmendRecords"]
    assert plan_mark(observed, "r2", "slow").empty
    taken_away = first(plan_mark(observed, "r2", ""), AmendRecords)
    assert isinstance(taken_away, AmendRecords)
    assert taken_away.records[0].bad == ""
    assert "no longer marked bad" in taken_away.text
    assert plan_mark(observed, "r1", "").empty
    with pytest.raises(UsageError, match="no release `r7`"):
        plan_mark(observed, "r7", "slow")


def test_redirects_come_back_with_the_routes_that_they_lead_to() -> None:
    """With the live release's redirect from www to the bare domain, the restored domain would lead nowhere."""
    old, new = project(), project()
    new = replace(new, proxy=replace(new.proxy, redirects=(Redirect(host="www.a.com", to="a.com"),)))
    observed = on_server(new, released(old, "r1"), released(new, "r2"), images=(image("r1"), image("r2")))
    target = choose(observed, "r1")
    assert restored_project(observed, target, REQUEST).proxy.redirects == ()


def test_a_dependency_that_was_stopped_on_purpose_stays_stopped() -> None:
    """Somebody may be working on its data; a note says how to start it."""
    asked = project(service(), dependencies=(Dependency(name="db", image="postgres:16"),))
    observed = on_server(asked, released(asked, "r1"), released(asked, "r2"), images=(image("r1"),))
    stopped = tuple(
        replace(one, state="exited") if one.name == "shop-db" else one for one in observed.containers
    )
    made = rolled_back(replace(observed, containers=stopped))
    assert not any(step.subject == "db" for step in made.steps)
    assert any("`ftl start db`" in note for note in made.notes)
