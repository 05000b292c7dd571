"""What a deploy will do, by tables: Project x Observed -> Plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ftl.config.models import Dependency, Hook, Hooks, Proxy, Registry, Route
from ftl.deploy import steps as s
from ftl.deploy.records import DependencyRecord, ServiceRecord
from ftl.engine import labels
from ftl.engine.values import Image
from ftl.errors import UsageError
from ftl.proxy import release_alias, site_of
from tests.unit.deploy.world import container, dependency, plan, project, record, server, service

if TYPE_CHECKING:
    from ftl.deploy.plan import Plan
    from ftl.deploy.steps import Step


def kinds(found: Plan) -> list[str]:
    """The names of a plan's steps, in order."""
    return [type(step).__name__ for step in found.steps]


def first(found: Plan, kind: type[Step]) -> Step:
    """The first step of a kind."""
    return next(step for step in found.steps if isinstance(step, kind))


def actions(found: Plan) -> dict[str, str]:
    """What happens to each service and dependency."""
    return {change.name: change.action for change in found.changes}


def test_a_first_deploy_builds_everything_up_and_decides_last() -> None:
    """On an empty server the network, proxy and records come first, the switch after health, the routes last."""
    asked = project(
        dependencies=(Dependency(name="redis", image="redis:7", ports=(6379,)),), volumes=("media",)
    )
    found = plan(asked, server(asked, ready=False))
    assert found.release == "r1"
    assert kinds(found) == [
        "EnsureNetwork",
        "EnsureVolume",
        "BringImage",
        "EnsureProxy",
        "EnsureStore",
        "Record",
        "SendImages",
        "BringImage",
        "Attach",
        "ApplySite",
        "StartDependency",
        "WaitHealthy",
        "StartContainers",
        "WaitHealthy",
        "Switch",
        "Record",
        "ApplySite",
        "AwaitCertificates",
    ]
    assert actions(found) == {"web": "created", "redis": "created"}


def test_the_address_is_the_only_projects() -> None:
    """Requests by the server's address come to a project as long as no other has routes there."""
    mine = project()
    alone = server(mine, *container(mine, "web", "r1"), live={"web": "r1"})
    assert plan(mine, alone).by_address
    assert alone.proxy is not None
    theirs = replace(
        site_of(mine), project="other", routes=(replace(site_of(mine).routes[0], host="b.example"),)
    )
    crowded = replace(alone, proxy=replace(alone.proxy, sites={**alone.proxy.sites, "other": theirs}))
    assert not plan(mine, crowded).by_address


def test_certificates_are_awaited_for_new_hosts_alone() -> None:
    """An authority is asked about a host once; a host that it is not asked about is never waited for."""
    before = project()
    other = service(
        routes=(Route(path="/"), Route(path="/", host="www.example.com"), Route(host="shop.test"))
    )
    found = plan(project(other), server(before, *container(before, "web", "r1"), live={"web": "r1"}))
    assert [step.hosts for step in found.steps if isinstance(step, s.AwaitCertificates)] == [
        ("www.example.com",)
    ]


def test_a_proxy_that_runs_is_replaced_on_request_alone() -> None:
    """Other projects use it: another image in ftl.yaml is a note, and `upgrade_proxy` a step before all others."""
    asked = project(proxy=Proxy(image="caddy:3"))
    there = server(asked, *container(asked, "web", "r1"), live={"web": "r1"})
    left = plan(asked, there)
    assert left.empty
    assert any("--upgrade-proxy" in note for note in left.notes)
    replaced = plan(asked, there, upgrade_proxy=True)
    assert [step for step in replaced.steps if isinstance(step, s.UpgradeProxy)] == [
        s.UpgradeProxy("caddy:3")
    ]
    assert replaced.release == "r1", "no release is made for it"
    assert not replaced.notes


