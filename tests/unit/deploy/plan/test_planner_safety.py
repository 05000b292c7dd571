"""Plans that keep sites and data safe: colliding names, exclusive data, partial deploys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.config.models.project import Dependency, Project, ProjectInfo
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.containers import (
    StartContainers,
    StartDependency,
    StopAndRemove,
)
from ftl.deploy.plan.steps.proxy import RemoveRoutes
from ftl.engine import labels
from ftl.engine.values import Container, Image, Mount, Network, Volume
from ftl.errors import UsageError
from tests.unit.deploy.plan.data import DATA, DB, volumes, with_volumes
from tests.unit.deploy.world import (
    actions,
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

NAMELESS = Mount("0" * 64, "/data")


def foreign(name: str, project_name: str = "", service_name: str = "", role: str = "service") -> Container:
    """A container that is not of the project `shop`."""
    label_map = (
        {labels.PROJECT: project_name, labels.SERVICE: service_name, labels.ROLE: role}
        if project_name
        else {}
    )
    return Container(f"id-{name}", name, "app", "i", label_map, "running", "", 0)


# --- volumes that move ------------------------------------------------------------------------------


def test_a_service_that_gives_its_volume_to_a_dependency_stops_first() -> None:
    """Its old container would run on it until the end of the deploy."""
    before = project(service(volumes=("data:/data",)))
    asked = project(service(), dependencies=(volumes("db", "data"),))
    running = [with_volumes(one, "data") for one in container(before, "web", "r1")]
    found = plan(asked, server(before, *running, live={"web": "r1"}))
    start = first(found, StartDependency)
    assert isinstance(start, StartDependency)
    assert [ref.name for stop in start.stops for ref in stop.containers] == ["shop-web-r1"]


def test_a_dependency_that_takes_over_anothers_volume_starts_after_it_was_replaced() -> None:
    """Side by side, both would run on the volume."""
    before = project(dependencies=(volumes("db", "data"), volumes("cache", "other")))
    asked = project(dependencies=(volumes("cache", "data"), volumes("db", "new")))
    running = (
        *container(before, "web", "r1"),
        with_volumes(dependency(before, "db"), "data"),
        with_volumes(dependency(before, "cache"), "other"),
    )
    found = plan(asked, server(before, *running, live={"web": "r1"}))
    tracks = [track for stage in found.stages for track in stage.tracks]
    started = [[one.service for one in track if isinstance(one, StartDependency)] for track in tracks]
    assert [names for names in started if names] == [["db", "cache"]]


def test_dependencies_that_exchange_their_volumes_are_refused() -> None:
    """Neither can start before the other was replaced."""
    before = project(dependencies=(volumes("db", "one"), volumes("cache", "two")))
    asked = project(dependencies=(volumes("db", "two"), volumes("cache", "one")))
    running = (
        *container(before, "web", "r1"),
        with_volumes(dependency(before, "db"), "one"),
        with_volumes(dependency(before, "cache"), "two"),
    )
    with pytest.raises(UsageError, match="cache, db exchange their volumes"):
        plan(asked, server(before, *running, live={"web": "r1"}))


# --- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("taken", "owner"),
    [
        (foreign("shop-web-r1"), "a container that FTL did not create"),
        (foreign("shop-web-r1", "shop-x", "y"), "`y` of project shop-x"),
        (foreign("sh-op-web-r7", "sh", "op-web"), None),
    ],
)
def test_a_taken_container_name_is_refused_and_names_its_owner(taken: Container, owner: str | None) -> None:
    """Nothing is planned that would meet a container of somebody else's under our name."""
    asked = project()
    there = server(asked, taken, ready=False)
    if owner is None:
        assert actions(plan(asked, there)) == {"web": "created"}
    else:
        with pytest.raises(UsageError, match="shop-web-r1 is taken by") as caught:
            plan(asked, there)
        assert owner in caught.value.message


def test_projects_whose_names_would_collide_later_are_told_apart_at_once() -> None:
    """`shop` with `web-api` and `shop-web` with `api` share every later container name, whatever is live now."""
    asked = project(service("web-api"))
    there = server(asked, foreign("shop-web-api-r9", "shop-web", "api"), ready=False)
    with pytest.raises(UsageError, match="same names as `api` of project shop-web"):
        plan(asked, there)


def test_a_volume_of_another_project_is_never_shared() -> None:
    """`t_x` with volume `y` and `t` with volume `x_y` both say `t_x_y`: the second is refused."""
    asked = project(dependencies=(replace(DB, volumes=("x_y:/data",)),), volumes=("x_y",))
    there = server(asked, ready=False)
    taken = replace(there, volumes=(Volume("shop_x_y", {labels.PROJECT: "shop_x"}),))
    with pytest.raises(UsageError, match="taken by project shop_x"):
        plan(asked, taken)
    ours = replace(there, volumes=(Volume("shop_x_y", {labels.PROJECT: "shop"}),))
    assert "StartDependency" in kinds(plan(asked, ours))


