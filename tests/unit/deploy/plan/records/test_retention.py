"""Retention: which releases stay restorable, by deploys, rollbacks and prunes alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.deploy.plan.leftovers import leftovers
from ftl.deploy.plan.records.recorded import is_kept
from ftl.deploy.plan.records.retention import retention
from ftl.deploy.plan.steps.images import DropTags
from ftl.deploy.plan.steps.records import AmendRecords
from ftl.engine import labels
from ftl.operations.changes.rollback.choice import choose
from tests.unit.deploy.world import first, plan, project, service
from tests.unit.operations.changes.rollback.rollback_world import image, on_server, released, rolled_back

if TYPE_CHECKING:
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.engine.values import Image
    from ftl.releases.record import ReleaseRecord

OURS = {"Labels": {labels.PROJECT: "shop"}}
ASKED = project(service(env={"A": "1"}), keep_releases=2)


def history(*contents: str) -> tuple[ReleaseRecord, ...]:
    """Releases r1, r2, ... that ran these images, each with a tag of its own, as rollbacks and restarts give it."""
    records = []
    for number, content in enumerate(contents, 1):
        made = released(ASKED, f"r{number}")
        entry = replace(made.services["web"], content=content, image_id=content)
        records.append(replace(made, services={"web": entry}))
    return tuple(records)


def seen(*contents: str) -> Observed:
    """A server with these releases, the last of them live, and all of their tags."""
    records = history(*contents)
    tags: dict[str, Image] = {}
    for record in records:
        entry = record.services["web"]
        one = tags.get(entry.content, replace(image(record.release), id=entry.content, tags=(), config=OURS))
        tags[entry.content] = replace(one, tags=(*one.tags, entry.image))
    there = on_server(ASKED, *records, images=tuple(tags.values()), live=f"r{len(contents)}")
    running = tuple(
        replace(one, labels={**one.labels, labels.CONTENT: contents[-1]}) if one in there.services else one
        for one in there.containers
    )
    return replace(there, containers=running)


def kept(observed: Observed, keep: int = 2) -> list[str]:
    """Names of the releases that stay."""
    return [record.release for record in retention(observed, keep=keep).kept]


@pytest.mark.parametrize(
    ("contents", "stay"),
    [
        (("one", "two"), ["r1", "r2"]),
        (("zero", "one", "two"), ["r2", "r3"]),
        (("one", "two", "two", "two", "two"), ["r1", "r4", "r5"]),
        (("one", "two", "one", "two", "one"), ["r4", "r5"]),
        (("zero", "one", "one", "two", "two", "one"), ["r5", "r6"]),
        (("one", "", ""), ["r2", "r3"]),
    ],
)
def test_releases_that_run_the_same_take_one_place(contents: tuple[str, ...], stay: list[str]) -> None:
    """Of equal ones the newest is kept, and those of the last few; a record that does not say what ran differs."""
    assert kept(seen(*contents)) == stay


def test_a_rollback_still_has_somewhere_to_go_after_equal_releases() -> None:
    """The same code deployed, restarted or rolled back to five times had pushed the release before out."""
    observed = seen("one", *["two"] * 5)
    assert choose(observed, None).release == "r1"
    found = leftovers(observed, (), keep=2)
    assert "r1" not in [record.release for record in found.records]
    assert "shop-web:r1" not in found.tags
    assert _dropped(rolled_back(observed)) >= {"shop-web:r2", "shop-web:r3", "shop-web:r4", "shop-web:r5"}


def test_a_release_that_is_made_counts_only_if_it_differs() -> None:
    """A rollback back and forth keeps both; a deploy of something new makes room for itself."""
    observed = seen("zero", "one", "two", "one")
    back = rolled_back(observed, "r3")
    assert _outdated(back) == {"r1", "r2", "r3"}
    assert _dropped(back) == {"shop-web:r1", "shop-web:r2", "shop-web:r3"}  # "two" gets the tag of r5
    new = plan(ASKED, observed, "three")
    assert _outdated(new) == {"r1", "r2", "r3"}
    assert _dropped(new) == {"shop-web:r1", "shop-web:r2", "shop-web:r3"}


def test_the_newest_tag_of_an_image_stays() -> None:
    """One name is enough for a rollback: it finds the image by its ID, too. A tag that is gone does not count."""
    observed = seen("one", "two", "one", "two")
    assert set(leftovers(observed, (), keep=2).tags) == {"shop-web:r1", "shop-web:r2"}
    untagged = tuple(
        replace(one, tags=tuple(tag for tag in one.tags if tag != "shop-web:r3")) for one in observed.images
    )
    assert set(leftovers(replace(observed, images=untagged), (), keep=3).tags) == {"shop-web:r2"}


def test_builds_with_another_commit_are_the_same_image() -> None:
    """The label of the commit gives each an ID of its own; a release is restored from any that stays."""
    one, two, three = history("one", "one", "two")
    before = project(service(env={"A": "0"})).to_dict()
    entries = [
        replace(record.services["web"], image_id=f"id-{record.release}") for record in (one, two, three)
    ]
    records = tuple(
        replace(record, services={"web": entry}, project=before if record is one else record.project)
        for record, entry in zip((one, two, three), entries, strict=True)
    )
    images = tuple(
        replace(image("r1"), id=each.image_id, tags=(each.image,), config=OURS) for each in entries
    )
    observed = on_server(ASKED, *records, images=images, live="r3")
    stays = retention(observed, keep=5)
    gone = set(stays.unused_tags({"web"}))
    assert gone == {"shop-web:r1"}
    after = replace(observed, images=tuple(each for each in images if not gone & set(each.tags)))
    assert stays.kept == records
    assert all(is_kept(after, record) for record in records)
    assert choose(after, "r1").release == "r1"


def test_env_makes_a_release_another_one() -> None:
    """With the same image: what differs is what a rollback would bring back."""
    observed = seen("one", "one", "one")
    first_one = observed.releases[0]
    before = project(service(env={"A": "0"}))
    changed = replace(
        observed, releases=(replace(first_one, project=before.to_dict()), *observed.releases[1:])
    )
    assert kept(changed) == ["r1", "r2", "r3"]
    assert kept(observed) == ["r2", "r3"]


def _dropped(made: Plan) -> set[str]:
    return {tag for step in made.steps if isinstance(step, DropTags) for tag in step.tags}


def _outdated(made: Plan) -> set[str]:
    step = first(made, AmendRecords)
    assert isinstance(step, AmendRecords)
    return {record.release for record in step.records}
