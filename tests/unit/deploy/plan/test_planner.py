"""What a deploy will do, by tables: Project x Observed -> Plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftl.config.models.project import Dependency, Hook, Hooks, Proxy, Registry, Route
from ftl.deploy.plan import steps as s
from ftl.deploy.plan.planner import Inputs, make_plan
from ftl.deploy.request import Author, DeployRequest, NewRelease
from ftl.engine import labels
from ftl.errors import UsageError
from ftl.proxy.names import release_alias
from ftl.proxy.site import InternalName, Site, Transition, site_of
from ftl.releases.record import DependencyRecord
from tests.unit.deploy.world import (
    actions,
    container,
    dependency,
    first,
    images,
    kinds,
    plan,
    project,
    record,
    server,
    service,
)

if TYPE_CHECKING:
    from ftl.config.models.project import Service
    from ftl.deploy.plan.model import Plan


def test_a_first_deploy_builds_everything_up_and_decides_last() -> None:
    """On an empty server the network, proxy and images come first, the switch after health, the routes last."""
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
        "SendImages",
        "BringImage",
        "Record",
        "ConnectProxy",
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
    ],
)
def test_a_changed_service_is_replaced(changed: dict[str, Any], content: str, why: str) -> None:
    """A new image, other settings or another port replace the containers."""
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
    assert kinds(found) == ["Record", "Record", "ApplySite", "Drain", "StopAndRemove", "RemoveRoutes"]


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
    assert last.containers == (s.ContainerRef("id-db", "shop-db"),)
    start = first(found, s.StartDependency)
    assert isinstance(start, s.StartDependency)
    assert (start.replaces, start.parked) == (s.ContainerRef("id-db", "shop-db"), "shop-db.old-id-db")


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
    opened = [step.subject for step in found.steps if isinstance(step, s.PublishName)]
    assert opened == ["api"]


def test_a_hook_may_be_a_list_that_needs_no_shell() -> None:
    """An image without a shell can migrate, too; the hook knows its release, service and environment."""
    asked = project(service(hooks=Hooks(pre=Hook(remote=("/app", "migrate")), post=Hook(remote="warm"))))
    pre, post = (
        step for step in plan(asked, server(asked, ready=False)).steps if isinstance(step, s.RunHook)
    )
    assert (pre.spec.entrypoint, pre.spec.command) == (("/app",), ("migrate",))
    assert (post.spec.entrypoint, post.spec.command) == (("/bin/sh", "-c"), ("warm",))
    assert pre.spec.env["FTL_RELEASE"] == "r1"
    assert pre.spec.env["FTL_SERVICE"] == "web"
    assert {"FTL_ENV", "FTL_COMMIT"} < pre.spec.env.keys()


def test_pre_hooks_run_before_the_new_containers_and_post_hooks_after_the_switch() -> None:
    """A migration comes after the dependencies and before anything that needs it starts."""
    hooks = Hooks(pre=Hook(remote="migrate"), post=Hook(local="echo", remote="warm"))
    asked = project(service(hooks=hooks), dependencies=(Dependency(name="db", image="postgres:16"),))
    found = plan(asked, server(asked, ready=False))
    ran = [(step.hook, step.where) for step in found.steps if isinstance(step, s.RunHook)]
    assert ran == [("pre", "remote"), ("post", "local"), ("post", "remote")]
    names = kinds(found)
    order = ["StartDependency", "WaitHealthy", "RunHook", "StartContainers", "Switch"]
    assert [names.index(name) for name in order] == sorted(names.index(name) for name in order)


def test_without_hooks_none_runs() -> None:
    """The way back to a commit whose migrations do not know the database's revision: `ftl deploy --no-hooks`."""
    asked = project(service(hooks=Hooks(pre=Hook(remote="migrate"), post=Hook(remote="warm"))))
    inputs = Inputs(Author("me@here"), images(asked))
    request = DeployRequest(asked, Path(), purpose=NewRelease(hooks=False))
    assert "RunHook" not in kinds(make_plan(request, inputs, server(asked, ready=False)))
    assert "RunHook" in kinds(
        make_plan(replace(request, purpose=NewRelease()), inputs, server(asked, ready=False))
    )


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
    foreign = replace(one, name="other-web-r1", labels={**one.labels, labels.PROJECT: "other"})
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


