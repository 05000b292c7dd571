"""Which images a plan brings and which it drops, by tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ftl.config.models.project import Dependency, Hook, Hooks
from ftl.deploy.plan.steps.containers import RunHook, StartContainers, StartDependency
from ftl.deploy.plan.steps.images import BringImage, DropTags, PushPull, TagPulled
from ftl.engine.values import Image
from ftl.releases.record import DependencyRecord, ServiceRecord
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


def test_images_too_old_to_return_to_are_dropped() -> None:
    """Five releases' images stay; one that a container uses stays whatever its age."""
    asked = project()
    tags = tuple(Image(f"i{n}", (f"shop-web:r{n}",), (), (), {}, "linux/amd64", 1) for n in range(1, 9))
    old = replace(container(asked, "web", "r8")[0], id="x", name="x", image="shop-web:r2", labels={})
    there = server(asked, *container(asked, "web", "r8"), old, live={"web": "r8"}, images=tags)
    dropped = first(plan(asked, there, "sha256:two"), DropTags)
    assert isinstance(dropped, DropTags)
    assert dropped.tags == ("shop-web:r1", "shop-web:r3", "shop-web:r4")


def test_tags_that_no_container_has_are_dropped_while_the_old_containers_finish() -> None:
    """After the record says that no rollback can have them; those of the containers that go follow in the end."""
    asked = project(keep_releases=1)
    tags = tuple(Image(f"i{n}", (f"shop-web:r{n}",), (), (), {}, "linux/amd64", 1) for n in range(1, 4))
    records = tuple(replace(record(f"r{n}", web=f"r{n}"), project={"name": "shop"}) for n in range(1, 4))
    running = container(asked, "web", "r3")
    there = server(asked, *running, live={"web": "r3"}, images=tags, releases=records)
    clean_up, old_images = (
        [[type(step).__name__ for step in track] for track in stage.tracks if track]
        for stage in plan(asked, there, "sha256:two").stages
        if stage.name in ("clean up", "old images")
    )
    assert clean_up == [["Drain", "StopAndRemove"], ["AmendRecords", "DropTags"]]
    assert old_images == [["DropTags"]]


def test_a_tag_that_a_killed_clean_up_left_goes_with_a_deploy_without_changes() -> None:
    """Together with the container that was left; then there is nothing to do."""
    asked = project(keep_releases=2)
    tags = tuple(Image(f"i{n}", (f"shop-web:r{n}",), (), (), {}, "linux/amd64", 1) for n in range(1, 4))
    running = container(asked, "web", "r3")
    there = server(asked, *running, *container(asked, "web", "r1"), live={"web": "r3"}, images=tags)
    found = plan(asked, there)
    assert kinds(found) == ["Drain", "StopAndRemove", "DropTags"]
    dropped = first(found, DropTags)
    assert isinstance(dropped, DropTags)
    assert dropped.tags == ("shop-web:r1",)
    assert plan(asked, server(asked, *running, live={"web": "r3"}, images=tags[1:])).empty


def test_the_last_name_of_an_image_that_a_container_uses_stays() -> None:
    """The engine refuses to remove it: each plan would try again."""
    asked = project(keep_releases=1)
    tags = tuple(Image(f"i{n}", (f"shop-web:r{n}",), (), (), {}, "linux/amd64", 1) for n in range(1, 4))
    own = replace(container(asked, "web", "r1")[0], id="x", name="x", image="i1", image_id="i1", labels={})
    there = server(asked, *container(asked, "web", "r3"), own, live={"web": "r3"}, images=tags)
    dropped = first(plan(asked, there), DropTags)
    assert isinstance(dropped, DropTags)
    assert dropped.tags == ("shop-web:r2",)


def test_images_of_failed_releases_go_first() -> None:
    """A release that failed leaves no image behind that would push out one worth going back to."""
    asked = project()
    tags = tuple(Image(f"i{n}", (f"shop-web:r{n}",), (), (), {}, "linux/amd64", 1) for n in range(1, 7))
    failures = tuple(record(f"r{n}", "failed") for n in (3, 4, 5))
    there = server(asked, *container(asked, "web", "r6"), live={"web": "r6"}, images=tags, releases=failures)
    dropped = first(plan(asked, there, "sha256:two"), DropTags)
    assert isinstance(dropped, DropTags)
    assert dropped.tags == ("shop-web:r3", "shop-web:r4", "shop-web:r5")


def test_an_image_through_a_registry_is_pushed_and_pulled() -> None:
    """A service with `image` and `build` goes through the registry; one with `image` alone is brought."""
    asked = project(
        service("web", image="registry.example.com/web"), service("job", build=None, image="busybox")
    )
    found = plan(asked, server(asked, ready=False))
    assert [step.reference for step in found.steps if isinstance(step, PushPull)] == [
        "registry.example.com/web"
    ]
    assert "busybox" in [step.reference for step in found.steps if isinstance(step, BringImage)]


DIGESTS = tuple(f"sha256:{digit * 64}" for digit in "01")


def image(name: str, *digests: str) -> Image:
    """An image of the server's whose tag, if it has one, was moved to another digest."""
    return Image(name, (), digests, (), {}, "linux/amd64", 1)


