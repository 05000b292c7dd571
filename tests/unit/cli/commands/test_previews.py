"""`ftl preview`: arguments, and what is refused before a connection."""

from __future__ import annotations

import re
import socket
import subprocess
from typing import TYPE_CHECKING, NoReturn

import pytest

from ftl.cli.completion.seen import remember_previews, seen

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Cli

FILE = """\
project: {name: shop, domain: shop.example.com}
server: {host: shop.example.invalid, user: deploy}
services:
  - {name: web, image: nginx, port: 80, routes: [/]}
"""
OVERLAY = 'project: {domain: "${FTL_ENV}.preview.example.com"}\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project with previews."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("FTL_ENV", raising=False)
    (tmp_path / "ftl.yaml").write_text(FILE)
    (tmp_path / "ftl.preview.yaml").write_text(OVERLAY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", [["up"], ["up", "x", "--pr", "3"], ["down"], ["down", "x", "--pr", "3"]])
def test_a_preview_has_one_name(cli: Cli, words: list[str]) -> None:
    """Neither none nor two."""
    outcome = cli(["preview", *words])
    assert outcome.code == 2
    assert "a preview has one name" in outcome.err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["up", "x", "--expires", "soon"], "is not a duration"),
        (["up", "x", "--expires", "5m"], "is shorter than 600 seconds"),
        (["up", "--pr", "0"], "0 is not in the range"),
        (["up", "Login"], "cannot be the name of a preview"),
        (["-e", "staging", "up", "x"], "-e cannot be used here"),
    ],
)
def test_bad_arguments(cli: Cli, words: list[str], error: str) -> None:
    """Each is refused with a sentence."""
    outcome = cli(["preview", *words])
    assert outcome.code == 2, outcome.err
    assert error in outcome.err


@pytest.mark.parametrize("words", [["up", "x"], ["down", "x"], ["list"]])
def test_without_an_overlay(cli: Cli, folder: Path, words: list[str]) -> None:
    """The hint says what to write."""
    (folder / "ftl.preview.yaml").unlink()
    outcome = cli(["preview", *words])
    assert outcome.code == 2
    assert "previews need ftl.preview.yaml next to ftl.yaml" in outcome.err
    assert "${FTL_ENV}.preview.example.com" in outcome.err


def test_the_domain_of_production_is_refused(cli: Cli, folder: Path) -> None:
    """That of ftl.yaml, and that of the overlay of another environment."""
    (folder / "ftl.preview.yaml").write_text("")
    outcome = cli(["preview", "up", "--pr", "7"])
    assert (outcome.code, "answer to shop.example.com, as the project of ftl.yaml" in outcome.err) == (
        2,
        True,
    )
    (folder / "ftl.preview.yaml").write_text("project: {domain: live.example.com}\n")
    (folder / "ftl.production.yaml").write_text(
        "project: {domain: live.example.com}\nservices: [{name: web, env: {A: '${NOT_SET_HERE}'}}]\n"
    )
    outcome = cli(["preview", "up", "--pr", "7"])
    assert outcome.code == 2
    assert "answer to live.example.com, as the project of ftl.production.yaml" in outcome.err


@pytest.mark.parametrize("words", [["up", "x"], ["down", "x"], ["list"]])
def test_several_servers_are_refused(cli: Cli, folder: Path, words: list[str]) -> None:
    """Unless ftl.preview.yaml has one server."""
    servers = "servers: [{host: shop.example.invalid, user: deploy}, b.example]"
    (folder / "ftl.yaml").write_text(re.sub(r"server: .*", servers, FILE))
    outcome = cli(["preview", *words])
    assert (outcome.code, "previews need a single server, but here they would have 2" in outcome.err) == (
        2,
        True,
    )
    (folder / "ftl.preview.yaml").write_text(OVERLAY + "server: shop.example.invalid\n")
    assert cli(["preview", *words]).code == 3


@pytest.fixture
def no_dns(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """DNS that knows no name, with the names that it was asked for."""
    asked: list[str] = []

    def unknown(name: str, *_: object, **__: object) -> NoReturn:
        asked.append(name)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    return asked


def test_a_preview_without_a_dns_record_is_noted_before_anything_is_sent(cli: Cli, no_dns: list[str]) -> None:
    """With the wildcard record that serves all previews; the deploy goes on, here as far as the server."""
    outcome = cli(["preview", "up", "x"])
    assert outcome.code == 3, outcome.err
    assert no_dns == ["x.preview.example.com"]
    told = " ".join(outcome.err.split())
    assert "x.preview.example.com has no DNS record: the preview cannot be reached by it" in told
    assert "a record *.preview.example.com that points to shop.example.invalid serves all previews" in told
    assert told.index("has no DNS record") < told.index("error:")


@pytest.mark.parametrize("name", ["list", "up", "down", "any", "preview"])
def test_an_environment_may_be_named_like_a_word_of_the_commands(cli: Cli, folder: Path, name: str) -> None:
    """`preview list` looks for no environment: it gets as far as the server, whatever environments there are."""
    if name != "preview":
        (folder / f"ftl.{name}.yaml").write_text("")
    outcome = cli(["preview", "list"])
    assert (outcome.code, "shop.example.invalid" in outcome.err) == (3, True), outcome.err
    outcome = cli(["preview", "up", name])
    assert (outcome.code, f"`{name}` is an environment" in outcome.err) == (2, True), outcome.err


def test_a_deploy_of_a_preview_needs_an_end(cli: Cli) -> None:
    """`ftl -e preview/x deploy` would make one that nobody removes; other commands take it."""
    outcome = cli(["-e", "preview/x", "deploy"])
    assert (outcome.code, "`ftl preview up x` deploys it" in outcome.err) == (2, True)
    outcome = cli(["-e", "preview/x", "config"])
    assert "domain: x.preview.example.com" in outcome.out


def test_names_of_previews_are_kept_for_completion(folder: Path) -> None:
    """A new list takes the place of the one before: previews go by themselves."""
    remember_previews("shop", ["pr-7", "pr-8"])
    remember_previews("shop", ["pr-8"])
    assert seen("previews:shop") == ["pr-8"]


def test_a_preview_of_a_protected_project_needs_neither_its_name_nor_a_clean_checkout(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a place to try what is not committed yet, and touches nothing of the project."""
    (folder / "ftl.yaml").write_text(
        "protected: true\n" + FILE.replace("host: shop.example.invalid", "host: 127.0.0.1, port: 1")
    )
    monkeypatch.setenv("FTL_ENV", "production")
    subprocess.run(["git", "init", "-q"], check=True)
    outcome = cli(["preview", "up", "x"])
    assert (outcome.code, "protected" in outcome.err) == (3, False), outcome.err