@pytest.mark.parametrize(("owner", "refused"), [("shop", False), ("other", True), ("", True)])
def test_an_image_tag_of_somebody_else_is_not_overwritten(owner: str, refused: bool) -> None:
    """The tag of the new release may exist only if it is the project's own."""
    asked = project()
    label_map = {"Labels": {labels.PROJECT: owner}} if owner else {}
    image = Image("i", ("shop-web:r1",), (), (), label_map, "linux/amd64", 1)
    there = replace(server(asked, ready=False), images=(image,))
    if refused:
        with pytest.raises(UsageError, match="the image tag shop-web:r1 is taken"):
            plan(asked, there)
    else:
        assert "SendImages" in kinds(plan(asked, there))


@pytest.mark.parametrize(
    ("taken", "role"), [("ftl-state", labels.ROLE_STATE), ("ftl-proxy", labels.ROLE_PROXY)]
)
def test_a_container_of_others_is_not_taken_for_the_store_or_the_proxy(taken: str, role: str) -> None:
    """Its label decides, not its name: release records would be written into it."""
    asked = project()
    own = replace(foreign(taken), labels={labels.ROLE: role})
    assert actions(plan(asked, server(asked, own, ready=False))) == {"web": "created"}
    for other, owner in (
        (foreign(taken), r"that FTL did not create \(app, running\)"),
        (foreign(taken, "ftl", taken.removeprefix("ftl-"), "dependency"), "of project ftl"),
    ):
        with pytest.raises(UsageError, match=f"container name {taken} is taken by .*{owner}"):
            plan(asked, server(asked, other, ready=False))


@pytest.mark.parametrize(
    "label_map", [{}, {labels.ROLE: labels.ROLE_VOLUME}, {labels.ROLE: labels.ROLE_STATE}]
)
def test_a_volume_of_others_is_not_taken_for_the_records(label_map: dict[str, str]) -> None:
    """Records hold the values of env; once their container is there, it says which volume they are in."""
    asked = project()
    there = replace(server(asked, ready=False), volumes=(Volume("ftl-state", label_map),))
    store = Container("s", "ftl-state", "app", "i", {labels.ROLE: labels.ROLE_STATE}, "created", "", 0)
    assert actions(plan(asked, replace(there, containers=(store,)))) == {"web": "created"}
    if label_map.get(labels.ROLE) == labels.ROLE_STATE:
        assert actions(plan(asked, there)) == {"web": "created"}
    else:
        with pytest.raises(UsageError, match="volume name ftl-state is taken by a volume that FTL did not"):
            plan(asked, there)


def test_a_network_of_others_is_not_taken_for_the_projects() -> None:
    """Containers of others may be in it."""
    asked = project()
    network = Network("n", "ftl-p-shop", {}, (), internal=False)
    there = server(asked, ready=False)
    for label_map, owner in (({}, "a network that FTL did not create"), ({labels.PROJECT: "x"}, "project x")):
        with pytest.raises(UsageError, match=f"the network name ftl-p-shop is taken by {owner}"):
            plan(asked, replace(there, networks=(replace(network, labels=label_map),)))


@pytest.mark.parametrize("name", ["state", "proxy", "proxy-old"])
def test_a_dependency_does_not_get_the_name_of_a_container_of_ftl(name: str) -> None:
    """A project called `ftl` may have other dependencies."""
    info = ProjectInfo(name="ftl", domain="ftl.example.com")
    for called in (name, f"{name}s"):
        asked = replace(project(dependencies=(replace(DB, name=called),)), project=info)
        there = replace(server(asked, ready=False), project="ftl")
        if called == name:
            with pytest.raises(UsageError, match=f"ftl-{name} is that of a container of FTL"):
                plan(asked, there)
        else:
            assert actions(plan(asked, there))[called] == "created"


# --- data -------------------------------------------------------------------------------------------


def before_and_after(kind: str) -> tuple[Project, Project, Container]:
    """A database that moves: the project before, the project after, and its container on the server."""
    as_service = service("db", build=None, image="postgres:16", port=None, routes=(), volumes=DB.volumes)
    if kind == "renamed dependency":
        before, after = project(dependencies=(DB,)), project(dependencies=(replace(DB, name="database"),))
        return before, after, replace(dependency(before, "db"), mounts=(DATA,))
    if kind == "dependency becomes service":
        before, after = project(dependencies=(DB,)), project(service(), as_service)
        return before, after, replace(dependency(before, "db"), mounts=(DATA,))
    before, after = project(service(), as_service), project(dependencies=(DB,))
    running = container(before, "db", "r1", content="ref:postgres:16")[0]
    return before, after, replace(running, mounts=(DATA,))