def test_no_registry_password_is_kept_on_the_server() -> None:
    """The record has the project as it was deployed, but for who logs in to registries."""
    asked = project(registries=(Registry(server="ghcr.io", username="me", password="hunter2"),))
    found = plan(asked, server(asked))
    assert found.record is not None
    assert b"hunter2" not in found.record.to_json()
    assert found.record.project["services"]


def test_nothing_is_done_when_nothing_changed() -> None:
    """A deploy of what already runs has no steps and makes no release."""
    asked = project(dependencies=(Dependency(name="redis", image="redis:7"),))
    there = server(asked, *container(asked, "web", "r4"), dependency(asked, "redis"), live={"web": "r4"})
    found = plan(asked, there)
    assert found.empty
    assert found.release == "r4"
    assert actions(found) == {"web": "unchanged", "redis": "unchanged"}


@pytest.mark.parametrize(
    ("changed", "content", "why"),
    [
        ({}, "sha256:two", "new image"),
        ({"env": {"A": "1"}}, "sha256:one", "new configuration"),
        ({"command": "other"}, "sha256:one", "new configuration"),
        ({"volumes": ("media:/m",)}, "sha256:one", "new configuration"),
        ({"port": 9000}, "sha256:one", "new configuration"),
        ({"replicas": 2}, "sha256:one", "2 replicas instead of 1"),
    ],
)
def test_a_changed_service_is_replaced(changed: dict[str, Any], content: str, why: str) -> None:
    """A new image, other settings, another port or another number of replicas replace the containers."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    found = plan(project(service(**changed)), there, content)
    assert [(change.action, change.why) for change in found.changes] == [("replaced", why)]
    assert kinds(found)[-2:] == ["Drain", "StopAndRemove"]


@pytest.mark.parametrize(
    "changed",
    [{"drain_timeout": 5.0}, {"hooks": Hooks(pre=Hook(remote="true"))}, {"routes": (Route(path="/other"),)}],
)
def test_settings_that_no_container_knows_replace_none(changed: dict[str, Any]) -> None:
    """Routes, hooks and timeouts of ours are no reason to touch a container."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    assert actions(plan(project(service(**changed)), there)) == {"web": "unchanged"}


