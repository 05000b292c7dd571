"""Images of registries that FTL brought: which of them a deploy, prune or removal takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency
from ftl.deploy.plan.leftovers import leftovers
from ftl.deploy.plan.steps.images import ClaimImage, DropPulled
from ftl.engine import labels
from ftl.engine.marks import pull_mark
from ftl.engine.values import Image
from ftl.operations.changes.prune import plan_prune
from ftl.operations.changes.remove import plan_remove
from ftl.releases.record import DependencyRecord
from tests.unit.deploy.world import plan, project, service
from tests.unit.operations.changes.rollback.rollback_world import on_server, released

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.deploy.plan.model import Plan
    from ftl.releases.record import ReleaseRecord

REPOSITORY = "ghcr.io/acme/app"


def at_version(number: int, **settings: object) -> Project:
    """The project with an image of a version."""
    return project(service(build=None, image=f"{REPOSITORY}:v{number}"), keep_releases=2, **settings)


def identity(number: int) -> str:
    """ID of the image of a version."""
    return f"sha256:{number:012x}{'0' * 52}"


def digest(number: int) -> str:
    """Name by digest of the image of a version."""
    return f"{REPOSITORY}@sha256:{number:064x}"


def mark(number: int, owner: str = "shop") -> str:
    """The mark on the image of a version."""
    made = pull_mark(owner, f"{REPOSITORY}:v{number}", identity(number))
    assert made is not None
    return made.text


def pulled(number: int, *more: str, marked: bool = True) -> Image:
    """The image of a version as a pull leaves it, and the mark of who pulled it."""
    own = (mark(number),) if marked else ()
    tags = (f"{REPOSITORY}:v{number}", *own, *more)
    return Image(identity(number), tags, (digest(number),), (), {}, "linux/amd64", 1)


def record(number: int, *, failed: bool = False) -> ReleaseRecord:
    """The record of the release of a version."""
    made = released(at_version(number), f"r{number}")
    entry = replace(
        made.services["web"],
        image_id="" if failed else identity(number),
        pulled="" if failed else digest(number),
        content=f"ref:{REPOSITORY}:v{number}",
    )
    return replace(made, outcome="failed" if failed else "live", services={"web": entry})


def seen(last: int = 3, images: tuple[Image, ...] | None = None) -> Observed:
    """A server with the releases r1, r2, ..., the last of them live."""
    there = tuple(map(pulled, range(1, last + 1))) if images is None else images
    records = map(record, range(1, last + 1))
    observed = on_server(at_version(last), *records, images=there, live=f"r{last}")
    running = tuple(
        replace(
            one,
            image_id=identity(last),
            image=f"{REPOSITORY}:v{last}@{digest(last).partition('@')[2]}",
            labels={**one.labels, labels.CONTENT: f"ref:{REPOSITORY}:v{last}"},
        )
        if one in observed.services
        else one
        for one in observed.containers
    )
    return replace(observed, containers=running)


def dropped(made: Plan) -> list[str]:
    """IDs of pulled images that a plan removes."""
    return [one.id for step in made.steps if isinstance(step, DropPulled) for one in step.images]


def test_a_deploy_removes_the_images_of_releases_that_are_no_longer_kept() -> None:
    """Of those before, the two that stay restorable keep theirs; the new one has not come yet."""
    assert dropped(plan(at_version(4), seen())) == [identity(1), identity(2)]
    assert [one.id for one in leftovers(seen(), (), keep=2).pulled] == [identity(1)]
    assert dropped(plan_prune(seen(), (), keep=2)) == [identity(1)]
    assert leftovers(seen(), (), keep=3).pulled == ()


def test_an_image_that_was_there_before_stays() -> None:
    """It has no mark of the project; nor have those of releases of earlier versions of FTL."""
    before = pulled(1, marked=False)
    theirs = pulled(1, mark(1, "other"), marked=False)
    for image in (before, theirs):
        observed = seen(images=(image, pulled(2), pulled(3)))
        assert dropped(plan(at_version(4), observed)) == [identity(2)]
        assert leftovers(observed, (), keep=2).pulled == ()


def test_an_image_that_a_container_uses_stays() -> None:
    """Whoever has it, and though it does not run: listed by the image's name, or by its ID."""
    observed = seen()
    one = observed.services[0]
    for image, image_id in ((f"{REPOSITORY}:v1", ""), ("sha256:short", identity(1)), (digest(1), "")):
        other = replace(one, id="other", labels={}, state="exited", image=image, image_id=image_id)
        used = replace(observed, containers=(*observed.containers, other))
        assert dropped(plan(at_version(4), used)) == [identity(2)]
        assert leftovers(used, (), keep=2).pulled == ()


