"""The scripts that run on servers."""

from __future__ import annotations

import subprocess

import pytest

from ftl.server.setup import scripts, steps


@pytest.mark.parametrize(
    "script", [scripts.as_root(), scripts.observe(), scripts.hand(), scripts.firewall().decode()], ids=len
)
def test_scripts_can_be_read_by_any_shell_and_passed_as_an_argument(script: str) -> None:
    """They parse, and are shorter than one argument may be (MAX_ARG_STRLEN, 128 KiB), with room for quotes."""
    subprocess.run(("sh", "-n"), input=script.encode(), check=True)
    assert len(script.replace("'", "'\"'\"'")) < 100_000


def test_every_step_is_one_that_the_server_knows() -> None:
    """The dispatcher names the verb of each, and there is a function of that name."""
    kinds = [kind for kind in vars(steps).values() if isinstance(kind, type) and issubclass(kind, steps.Step)]
    verbs = {kind.verb for kind in kinds if kind is not steps.Step}
    script = scripts.hand()
    dispatched = next(line for line in script.splitlines() if line.strip().startswith("refresh |"))
    assert verbs <= set(dispatched.strip().rstrip(")").split(" | "))
    assert all(f"do_{verb}() {{" in script for verb in verbs)