def test_changed_routes_alone_make_a_release_and_set_the_routes() -> None:
    """Another route is told to the proxy once, and recorded as a release of its own."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    found = plan(project(service(routes=(Route(path="/new"),))), there)
    assert found.release == "r2"
    assert kinds(found) == ["Record", "Record", "ApplySite"]


def test_only_the_changed_service_is_touched() -> None:
    """Of two services the one that did not change keeps its containers and its release."""
    before = project(service("web"), service("api", env={"A": "1"}))
    there = server(
        before,
        *container(before, "web", "r1"),
        *container(before, "api", "r1"),
        live={"web": "r1", "api": "r1"},
    )
    found = plan(project(service("web"), service("api", env={"A": "2"})), there)
    assert actions(found) == {"web": "unchanged", "api": "replaced"}
    assert {step.subject for step in found.steps} <= {None, "api"}
    switch = first(found, s.Switch)
    assert isinstance(switch, s.Switch)
    assert set(switch.aliases) == {"api"}


def test_a_named_service_alone_is_deployed() -> None:
    """`ftl deploy api` leaves the others alone, changed or vanished."""
    before = project(service("web"), service("api"), service("old"))
    there = server(
        before,
        *(one for name in ("web", "api", "old") for one in container(before, name, "r1")),
        live={"web": "r1", "api": "r1", "old": "r1"},
    )
    found = plan(project(service("web"), service("api")), there, "sha256:two", only=("api",))
    assert actions(found) == {"api": "replaced"}


def test_what_the_file_no_longer_names_is_drained_and_removed() -> None:
    """A service that was taken out of ftl.yaml loses its routes, then its containers, then its name."""
    before = project(service("web"), service("old"))
    there = server(
        before,
        *container(before, "web", "r1"),
        *container(before, "old", "r1"),
        live={"web": "r1", "old": "r1"},
    )
    found = plan(project(service("web")), there)
    assert actions(found) == {"web": "unchanged", "old": "removed"}
    assert kinds(found) == ["Record", "Record", "ApplySite", "Drain", "StopAndRemove", "Forget"]


def test_volumes_are_never_removed() -> None:
    """No plan has a step that removes a volume, whatever vanishes from the file."""
    before = project(dependencies=(Dependency(name="db", image="postgres:16", volumes=("data:/d",)),))
    there = server(before, *container(before, "web", "r1"), dependency(before, "db"), live={"web": "r1"})
    assert not any("volume" in step.text for step in plan(project(), there).steps)


def test_a_dependency_is_replaced_in_place_and_the_old_one_goes_last() -> None:
    """A changed dependency is set aside, and removed only after the release is decided."""
    before = project(dependencies=(Dependency(name="db", image="postgres:16"),))
    there = server(before, *container(before, "web", "r1"), dependency(before, "db"), live={"web": "r1"})
    found = plan(project(dependencies=(Dependency(name="db", image="postgres:17"),)), there)
    assert actions(found) == {"web": "unchanged", "db": "replaced"}
    last = found.steps[-1]
    assert isinstance(last, s.StopAndRemove)
    assert last.names == ("shop-db-old",)


def test_the_record_names_dependencies_and_where_they_came_from() -> None:
    """One that starts is filled in when it does; of one that goes on, the last record or its container tells."""
    asked = project(
        dependencies=(Dependency(name="db", image="postgres:16"), Dependency(name="cache", image="redis:7"))
    )
    runs = replace(dependency(asked, "db"), image="postgres:16@sha256:1")
    there = server(asked, *container(asked, "web", "r1"), runs, live={"web": "r1"})
    made = plan(asked, there).record
    assert made is not None
    expected = DependencyRecord("postgres:16", "sha256:y", "postgres@sha256:1")
    assert made.dependencies == {"db": expected, "cache": DependencyRecord("redis:7", "")}
    known = replace(
        record("r1", web="r1"), dependencies={"db": replace(expected, pulled="postgres@sha256:0")}
    )
    after = plan(asked, replace(there, releases=(known,))).record
    assert after is not None
    assert after.dependencies["db"].pulled == "postgres@sha256:0"


def test_a_stopped_container_that_is_right_is_started_again() -> None:
    """Nothing is replaced when starting is enough."""
    asked = project()
    there = server(asked, *container(asked, "web", "r1", state="exited"), live={"web": "r1"})
    found = plan(asked, there)
    assert actions(found) == {"web": "restarted"}
    assert kinds(found) == ["StartAgain", "WaitHealthy"]


@pytest.mark.parametrize("state", ["paused", "restarting", "dead"])
def test_a_container_that_is_stuck_is_replaced(state: str) -> None:
    """What cannot simply be started gives way to a new container, which has to prove itself."""
    asked = project(dependencies=(Dependency(name="db", image="postgres:16"),))
    there = server(
        asked,
        *container(asked, "web", "r1", state=state),
        dependency(asked, "db", state=state),
        live={"web": "r1"},
    )
    assert actions(plan(asked, there)) == {"web": "replaced", "db": "replaced"}


def test_leftovers_that_never_were_live_go_first() -> None:
    """Containers of a deploy that was killed before its switch are removed before anything starts."""
    asked = project()
    there = server(asked, *container(asked, "web", "r1"), *container(asked, "web", "r2"), live={"web": "r1"})
    found = plan(asked, there)
    assert actions(found) == {"web": "unchanged"}
    assert [(step.names) for step in found.steps if isinstance(step, s.StopAndRemove)] == [("shop-web-r2",)]
    assert plan(asked, there, "sha256:two").release == "r3"


def test_leftovers_that_were_live_are_drained() -> None:
    """Containers whose deploy was killed after its switch still finish their requests."""
    asked = project()
    there = server(asked, *container(asked, "web", "r1"), *container(asked, "web", "r2"), live={"web": "r2"})
    found = plan(asked, there)
    assert kinds(found) == ["Drain", "StopAndRemove"]


def test_a_release_that_was_cut_off_after_its_switch_is_recorded_as_live() -> None:
    """The record of a deploy that died between switching and saying so is put right."""
    asked = project()
    there = server(
        asked,
        *container(asked, "web", "r2"),
        live={"web": "r2"},
        releases=(record("r2", "started", web="r2"),),
    )
    found = plan(asked, there)
    assert [step.record.outcome for step in found.steps if isinstance(step, s.Record)] == ["live"]


@pytest.mark.parametrize(
    ("running", "recorded", "live"),
    [
        ({"r1": ["running", "running"]}, (), "r1"),
        ({"r1": ["running", "running"], "r2": ["running", "running"]}, (), "r2"),
        ({"r1": ["running", "running"], "r2": ["running", "exited"]}, (), "r1"),
        ({"r1": ["running", "running"], "r2": ["running", "running"]}, (("r2", "failed"),), "r1"),
        ({"r1": ["running", "running"]}, (("r1", "started"),), None),
        ({"r9": ["running", "running"], "r10": ["running", "running"]}, (), "r10"),
        ({"r1": ["running", "exited"]}, (), "r1"),
        ({"r1": ["exited", "exited"]}, (), None),
    ],
)
def test_without_proxy_and_records_what_runs_is_live(
    running: dict[str, list[str]], recorded: tuple[tuple[str, str], ...], live: str | None
) -> None:
    """The newest whole release that runs is what users had, unless a record says that it never was live."""
    asked = project(service(replicas=2))
    containers = [
        replace(one, state=state)  # type: ignore[arg-type]
        for release, states in running.items()
        for one, state in zip(container(asked, "web", release), states, strict=True)
    ]
    releases = tuple(record(release, outcome) for release, outcome in recorded)
    there = replace(server(asked, *containers, releases=releases), proxy=None)
    assert there.live_release("web") == live


def test_without_proxy_and_records_nothing_that_runs_is_removed_before_the_switch() -> None:
    """The running release is adopted: pointed at where it did not change, replaced with all care where it did."""
    asked = project(service("web"), service("job", port=None, routes=()))
    there = replace(server(asked, *container(asked, "web", "r4"), *container(asked, "job", "r3")), proxy=None)
    same = plan(asked, there)
    assert actions(same) == {"web": "unchanged", "job": "unchanged"}
    assert [step.aliases for step in same.steps if isinstance(step, s.PointAgain)] == [
        {"web": release_alias("shop", "web", "r4")}
    ]
    assert not [step for step in same.steps if isinstance(step, s.StopAndRemove)]
    assert same.record is not None
    assert {name: one.release for name, one in same.record.services.items()} == {"web": "r4", "job": "r3"}
    found = kinds(plan(asked, there, "sha256:two"))
    assert found.index("Switch") < found.index("StopAndRemove")


@pytest.mark.parametrize("changed", [{"recreate": True}, {"forwards": ("5000:5000",)}])
def test_the_old_stops_first_where_both_cannot_run(changed: dict[str, Any]) -> None:
    """`recreate` and published ports stop the old container before the new one starts."""
    before = project(service(**changed))
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    found = kinds(plan(before, there, "sha256:two"))
    assert found.index("StopOld") < found.index("StartContainers")


def test_a_new_inner_service_answers_by_name_before_the_switch() -> None:
    """A service without routes that was never live opens its name at once, so that others can become healthy."""
    asked = project(service("web"), service("api", routes=()))
    found = plan(asked, server(asked, ready=False))
    opened = [step.subject for step in found.steps if isinstance(step, s.OpenName)]
    assert opened == ["api"]


@pytest.mark.parametrize("lost", ["proxy", "file", "wrong"])
def test_a_proxy_that_forgot_what_is_live_is_told(lost: str) -> None:
    """Without its volume or with another alias in its file, an unchanged service would be out of reach for ever."""
    asked = project(service("web"), service("api", routes=()))
    containers = (*container(asked, "web", "r4"), *container(asked, "api", "r3"))
    releases = (record("r4", web="r4", api="r3"),)
    there = server(asked, *containers, live={"web": "r4", "api": "r3"}, releases=releases)
    assert plan(asked, there).empty
    assert there.proxy is not None
    right = {
        name: release_alias("shop", name, release) for name, release in {"web": "r4", "api": "r3"}.items()
    }
    wrong = {**there.proxy.live, ("shop", "web"): "nonsense"}
    proxies = {
        "proxy": (None, right),
        "file": (replace(there.proxy, live={}), right),
        "wrong": (replace(there.proxy, live=wrong), {"web": right["web"]}),
    }
    proxy, told = proxies[lost]
    found = plan(asked, replace(there, proxy=proxy))
    assert [step.aliases for step in found.steps if isinstance(step, s.PointAgain)] == [told]
    assert actions(found) == {"web": "unchanged", "api": "unchanged"}


@pytest.mark.parametrize("state", ["running", "exited"])
@pytest.mark.parametrize("network", ["left", "removed", "made anew"])
def test_containers_that_are_not_in_the_network_are_replaced(network: str, state: str) -> None:
    """Nobody reaches them, or they cannot start: disconnected by hand, or their network was pruned."""
    asked = project(dependencies=(Dependency(name="redis", image="redis:7"),))
    containers = (*container(asked, "web", "r4", state=state), dependency(asked, "redis", state=state))
    alone = containers if network != "left" else tuple(replace(one, endpoints=()) for one in containers)
    there = server(asked, *alone, live={"web": "r4"})
    if network == "removed":
        there = replace(there, networks=())
    if network == "made anew":
        there = replace(there, networks=(replace(there.networks[0], id="other"),))
    assert actions(plan(asked, there)) == {"web": "replaced", "redis": "replaced"}


def test_hooks_run_between_health_and_switch_and_after_it() -> None:
    """The pre hook comes after the new containers are healthy, the post hook after the switch."""
    hooks = Hooks(pre=Hook(remote="migrate"), post=Hook(local="echo", remote="warm"))
    asked = project(service(hooks=hooks))
    found = plan(asked, server(asked, ready=False))
    ran = [(step.hook, step.where) for step in found.steps if isinstance(step, s.RunHook)]
    assert ran == [("pre", "remote"), ("post", "local"), ("post", "remote")]
    names = kinds(found)
    assert names.index("WaitHealthy") < names.index("RunHook") < names.index("Switch")


def test_images_too_old_to_return_to_are_dropped() -> None:
    """Five releases' images stay; one that a container uses stays whatever its age."""
    asked = project()
    tags = tuple(Image(f"i{n}", (f"shop-web:r{n}",), (), (), {}, "linux/amd64", 1) for n in range(1, 9))
    old = replace(container(asked, "web", "r8")[0], name="x", image="shop-web:r2", labels={})
    there = server(asked, *container(asked, "web", "r8"), old, live={"web": "r8"}, images=tags)
    dropped = first(plan(asked, there, "sha256:two"), s.DropTags)
    assert isinstance(dropped, s.DropTags)
    assert dropped.tags == ("shop-web:r1", "shop-web:r3", "shop-web:r4")