def test_an_image_that_only_another_project_uses_is_left_to_it() -> None:
    """To one that has marked it, which removes it one day: staging does not wait for production."""
    observed = seen(images=(pulled(1, mark(1, "other")), pulled(2, mark(2, "third")), pulled(3)))
    one = observed.services[0]
    theirs = tuple(
        replace(
            one,
            id=f"other{number}",
            labels={**one.labels, labels.PROJECT: "other"},
            image_id=identity(number),
        )
        for number in (1, 2)
    )
    observed = replace(observed, containers=(*observed.containers, *theirs))
    assert dropped(plan(at_version(4), observed)) == [identity(1)]


def test_an_image_that_a_kept_release_runs_again_stays() -> None:
    """By the digest, where another engine calls it otherwise; and one that the new release starts from."""
    assert dropped(plan(at_version(1), seen())) == [identity(2)]
    observed = seen()
    entry = replace(record(1).services["web"], image_id="sha256:elsewhere")
    again = replace(record(3), services={"web": entry})
    observed = replace(observed, releases=(*observed.releases[:2], again))
    assert [one.id for one in leftovers(observed, (), keep=1).pulled] == [identity(2)]


def test_an_image_that_was_sent_is_known_by_its_id() -> None:
    """No registry gave it a digest, and its tag may have moved."""
    sent = replace(pulled(2), tags=(mark(2),), digests=())
    entry = replace(record(2).services["web"], pulled="")
    observed = seen(images=(pulled(1), sent, pulled(3)))
    releases = (record(1), replace(record(2), services={"web": entry}), record(3))
    found = leftovers(replace(observed, releases=releases), (), keep=2).pulled
    assert [one.id for one in found] == [identity(1)]


def test_the_image_of_a_failed_release_goes() -> None:
    """Its record has no ID: the mark tells that FTL brought it."""
    observed = seen(2, images=(pulled(1), pulled(2), pulled(9)))
    observed = replace(observed, releases=(*observed.releases, record(9, failed=True)))
    assert dropped(plan(at_version(4), observed)) == [identity(1), identity(9)]


def test_images_of_dependencies_go_alike() -> None:
    """When the new one runs, and no release that is kept names it any more."""
    observed = seen()
    old, new = (Dependency(name="db", image=f"{REPOSITORY}:v{number}") for number in (1, 2))
    records = tuple(
        replace(each, dependencies={"db": DependencyRecord(old.image, identity(1), digest(1))})
        for each in observed.releases
    )
    observed = replace(observed, releases=records)
    assert leftovers(observed, (), keep=2).pulled == ()
    assert dropped(plan(at_version(4, dependencies=(new,)), observed)) == []  # r3 is kept, and names it
    later = replace(
        observed,
        releases=tuple(
            replace(each, dependencies={"db": DependencyRecord(new.image, identity(2), digest(2))})
            for each in records
        ),
    )
    assert dropped(plan(at_version(4, dependencies=(new,)), later)) == [identity(1)]


@pytest.mark.parametrize(
    ("image", "claims"),
    [
        (pulled(4, mark(4, "other"), marked=False), True),
        (pulled(4, mark(4, "other")), False),
        (pulled(4, marked=False), False),
    ],
)
def test_an_image_that_another_project_brought_is_claimed(image: Image, claims: bool) -> None:
    """So that it stays until both have given it up; one that FTL did not bring, or that is marked, is left as it is."""
    made = plan(at_version(4), seen(images=(pulled(3), image)))
    claimed = [step.reference for step in made.steps if isinstance(step, ClaimImage)]
    assert claimed == ([f"{REPOSITORY}:v4@{digest(4).partition('@')[2]}"] if claims else [])


def test_a_removal_takes_all_that_was_brought_for_the_project() -> None:
    """Of an image that a container of others uses only the mark."""
    observed = seen(2)
    other = replace(
        observed.services[0], id="other", labels={}, image=f"{REPOSITORY}:v1", image_id=identity(1)
    )
    observed = replace(observed, containers=(*observed.containers, other))
    (step,) = (one for one in plan_remove(observed, volumes=False).steps if isinstance(one, DropPulled))
    assert [(one.id, one.marks, one.stays) for one in step.images] == [
        (identity(2), (mark(2),), False),
        (identity(1), (mark(1),), True),
    ]
