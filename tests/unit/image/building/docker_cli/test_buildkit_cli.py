"""The choice of a docker CLI with BuildKit among those on PATH."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ftl.errors import BuildFailed
from ftl.image.building.docker_cli.buildkit_cli import BuildKitCli, find_buildkit_cli, find_cli

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW, ANCIENT = (
    "Docker version 20.10.24, build 297e128",
    "Docker version 28.2.2, build e6534b4",
    "Docker version 17.03.1",
)
PODMAN = "podman version 4.9.4"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with an empty cache."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return tmp_path


def cli(folder: Path, *, version: str, buildx: bool = False) -> Path:
    """A program that answers `--version` and `buildx version` like a docker CLI, and logs each call."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "docker"
    answer = (
        'echo "github.com/docker/buildx v0.17.1 abc"'
        if buildx
        else 'echo "unknown command: docker buildx" >&2; exit 1'
    )
    path.write_text(
        f'#!/bin/sh\necho x >> "{folder}/calls"\n[ "$1" = buildx ] && {{ {answer}; exit; }}\necho "{version}"\n'
    )
    path.chmod(0o755)
    return path


def path_of(*programs: Path) -> dict[str, str]:
    """An environment whose PATH finds these programs in this order."""
    folders = [str(program.parent) for program in programs]
    return {"PATH": os.pathsep.join(folders), "HOME": os.environ["HOME"]}


def test_an_older_cli_with_buildkit_is_preferred_to_a_newer_one_without(home: Path) -> None:
    """A CLI from 23.0 on cannot build without the buildx plugin; 20.10 has BuildKit built in."""
    new, old = cli(home / "new", version=NEW), cli(home / "old", version=OLD)
    assert find_buildkit_cli(path_of(new, old)) == BuildKitCli(str(old), "buildkit")


def test_buildx_is_preferred_to_built_in_buildkit(home: Path) -> None:
    """The plugin is the builder that is still developed."""
    old, new = cli(home / "old", version=OLD), cli(home / "new", version=NEW, buildx=True)
    assert find_buildkit_cli(path_of(old, new)) == BuildKitCli(str(new), "buildx")


@pytest.mark.parametrize(
    ("version", "cause"),
    [(NEW, "Docker CLI 28.2 needs the buildx plugin"), (ANCIENT, "Docker CLI 17.3 is too old")],
)
def test_a_cli_without_buildkit_is_refused(home: Path, version: str, cause: str) -> None:
    """The classic builder is not used; the error says how to install buildx."""
    only = cli(home / "only", version=version)
    with pytest.raises(BuildFailed, match="has no BuildKit") as caught:
        find_buildkit_cli(path_of(only))
    assert caught.value.cause == cause
    assert "docker-buildx" in (caught.value.hint or "")


def test_a_cli_without_buildkit_still_serves_other_commands(home: Path) -> None:
    """`docker login` needs no BuildKit; where a CLI has it, that one is used."""
    new, old = cli(home / "new", version=NEW), cli(home / "old", version=OLD)
    assert find_cli(path_of(new)) == str(new)
    assert find_cli(path_of(new, old)) == str(old)


def test_podman_is_not_used(home: Path) -> None:
    """Podman's `docker` does not speak to a Docker engine."""
    podman, old = cli(home / "podman", version=PODMAN), cli(home / "old", version=OLD)
    assert find_buildkit_cli(path_of(podman, old)).docker == str(old)
    with pytest.raises(BuildFailed, match="not Docker's own CLI"):
        find_buildkit_cli(path_of(podman))


@pytest.mark.parametrize("find", [find_buildkit_cli, find_cli])
def test_without_any_cli_the_error_says_what_to_install(home: Path, find: object) -> None:
    """A PATH without docker is an error with a hint."""
    assert callable(find)
    with pytest.raises(BuildFailed, match="no docker CLI") as caught:
        find({"PATH": str(home), "HOME": str(home)})
    assert "install" in (caught.value.hint or "")


def test_the_choice_is_cached_until_a_cli_changes(home: Path) -> None:
    """Probing every CLI costs processes, so it is repeated only when one is replaced."""
    old = cli(home / "old", version=OLD)
    calls = home / "old" / "calls"
    find_buildkit_cli(path_of(old))
    count = calls.read_text().count("x")
    assert find_buildkit_cli(path_of(old)).kind == "buildkit"
    assert calls.read_text().count("x") == count
    cli(home / "old", version=NEW, buildx=True)
    assert find_buildkit_cli(path_of(old)).kind == "buildx"
