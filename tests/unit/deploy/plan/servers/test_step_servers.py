"""Each class of steps has its servers in a cluster, and the pages say the order of a plan."""

from __future__ import annotations

import ast
import inspect
from dataclasses import fields, replace
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING

import pytest

from ftl.config.models.project import Dependency
from ftl.deploy.plan import planner
from ftl.deploy.plan.servers.step_servers import assign_servers
from ftl.deploy.plan.steps.base import GivenServersStep, Step
from ftl.deploy.plan.steps.catch_up import EndCatchUp
from ftl.deploy.plan.steps.images import BringImage
from ftl.deploy.plan.steps.proxy import RemoveSite
from ftl.engine.values import Image
from ftl.errors import ServerError
from ftl.operations.changes.remove import plan_remove
from tests.unit.deploy.cluster import cluster, observed, tasks_of, where
from tests.unit.deploy.step_classes import step_classes
from tests.unit.deploy.world import plan, service

if TYPE_CHECKING:
    from collections.abc import Callable

ARCHITECTURE = Path(__file__).parents[5] / "docs" / "explanation" / "architecture.md"


def test_every_step_says_which_servers_of_a_cluster_it_runs_on() -> None:
    """A class has to choose: there is no default, which would be the first manager for one that is forgotten."""
    assert [each.__name__ for each in step_classes() if not hasattr(each, "runs_on")] == []


def test_a_step_that_looks_for_its_servers_has_a_way_to_find_them() -> None:
    """A class whose `at` would never be asked, or that has none, is a mistake."""
    by_themselves = {each for each in step_classes() if each.at is not Step.at}
    assert by_themselves == {each for each in step_classes() if each.runs_on == "computed"}


@pytest.mark.parametrize(
    "step", [each for each in sorted(step_classes(), key=str) if each.runs_on == "given"]
)
def test_a_step_at_given_servers_cannot_be_written_without_them(step: type[Step]) -> None:
    """Without servers it would run on the first manager of a cluster, whatever server it was meant for."""
    assert issubclass(step, GivenServersStep)
    values = {each.name: "" for each in fields(step) if each.name != "servers"}
    make: Callable[..., Step] = step
    with pytest.raises(TypeError, match="servers"):
        make(**values)
    with pytest.raises(ValueError, match=f"the step {step.kind} has no server"):
        make(**values, servers=())
    assert make(**values, servers=("a",)).servers == ("a",)


@pytest.mark.parametrize("step", sorted(step_classes(), key=str))
def test_a_sentence_names_fields_of_its_step(step: type[Step]) -> None:
    """A step has a sentence or a text of its own, and no plan fails because a sentence asks for what is not there."""
    asked = [name for _, name, _, _ in Formatter().parse(step.sentence) if name is not None]
    assert {name.split(".")[1] for name in asked} <= {each.name for each in fields(step)}
    assert bool(step.sentence) != ("text" in vars(step))


def test_an_image_goes_nowhere_where_each_server_that_runs_it_has_it() -> None:
    """Another server of the cluster lacks it, and does not run it."""
    asked = cluster(dependencies=(Dependency(name="db", image="postgres:16", on="b"),))
    seen = observed(asked)
    image = Image("postgres", ("postgres:16",), (), (), {}, "linux/amd64", 1)
    views = tuple(
        replace(view, images=(*view.images, image)) if view.name == "b" else view for view in seen.views
    )
    assert where(plan(asked, seen), BringImage) == [("b",)]
    assert where(plan(asked, replace(seen, views=views)), BringImage) == []


def test_a_deploy_while_no_server_with_a_proxy_answers_is_refused() -> None:
    """Its switch would run on a manager that has no proxy. A removal goes on."""
    asked = cluster(service())
    servers = (*(replace(server, roles=("web",)) for server in asked.servers[:2]), asked.servers[2])
    asked = replace(asked, servers=(*servers[:2], replace(servers[2], roles=("worker",))))
    asked = replace(asked, services=(replace(asked.services[0], on=("worker",)),))
    down = observed(asked, down=("a", "b"))
    with pytest.raises(ServerError, match="no server with the role web can be reached") as caught:
        plan(asked, down)
    assert "to be done: " in str(caught.value.hint)
    left = observed(asked, *tasks_of(asked, "r1"), live="r1", down=("a", "b"))
    removal = assign_servers(plan_remove(left, volumes=False), left, asked.servers)
    assert where(removal, RemoveSite) == []
    assert where(removal, EndCatchUp) == [("c",)]


def test_the_page_on_the_architecture_has_the_order_of_a_plan() -> None:
    """All stages of `_stages`, in its order."""
    calls = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(planner._stages)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Stage"
    ]
    names = [ast.literal_eval(call.args[0]) for call in sorted(calls, key=lambda call: call.lineno)]
    words = ARCHITECTURE.read_text().split("is the order of a deploy:")[1].split("\n\n")[1]
    assert [word.strip().lower() for word in words.split("->")] == names
