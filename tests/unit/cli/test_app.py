"""`ftl` itself: help, global options, mistakes on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import click
import pytest

from ftl.cli import overview
from ftl.cli.options import Options, add_global_options
from ftl.cli.running.run import pass_options
from tests.unit.cli.conftest import Cli, Outcome

HEAVY = ("asyncio", "pydantic", "rich", "yaml", "aiodocker", "aiohttp")

SHORT = {name: text for section in overview.COMMANDS.values() for name, text in section.items()}


@pytest.mark.parametrize("name", SHORT)
def test_the_table_says_what_the_command_says(name: str) -> None:
    """The one-line help in the overview is the first line of the command's docstring."""
    command = import_module(f"ftl.cli.commands.{name}").command
    assert isinstance(command, click.Command)
    assert command.help is not None
    assert command.help.splitlines()[0] == SHORT[name]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["deplyo"], ["--json", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Help, the version and a mistyped command do not import the event loop, YAML or the HTTP client."""
    code = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print('LOADED', *(m for m in {HEAVY!r} if m in sys.modules)))\n"
        f"from ftl.cli import main\nmain({arguments!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "LOADED"


@pytest.mark.parametrize(
    ("module", "needless"),
    [
        ("ftl.onboarding.starter", ("asyncio", "yaml", "ftl.config.loading", "ftl.image.building.parallel")),
        ("ftl.onboarding.starter", ("importlib.resources", "secrets", "shutil", "tempfile")),
        ("ftl.image.building.inputs.image_settings", ("asyncio", "ftl.image.building.parallel")),
        ("ftl.operations.views.status", ("aiohttp", "aiodocker", "rich", "ftl.deploy.plan.planner")),
    ],
)
def test_work_imports_what_it_needs(module: str, needless: tuple[str, ...]) -> None:
    """`ftl init` starts without the event loop and YAML, `ftl status` without an HTTP library and the planner."""
    code = f"import sys, {module}\nprint(*(name for name in {needless!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_lists_every_command(cli: Cli) -> None:
    """`ftl --help` lists each command with its help and exits 0."""
    outcome = cli(["--help"])
    assert outcome.code == 0
    for name in overview.names():
        assert f"\n  {name} " in outcome.out


@pytest.mark.parametrize("arguments", [["-h"], ["--json", "--help"]])
def test_help_is_the_same_with_and_without_click(arguments: list[str], cli: Cli) -> None:
    """`--help`, `-h` and help with other options print the same text, within 80 columns."""
    expected = cli(["--help"])
    assert cli(arguments) == expected
    assert max(map(len, expected.out.splitlines())) <= 80


def test_no_command_at_all_shows_help_as_a_mistake(cli: Cli) -> None:
    """`ftl` alone prints its help to stderr and exits 2."""
    outcome = cli([])
    assert (outcome.code, outcome.out) == (2, "")
    assert "Usage: ftl" in outcome.err


def test_a_mistyped_command_gets_a_suggestion(cli: Cli) -> None:
    """An unknown command exits 2 and suggests a similar one."""
    expected = "error: there is no command `deplyo`\nhint: did you mean `deploy`?\n"
    assert cli(["deplyo"]) == Outcome(2, "", expected)


def test_a_group_without_a_command_names_the_one_beside_it(cli: Cli) -> None:
    """`ftl jobs logs` is not there, but `ftl logs` is."""
    expected = "error: there is no command `jobs logs`\nhint: did you mean `ftl logs`?\n"
    assert cli(["jobs", "logs"]) == Outcome(2, "", expected)


def test_an_unknown_command_that_resembles_none(cli: Cli) -> None:
    """Without a similar command, the hint says how to list the commands."""
    outcome = cli(["xyzzy"])
    assert outcome.code == 2
    assert "hint: `ftl --help`" in outcome.err


@pytest.mark.parametrize("command", ["exec", "run"])
def test_an_option_of_the_users_command_needs_dashes_before(cli: Cli, command: str) -> None:
    """Where a command to run may follow, the hint says how; a mistyped option of ours is still suggested."""
    refused = cli([command, "web", "ls", "-l"])
    assert refused.code == 2
    assert f"`ftl {command} web -- ls -l`" in refused.err
    assert "did you mean `--project`?" in cli([command, "web", "--projekt", "x"]).err


def test_a_detached_run_needs_a_command(cli: Cli) -> None:
    """A shell without input would end at once."""
    refused = cli(["run", "-d", "web"])
    assert (refused.code, "-d needs a command to run" in refused.err) == (2, True)


def test_a_mistyped_option_gets_a_suggestion(cli: Cli) -> None:
    """An unknown option exits 2 and suggests a similar one."""
    expected = "error: there is no option `--jsn`\nhint: did you mean `--json`?\n"
    assert cli(["version", "--jsn"]) == Outcome(2, "", expected)


def test_a_dry_run_of_a_deploy_is_a_plan(cli: Cli) -> None:
    """All other commands that change a server have the option."""
    hint = "hint: `ftl plan` shows what `ftl deploy` would do\n"
    assert cli(["deploy", "--dry-run"]).err == f"error: there is no option `--dry-run`\n{hint}"


@pytest.mark.parametrize("word", ["kill", "set", "unset"])
def test_no_suggestion_changes_more_than_what_was_typed(cli: Cli, word: str) -> None:
    """A verb that FTL lacks does not suggest one with similar letters: `set` is no typo of `setup`."""
    assert cli([word]) == Outcome(
        2, "", f"error: there is no command `{word}`\nhint: `ftl --help` shows how to call it\n"
    )


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["ps"], "status"),
        (["log"], "logs"),
        (["up"], "deploy"),
        (["diff"], "plan"),
        (["vaildate"], "validate"),
        (["logs", "--tail", "5"], "--lines"),
        (["logs", "--folow"], "--follow"),
        (["deploy", "--upgrade-prxy"], "--upgrade-proxy"),
    ],
)
def test_other_tools_words_lead_to_ours(cli: Cli, arguments: list[str], suggestion: str) -> None:
    """A word of docker or Compose, and a misspelling, suggest the equivalent in FTL."""
    outcome = cli(arguments)
    assert outcome.code == 2
    assert outcome.err.endswith(f"hint: did you mean `{suggestion}`?\n")


@pytest.mark.parametrize("arguments", [["deploy", "--only", "web"], ["plan", "--all"], ["logs", "--xyz"]])
def test_no_option_is_suggested_for_its_letters(cli: Cli, arguments: list[str]) -> None:
    """Without an equivalent option, the hint says how to list the options."""
    assert cli(arguments).err.endswith(f"hint: `ftl {arguments[0]} --help` shows how to call it\n")


@pytest.mark.parametrize(
    "arguments", [["--json", "deplyo"], ["deplyo", "--json"], ["version", "--json", "--no"]]
)
def test_a_mistake_is_json_when_json_was_asked_for(arguments: list[str], cli: Cli) -> None:
    """With --json a usage error is a result object on stdout."""
    outcome = cli(arguments)
    assert (outcome.code, outcome.err) == (2, "")
    assert outcome.result["type"] == "result"
    assert (outcome.result["ok"], outcome.result["exit_code"]) == (False, 2)
    assert outcome.result["error"]["message"]


@pytest.fixture
def echo() -> click.Group:
    """A group of commands that print their options: one plain, one with `-f`, one nested."""

    @click.group()
    def root() -> None:
        """Root."""

    @root.command()
    @pass_options
    def show(options: Options) -> None:
        click.echo(json.dumps(asdict(options)))

    @root.command()
    @click.option("-f", "--follow", is_flag=True)
    @pass_options
    def follow(options: Options, follow: bool) -> None:
        click.echo(json.dumps({**asdict(options), "follow": follow}))

    @root.group()
    def inner() -> None:
        """Inner."""

    inner.add_command(show)
    for command in (root, show, follow, inner):
        add_global_options(command)
    return root


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["show"], {}),
        (["--json", "show"], {"json": True}),
        (["show", "--json"], {"json": True}),
        (["-v", "show", "-vv"], {"verbose": 3}),
        (["-f", "a.yaml", "show", "-q"], {"file": "a.yaml", "quiet": True}),
        (["-f", "a.yaml", "show", "-f", "b.yaml"], {"file": "b.yaml"}),
        (["inner", "--server", "h", "show"], {"server": "h"}),
        (["--server", "h", "inner", "show", "--json"], {"server": "h", "json": True}),
        (["follow", "-f"], {"follow": True}),
        (["-f", "a.yaml", "follow", "-f"], {"file": "a.yaml", "follow": True}),
        (["follow", "--file", "a.yaml"], {"file": "a.yaml", "follow": False}),
    ],
)
def test_global_options_may_stand_anywhere(
    echo: click.Group, arguments: list[str], expected: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    """Global options are accepted before and after the command; -f of a command takes precedence."""
    echo.main(args=arguments, standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert found == {**asdict(Options()), **({"follow": False} if "follow" in arguments else {}), **expected}


def test_adding_the_global_options_twice_adds_them_once(echo: click.Group) -> None:
    """Adding the global options to a command is idempotent."""
    before = len(echo.params)
    add_global_options(echo)
    assert len(echo.params) == before


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream_is_no_trouble(closed: int) -> None:
    """Without one of the standard streams (some schedulers), `ftl` works and keeps its exit code."""
    code = f"import os, sys; os.close({closed}); os.execv(sys.executable, [sys.executable, '-m', 'ftl', 'deplyo'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("" if closed == 2 else "error: there is no command `deplyo`")
    assert "NoneType" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["config", "--schema"], ["version", "--json"]])
def test_data_that_cannot_be_written_is_a_failure(arguments: list[str]) -> None:
    """On a full disk the command exits 1, without a traceback or a message of Python."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ftl", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == ("error: the output cannot be written\n  because: No space left on device\n")
