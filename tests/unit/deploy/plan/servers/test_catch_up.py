"""Plans publish in the Swarm what is live, for servers that were away."""

from __future__ import annotations

from dataclasses import replace

from ftl.config.models.project import Hook, Hooks
from ftl.config.models.proxy import Proxy
from ftl.deploy.plan.servers.step_servers import assign_servers
from ftl.deploy.plan.steps.catch_up import EndCatchUp, PauseCatchUp, PublishLiveState
from ftl.engine import labels
from ftl.operations.changes.remove import plan_remove
from tests.unit.deploy.cluster import SERVERS, cluster, observed, proxy_of, tasks_of
from tests.unit.deploy.world import kinds, plan, project, server, service


def test_what_is_live_is_taken_from_the_swarm_before_anything_changes_and_said_after_the_switch() -> None:
    """A server that comes back meanwhile follows nothing. Nothing is taken back where no request goes another way."""
    hooks = Hooks(post=Hook(remote="notify"))
    asked = cluster(service(replicas=2, hooks=hooks))
    found = plan(asked, observed(asked, *tasks_of(asked, "r1"), live="r1"), content="sha256:two")
    assert found.steps[0] == PauseCatchUp("shop", servers=SERVERS)
    said = PublishLiveState("shop", SERVERS, "a", servers=SERVERS)
    order = kinds(found)
    assert [step for step in found.steps if isinstance(step, PublishLiveState)] == [said]
    # A deploy that is cut in its post hooks, or while old requests end, has said it.
    at = order.index("PublishLiveState")
    assert order.index("Switch") < at < order.index("RunHook")
    assert at < order.index("Drain")
    seen = observed(asked, *tasks_of(asked, "r1"), live="r1", behind={"b": proxy_of(asked, "r0", host="b")})
    assert not {"PauseCatchUp", "PublishLiveState"} & {*kinds(plan(asked, seen))}
    alone = plan(project(service()), server(project(service())))
    assert not {"PauseCatchUp", "PublishLiveState"} & {*kinds(alone)}


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
    assert kinds(removal).count("PauseCatchUp") == 1
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
