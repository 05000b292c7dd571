"""Commands that load what they need while they connect."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import ftl.cli.commands

NAMED = {
    (path.stem, module)
    for path in Path(ftl.cli.commands.__file__).parent.glob("*.py")
    for module in re.findall(r'reaching\([^)"]*, "([a-z_.]+)"\)', path.read_text())
}


def test_the_commands_that_ask_a_server_do() -> None:
    """At least those that people wait for."""
    assert {"deploy", "plan", "status", "logs"} <= {command for command, _ in NAMED}


@pytest.mark.parametrize(("command", "module"), sorted(NAMED))
def test_the_module_is_there(command: str, module: str) -> None:
    """Its name is a word, which nothing else checks; and it is the one that the command goes on with."""
    import_module(module)
    text = (Path(ftl.cli.commands.__file__).parent / f"{command}.py").read_text()
    assert re.search(rf"from {re.escape(module.rpartition('.')[0])}(\.\w+)? import", text)