@pytest.mark.parametrize(
    "kind", ["renamed dependency", "dependency becomes service", "service becomes dependency"]
)
def test_data_is_never_in_two_running_containers(kind: str) -> None:
    """Whatever is renamed or moved: the old container stops before the new one starts, and goes at the end."""
    before, after, old = before_and_after(kind)
    there = server(before, *container(before, "web", "r1"), old, live={"web": "r1", "db": "r1"})
    found = plan(after, there)
    ref = ContainerRef(old.id, old.name)
    start = StartContainers if kind == "dependency becomes service" else StartDependency
    starting = first(found, start)
    assert isinstance(starting, (StartContainers, StartDependency))
    assert [stop.containers for stop in starting.stops] == [(ref,)]
    removed = [step.containers for step in found.steps if isinstance(step, StopAndRemove)]
    assert (ref,) in removed
    assert starting.text.startswith(f"stop {old.name} first (it uses the same data), then start ")
    assert not any(isinstance(step, RemoveRoutes) and "db" in step.services for step in found.steps[-2:]) or (
        kind != "dependency becomes service"
    )


def test_a_renamed_service_with_recreate_never_runs_twice() -> None:
    """The last live record says that the one that goes had `recreate: true`."""
    before = project(service(), service("worker", port=None, routes=(), recreate=True))
    after = project(service(), service("jobs", port=None, routes=(), recreate=True))
    told = replace(record("r1", web="r1", worker="r1"), project=before.to_dict())
    there = server(
        before,
        *container(before, "web", "r1"),
        *container(before, "worker", "r1"),
        live={"web": "r1", "worker": "r1"},
        releases=(told,),
    )
    start = first(plan(after, there), StartContainers)
    assert isinstance(start, StartContainers)
    assert [one.name for stop in start.stops for one in stop.containers] == ["shop-worker-r1"]


def test_services_that_share_a_volume_stay_as_they_are() -> None:
    """Old beside new of one service, and two services with one volume, are what the user asked for."""
    asked = project(service("a", volumes=("v:/v",)), service("b", volumes=("v:/v",)), volumes=("v",))
    running = [
        replace(one, mounts=(Mount("shop_v", "/v"),)) for name in "ab" for one in container(asked, name, "r1")
    ]
    found = plan(asked, server(asked, *running, live={"a": "r1", "b": "r1"}), "sha256:two")
    assert [step.stops for step in found.steps if isinstance(step, StartContainers)] == [(), ()]


def test_a_dependencys_nameless_volume_is_carried_over() -> None:
    """Data of a VOLUME that ftl.yaml does not mention outlives the container, and the plan says so."""
    before = project(dependencies=(Dependency(name="q", image="rabbitmq:3"),))
    after = project(dependencies=(Dependency(name="q", image="rabbitmq:3", env={"A": "b"}),))
    old = dependency(before, "q")
    there = server(
        before,
        *container(before, "web", "r1"),
        # That of its files goes with it: the new container has one of its own there.
        replace(
            old,
            mounts=(NAMELESS, Mount("/etc/x", "/x"), Mount("1" * 64, "/run/secrets")),
            labels={**old.labels, labels.FILES: "/etc/q\n/run/secrets"},
        ),
        live={"web": "r1"},
    )
    start = first(plan(after, there), StartDependency)
    assert isinstance(start, StartDependency)
    assert start.carried == (NAMELESS,)
    assert "keeps its data at /data" in start.text


def test_dependencies_may_be_called_like_each_others_old_containers() -> None:
    """`db` and `db-old` do not meet: the name of a container that is parked has a dot."""
    both = (Dependency(name="db", image="postgres:16"), Dependency(name="db-old", image="postgres:15"))
    before = project(dependencies=both)
    after = project(dependencies=(replace(both[0], env={"A": "b"}), both[1]))
    there = server(
        before,
        *container(before, "web", "r1"),
        dependency(before, "db"),
        dependency(before, "db-old"),
        live={"web": "r1"},
    )
    found = plan(after, there)
    assert actions(found) == {"web": "unchanged", "db": "replaced", "db-old": "unchanged"}
    start = first(found, StartDependency)
    assert isinstance(start, StartDependency)
    assert start.parked == "shop-db.old-id-db"
    assert start.fresh == "shop-db.new-r2"
