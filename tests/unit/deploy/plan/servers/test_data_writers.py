"""Data that a container of others writes to: nothing starts on it, and it is named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency
from ftl.deploy.names import declared_volume
from ftl.deploy.plan.steps.containers import StartDependency
from ftl.engine import labels
from ftl.engine.values import Container, Mount, Volume
from ftl.errors import UsageError
from tests.unit.deploy.cluster import cluster
from tests.unit.deploy.cluster import observed as cluster_observed
from tests.unit.deploy.plan.data import DATA, DB
from tests.unit.deploy.world import (
    actions,
    container,
    dependency,
    first,
    kinds,
    plan,
    project,
    server,
    service,
)

if TYPE_CHECKING:
    from ftl.config.models.project import Project
    from ftl.deploy.observe.state import Observed

SOCKET = Mount("/var/run/docker.sock", "/var/run/docker.sock")


def writer(
    name: str = "shop-db-1", mount: Mount = DATA, state: str = "running", own: dict[str, str] | None = None
) -> Container:
    """A container of others with a mount."""
    return Container(f"id-{name}", name, "postgres:16", "i", own or {}, state, "", 0, mounts=(mount,))  # type: ignore[arg-type]


def of_project(name: str, unit: str) -> dict[str, str]:
    """Labels of another project's dependency."""
    return {labels.PROJECT: name, labels.SERVICE: unit, labels.ROLE: labels.ROLE_DEPENDENCY}


def before(kind: str, asked: Project) -> Observed:
    """A server where the dependency `db` does not exist, is stopped, or has other settings."""
    if kind == "created":
        return server(asked, *container(asked, "web", "r1"), live={"web": "r1"})
    old = replace(
        dependency(asked, "db", state="exited" if kind == "restarted" else "running"), mounts=(DATA,)
    )
    if kind == "replaced":
        old = replace(old, labels={**old.labels, labels.CONFIG: "other"})
    return server(asked, *container(asked, "web", "r1"), old, live={"web": "r1"})


@pytest.mark.parametrize("state", ["running", "restarting", "paused"])
@pytest.mark.parametrize("kind", ["created", "replaced", "restarted"])
def test_a_dependency_never_starts_on_what_another_container_writes_to(kind: str, state: str) -> None:
    """Compose's database still runs on the volume that ftl.yaml takes over; the refusal says how to stop it."""
    asked = project(dependencies=(DB,), volumes=("data",))
    there = before(kind, asked)
    assert actions(plan(asked, there))["db"] == kind
    with pytest.raises(
        UsageError, match=r"db would start on shop_data .* shop-db-1 \(postgres:16,"
    ) as caught:
        plan(asked, replace(there, containers=(*there.containers, writer(state=state))))
    assert "docker stop shop-db-1" in str(caught.value.hint)


def test_a_container_that_somebody_made_of_the_projects_image_is_not_its_own() -> None:
    """It has the image's label for the project, and no role: no plan stops it."""
    asked = project(dependencies=(DB,), volumes=("data",))
    there = before("created", asked)
    other = writer("by-hand", own={labels.PROJECT: "shop"})
    with pytest.raises(UsageError, match="to which the container by-hand") as caught:
        plan(asked, replace(there, containers=(*there.containers, other)))
    assert "docker stop by-hand" in str(caught.value.hint)


def test_what_is_stopped_or_only_reads_writes_no_data() -> None:
    """A backup that reads the volume, and Compose's stopped container, are in nobody's way."""
    asked = project(dependencies=(DB,), volumes=("data",))
    there = before("created", asked)
    others = (writer(state="exited"), writer("reader", replace(DATA, read_only=True)), writer("x", SOCKET))
    found = plan(asked, replace(there, containers=(*there.containers, *others)))
    assert "StartDependency" in kinds(found)


def test_another_projects_dependency_on_an_adopted_volume_is_named_with_its_command() -> None:
    """The volume has no labels of FTL: Compose created it, and two projects name it."""
    asked = project(dependencies=(DB,), volumes=("data",))
    there = before("created", asked)
    other = writer("old-shop-db", own=of_project("old-shop", "db"))
    with pytest.raises(UsageError, match="to which the container old-shop-db") as caught:
        plan(asked, replace(there, containers=(*there.containers, other)))
    assert "stop db --project old-shop" in str(caught.value.hint)


def test_a_recreate_service_has_its_data_alone_and_others_share_as_they_like() -> None:
    """`recreate: true` is for what must not run twice; the engine's socket is no data."""
    mounted = Mount("shop_data", "/data")
    for recreate in (True, False):
        asked = project(
            service(volumes=("data:/data", f"{SOCKET.source}:/s"), recreate=recreate), volumes=("data",)
        )
        there = server(asked, writer("agent", SOCKET), ready=False)
        assert actions(plan(asked, there)) == {"web": "created"}
        there = server(asked, writer("writer", mounted), ready=False)
        if recreate:
            with pytest.raises(UsageError, match="web would start on shop_data"):
                plan(asked, there)
        else:
            assert actions(plan(asked, there)) == {"web": "created"}


def test_a_volume_of_the_same_name_on_another_server_is_another_volume() -> None:
    """Of a cluster only the server counts that the dependency starts on."""
    asked = cluster(dependencies=(DB,), volumes=("data",))
    elsewhere = cluster_observed(asked, on={"b": (writer(),)})
    assert actions(plan(asked, elsewhere))["db"] == "created"
    with pytest.raises(UsageError, match="db would start on shop_data"):
        plan(asked, cluster_observed(asked, on={"a": (writer(),)}))


# --- volumes that images declare ---------------------------------------------------------------------

QUEUE = Dependency(name="b-c", image="queue:1")


@pytest.mark.parametrize(
    ("label_map", "owner"),
    [
        ({labels.PROJECT: "shop-b", labels.SERVICE: "c"}, "`c` of project shop-b"),
        ({labels.PROJECT: "shop-b"}, "project shop-b"),
        ({labels.PROJECT: "shop", labels.SERVICE: "b-c"}, None),
        ({}, None),
    ],
)
def test_a_volume_for_an_images_path_is_never_taken_over_from_others(
    label_map: dict[str, str], owner: str | None
) -> None:
    """`shop-b` with `c` and `shop` with `b-c` both say `shop-b-c.data`: of a removed project the data is left."""
    asked = project(dependencies=(QUEUE,))
    there = replace(server(asked, ready=False), volumes=(Volume("shop-b-c.data", label_map),))
    if owner is None:
        assert isinstance(first(plan(asked, there), StartDependency), StartDependency)
    else:
        with pytest.raises(UsageError, match=r"volume name shop-b-c\.data is taken by") as caught:
            plan(asked, there)
        assert owner in caught.value.message


def test_paths_that_images_declare_have_volumes_of_their_own() -> None:
    """Usual paths keep the names that they always had; `/data/x` and `/data.x` are two."""
    assert declared_volume("shop-q", "/var/lib/rabbitmq/") == "shop-q.var.lib.rabbitmq"
    assert declared_volume("shop-q", "/data/x") == "shop-q.data.x"
    paths = ["/data/x", "/data.x", "/data-x", "/data/.x", "/data x", "/data_x", "/.data/x", "/data..x"]
    assert len({declared_volume("shop-q", path) for path in paths}) == len(paths)