def applied_sites(found: Plan) -> list[Site]:
    """The sites that a plan gives the proxy, in order."""
    return [step.site for step in found.steps if isinstance(step, s.ApplySite)]


def test_changed_routes_are_switched_with_the_release() -> None:
    """Both generations of routes stand in the proxy before the switch, each with its release; the old go afterwards."""
    before = project(service(routes=(Route(path="/api", strip_prefix=True),)))
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    after = project(service(routes=(Route(path="/api"),)))
    found = plan(after, there, content="sha256:two")
    both, final = applied_sites(found)
    assert both.transition == Transition(
        "web",
        before={"web": release_alias("shop", "web", "r1")},
        after={"web": release_alias("shop", "web", "r2")},
        routes=site_of(before).routes,
        internal=site_of(before).internal,
    )
    assert both.routes == final.routes == site_of(after).routes
    assert final.transition is None
    order = kinds(found)
    assert order.index("ApplySite") < order.index("StartContainers") < order.index("Switch")


def test_an_interrupted_upgrade_of_the_proxy_is_finished_by_the_next_deploy() -> None:
    """Any project's deploy does it, even if nothing else is to be done, and no release is made for it."""
    asked = project()
    there = server(asked, *container(asked, "web", "r1"), live={"web": "r1"})
    assert there.proxy is not None
    found = plan(asked, replace(there, proxy=replace(there.proxy, leftovers=("ftl-proxy-old",))))
    assert (found.release, kinds(found)) == ("r1", ["EnsureProxy"])
    assert "replacement" in found.steps[0].text


def test_a_damaged_site_is_written_again_by_its_project() -> None:
    """Its deploy says so and makes no release; without a copy, the routes of what is live come before anything else."""
    asked = project()
    there = server(asked, *container(asked, "web", "r1"), live={"web": "r1"})
    assert there.proxy is not None
    copied = plan(asked, replace(there, proxy=replace(there.proxy, damaged=("shop",))))
    assert (copied.release, kinds(copied)) == ("r1", ["ApplySite"])
    assert any("damaged" in note for note in copied.notes)
    lost = plan(asked, replace(there, proxy=replace(there.proxy, sites={}, damaged=("shop",))))
    (site,) = applied_sites(lost)
    assert site.routes == site_of(asked).routes


def test_routes_alone_need_no_transition() -> None:
    """Without a new release the routes are just replaced."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    found = plan(project(service(routes=(Route(path="/other"),))), there)
    assert [site.transition for site in applied_sites(found)] == [None]


def test_a_changed_port_is_switched_with_the_release() -> None:
    """Old and new port stand in the proxy until the switch decides which one the live release listens on."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    early, final = applied_sites(plan(project(service(port=9000)), there))
    assert {name.port for name in early.all_internal} == {8000, 9000}
    assert early.transition is not None
    assert final.all_internal == (InternalName("web", 9000),)


@pytest.mark.parametrize("switched", [False, True])
def test_a_deploy_that_was_killed_between_its_routes_is_completed(switched: bool) -> None:
    """The live file says which routes apply; the next deploy goes on from those and leaves one generation."""
    before = project(service(routes=(Route(path="/old"),)))
    after = project(service(routes=(Route(path="/new"),)))
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    early = applied_sites(plan(after, there, content="sha256:two"))[0]
    running = container(after, "web", "r2", content="sha256:two")
    killed = server(
        before, *container(before, "web", "r1"), *running, live={"web": "r2" if switched else "r1"}
    )
    assert killed.proxy is not None
    killed = replace(killed, proxy=replace(killed.proxy, sites={"shop": early}))
    assert killed.site is not None
    assert [route.path for route in killed.site.routes] == ["/new" if switched else "/old"]
    if switched:
        found = plan(after, killed, content="sha256:two")
        assert found.record is None, "nothing but the routes is left to do"
        assert applied_sites(found) == [replace(early, transition=None)]
    else:
        found = plan(before, killed)
        assert applied_sites(found) == [site_of(before, subnets=early.subnets)]