def test_images_of_failed_releases_go_first() -> None:
    """A release that failed leaves no image behind that would push out one worth going back to."""
    asked = project()
    tags = tuple(Image(f"i{n}", (f"shop-web:r{n}",), (), (), {}, "linux/amd64", 1) for n in range(1, 7))
    failures = tuple(record(f"r{n}", "failed") for n in (3, 4, 5))
    there = server(asked, *container(asked, "web", "r6"), live={"web": "r6"}, images=tags, releases=failures)
    dropped = first(plan(asked, there, "sha256:two"), s.DropTags)
    assert isinstance(dropped, s.DropTags)
    assert dropped.tags == ("shop-web:r3", "shop-web:r4", "shop-web:r5")


def test_an_image_through_a_registry_is_pushed_and_pulled() -> None:
    """A service with `image` and `build` goes through the registry; one with `image` alone is brought."""
    asked = project(
        service("web", image="registry.example.com/web"), service("job", build=None, image="busybox")
    )
    found = plan(asked, server(asked, ready=False))
    assert [step.reference for step in found.steps if isinstance(step, s.PushPull)] == [
        "registry.example.com/web"
    ]
    assert "busybox" in [step.reference for step in found.steps if isinstance(step, s.BringImage)]


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
        step.spec.image
        for step in found.steps
        if isinstance(step, s.StartContainers | s.StartDependency | s.RunHook)
    ]
    assert specs == ([db, web, web] if kept else ["postgres:16", "nginx:1.27", "nginx:1.27"])
    assert "BringImage" not in kinds(found)
    assert len([one for one in found.notes if "not on the server any more" in one]) == (
        2 if recorded and not kept else 0
    )
    assert {one.image for one in found.changes} == {"nginx:1.27", "postgres:16"}
    newer = replace(asked, services=(replace(asked.services[0], image="nginx:1.28"),), dependencies=())
    assert "nginx:1.28" in [
        step.reference for step in plan(newer, there).steps if isinstance(step, s.BringImage)
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
    assert [type(step) for step in found.steps if isinstance(step, s.PushPull | s.TagPulled)] == [
        s.PushPull if asks else s.TagPulled
    ]


def test_no_proxy_where_nothing_has_a_port() -> None:
    """A project of workers needs no proxy, and is decided by its record."""
    asked = project(service("job", port=None, routes=()))
    found = plan(asked, server(asked, ready=False))
    assert "EnsureProxy" not in kinds(found)
    assert kinds(found)[-1] == "Record"


def test_other_projects_containers_are_not_ours() -> None:
    """Containers of another project with the same service name are left alone."""
    asked = project()
    (one,) = container(asked, "web", "r1")
    foreign = replace(one, labels={**one.labels, labels.PROJECT: "other"})
    found = plan(asked, server(asked, foreign, ready=False))
    assert actions(found) == {"web": "created"}
    assert not any(isinstance(step, s.StopAndRemove) for step in found.steps)


def test_secrets_are_in_no_step_that_is_told() -> None:
    """What a plan prints never holds a value of env."""
    asked = project(service(env={"KEY": "hunter2"}, hooks=Hooks(pre=Hook(remote="echo hunter2"))))
    found = plan(asked, server(asked, ready=False))
    assert not any("hunter2" in step.text for step in found.steps)
    assert "hunter2" not in str(found.changes)


def test_a_route_that_another_project_has_is_refused() -> None:
    """Two projects cannot serve one address: the second is told before anything is done."""
    mine = project()
    theirs = replace(site_of(mine), project="other")
    there = server(mine, ready=True)
    assert there.proxy is not None
    taken = replace(there, proxy=replace(there.proxy, sites={"other": theirs}))
    with pytest.raises(UsageError, match="other"):
        plan(mine, taken)


def test_a_configuration_that_an_older_ftl_wrote_is_brought_up_to_date() -> None:
    """The proxy is told again when this version would configure it differently, and no release is made for it."""
    asked = project()
    there = server(asked, *container(asked, "web", "r1"), live={"web": "r1"})
    assert there.proxy is not None
    old = replace(there, proxy=replace(there.proxy, config="of an older version"))
    found = plan(asked, old)
    assert (found.release, kinds(found)) == ("r1", ["ApplySite"])


def test_a_changed_port_is_told_to_the_proxy_before_the_switch() -> None:
    """Requests may wait for the new port, but none is sent to the new containers at the old one."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    found = kinds(plan(project(service(port=9000)), there))
    last_site = len(found) - 1 - found[::-1].index("ApplySite")
    assert last_site < found.index("Switch")
    early = first(plan(project(service(port=9000)), there), s.ApplySite)
    assert isinstance(early, s.ApplySite)
    assert {name.port for name in early.site.internal} == {8000, 9000}
