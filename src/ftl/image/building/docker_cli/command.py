"""Command line and environment of the docker CLI for one build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.values.cli_variables import is_cli_variable
from ftl.dataclass import dataclass
from ftl.image.building.docker_cli.cache import NO_CACHE, CacheOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.image.building.docker_cli.build_secrets import ResolvedSecret
    from ftl.image.building.docker_cli.buildkit_cli import BuildKitCli


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """Inputs of one build that do not depend on the builder.

    `platform` is always given: without it the CLI takes DOCKER_DEFAULT_PLATFORM from the environment. Several have
    commas between them.
    """

    context: Path
    dockerfile: Path
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    args: Mapping[str, str]
    secrets: tuple[ResolvedSecret, ...]
    target: str | None
    platform: str
    no_cache: bool = False
    cache: CacheOptions = NO_CACHE


def build_arguments(cli: BuildKitCli, request: BuildRequest, *, id_file: Path | None = None) -> list[str]:
    """Return the argument list. No secret is in it: process lists are public.

    Values of build args go by the environment, but for those with the name of a variable that the CLI reads itself:
    these have no secrets (`ftl.config.checks.services`). The CLI writes the image's ID to `id_file`.
    """
    argv = [cli.docker, *(["buildx", "build", "--load"] if cli.kind == "buildx" else ["build"])]
    argv += ["--progress", "plain", f"--file={request.dockerfile}"]
    argv += [f"--tag={tag}" for tag in request.tags]
    argv += [f"--label={key}={value}" for key, value in request.labels.items()]
    argv += [
        f"--build-arg={name}={value}" if is_cli_variable(name) else f"--build-arg={name}"
        for name, value in request.args.items()
    ]
    argv += [f"--secret={secret.flag}" for secret in request.secrets]
    argv += [f"--target={request.target}"] if request.target else []
    argv += [f"--platform={request.platform}"]
    argv += ["--no-cache"] if request.no_cache else []
    argv += [f"--cache-from={source}" for source in request.cache.read]
    argv += [f"--cache-to={target}" for target in request.cache.write]
    argv += [f"--iidfile={id_file}"] if id_file else []
    return [*argv, "--", str(request.context)]


def build_environment(
    cli: BuildKitCli,
    request: BuildRequest,
    *,
    host: str,
    environ: Mapping[str, str],
    secrets: Mapping[str, str],
    remote: bool = False,
) -> dict[str, str]:
    """Return the environment of the CLI: the engine's address, the build args and the secrets.

    Attestations are off: they would turn the image into an index of manifests, and are of no use to a server.

    The CLI inherits `environ`; `remote`: the engine is on another machine.
    """
    env = cli_environment(host, environ, remote=remote)
    env |= {name: value for name, value in request.args.items() if not is_cli_variable(name)}
    env |= secrets
    if cli.kind == "buildx":
        env["BUILDX_NO_DEFAULT_ATTESTATIONS"] = "1"
    else:
        env["DOCKER_BUILDKIT"] = "1"
    return env


def cli_environment(host: str, environ: Mapping[str, str], *, remote: bool = False) -> dict[str, str]:
    """Return the environment of a docker CLI for the engine at `host`, in English.

    `remote`: the engine is on another machine, and builds itself: a builder that `docker buildx use` or $BUILDX_BUILDER
    chose is one of this machine. The builder `default` is the engine of $DOCKER_HOST (buildx, store/storeutil
    `GetNodeGroup`).
    """
    env = {
        name: value for name, value in environ.items() if name not in ("DOCKER_CONTEXT", "DOCKER_BUILDKIT")
    }
    env |= {"BUILDX_BUILDER": "default"} if remote else {}
    return env | {"DOCKER_HOST": host, "DOCKER_CLI_HINTS": "false", "LC_ALL": "C"}
