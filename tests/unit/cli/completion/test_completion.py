"""Completion in real shells, of the program as it is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from click.shell_completion import get_completion_class

from ftl.cli.app import cli
from ftl.cli.commands.completion import SHELLS
from ftl.cli.completion.first_words import complete_first_words
from ftl.cli.completion.names import BACKUP_JOB
from ftl.cli.completion.seen import remember, remember_previews, seen
from ftl.cli.completion.values import add_completions
from ftl.cli.overview import names
from ftl.config.models.backup import JOB_PREFIX

if TYPE_CHECKING:
    from pathlib import Path


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
@pytest.mark.parametrize("begun", ["", "w", "r1", "nothing", "web ", "web w", "other web p"])
def test_arguments_are_completed_as_click_does(
    home: Path, monkeypatch: pytest.MonkeyPatch, shell: str, command: str, begun: str
) -> None:
    """Where the answer comes without click it is click's, and it does for each command with names."""
    remember("shop", "shop.example.org", ["r12", "r11"])
    monkeypatch.setenv("COMP_WORDS", f"ftl {command} {begun}")
    last = begun.rpartition(" ")[2]
    monkeypatch.setenv("COMP_CWORD", last if shell == "fish" else str(2 + begun.count(" ")))
    completion = get_completion_class(shell)
    assert completion is not None
    loaded = cli.get_command(click.Context(cli), command)
    assert loaded is not None
    add_completions(command, loaded)
    by_click = completion(cli, {}, "ftl", "_FTL_COMPLETE").complete() + "\n"
    answer = complete_first_words({**os.environ, "_FTL_COMPLETE": f"{shell}_complete"})
    assert answer in (None, by_click)
    named = "plain,w" in by_click.replace("plain\n", "plain,") or re.search(
        r"^w\w+=?$", by_click, re.MULTILINE
    )
    assert answer is not None or isinstance(loaded, click.Group) or not named


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
        ("bash", "ftl exec web ", "3"),
        ("bash", "ftl scale web=2 ", "3"),
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
        ("fish", "ftl backup postgres ", ""),
        ("fish", "ftl deploy -q de", "de"),
        ("fish", "ftl deploy --b", "--b"),
        ("zsh", "", ""),
        ("csh", "ftl de", "1"),
    ],
)
def test_other_words_are_left_to_click(shell: str, line: str, position: str) -> None:
    """Options, quoted words, subcommands, and all that follow an argument of which there is one."""
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
        ("ftl deploy web w", "worker"),
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
