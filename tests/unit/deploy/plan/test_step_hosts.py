"""Each class of steps has its servers in a cluster, and the pages say the order of a plan."""

from __future__ import annotations

import ast
import inspect
from dataclasses import fields
from pathlib import Path
from string import Formatter

import pytest

from ftl.deploy.plan import planner
from ftl.deploy.plan.steps.base import Step
from tests.unit.deploy.step_classes import step_classes

ARCHITECTURE = Path(__file__).parents[4] / "docs" / "explanation" / "architecture.md"


def test_every_step_says_which_servers_of_a_cluster_it_runs_on() -> None:
    """A class has to choose: there is no default, which would be the first manager for one that is forgotten."""
    assert [each.__name__ for each in step_classes() if not hasattr(each, "runs_on")] == []


def test_a_step_that_looks_for_its_servers_has_a_way_to_find_them() -> None:
    """A class whose `at` would never be asked, or that has none, is a mistake."""
    by_themselves = {each for each in step_classes() if each.at is not Step.at}
    assert by_themselves == {each for each in step_classes() if each.runs_on == "sought"}


@pytest.mark.parametrize("step", sorted(step_classes(), key=str))
def test_a_sentence_names_fields_of_its_step(step: type[Step]) -> None:
    """A step has a sentence or a text of its own, and no plan fails because a sentence asks for what is not there."""
    asked = [name for _, name, _, _ in Formatter().parse(step.sentence) if name is not None]
    assert {name.split(".")[1] for name in asked} <= {each.name for each in fields(step)}
    assert bool(step.sentence) != ("text" in vars(step))


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
