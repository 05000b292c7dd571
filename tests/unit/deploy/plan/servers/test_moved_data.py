"""Nothing starts elsewhere in a cluster than its data: container, volume, or last record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency
from ftl.config.models.server import ClusterServer
from ftl.deploy.names import declared_volume
from ftl.deploy.plan.planner import PlanInputs, make_plan
from ftl.deploy.plan.steps.containers import EnsureVolume, StartContainers, StartDependency, StopAndRemove
from ftl.deploy.request import Author, PlanRequest, RestoredRelease
from ftl.engine import labels
from ftl.engine.values import Volume
from ftl.errors import ServerError, UsageError
from ftl.releases.record import DependencyRecord
from tests.unit.deploy.cluster import cluster, dependency_on, observed, tasks_of, where
from tests.unit.deploy.world import actions, images, plan, service

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed
    from ftl.engine.values import Container

DB = Dependency(name="db", image="postgres:16", volumes=("data:/data",))
CACHE = Dependency(name="cache", image="example/cache:1")


def asked(*dependencies: Dependency, hosts: str = "abc") -> Project:
    """The project with these dependencies, and its servers in this order."""
    volumes = ("data",) if any(each.volumes for each in dependencies) else ()
    made = cluster(service(), dependencies=dependencies, volumes=volumes)
    return replace(made, servers=tuple(ClusterServer(host=host) for host in hosts))


def lost(before: Project, now: Project, *, volumes: str = "") -> Observed:
    """What is seen of today's servers without a, after a deploy of `before`; the volume of `db` is on some."""
    down = tuple(server.host for server in now.servers if server.host == "a")
    seen = observed(now, *tasks_of(before, "r1"), live="r1", down=down)
    pinned = DependencyRecord("postgres:16", "sha256:y", "postgres@sha256:1")
    releases = tuple(
        replace(one, project=before.to_dict(), dependencies={"db": pinned}) for one in seen.releases
    )
    return on_volumes(replace(seen, releases=releases), {host: Volume("shop_data", {}) for host in volumes})


def on_volumes(seen: Observed, volumes: dict[str, Volume]) -> Observed:
    """The servers with these volumes, one a server at most."""
    views = tuple(
        replace(view, volumes=(volumes[view.name],) if view.name in volumes else ()) for view in seen.views
    )
    return replace(seen, views=views, volumes=tuple(volumes.values()))


@pytest.mark.parametrize("volumes", ["", "b"])
def test_a_database_does_not_start_empty_while_its_server_is_away(volumes: str) -> None:
    """Also not on a volume that another server has of before. The hint says how to keep it, and how to start empty."""
    before, now = asked(DB), asked(DB, hosts="bac")
    with pytest.raises(UsageError) as refused:
        plan(now, lost(before, now, volumes=volumes))
    assert refused.value.message == (
        "db has its data on a, which cannot be reached, and without `on` it runs on the first server, b"
    )
    hint = str(refused.value.hint)
    assert hint.startswith(
        "`on: a` keeps it there; if a is lost, take it out of `servers`: db then starts empty"
    )
    named = asked(replace(DB, on="c"))
    with pytest.raises(UsageError, match="which cannot be reached, and `on` places it on c"):
        plan(named, lost(before, named))


def test_a_database_whose_server_is_no_longer_listed_starts_empty_and_a_note_says_so() -> None:
    """Or on a volume that is there."""
    before, now = asked(DB), asked(DB, hosts="bc")
    for volumes, start in (("", "starts empty"), ("b", "starts on its volume shop_data there")):
        found = plan(now, lost(before, now, volumes=volumes))
        assert where(found, StartDependency) == [("b",)]
        (note,) = (note for note in found.notes if "db had" in note)
        assert note.startswith(f"db had its data on a, which is not in `servers` any more: on b it {start}; ")


def test_a_database_on_a_server_that_is_away_stays_as_it_is() -> None:
    """The others are deployed without it; the record keeps what it was pinned to."""
    before, now = asked(DB), asked(replace(DB, on="a"), hosts="bac")
    seen = lost(before, now)
    found = plan(now, seen, "sha256:two")
    assert actions(found) == {"web": "replaced", "db": "unchanged"}
    assert not {StartDependency, EnsureVolume} & {type(step) for step in found.steps}
    assert "db stays as it is: a cannot be reached" in found.notes
    assert found.record is not None
    assert found.record.dependencies["db"].pulled == "postgres@sha256:1"
    assert actions(plan(now, seen)) == {"web": "unchanged", "db": "unchanged"}
    # One that was never there is not to be seen later either.
    new = asked(replace(DB, name="other", on="a"), hosts="bac")
    with pytest.raises(ServerError, match="a cannot be reached, and other runs there"):
        plan(new, lost(before, new))


