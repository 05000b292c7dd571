"""Plans for several servers: what happens where, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.config.models.project import Dependency, Hook, Hooks
from ftl.config.models.proxy import Proxy
from ftl.deploy.plan.changes import ANOTHER_NETWORK, NEW_CONFIGURATION
from ftl.deploy.plan.servers.step_servers import assign_servers
from ftl.deploy.plan.steps.base import ContainerRef
from ftl.deploy.plan.steps.catch_up import EndCatchUp, HoldCatchUp, PublishLiveState, ShareCertificates
from ftl.deploy.plan.steps.containers import EnsureVolume, StartContainers, StartDependency, WaitHealthy
from ftl.deploy.plan.steps.images import BringImage, SendImages
from ftl.deploy.plan.steps.proxy import (
    ApplySite,
    AwaitCertificates,
    ConnectProxy,
    Drain,
    EnsureProxy,
    ReachFromProxies,
    RepairSwitch,
    Switch,
)
from ftl.deploy.plan.steps.records import EnsureStore, WriteRecord
from ftl.deploy.plan.steps.swarm_services import AdmitServer, CreateSwarmService, RemoveSwarmServices
from ftl.engine import labels
from ftl.errors import ServerError, UsageError
from ftl.operations.changes.remove import plan_remove
from ftl.proxy.names import proxy_alias, release_alias
from tests.unit.deploy.cluster import SERVERS, cluster, dependency_on, observed, proxy_of, tasks_of, where
from tests.unit.deploy.world import actions, container, kinds, plan, project, record, server, service


def test_a_first_deploy_prepares_every_server_and_switches_all_proxies() -> None:
    """The image goes everywhere, routes to each proxy, records to each manager; the Swarm places the replicas."""
    asked = cluster(service(replicas=3))
    found = plan(asked, observed(asked, ready=False))
    assert where(found, EnsureProxy) == [("a",), ("b",), ("c",)]
    assert where(found, EnsureStore) == [("a",), ("b",), ("c",)]
    assert where(found, SendImages) == [SERVERS]
    assert where(found, Switch) == [SERVERS]
    assert where(found, WriteRecord) == [SERVERS, SERVERS]
    created = next(step for step in found.steps if isinstance(step, CreateSwarmService))
    assert (created.name, created.replicas, created.allowed) == ("shop-web-r1", 3, SERVERS)
    assert created.constraints == (
        "node.labels.ftl.role.shop.any==true",
        "node.labels.ftl.drained.shop!=true",
    )
    assert "EnsureNetwork" not in kinds(found)
    assert "StartContainers" not in kinds(found)


def test_a_server_that_joined_gets_images_before_replicas() -> None:
    """Those of services that stay as well; a deploy of one service, or of what is live, admits none."""
    asked = cluster(service(), service("api", port=9000))
    seen = replace(observed(asked, *tasks_of(asked, "r1"), live="r1"), joining=("c",))
    found = plan(asked, seen)
    (step,) = (step for step in found.steps if isinstance(step, AdmitServer))
    assert (step.server, step.text) == ("c", "allow replicas on c, which joined the cluster")
    order = [each.kind for each in found.steps]
    assert order.index("send_images") < order.index("admit_server") < order.index("create_service")
    brought = [(each.reference, each.servers) for each in found.steps if isinstance(each, BringImage)]
    assert brought == [("shop-web:r1", ("c",))]
    assert where(plan(asked, seen, only=("api",)), AdmitServer) == []


def test_a_server_without_the_role_web_has_no_proxy() -> None:
    """It gets the image, and its services may run there."""
    asked = cluster(roles=("worker",))
    found = plan(asked, observed(asked, ready=False))
    assert where(found, EnsureProxy) == [("a",), ("b",)]
    assert where(found, Switch) == [("a", "b")]
    assert where(found, SendImages) == [SERVERS]


def test_nothing_is_done_where_all_servers_are_as_they_should_be() -> None:
    """One look at each, and no step."""
    asked = cluster(service(replicas=2))
    assert plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1")).empty


def test_a_new_image_makes_a_new_swarm_service_and_removes_the_old_one() -> None:
    """All proxies together wait for the requests in flight."""
    asked = cluster(service(replicas=2))
    found = plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1"), content="sha256:two")
    assert where(found, Drain) == [SERVERS]
    drain = next(step for step in found.steps if isinstance(step, Drain))
    assert drain.addresses == ("10.0.0.1", "10.0.0.2")
    removed = next(step for step in found.steps if isinstance(step, RemoveSwarmServices))
    assert removed.services == (ContainerRef("sr1", "shop-web-r1"),)
    assert "StopAndRemove" not in kinds(found)


def test_another_number_of_replicas_makes_a_new_swarm_service() -> None:
    """More replicas of the running one would get requests before they are healthy."""
    before, asked = cluster(service(replicas=2)), cluster(service(replicas=3))
    found = plan(asked, observed(asked, *tasks_of(before, "r1"), live="r1"))
    assert actions(found) == {"web": "replaced"}
    created = next(step for step in found.steps if isinstance(step, CreateSwarmService))
    assert (created.name, created.replicas) == ("shop-web-r2", 3)


@pytest.mark.parametrize("stale", ["r0", ""])
def test_a_proxy_that_was_away_is_pointed_at_the_live_release(stale: str) -> None:
    """It names a release that is gone, or nothing; no release is made for it."""
    asked = cluster()
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1", behind={"b": proxy_of(asked, stale, host="b")})
    found = plan(asked, seen)
    assert kinds(found) == ["RepairSwitch"]
    assert where(found, RepairSwitch) == [("b",)]
    assert found.release == "r1"


def test_a_server_without_a_proxy_gets_one_with_the_routes_of_the_others() -> None:
    """A new server, or one whose proxy was removed."""
    asked = cluster()
    found = plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1", behind={"c": None}))
    assert kinds(found)[1:-2] == ["EnsureProxy", "ConnectProxy", "ApplySite", "RepairSwitch"]
    assert {step.servers for step in found.steps[1:-2]} == {("c",)}


def test_what_is_live_is_taken_from_the_swarm_before_anything_changes_and_said_after_the_switch() -> None:
    """A server that comes back meanwhile follows nothing. Nothing is taken back where no request goes another way."""
    hooks = Hooks(post=Hook(remote="notify"))
    asked = cluster(service(replicas=2, hooks=hooks))
    found = plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1"), content="sha256:two")
    assert found.steps[0] == HoldCatchUp("shop", servers=SERVERS)
    said = PublishLiveState("shop", SERVERS, "a", servers=SERVERS)
    order = kinds(found)
    assert [step for step in found.steps if isinstance(step, PublishLiveState)] == [said]
    # A deploy that is cut in its post hooks, or while old requests end, has said it.
    at = order.index("PublishLiveState")
    assert order.index("Switch") < at < order.index("RunHook")
    assert at < order.index("Drain")
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1", behind={"b": proxy_of(asked, "r0", host="b")})
    assert not {"HoldCatchUp", "PublishLiveState"} & {*kinds(plan(asked, seen))}
    alone = plan(project(service()), server(project(service())))
    assert not {"HoldCatchUp", "PublishLiveState"} & {*kinds(alone)}


def test_what_is_live_is_said_by_the_next_deploy_where_it_is_not() -> None:
    """A deploy that was killed after its switch has left no word; nothing else is to be done. One word is enough."""
    asked = cluster(service(replicas=2), proxy=Proxy(tls="off"))
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1")
    assert plan(asked, seen).empty
    unsaid = replace(seen, live_published=False)
    found = plan(asked, unsaid)
    assert found.steps == (PublishLiveState("shop", SERVERS, "a", servers=SERVERS),)
    assert assign_servers(found, unsaid, asked.servers).steps == found.steps
    assert plan(asked, unsaid, only=("web",)).empty
    # A proxy that was away is pointed at the live release before anything is said.
    behind = observed(asked, *tasks_of(asked, "r1"), live="r1", behind={"a": proxy_of(asked, "r0", host="a")})
    assert kinds(plan(asked, replace(behind, live_published=False))) == ["RepairSwitch", "PublishLiveState"]
    # Without a proxy there is nothing to say.
    alone = cluster(service(port=None, routes=()))
    assert "PublishLiveState" not in kinds(
        plan(alone, replace(observed(alone, ready=False), live_published=False))
    )


def test_a_service_that_goes_is_not_said_to_be_live() -> None:
    """The proxies forget it after its requests have ended, and nothing may bring it back."""
    before, asked = cluster(service(), service("api", port=9000)), cluster(service())
    seen = observed(before, *tasks_of(before, "r1"), live="r1")
    api = tuple(
        replace(
            one, id=f"api.{slot}", name=f"shop-api-r1.{slot}", labels={**one.labels, labels.SERVICE: "api"}
        )
        for slot, one in enumerate(tasks_of(before, "r1"), 1)
    )
    found = plan(asked, replace(seen, containers=(*seen.containers, *api)))
    order = kinds(found)
    assert order.index("PublishLiveState") < order.index("RemoveRoutes")
    assert next(step for step in found.steps if isinstance(step, PublishLiveState)).gone == ("api",)


def test_certificates_of_an_authority_are_shared_last() -> None:
    """When they have been waited for; other projects have none to share."""
    asked = cluster(service(replicas=2), proxy=Proxy(tls="auto"))
    found = plan(asked, observed(asked, ready=False))
    assert found.steps[-1] == ShareCertificates("shop", "a", servers=SERVERS)
    order = kinds(found)
    assert order.index("PublishLiveState") < order.index("AwaitCertificates")
    plain = cluster(service(replicas=2), proxy=Proxy(tls="off"))
    assert "ShareCertificates" not in kinds(plan(plain, observed(plain, ready=False)))


def test_one_proxy_gets_certificates_and_each_is_known_by_a_name_of_its_own() -> None:
    """The first that answers, a manager if there is one; the plan waits for certificates there alone."""
    asked = cluster(proxy=Proxy(tls="auto"))
    first = plan(asked, observed(asked, ready=False))
    assert where(first, AwaitCertificates) == [("a",)]
    # The others forward the authority's questions before it is asked for anything.
    applied = where(first, ApplySite)
    assert applied[-2:] == [("b", "c"), ("a",)]
    assert applied[:-2] == [("b",), ("c",), ("a",)]
    assert {step.issuer for step in first.steps if isinstance(step, ApplySite)} == {"a"}
    connected = {step.servers: step.aliases for step in first.steps if isinstance(step, ConnectProxy)}
    assert connected == {(host,): ("web", proxy_alias("shop", host)) for host in SERVERS}
    down = plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1", down=("a",)))
    assert {(step.servers, step.issuer) for step in down.steps if isinstance(step, ApplySite)} == {
        (("b",), "b"),
        (("c",), "b"),
    }
    seen = observed(asked, live="r1")
    views = tuple(replace(view, manager=view.name != "a") for view in seen.views)
    assert replace(seen, views=views).issuer == "b"


def test_a_removed_project_has_nothing_to_follow() -> None:
    """The lines leave the crontabs, and keys the Swarm, before the rest goes; another placement adds nothing."""
    asked = cluster(service(replicas=2))
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1")
    removal = assign_servers(plan_remove(seen, volumes=False), seen, asked.servers)
    assert [step for step in removal.steps if isinstance(step, EndCatchUp)] == [
        EndCatchUp("shop", servers=SERVERS)
    ]
    order = kinds(removal)
    assert order.index("RemoveSite") < order.index("EndCatchUp") < order.index("RemoveSwarmServices")
    assert kinds(removal).count("HoldCatchUp") == 1
    assert kinds(assign_servers(removal, seen, asked.servers)) == kinds(removal)


def test_a_removal_that_is_done_again_leaves_no_keys() -> None:
    """The first one came as far as the routes. With nothing left there is nothing to do."""
    asked = cluster(service(replicas=2))
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1")
    bare = replace(proxy_of(asked, with_site=False), networks=("ftl-edge",))
    seen = replace(seen, views=tuple(replace(view, proxy=bare) for view in seen.views), proxy=bare)
    order = kinds(plan_remove(seen, volumes=False))
    assert "RemoveSite" not in order
    assert order[0] == "EndCatchUp"
    gone = replace(observed(asked, ready=False), networks=())
    assert "EndCatchUp" not in kinds(plan_remove(gone, volumes=False))
    alone = project(service())
    assert "EndCatchUp" not in kinds(plan_remove(server(alone), volumes=False))


def test_each_proxy_tries_the_way_to_new_containers_before_the_switch() -> None:
    """Also to one that is tied to a server. One that is cut off is not asked, and nothing is where nothing starts."""
    asked = cluster(
        service(replicas=2), service("tied", recreate=True), service("worker", port=None, routes=())
    )
    found = plan(asked, observed(asked, ready=False))
    tried = [step for step in found.steps if isinstance(step, ReachFromProxies)]
    assert [(step.service, step.alias, step.port, step.replicas, step.servers) for step in tried] == [
        ("web", release_alias("shop", "web", "r1"), 8000, 2, SERVERS),
        ("tied", release_alias("shop", "tied", "r1"), 8000, 1, SERVERS),
    ]
    order = kinds(found)
    assert order.index("WaitSwarmTasks") < order.index("ReachFromProxies") < order.index("Switch")
    asked = cluster(service(replicas=2), roles=("worker",))
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1")
    assert "ReachFromProxies" not in kinds(plan(asked, seen))
    cut = replace(seen, views=tuple(replace(view, cut_off=view.name == "b") for view in seen.views))
    assert where(plan(asked, cut, content="sha256:two"), ReachFromProxies) == [("a",)]
    alone = project(service())
    assert "ReachFromProxies" not in kinds(plan(alone, server(alone, ready=False)))


def test_a_deploy_goes_on_without_a_server_that_is_down() -> None:
    """It says so, and the Swarm does not place a replica there: the server lacks the image."""
    asked = cluster(service(replicas=2))
    found = plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1", down=("c",)), content="sha256:two")
    created = next(step for step in found.steps if isinstance(step, CreateSwarmService))
    assert created.allowed == ("a", "b")
    assert "node.labels.ftl.host.shop!=c" in created.constraints
    assert any("c cannot be reached" in note for note in found.notes)
    assert where(found, Switch) == [("a", "b")]


def test_a_deploy_goes_on_with_a_server_that_is_cut_off_and_says_so() -> None:
    """It gets the image and is switched, and another server gets certificates. What may run there alone is refused."""
    asked = cluster(service(replicas=2))
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1")
    views = tuple(replace(view, cut_off=view.name == "a") for view in seen.views)
    cut = replace(seen, views=views)
    found = plan(asked, cut, content="sha256:two")
    assert where(found, Switch) == where(found, SendImages) == [SERVERS]
    assert any("a is cut off from the other servers" in note for note in found.notes)
    assert (seen.issuer, cut.issuer) == ("a", "b")
    alone = cluster(service(on=("a",)))
    with pytest.raises(ServerError, match="web runs only on a, which is cut off from the other servers"):
        plan(alone, cut)


def test_a_service_whose_only_server_is_down_is_refused() -> None:
    """Nothing is touched."""
    asked = cluster(service(on=("c",)))
    with pytest.raises(ServerError, match="web runs only on c, which cannot be reached"):
        plan(asked, observed(asked, down=("c",)))


def test_a_service_with_a_volume_stays_a_container_on_one_server() -> None:
    """A task that wakes up elsewhere would have an empty volume."""
    asked = cluster(service(volumes=("data:/data",)), volumes=("data",))
    found = plan(asked, observed(asked))
    assert where(found, StartContainers) == [("a",)]
    assert where(found, WaitHealthy) == [("a",)]
    assert where(found, EnsureVolume) == [("a",)]
    assert "CreateSwarmService" not in kinds(found)


def test_a_dependency_runs_where_on_says() -> None:
    """Its image goes there alone, and so does its volume."""
    db = Dependency(name="db", image="postgres:16", volumes=("data:/data",), on="b")
    asked = cluster(dependencies=(db,), volumes=("data",))
    found = plan(asked, observed(asked))
    bringing = [step for step in found.steps if isinstance(step, BringImage)]
    assert [step.servers for step in bringing if step.reference == "postgres:16"] == [("b",)]
    assert where(found, StartDependency) == [("b",)]
    assert where(found, EnsureVolume) == [("b",)]


def test_a_dependency_that_only_changes_its_network_says_so() -> None:
    """From one server to several: the plan names what restarts, why, and for how long; data stay."""
    db = Dependency(name="db", image="postgres:16", volumes=("data:/data",))
    alone = project(dependencies=(db,), volumes=("data",))
    for asked, why in (
        (cluster(dependencies=(db,), volumes=("data",)), ANOTHER_NETWORK),
        (
            cluster(dependencies=(replace(db, command="postgres -c x=1"),), volumes=("data",)),
            NEW_CONFIGURATION,
        ),
    ):
        seen = observed(asked, on={"a": (dependency_on(alone, "db"),)})
        found = plan(asked, seen)
        (change,) = (change for change in found.changes if change.name == "db")
        assert (change.action, change.why) == ("replaced", why)
        assert any("may take 30 s, and started" in note for note in found.notes)


def test_a_dependency_does_not_move_away_from_its_data() -> None:
    """It would start on an empty volume there."""
    db = Dependency(name="db", image="postgres:16", volumes=("data:/data",))
    before, asked = (cluster(dependencies=(replace(db, on=on),), volumes=("data",)) for on in ("a", "b"))
    seen = observed(asked, *tasks_of(before, "r1"), live="r1", on={"a": (dependency_on(before, "db"),)})
    with pytest.raises(UsageError, match="db has its data on a, and `on` places it on b"):
        plan(asked, seen)
    moved = cluster(dependencies=(replace(db, on=None),), volumes=("data",))
    moved = replace(moved, servers=(moved.servers[1], moved.servers[0]))
    with pytest.raises(UsageError, match="on a, and without `on` it runs on the first server, b"):
        plan(moved, observed(moved, live="r1", on={"a": (dependency_on(before, "db"),)}))


def test_back_on_one_server_the_swarm_services_go_as_services() -> None:
    """The Swarm starts a task again whose container is removed; new containers start beside, in their own network."""
    before, asked = cluster(service(replicas=2)), project(service(replicas=2))
    seen = server(asked, *tasks_of(before, "r1"), live={"web": "r1"}, releases=(record("r1", web="r1"),))
    seen = replace(seen, networks=tuple(replace(network, id="p") for network in seen.networks))
    found = plan(asked, seen)
    assert actions(found) == {"web": "replaced"}
    assert "StopAndRemove" not in kinds(found)
    removed = next(step for step in found.steps if isinstance(step, RemoveSwarmServices))
    assert (removed.services, removed.servers) == ((ContainerRef("sr1", "shop-web-r1"),), ())
    order = kinds(found)
    assert order.index("StartContainers") < order.index("Switch") < order.index("RemoveSwarmServices")
    assert not {"HoldCatchUp", "EndCatchUp"} & set(order)


def test_back_on_one_server_nothing_follows_what_was_live_in_the_cluster() -> None:
    """Its cron would bring the proxy back to it; keys of certificates do not stay in the Swarm either."""
    before, asked = cluster(service(replicas=2)), project(service(replicas=2))
    seen = server(asked, *tasks_of(before, "r1"), live={"web": "r1"}, releases=(record("r1", web="r1"),))
    networks = tuple(replace(network, id="p") for network in seen.networks)
    order = kinds(plan(asked, replace(seen, networks=networks, left_configs=True)))
    assert (order[0], order[-1]) == ("HoldCatchUp", "EndCatchUp")
    # A deploy that was killed, or one of an earlier FTL, may have left them.
    there = server(
        asked, *container(asked, "web", "r1"), live={"web": "r1"}, releases=(record("r1", web="r1"),)
    )
    assert kinds(plan(asked, replace(there, left_configs=True))) == ["EndCatchUp"]


def test_one_server_that_is_a_worker_of_a_cluster_is_refused() -> None:
    """The Swarm would start again what is removed there."""
    asked = project(service())
    (task,) = container(asked, "web", "r1")
    task = replace(task, labels={**task.labels, labels.SWARM_TASK: "t1"})
    seen = server(asked, task, live={"web": "r1"})
    with pytest.raises(
        UsageError, match="runs shop as a worker of a cluster, which only managers can change"
    ):
        plan(asked, seen)
