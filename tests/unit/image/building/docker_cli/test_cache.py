"""Build caches outside of the engine, as options of the docker CLI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.image.building.docker_cli.buildkit_cli import BuildKitCli
from ftl.image.building.docker_cli.cache import (
    CacheSupport,
    cache_note,
    cache_options,
    find_cache_support,
    sent_cache_note,
)
from ftl.image.building.inputs.context import walk_context

if TYPE_CHECKING:
    from ftl.engine.values import Store

ALL = CacheSupport(reads=True, writes=True, github=True)
CACHES = ("gha", "./cache", "registry.example.com/cache")


def driver(folder: Path, name: str) -> BuildKitCli:
    """A docker CLI whose current builder has a driver."""
    path = folder / "docker"
    path.write_text(f"#!/bin/sh\nprintf 'Name:   x\\nDriver: {name}\\n'\n")
    path.chmod(0o755)
    return BuildKitCli(str(path), "buildx")


def test_each_service_has_its_own_part_of_a_cache(tmp_path: Path) -> None:
    """Two services in one would replace each other's; a failed export does not fail the build."""
    options = cache_options(CACHES, ALL, project="shop", service="web", root=tmp_path)
    assert options.read == (
        "type=gha,scope=shop-web",
        f"type=local,src={tmp_path}/cache/web",
        "type=registry,ref=registry.example.com/cache:web",
    )
    assert options.write == (
        "type=gha,scope=shop-web,mode=max,ignore-error=true",
        f"type=local,dest={tmp_path}/cache/web,mode=max,ignore-error=true",
        "type=registry,ref=registry.example.com/cache:web,mode=max,ignore-error=true",
    )


def test_a_developer_reads_and_github_is_left_out() -> None:
    """Where GitHub's cache cannot be reached, the others serve."""
    here = CacheSupport(reads=True, writes=False, github=False)
    options = cache_options(CACHES, here, project="shop", service="web", root=Path("/app"))
    assert [one.split(",")[0] for one in options.read] == ["type=local", "type=registry"]
    assert options.write == ()


@pytest.mark.parametrize(
    ("name", "store", "ci", "writes"),
    [
        ("docker", "overlay2", "true", False),
        ("docker", "containerd", "true", True),
        ("docker-container", "overlay2", "true", True),
        ("docker-container", "overlay2", "", False),
        ("docker-container", "overlay2", "false", False),
    ],
)
def test_caches_are_written_by_ci_where_the_builder_can(
    tmp_path: Path, name: str, store: Store, ci: str, writes: bool
) -> None:
    """The BuildKit of an engine exports with the containerd store only."""
    support = find_cache_support(driver(tmp_path, name), {"CI": ci, "PATH": "/usr/bin:/bin"}, store)
    assert (support.reads, support.writes) == (True, writes)


def test_a_runner_is_told_which_step_is_missing() -> None:
    """A cache that silently does nothing would not be noticed; elsewhere nobody waits for it."""
    runner = {"CI": "true", "GITHUB_ACTIONS": "true"}
    no_token = cache_note(CACHES, CacheSupport(reads=True, writes=True, github=False), runner)
    no_export = cache_note(CACHES, CacheSupport(reads=True, writes=False, github=True), runner)
    assert no_token is not None
    assert "ghaction-github-runtime" in (no_token.hint or "")
    assert no_export is not None
    assert "setup-buildx-action" in (no_export.hint or "")
    assert cache_note(CACHES, ALL, runner) is None
    assert cache_note(CACHES, CacheSupport(reads=True, writes=False, github=False), {}) is None


def test_a_cache_folder_in_the_context_belongs_in_dockerignore(tmp_path: Path) -> None:
    """`COPY . .` would copy the cache, which each build changes; the first build has none there yet."""
    (tmp_path / "Dockerfile").write_text("FROM x\nCOPY . .\n")
    options = cache_options(CACHES, ALL, project="shop", service="web", root=tmp_path)

    def warned() -> str:
        note = sent_cache_note("web", options, walk_context(tmp_path, tmp_path / "Dockerfile"))
        return (note.hint or "") if note is not None else ""

    assert warned() == ""
    (tmp_path / "cache" / "web").mkdir(parents=True)
    (tmp_path / "cache" / "web" / "index.json").write_text("{}")
    assert warned() == "add cache to .dockerignore"
    (tmp_path / ".dockerignore").write_text("cache\n")
    assert warned() == ""