def test_a_tcp_service_is_reached_past_the_proxy() -> None:
    """Its containers have its name; it has no internal name in the proxy, no drain, and no early switch."""
    asked = project(service(), service("cache", port=6379, protocol="tcp", routes=()))
    found = plan(asked, server(asked, ready=False))
    started = {step.service: step for step in found.steps if isinstance(step, s.StartContainers)}
    names: dict[str, set[str]] = {name: set(*step.spec.networks.values()) for name, step in started.items()}
    assert "cache" in names["cache"]
    assert "web" not in names["web"]
    assert [name.service for site in applied_sites(found) for name in site.all_internal] == ["web", "web"]
    assert not any(isinstance(step, s.PublishName) for step in found.steps)
    switch = first(found, s.Switch)
    assert isinstance(switch, s.Switch)
    assert switch.with_port == ("web",)


def test_a_service_that_becomes_tcp_loses_its_name_in_the_proxy() -> None:
    """Else half of its clients would meet the HTTP proxy; the old container finishes the requests it got that way."""
    before = project(service(), service("cache", port=6379, routes=()))
    there = server(
        before,
        *container(before, "web", "r1"),
        *container(before, "cache", "r1"),
        live={"web": "r1", "cache": "r1"},
    )
    after = project(service(), service("cache", port=6379, protocol="tcp", routes=()))
    found = plan(after, there)
    assert actions(found) == {"web": "unchanged", "cache": "replaced"}
    connect = first(found, s.ConnectProxy)
    assert isinstance(connect, s.ConnectProxy)
    assert (connect.aliases, connect.without) == (("web",), ("cache",))
    assert [step.service for step in found.steps if isinstance(step, s.Drain)] == ["cache"]


@pytest.mark.parametrize(
    ("after", "drained"),
    [(service(port=None, routes=()), "web"), (service("worker", port=None, routes=()), "web")],
    ids=["no port", "no service"],
)
def test_a_project_that_gives_up_its_last_port_leaves_the_proxy(after: Service, drained: str) -> None:
    """Its routes go with the switch, old containers finish their requests, and then the site is removed."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    found = plan(project(after), there)
    assert [step.service for step in found.steps if isinstance(step, s.Drain)] == [drained]
    assert applied_sites(found)[-1].all_routes == ()
    assert kinds(found)[-1] == "RemoveSite"


def test_a_partial_deploy_leaves_the_site_of_what_it_leaves_alone() -> None:
    """The other service still answers, whatever ftl.yaml says of its port by now."""
    worker = service("worker", port=None, routes=())
    before = project(service(), worker)
    there = server(
        before, *container(before, "web", "r1"), *container(before, "worker", "r1"), live={"web": "r1"}
    )
    after = project(service(port=None, routes=()), worker)
    found = plan(after, there, "sha256:two", only=("worker",))
    assert not {"ApplySite", "RemoveSite", "Drain"} & set(kinds(found))


def test_a_site_is_removed_from_a_stopped_proxy_without_starting_it() -> None:
    """Somebody stopped it: nobody is served, so nothing drains, and its ports may be taken."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    assert there.proxy is not None
    there = replace(there, proxy=replace(there.proxy, running=False))
    found = plan(project(service(port=None, routes=())), there)
    assert kinds(found)[-1] == "RemoveSite"
    assert not {"EnsureProxy", "ApplySite", "Drain"} & set(kinds(found))


def test_a_changed_protocol_of_http_is_switched_with_the_release() -> None:
    """From HTTP/1.1 to cleartext HTTP/2: each release is asked in its own protocol."""
    before = project()
    there = server(before, *container(before, "web", "r1"), live={"web": "r1"})
    early, final = applied_sites(plan(project(service(protocol="h2c")), there, content="sha256:two"))
    assert early.transition is not None
    assert (early.transition.h2c, early.h2c, final.h2c) == ((), ("web",), ("web",))
