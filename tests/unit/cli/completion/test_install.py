"""Completion in the shells: its script, and the startup files that load it."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl.cli.commands.completion import SHELLS, _script

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Cli


SCRIPTS = {
    "bash": '. {script}; COMP_WORDS=(ftl depl); COMP_CWORD=1; _ftl_completion ftl; echo "${{COMPREPLY[@]}}"',
    "fish": "source {script}; complete -C 'ftl depl'",
    "zsh": "compdef() {{ :; }}; . {script}; compadd() {{ print -r -- $completions; }}; "
    "_describe() {{ print -r -- $completions_with_descriptions; }}; words=(ftl depl); CURRENT=2; _ftl_completion",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_shells(home: Path, shell: str) -> None:
    """The installed script completes in the shell itself."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = home / f"script.{shell}"
    script.write_text(_script(shell))
    command = SCRIPTS[shell].format(script=script)
    done = subprocess.run([shell, "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("deploy"), done.stderr


def test_install(home: Path, cli: Cli) -> None:
    """The script and the line that loads it are written once, at the end of the startup file."""
    (home / ".bashrc").write_text("alias x=y")
    for _ in range(2):
        assert cli(["completion", "install", "bash"]).code == 0
    lines = (home / ".bashrc").read_text().splitlines()
    assert lines[0] == "alias x=y"
    assert len(lines) == 2
    assert cli(["completion", "install", "zsh", "--json"]).result["files"][1] == str(home / ".zshrc")
    assert cli(["completion", "install", "fish"]).code == 0
    assert "_ftl_completion" in (home / "config/fish/completions/ftl.fish").read_text()
    assert "_ftl_completion" in cli(["completion", "script", "bash"]).out


@pytest.mark.timeout(30)
def test_a_startup_file_that_is_no_file_is_refused(home: Path, cli: Cli) -> None:
    """A FIFO would be waited for without end."""
    os.mkfifo(home / ".bashrc")
    code, _, err = cli(["completion", "install", "bash"])
    assert (code, "it is a FIFO, not a regular file" in err) == (2, True)


def test_install_asks_for_the_shell_that_it_does_not_know(
    home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another shell is an error with the commands for those that work."""
    monkeypatch.setenv("SHELL", "/bin/csh")
    code, _, err = cli(["completion", "install"])
    assert (code, "ftl completion install bash" in err) == (2, True)