def test_what_is_known_to_have_no_volumes_starts_elsewhere_and_is_named() -> None:
    """Databases of an official image have some without `volumes`, by its Dockerfile."""
    before, now = asked(CACHE), asked(CACHE, hosts="bac")
    found = plan(now, lost(before, now))
    assert where(found, StartDependency) == [("b",)]
    assert "cache ran on a, which cannot be reached: it starts on b as well" in found.notes
    bare = replace(DB, volumes=())
    now = asked(bare, hosts="bac")
    with pytest.raises(UsageError, match="db has its data on a"):
        plan(now, lost(asked(bare), now))


@pytest.mark.parametrize(
    "volume",
    [
        Volume("shop_data", {}),
        Volume(
            declared_volume("shop-db", "/var/lib/postgresql/data"),
            {labels.PROJECT: "shop", labels.SERVICE: "db", labels.ROLE: labels.ROLE_VOLUME},
        ),
    ],
)
def test_a_volume_shows_where_the_data_is_after_a_removal(volume: Volume) -> None:
    """`ftl remove` keeps it; a volume of the same name where it starts is as good."""
    now = asked(replace(DB, on="b"))
    seen = on_volumes(observed(now), {"a": volume})
    with pytest.raises(UsageError, match="db has its data on a, and `on` places it on b") as refused:
        plan(now, seen)
    assert f"to start empty on b, remove it first: `docker volume rm {volume.name}` on a" in str(
        refused.value.hint
    )
    assert where(plan(now, on_volumes(seen, {"a": volume, "b": volume})), StartDependency) == [("b",)]
    assert where(plan(asked(replace(DB, on="a")), seen), StartDependency) == [("a",)]


def test_a_service_with_a_volume_is_held_to_it_like_a_dependency() -> None:
    """It is on the first server, unless `on` says otherwise."""
    before = cluster(service(volumes=("data:/data",)), volumes=("data",))
    now = replace(before, servers=tuple(ClusterServer(host=host) for host in "bac"))
    seen = replace(lost(before, now), containers=())
    with pytest.raises(UsageError, match="web has its data on a, which cannot be reached"):
        plan(now, seen)
    up = on_volumes(observed(now), {"a": Volume("shop_data", {})})
    with pytest.raises(UsageError, match="web has its data on a, and without `on`"):
        plan(now, up)
    assert where(plan(before, up), StartContainers) == [("a",)]


def test_a_rollback_leaves_a_dependency_where_it_is(tmp_path: Path) -> None:
    """It was elsewhere in that release, and is not replaced."""
    before, now = asked(replace(DB, on="a")), asked(replace(DB, on="b"))
    seen = observed(now, *tasks_of(now, "r2"), live="r2", on={"b": (dependency_on(now, "db"),)})
    request = PlanRequest(before, (), RestoredRelease("r1"))
    found = make_plan(request, PlanInputs(Author("me@here"), images(before)), seen)
    assert actions(found)["db"] == "unchanged"


def twice(now: Project, name: str) -> tuple[Container, Container]:
    """A dependency's containers on a and b; that on b is newer."""
    one = dependency_on(now, name)
    return replace(one, created=5), replace(one, id="newer", created=6)


def test_two_containers_of_a_database_are_named_and_none_is_removed() -> None:
    """The newer one that runs counts as it."""
    now = asked(replace(DB, on="b"))
    old, new = twice(now, "db")
    seen = observed(now, *tasks_of(now, "r1"), live="r1", on={"a": (old,), "b": (new,)})
    assert seen.dependencies["db"] == new
    assert seen.doubled_dependencies == (old,)
    found = plan(now, on_volumes(seen, {"b": Volume("shop_data", {})}))
    assert found.empty
    assert (
        "db runs on b and a, and both answer to its name: keep the one with the data, and "
        "`docker rm -f shop-db` on the other, whose volume stays"
    ) in found.notes
    stopped = replace(new, state="exited")
    seen = observed(now, *tasks_of(now, "r1"), live="r1", on={"a": (old,), "b": (stopped,)})
    assert seen.dependencies["db"] == old


def test_the_second_container_of_a_dependency_without_data_is_removed() -> None:
    """Its server was away when it was started elsewhere. A deploy of single services leaves it."""
    now = asked(replace(CACHE, on="b"))
    old, new = twice(now, "cache")
    seen = observed(now, *tasks_of(now, "r1"), live="r1", on={"a": (old,), "b": (new,)})
    found = plan(now, seen)
    (step,) = found.steps
    assert isinstance(step, StopAndRemove)
    assert (step.servers, [one.id for one in step.containers]) == (("a",), [old.id])
    assert plan(now, seen, only=("web",)).empty
    gone = asked()
    found = plan(gone, replace(seen, project="shop"))
    assert sorted(where(found, StopAndRemove)) == [("a",), ("b",)]
