"""Each class of steps has its servers in a cluster, and the pages say the order of a plan."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from ftl.deploy.plan import catch_up, planner, step_hosts, steps

FROM_THEIR_TRACKS = {"ConnectProxy", "EnsureNetwork", "EnsureProxy", "EnsureStore", "UpgradeProxy"}
"""Planned for each server apart, which they name themselves."""

AT_THE_FIRST_MANAGER = {"CreateService", "Decide", "SetDrained", "SetNotifications", "WatchRelease"}
"""Done once, where the Swarm or the records are asked; the default, which is to be chosen knowingly."""

ARCHITECTURE = Path(__file__).parents[4] / "docs" / "explanation" / "architecture.md"


def test_every_step_has_its_servers_in_a_cluster() -> None:
    """A new class of steps is named where servers are chosen, or here."""
    named = {
        node.id
        for module in (step_hosts, catch_up)
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Name)
    }
    classes = {
        name
        for name in steps.__all__
        if issubclass(getattr(steps, name), steps.Step) and "kind" in vars(getattr(steps, name))
    }
    assert classes - named == FROM_THEIR_TRACKS | AT_THE_FIRST_MANAGER


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
