"""The call of the docker CLI for one service: its arguments and its environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.image.building.build_secrets import ResolvedSecret
    from ftl.image.building.builder import Builder

_OURS = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "SSH_AUTH_SOCK")
_OURS_PREFIXES = ("DOCKER_", "BUILDX_", "LD_", "LC_", "DYLD_", "XDG_", "SSL_")


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What is built, apart from who builds it.

    Attributes:
        context: Absolute.
        dockerfile: Absolute.
        tags: All names the image gets.
        platform: Only where it is not the engine's own.
    """

    context: Path
    dockerfile: Path
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    args: Mapping[str, str]
    secrets: tuple[ResolvedSecret, ...]
    target: str | None
    platform: str | None
    no_cache: bool = False


def build_arguments(builder: Builder, call: BuildRequest, *, id_file: Path | None = None) -> list[str]:
    """The argument list. A build arg's value is not in it: process lists are public.

    Args:
        builder: The CLI.
        call: What is built.
        id_file: Where the CLI writes the image's ID.
    """
    argv = [builder.docker, *(["buildx", "build", "--load"] if builder.kind == "buildx" else ["build"])]
    if builder.has_buildkit:
        argv += ["--progress", "plain"]
    argv += [f"--file={call.dockerfile}"]
    argv += [f"--tag={tag}" for tag in call.tags]
    argv += [f"--label={key}={value}" for key, value in call.labels.items()]
    argv += [
        f"--build-arg={name}" if _may_be_variable(name, call) else f"--build-arg={name}={value}"
        for name, value in call.args.items()
    ]
    argv += [f"--secret={secret.flag}" for secret in call.secrets]
    argv += [f"--target={call.target}"] if call.target else []
    argv += [f"--platform={call.platform}"] if call.platform else []
    argv += ["--no-cache"] if call.no_cache else []
    argv += [f"--iidfile={id_file}"] if id_file else []
    return [*argv, "--", str(call.context)]


def build_environment(
    builder: Builder,
    call: BuildRequest,
    *,
    host: str,
    environ: Mapping[str, str],
    variables: Mapping[str, str],
) -> dict[str, str]:
    """The child's environment: ours, the engine's address, the build args and the secrets.

    Attestations are off: they would turn the image into an index of manifests, and carry no use to a server.

    Args:
        builder: Says which variables turn its BuildKit on.
        call: Gives the build args, and names the secrets.
        host: The engine's address.
        environ: What the CLI itself works by.
        variables: Where the secrets' values are.
    """
    env = cli_environment(host, environ)
    env |= {name: value for name, value in call.args.items() if _may_be_variable(name, call)}
    env |= {secret.env: variables[secret.env] for secret in call.secrets if secret.env is not None}
    if builder.kind == "buildx":
        env["BUILDX_NO_DEFAULT_ATTESTATIONS"] = "1"
    else:
        env["DOCKER_BUILDKIT"] = "1" if builder.has_buildkit else "0"
    return env


def cli_environment(host: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Ours, with the docker CLI turned to the engine at `host`, in English and without its hints."""
    env = {
        name: value for name, value in environ.items() if name not in ("DOCKER_CONTEXT", "DOCKER_BUILDKIT")
    }
    return env | {"DOCKER_HOST": host, "DOCKER_CLI_HINTS": "false", "LC_ALL": "C"}


def _may_be_variable(name: str, call: BuildRequest) -> bool:
    """Whether a build arg may travel as a variable: not if the CLI works by it, or a secret has its name."""
    taken = name in _OURS or name.startswith(_OURS_PREFIXES)
    return not taken and all(secret.env != name for secret in call.secrets)