@pytest.mark.parametrize("named", ["nginx:1.27@{}", "nginx@{}", "docker.io/library/nginx:1.26@{}"])
@pytest.mark.parametrize(("there", "brought"), [(DIGESTS[0], False), (DIGESTS[1], True)])
def test_an_image_named_by_digest_is_there_whatever_its_tag(named: str, there: str, brought: bool) -> None:
    """The server lists it without the tag that ftl.yaml may have in front of the digest."""
    asked = project(service("web", build=None, image=named.format(DIGESTS[0])))
    found = plan(asked, server(asked, images=(image("n", f"nginx@{there}"),)))
    assert ("BringImage" in kinds(found)) is brought


def test_what_a_container_is_listed_by_is_there() -> None:
    """The containerd store leaves images out of its list; a container is listed by the name of one that it can find."""
    asked = project(service("web", build=None, image="nginx:1.27"))
    runs = replace(container(asked, "web", "r1")[0], image="nginx:1.27")
    assert "BringImage" not in kinds(plan(asked, server(asked, runs, live={"web": "r1"})))
    assert "BringImage" in kinds(
        plan(asked, server(asked, replace(runs, image="sha256:x"), live={"web": "r1"}))
    )


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("kept", [True, False])
def test_a_new_configuration_changes_no_image_that_was_pulled(recorded: bool, kept: bool) -> None:
    """A tag may be moved; the digest of the live release counts while ftl.yaml names the same, and it is there.

    Where records were lost the containers tell it.
    """
    before = project(
        service("web", build=None, image="nginx:1.27"),
        dependencies=(Dependency(name="db", image="postgres:16"),),
    )
    web, db = f"nginx:1.27@{DIGESTS[0]}", f"postgres:16@{DIGESTS[0]}"
    made = container(before, "web", "r1", content="ref:nginx:1.27")
    runs = [replace(one, image=web if kept else "sha256:x") for one in made]
    images = (image("n", f"nginx@{DIGESTS[0]}"), image("p", f"postgres@{DIGESTS[0]}")) if kept else ()
    moved = replace(
        image("m", f"nginx@{DIGESTS[1]}", f"postgres@{DIGESTS[1]}"), tags=("nginx:1.27", "postgres:16")
    )
    told = replace(
        record("r1"),
        services={"web": ServiceRecord("r1", "nginx:1.27", "n", "", "", f"nginx@{DIGESTS[0]}")},
        dependencies={"db": DependencyRecord("postgres:16", "p", f"postgres@{DIGESTS[0]}")},
    )
    there = server(
        before,
        *runs,
        replace(dependency(before, "db"), image=db if kept else "sha256:y"),
        live={"web": "r1"},
        images=(*images, moved),
        releases=(told,) if recorded else (),
    )
    asked = replace(
        before,
        services=(replace(before.services[0], env={"COLOUR": "blue"}, hooks=Hooks(pre=Hook(remote="true"))),),
        dependencies=(replace(before.dependencies[0], env={"COLOUR": "blue"}),),
    )
    found = plan(asked, there)
    specs = [
        step.image for step in found.steps if isinstance(step, StartContainers | StartDependency | RunHook)
    ]
    current = f"nginx:1.27@{DIGESTS[1]}"
    assert specs == ([db, web, web] if kept else [f"postgres:16@{DIGESTS[1]}", current, current])
    assert "BringImage" not in kinds(found)
    assert len([one for one in found.notes if "no longer on the server" in one]) == (
        2 if recorded and not kept else 0
    )
    assert {one.image for one in found.changes} == {"nginx:1.27", "postgres:16"}
    newer = replace(asked, services=(replace(asked.services[0], image="nginx:1.28"),), dependencies=())
    assert "nginx:1.28" in [
        step.reference for step in plan(newer, there).steps if isinstance(step, BringImage)
    ]


@pytest.mark.parametrize(
    ("changed", "content", "kept", "asks"),
    [
        ({"env": {"COLOUR": "blue"}}, "sha256:one", True, False),
        ({"env": {"COLOUR": "blue"}}, "sha256:one", False, True),
        ({"env": {"COLOUR": "blue"}}, "sha256:two", True, True),
        ({"env": {"COLOUR": "blue"}, "image": "registry.example.com/web:v2"}, "sha256:one", True, True),
    ],
)
def test_what_was_pushed_and_pulled_before_needs_no_registry(
    changed: dict[str, Any], content: str, kept: bool, asks: bool
) -> None:
    """Another configuration of the same image gets the image that is there, unless it shall be pushed elsewhere."""
    before = project(service("web", image="registry.example.com/web:v1"))
    where_from = f"registry.example.com/web@{DIGESTS[0]}"
    told = replace(
        record("r1"),
        services={"web": ServiceRecord("r1", "shop-web:r1", "w", "sha256:one", "", where_from)},
        project=before.to_dict(),
    )
    there = server(
        before,
        *container(before, "web", "r1"),
        live={"web": "r1"},
        images=(image("w", where_from),) if kept else (),
        releases=(told,),
    )
    found = plan(replace(before, services=(replace(before.services[0], **changed),)), there, content)
    assert [type(step) for step in found.steps if isinstance(step, PushPull | TagPulled)] == [
        PushPull if asks else TagPulled
    ]
