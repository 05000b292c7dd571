"""Completion in real shells, of the program as it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.shell_completion import get_completion_class

from ftl.cli.app import cli
from ftl.cli.commands.completion import SHELLS, _script
from ftl.cli.completion.first_words import complete_first_words
from ftl.cli.completion.names import BACKUP_JOB
from ftl.cli.completion.seen import remember, remember_previews, seen
from ftl.cli.completion.values import add_completions
from ftl.cli.overview import names
from ftl.config.models.backup import JOB_PREFIX

if TYPE_CHECKING:
    from ..conftest import Cli

FTL_YAML = """
project:
  name: shop
services:
  - name: web
    jobs: []
  - {name: worker, image: x}
dependencies:
  - postgres:16
  - {name: cache, image: redis}
jobs:
  - name: nightly
backups:
  - {dependency: postgres, schedule: 0 3 * * *}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, which is also a project's folder; `ftl` is on PATH."""
    for name, folder in (
        ("HOME", ""),
        ("XDG_STATE_HOME", "state"),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_DATA_HOME", "data"),
    ):
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.delenv("ZDOTDIR", raising=False)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ftl.yaml").write_text(FTL_YAML)
    (tmp_path / "state/ftl/sandbox/ci").mkdir(parents=True)
    (tmp_path / "state/ftl/sandbox/ci/address.json").write_text("{}")
    (tmp_path / "ftl.staging.yaml").write_text("")
    (tmp_path / "ftl.preview.yaml").write_text("")
    return tmp_path


def complete(line: str) -> list[str]:
    """Completions of a line, as bash asks for them."""
    words = line.split(" ")
    environment = {
        **os.environ,
        "_FTL_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(["ftl"], env=environment, capture_output=True, text=True, check=True, timeout=30)
    assert done.stderr == ""
    return [row.partition(",")[2] for row in done.stdout.splitlines() if row]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("begun", ["", "de", "deploy", "re", "nothing"])
def test_the_first_word_is_completed_as_click_does(
    home: Path, monkeypatch: pytest.MonkeyPatch, shell: str, begun: str
) -> None:
    """The answer without click is click's, in the form of each shell."""
    monkeypatch.setenv("COMP_WORDS", f"ftl {begun}")
    monkeypatch.setenv("COMP_CWORD", begun if shell == "fish" else "1")
    completion = get_completion_class(shell)
    assert completion is not None
    answer = complete_first_words({**os.environ, "_FTL_COMPLETE": f"{shell}_complete"})
    assert answer == completion(cli, {}, "ftl", "_FTL_COMPLETE").complete() + "\n"


OPTION_LINES = (
    "-",
    "--",
    "--e",
    "--json -",
    "--json -v --env staging --",
    "-q -f other.yaml -",
    "-e ",
    "-e s",
    "--env preview/",
    "-v -e nothing",
    "--server ",
    "--server s",
    "--server root@",
    "-f ",
    "--file ./o",
    "--json ",
    "-e staging dep",
    "-e staging logs ",
    "--server a:22 -vq logs ",
    "-v -q logs w",
    "-f other.yaml logs ",
    "-f other.yaml --json -e ",
    "-f other.yaml -f ftl.yaml logs ",
    "-f missing.yaml deploy ",
    "-f . rollback ",
)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("line", OPTION_LINES)
def test_global_options_are_completed_as_click_does(
    home: Path, monkeypatch: pytest.MonkeyPatch, shell: str, line: str
) -> None:
    """Their names and values, and what follows them: the answer without click is click's."""
    remember("shop", "shop.example.org", ["r12", "r11"])
    (home / "other.yaml").write_text("services: [other]\n")
    (home / "ftl.other.yaml").write_text("")
    begun = line.rpartition(" ")[2]
    monkeypatch.setenv("COMP_WORDS", f"ftl {line}")
    monkeypatch.setenv("COMP_CWORD", begun if shell == "fish" else str(line.count(" ") + 1))
    answer = complete_first_words({**os.environ, "_FTL_COMPLETE": f"{shell}_complete"})
    add_completions("", cli)
    for command in {"logs", "deploy", "rollback"} & {*line.split()}:
        loaded = cli.get_command(click.Context(cli), command)
        assert loaded is not None
        add_completions(command, loaded)
    completion = get_completion_class(shell)
    assert completion is not None
    by_click = completion(cli, {}, "ftl", "_FTL_COMPLETE").complete() + "\n"
    assert answer == (None if "-vq" in line else by_click)


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("command", names())
@pytest.mark.parametrize("begun", ["", "w", "r1", "nothing"])
def test_the_first_argument_is_completed_as_click_does(
    home: Path, monkeypatch: pytest.MonkeyPatch, shell: str, command: str, begun: str
) -> None:
    """Where the answer comes without click it is click's, and it does for each command with names."""
    remember("shop", "shop.example.org", ["r12", "r11"])
    monkeypatch.setenv("COMP_WORDS", f"ftl {command} {begun}")
    monkeypatch.setenv("COMP_CWORD", begun if shell == "fish" else "2")
    completion = get_completion_class(shell)
    assert completion is not None
    loaded = cli.get_command(click.Context(cli), command)
    assert loaded is not None
    add_completions(command, loaded)
    by_click = completion(cli, {}, "ftl", "_FTL_COMPLETE").complete() + "\n"
    answer = complete_first_words({**os.environ, "_FTL_COMPLETE": f"{shell}_complete"})
    assert answer in (None, by_click)
    assert answer is not None or isinstance(loaded, click.Group) or ",w" not in by_click.replace("\n", ",")


def test_backups_have_the_jobs_of_the_program() -> None:
    """A key press does not wait for the import of the name."""
    assert BACKUP_JOB == JOB_PREFIX


def test_a_first_argument_needs_no_file(home: Path) -> None:
    """Without an ftl.yaml there are no names, and nothing is printed below the key press."""
    (home / "ftl.yaml").unlink()
    assert complete("ftl deploy ") == []


@pytest.mark.parametrize(
    ("shell", "line", "position"),
    [
        ("bash", "ftl deploy web ", "3"),
        ("bash", "ftl deploy web", "1"),
        ("bash", "ftl deploy --b", "2"),
        ("bash", "ftl deploy -e ", "3"),
        ("bash", "ftl -e -", "2"),
        ("bash", "ftl -e -x dep", "3"),
        ("bash", "ftl -e a --other dep", "4"),
        ("bash", "ftl --env=s", "1"),
        ("bash", "ftl -- dep", "2"),
        ("bash", "ftl --version ", "2"),
        ("bash", "ftl sandbox ", "2"),
        ("bash", "ftl 'de", "1"),
        ("fish", "ftl deploy web ", ""),
        ("fish", "ftl deploy web de", "de"),
        ("fish", "ftl deploy --b", "--b"),
        ("zsh", "", ""),
        ("csh", "ftl de", "1"),
    ],
)
def test_other_words_are_left_to_click(shell: str, line: str, position: str) -> None:
    """Options, quoted words, subcommands, and all that follow the first argument."""
    request = {"_FTL_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": position}
    assert complete_first_words(request) is None


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ftl depl", ["deploy"]),
        ("ftl deploy ", ["web", "worker"]),
        ("ftl deploy web w", ["worker"]),
        ("ftl logs ", ["web", "worker", "postgres", "cache"]),
        ("ftl tunnels ", ["postgres", "cache"]),
        ("ftl backup ", ["postgres", "cache"]),
        ("ftl restore c", ["cache"]),
        ("ftl scale we", ["web="]),
        ("ftl -e ", ["staging", "preview/pr-7"]),
        ("ftl deploy --env st", ["staging"]),
        ("ftl rollback ", ["r12", "r11"]),
        ("ftl run --release r1", ["r12", "r11"]),
        ("ftl --server ", ["sandbox", "local", "shop.example.org"]),
        ("ftl deploy --wait", ["--wait-lock"]),
        ("ftl sandbox d", ["down"]),
        ("ftl preview down ", ["pr-7"]),
        ("ftl jobs run ", ["nightly", "backup.postgres"]),
        ("ftl logs --job b", ["backup.postgres"]),
        ("ftl sandbox down --name ", ["ci", "sandbox"]),
        ("ftl -e preview/", ["preview/pr-7"]),
        ("ftl completion install z", ["zsh"]),
    ],
)
def test_values(home: Path, line: str, found: list[str]) -> None:
    """Commands, options, names of ftl.yaml, environments, and releases and servers that were seen."""
    remember("shop", "shop.example.org", ["r12", "r11"])
    remember_previews("shop", ["pr-7"])
    assert complete(line) == found


