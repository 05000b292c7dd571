"""Previews in the configuration: their overlay, name, variables and server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.cli.environments import find_environment
from ftl.cli.options import Options
from ftl.cli.project import load_project, load_target
from ftl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

BASE = """\
project: {name: shop, domain: shop.example.com}
services:
  - {name: web, image: nginx, port: 80, routes: [/], env: {TOKEN: "${TOKEN}"}}
"""
PREVIEW = 'project: {domain: "${FTL_ENV}.preview.example.com"}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with previews."""
    (tmp_path / "ftl.yaml").write_text(BASE)
    (tmp_path / "ftl.preview.yaml").write_text(PREVIEW)
    (tmp_path / ".env").write_text("TOKEN=real\n")
    (tmp_path / ".env.preview").write_text("TOKEN=fake\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FTL_ENV", raising=False)
    return tmp_path


def test_a_preview_is_an_environment_of_its_own_name(folder: Path) -> None:
    """Its overlay and its .env are those that all previews share, its name is in the domain and ends the project's."""
    project = load_project(Options(env="preview/pr-7")).project
    assert (project.name, project.environment, project.preview_of) == ("shop-pr-7", "pr-7", "shop")
    assert project.project.domain == "pr-7.preview.example.com"
    assert project.services[0].env == {"TOKEN": "fake"}
    assert project.overlay == "preview"


def test_the_project_that_a_preview_is_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is interpolated, and the same for all previews: `preview list` goes by it."""
    monkeypatch.setenv("APP", "store")
    (folder / "ftl.yaml").write_text(BASE.replace("shop,", '"${APP}-${FTL_ENV:-live}",'))
    assert load_project(Options(env="preview/pr-7")).project.preview_of == "store-live"
    assert load_target(Options(env="preview/list"), None).preview_of == "store-live"


def test_a_preview_is_on_the_server_of_the_project(folder: Path) -> None:
    """Where ftl.yaml has a domain and no server, the preview's own domain is none that ssh knows."""
    assert load_project(Options(env="preview/pr-7")).project.server.host == "shop.example.com"
    assert load_target(Options(env="preview/pr-7"), None).address.server.host == "shop.example.com"
    (folder / "ftl.preview.yaml").write_text(PREVIEW + "server: other.example.com\n")
    assert load_project(Options(env="preview/pr-7")).project.server.host == "other.example.com"


def test_ftl_env_is_the_environment_that_was_given(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the variable of the shell has another one."""
    (folder / "ftl.staging.yaml").write_text('project: {domain: "${FTL_ENV}.example.com"}\n')
    monkeypatch.setenv("FTL_ENV", "preview/pr-7")
    assert load_project(Options(env="staging")).project.project.domain == "staging.example.com"
    assert load_project(Options()).project.project.domain == "pr-7.preview.example.com"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Feature/Log in", "`feature-log-in` can"),
        ("-x", "`x` can"),
        ("a_b", "`a-b` can"),
        ("x" * 41, f"`{'x' * 40}` can"),
    ],
)
def test_a_name_must_fit_into_a_host_name(folder: Path, name: str, hint: str) -> None:
    """The hint has a name that does."""
    with pytest.raises(UsageError, match="cannot be the name of a preview") as caught:
        find_environment(Options(env=f"preview/{name}"), folder / "ftl.yaml")
    assert caught.value.hint == hint


def test_without_an_overlay_the_hint_says_what_to_write(folder: Path) -> None:
    """A preview with ftl.yaml alone would have production's domain."""
    (folder / "ftl.preview.yaml").unlink()
    with pytest.raises(UsageError, match=r"previews need ftl\.preview\.yaml next to ftl\.yaml") as caught:
        load_project(Options(env="preview/pr-7"))
    assert 'project: {domain: "${FTL_ENV}.preview.example.com"}' in (caught.value.hint or "")


def test_the_name_of_an_environment_is_taken(folder: Path) -> None:
    """Its project would have the same name on the server."""
    (folder / "ftl.staging.yaml").write_text("")
    for name in ("staging", "preview"):
        with pytest.raises(UsageError, match=f"`{name}` is an environment"):
            load_project(Options(env=f"preview/{name}"))
