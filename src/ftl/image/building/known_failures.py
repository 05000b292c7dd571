"""Failures that are recognised by the builders' words, with a sentence and a hint for each."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """A failure that is recognised by the builder's words; braces take the pattern's groups."""

    pattern: re.Pattern[str]
    message: str
    hint: str


def _failure(pattern: str, message: str, hint: str) -> KnownFailure:
    return KnownFailure(re.compile(pattern, re.IGNORECASE), message, hint)


ENGINE = (
    _failure(
        r"permission denied.*(?:docker\.sock|daemon socket|dial unix)",
        "the Docker engine refuses us",
        "add yourself to its group: `sudo usermod -aG docker $USER`, then log in again",
    ),
    _failure(
        r"cannot connect to the docker daemon|is the docker daemon running|failed to dial gRPC",
        "no Docker engine answers on this machine",
        "start it (`sudo systemctl start docker`, or Docker Desktop)",
    ),
    _failure(
        r"client version [\d.]+ is too old",
        "the docker CLI is too old for this engine",
        "upgrade the docker CLI, and install its buildx plugin",
    ),
    _failure(
        r"no space left on device",
        "the disk of the Docker engine is full",
        "`docker builder prune` and `docker image prune` free what is not in use",
    ),
)

BASE = (
    _failure(
        r"no match for platform|no matching manifest for|does not match the specified platform",
        "the base image {image} does not exist for this platform",
        "take a base image that has it, or set `build.platform`",
    ),
    _failure(
        r"no such host|connection refused|i/o timeout|deadline exceeded|handshake|unreachable|"
        r"proxyconnect|\bEOF\b|connection reset|x509|temporary failure",
        "the base image {image} cannot be pulled: its registry cannot be reached",
        "check the network (and the engine's proxy), or bring the image here by other means (`docker load`)",
    ),
    _failure(
        r"pull access denied|unauthorized|authorization failed|insufficient_scope|authentication required|"
        r"\bdenied\b|403 forbidden",
        "the base image {image} cannot be pulled: it does not exist, or needs a login",
        "check its name; for a private one run `docker login` first",
    ),
    _failure(
        r"toomanyrequests|429",
        "the base image {image} cannot be pulled: the registry's rate limit is used up",
        "log in (`docker login`), or wait",
    ),
    _failure(
        r"not found|manifest unknown|does not exist",
        "the base image {image} does not exist",
        "check its name and tag",
    ),
)

OTHER = (
    _failure(
        r"secret \"?(?P<id>[\w.-]+?)\"?:? not found",
        "the build asks for the secret `{id}`, which it was not given",
        "name it under build.secrets: `id={id},env=VARIABLE` or `id={id},src=FILE`",
    ),
    _failure(
        r"requires BuildKit|unknown flag: (?:mount|link|chmod)",
        "the Dockerfile needs BuildKit, and only the classic builder is here",
        "install Docker's buildx plugin (Debian: `apt-get install docker-buildx`)",
    ),
    _failure(
        r"exec format error",
        "the image's programs are for another kind of processor",
        "set `build.platform` to this machine's, or install emulation "
        "(Debian: `apt-get install qemu-user-static`)",
    ),
)

EXIT_HINTS = {
    126: "status 126: the command was found but may not be executed (`chmod +x`?)",
    127: "status 127: a command was not found; install it in an earlier step, or take another base image",
    137: "status 137: it was killed, most often because memory ran out",
    139: "status 139: it crashed (SIGSEGV)",
}

# OpenSSL's words, as pip, curl, git and apt pass them on; Node's name for the same.
DISTRUST = re.compile(
    r"CERTIFICATE_VERIFY_FAILED|SELF_SIGNED_CERT_IN_CHAIN|self[- ]signed certificate in certificate chain|"
    r"unable to get local issuer certificate"
)
DISTRUST_HINT = (
    "where the network has an authority of its own (a company's proxy), give the step what this machine trusts: "
    '`secrets: ["id=ca,src=/etc/ssl/certs/ca-certificates.crt"]`, and '
    "`RUN --mount=type=secret,id=ca PIP_CERT=/run/secrets/ca pip install ...`"
)
"""A step's program does not trust whom it talks to."""