@pytest.mark.parametrize("text", ["", ": [", "services: 5", "services: [{name: [a]}, 7]"])
def test_a_broken_file_is_silent(home: Path, text: str) -> None:
    """A file that cannot be read has no names, and prints nothing below the key press."""
    (home / "ftl.yaml").write_text(text)
    assert complete("ftl deploy x") == []


def test_what_was_seen_is_kept_newest_first(home: Path) -> None:
    """A server and a release are listed once, the newest first."""
    remember("shop", "a", ["r1"])
    remember("shop", "b", ["r2"])
    remember("shop", "a", ["r2"])
    assert (seen("servers"), seen("releases:shop")) == (["a", "b"], ["r2", "r1"])


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


HEAVY = {
    "aiohttp",
    "asyncio",
    "click",
    "dataclasses",
    "ftl.config",
    "ftl.deploy.deploying",
    "ftl.errors",
    "ftl.events",
    "inspect",
    "pathlib",
    "platformdirs",
    "rich",
    "shutil",
    "tempfile",
    "typing",
}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ftl dep", "deploy"),
        ("ftl deploy ", "web"),
        ("ftl logs ", "web"),
        ("ftl exec ", "web"),
        ("ftl rollback ", "r12"),
        ("ftl -", "--env"),
        ("ftl -e ", "staging"),
        ("ftl --server ", "sandbox"),
        ("ftl -e staging rollback ", "r12"),
    ],
)
def test_a_key_press_imports_nothing_heavy(home: Path, line: str, found: str) -> None:
    """The names are found without click, and without modules whose import takes longer than all the rest."""
    remember("shop", "shop.example.org", ["r12"])
    environment = {
        **os.environ,
        "_FTL_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(line.count(" ")),
    }
    command = [sys.executable, "-X", "importtime", "-m", "ftl"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    imported = {row.rpartition("|")[2].strip() for row in done.stderr.splitlines()}
    assert f"plain,{found}" in done.stdout.splitlines()
    assert not imported & HEAVY
