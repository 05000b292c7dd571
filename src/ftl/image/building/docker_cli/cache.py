"""Build caches outside of the engine: `build.cache` as options of the docker CLI.

They are for machines that keep no cache of their own, such as CI runners. All are read wherever a build runs; they are
written only where `$CI` is set, because an export costs time with each build, and a developer's engine keeps its cache
anyway.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.events import Note
from ftl.image.building.docker_cli.build_secrets import csv_fields
from ftl.image.building.docker_cli.buildkit_cli import command_output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.engine.values import Store
    from ftl.image.building.docker_cli.buildkit_cli import BuildKitCli
    from ftl.image.building.inputs.context import Context

_INSPECT_SECONDS = 20.0
_DRIVER = re.compile(r"^Driver:\s*(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """Values of `--cache-from` and `--cache-to`, and the folders among them."""

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()


NO_CACHE = CacheOptions()


@dataclass(frozen=True, slots=True)
class CacheSupport:
    """Abilities of a builder, and whether it is a CI runner's.

    Attributes:
        reads: It has options for caches at all: a CLI before 23.0 without the plugin has not.
        writes: It can export a cache, and this is a CI runner.
        github: GitHub's cache can be reached: the runner has given us its address and token.
    """

    reads: bool
    writes: bool
    github: bool


def cache_options(
    caches: Sequence[str], support: CacheSupport, *, project: str, service: str, root: Path
) -> CacheOptions:
    """Return the options for the caches of a service. Each service has its own part of a cache.

    Folders are relative to `root`, that of ftl.yaml.
    """
    if not support.reads:
        return NO_CACHE
    read: list[str] = []
    write: list[str] = []
    folders: list[Path] = []
    for cache in caches:
        if cache == "gha":
            if support.github and support.writes:
                scope = f"scope={project}-{service}"
                read.append(csv_fields("type=gha", scope))
                write.append(csv_fields("type=gha", scope, "mode=max", "ignore-error=true"))
        elif cache.startswith((".", "/", "~")):
            folders.append((root / Path(cache).expanduser()).resolve())
            folder = folders[-1] / service
            read.append(csv_fields("type=local", f"src={folder}"))
            write.append(csv_fields("type=local", f"dest={folder}", "mode=max", "ignore-error=true"))
        else:
            reference = f"ref={cache}:{service}"
            read.append(csv_fields("type=registry", reference))
            write.append(csv_fields("type=registry", reference, "mode=max", "ignore-error=true"))
    return CacheOptions(tuple(read), tuple(write) if support.writes else (), tuple(folders))


def find_cache_support(cli: BuildKitCli, env: Mapping[str, str], store: Store) -> CacheSupport:
    """Find out which caches a builder can use; blocking, for a tenth of a second in CI.

    The BuildKit inside an engine (driver `docker`) exports caches with the containerd store only.
    """
    reads = cli.kind == "buildx"
    in_ci = env.get("CI", "").lower() not in ("", "0", "false")
    writes = reads and in_ci and (store == "containerd" or _driver(cli, env) != "docker")
    has_token = "ACTIONS_RUNTIME_TOKEN" in env and bool(
        {"ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL"} & env.keys()
    )
    return CacheSupport(reads, writes, github=has_token)


def cache_note(caches: Sequence[str], support: CacheSupport, env: Mapping[str, str]) -> Note | None:
    """A warning about a cache that a CI runner cannot use; elsewhere none is expected to work."""
    if not caches or not env.get("CI"):
        return None
    if not support.reads:
        return Note("build.cache is not used: the docker CLI has no buildx plugin", "warning")
    if "gha" in caches and not support.github and env.get("GITHUB_ACTIONS"):
        return Note(
            "build.cache: `gha` is not used: steps of a workflow do not get the address of GitHub's cache",
            "warning",
            hint="add a step `uses: crazy-max/ghaction-github-runtime@v3` before",
        )
    if not support.writes:
        return Note(
            "build.cache is read, but not written: the builder cannot export caches (driver `docker`)",
            "warning",
            hint="add a step `uses: docker/setup-buildx-action@v3` before, or run `docker buildx create --use`",
        )
    return None


def sent_cache_note(service: str, options: CacheOptions, context: Context) -> Note | None:
    """A warning about a cache folder in the build context, which each build would change."""
    for folder in options.folders:
        if not folder.is_relative_to(context.root):
            continue
        name = folder.relative_to(context.root).as_posix()
        if any(path.startswith(f"{name}/") for path in context.files):
            return Note(
                f"{service}: the build context has the folder of build.cache, {name}: each build changes it",
                "warning",
                hint=f"add {name} to {context.ignore_name}",
            )
    return None


def _driver(cli: BuildKitCli, env: Mapping[str, str]) -> str:
    """Driver of the builder that would be used; empty if it does not say."""
    output = command_output([cli.docker, "buildx", "inspect"], env, _INSPECT_SECONDS)
    match = _DRIVER.search(output)
    return match[1] if match else ""
