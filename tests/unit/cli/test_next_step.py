"""The next steps that a call prints are for the same environment, server, file and project."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from ftl.cli.next_step import server_found, with_target
from ftl.cli.options import Options
from tests.support.pages import arguments
from tests.unit.docs.test_pages import refusal

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Cli

FILE = """\
project: {name: shop, domain: shop.example.com}
server: {host: shop.example.invalid, user: deploy}
secrets:
  API_KEY: {age: secrets.yaml.age}
services:
  - {name: web, image: nginx, port: 80, routes: [/], secrets: [API_KEY]}
"""
WITHOUT_SECRETS = """\
project: {name: shop, domain: shop.example.com}
services:
  - {name: web, image: nginx, port: 80, routes: [/]}
"""
CLUSTER = """\
project: {name: shop, domain: shop.example.com}
servers:
  - {host: a.example.invalid}
  - {host: b.example.invalid}
services:
  - {name: web, image: nginx, port: 80, routes: [/]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project with an environment, previews and a second file."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("FTL_ENV", raising=False)
    (tmp_path / "ftl.yaml").write_text(FILE)
    (tmp_path / "other.yaml").write_text(FILE)
    (tmp_path / "cluster.yaml").write_text(CLUSTER)
    (tmp_path / "ftl.staging.yaml").write_text("project: {domain: staging.example.com}\n")
    (tmp_path / "ftl.preview.yaml").write_text('project: {domain: "${FTL_ENV}.example.com"}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "words", "shown"),
    [
        (Options(), "deploy", "deploy"),
        (Options(env="staging"), "restore db x", "-e staging restore db x"),
        (Options(server="me@a;b"), "deploy", "--server 'me@a;b' deploy"),
        (Options(file="b.yaml"), "logs web", "--file b.yaml logs web"),
        (
            Options(env="x", server="h", file="f"),
            "exec web -- ls -e",
            "-e x --server h --file f exec web -- ls -e",
        ),
        (Options(env="x", server="h"), "deploy --server sandbox", "-e x deploy --server sandbox"),
        (Options(file="b.yaml"), "logs --job a -f", "--file b.yaml logs --job a -f"),
        (Options(env="x", server="h"), "sandbox up", "sandbox up"),
        (Options(env="x"), "-e NAME deploy", "-e NAME deploy"),
        (Options(env="preview/x"), "logs", "-e preview/x logs"),
        (Options(env="preview/x"), "deploy", "preview up x"),
        (Options(env="preview/x", server="h"), "deploy web --end-hold", "--server h preview up x --end-hold"),
        (Options(env="preview/x", file="f"), "preview down x", "--file f preview down x"),
        (Options(env="preview/x", server="h"), "deploy --server sandbox", "preview up x --server sandbox"),
        # what `preview up` lacks: refused, with what to do instead
        (Options(env="preview/x"), "deploy --adopt", "-e preview/x deploy --adopt"),
        (Options(server="h", project="shop"), "releases", "--server h releases --project shop"),
        (Options(server="h", project="shop"), "jobs run a", "--server h jobs --project shop run a"),
        (Options(env="x", server="h", file="f", project="shop"), "setup", "--server h setup"),
        (Options(env="x", server="h", file="f"), "remove --project shop", "--server h remove --project shop"),
        (Options(env="x"), "remove --project shop", "--server me@known:22 remove --project shop"),
    ],
)
def test_a_command_gets_the_target(options: Options, words: str, shown: str) -> None:
    """Each option that it takes and does not have itself; and click takes what is made."""
    server_found("me@known:22", one_of_several=False)
    assert with_target(words, options) == shown
    assert refusal(arguments(f"ftl {shown}"), partial=True) == ""


def test_setup_is_not_for_one_of_several_servers() -> None:
    """It refuses `--server` there; other commands take it."""
    server_found("a", one_of_several=True)
    assert with_target("setup", Options(env="x", server="a")) == "-e x setup"
    assert with_target("doctor", Options(env="x", server="a")) == "-e x --server a doctor"


def test_a_call_tells_that_its_server_is_one_of_several(cli: Cli) -> None:
    """Known as soon as its file is read."""
    cli(["--file", "cluster.yaml", "--server", "b.example.invalid", "status"])
    assert with_target("setup", Options(server="b.example.invalid")) == "setup"
    cli(["--server", "b.example.invalid", "status"])
    assert with_target("setup", Options(server="b.example.invalid")) == "--server b.example.invalid setup"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (
            ["-e", "staging", "releases", "--mark-bad", "r1"],
            "hint: `ftl -e staging releases --mark-bad r12 -m 'loses sessions'`",
        ),
        (
            ["--server", "h.invalid", "rollback", "--hold", "--project", "shop"],
            "hint: `ftl --server h.invalid rollback --project shop --hold -m 'the migration locks the table'`",
        ),
        (["-e", "staging", "plan"], "hint: `ftl -e staging secrets set NAME` creates it"),
        (["--file", "other.yaml", "plan"], "hint: `ftl --file other.yaml secrets set NAME` creates it"),
        (
            ["--file", "other.yaml", "secrets", "set", "API_KEY"],
            "hint: pipe it in: `pass show API_KEY | ftl --file other.yaml secrets set API_KEY`",
        ),
        (["-e", "preview/x", "secrets", "get", "NO"], "hint: `ftl -e preview/x secrets list` lists them"),
        (
            ["-e", "preview/x", "--server", "h.invalid", "status"],
            "`ftl -e preview/x --server h.invalid doctor`",
        ),
        (["preview", "down", "x", "--dry-run"], "`ftl -e preview/x doctor`"),
        (["-e", "staging", "scale", "web=0"], "hint: `ftl -e staging stop web` stops it"),
        (
            ["--file", "cluster.yaml", "--server", "b.example.invalid", "status"],
            "--file cluster.yaml doctor` checks",
        ),
    ],
)
def test_what_a_call_prints_is_for_its_target(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: list[str], shown: str
) -> None:
    """Whichever option named it, and wherever the sentence stands."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    outcome = cli(arguments)
    assert shown in outcome.err + outcome.out
    assert "\ufdd0" not in outcome.err + outcome.out


def test_hints_of_problems_in_json_are_for_the_target(cli: Cli) -> None:
    """Each problem has its own, and the first is that of the error, too."""
    error = cli(["--json", "-e", "staging", "plan"]).result["error"]
    hint = "`ftl -e staging secrets set NAME` creates it"
    assert (error["hint"], error["problems"][0]["hint"]) == (hint, hint)


def test_what_a_user_wrote_is_shown_as_it_is(cli: Cli, folder: Path) -> None:
    """A value of the command line or of ftl.yaml may be the name of a command."""
    assert "error: `ftl deploy`" in cli(["-e", "staging", "scale", "ftl deploy"]).err
    (folder / "ftl.yaml").write_text(FILE + '"`ftl deploy`": 1\n')
    assert "`ftl deploy`" in json.dumps(cli(["-e", "staging", "--json", "validate"]).result["error"])


def test_a_preview_is_not_deployed_by_deploy(cli: Cli, folder: Path) -> None:
    """The command for it has no -e."""
    (folder / "ftl.yaml").write_text(WITHOUT_SECRETS)
    outcome = cli(["-e", "preview/x", "--server", "h.invalid", "deploy"])
    assert "hint: `ftl --server h.invalid preview up x` deploys it" in outcome.err
