"""Patterns of known build failures, each with a message and a hint."""

from __future__ import annotations

import re

from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """A failure recognised by its message.

    Braces in the texts are groups of the pattern, `{machine}`, or `{give}`: how a build is given the secret.
    """

    pattern: re.Pattern[str]
    message: str
    hint: str


def _failure(pattern: str, message: str, hint: str) -> KnownFailure:
    return KnownFailure(re.compile(pattern, re.IGNORECASE), message, hint)


ENGINE = (
    _failure(
        r"permission denied.*(?:docker\.sock|daemon socket|dial unix)",
        "no permission to use the Docker engine on {machine}",
        "add yourself to the docker group: `sudo usermod -aG docker $USER`, then log in again",
    ),
    _failure(
        r"unable to upgrade to h2c, received 404",
        "the engine on {machine} has no BuildKit",
        "install Docker there, 23.0 or newer; Podman's engine has none",
    ),
    _failure(
        r"^\[internal\] booting buildkit",
        "BuildKit could not be started on {machine}",
        "an engine without BuildKit (Podman) and builders of `docker buildx create` run it from the image "
        "moby/buildkit; Docker 23.0 or newer has its own",
    ),
    _failure(
        r"(?:failed to receive status|error reading from server|error during connect).*\bEOF\b",
        "the connection to the Docker engine on {machine} was lost",
        "build again: steps that were complete are in its cache",
    ),
    _failure(
        r"cannot connect to the docker daemon|is the docker daemon running|failed to dial gRPC",
        "no Docker engine answers on {machine}",
        "start it (`sudo systemctl start docker`, or Docker Desktop)",
    ),
    _failure(
        r"client version [\d.]+ is too old",
        "the docker CLI is too old for this engine",
        "upgrade the docker CLI, and install its buildx plugin",
    ),
    _failure(
        r"no space left on device",
        "the disk of the Docker engine is full on {machine}",
        "free space there with `docker builder prune` and `docker image prune`",
    ),
)

BASE_IMAGE = (
    _failure(
        r"no match for platform|no matching manifest for|does not match the specified platform",
        "the base image {image} does not exist for this platform",
        "use a base image that exists for it, or set `build.platform`",
    ),
    _failure(
        r"no such host|connection refused|i/o timeout|deadline exceeded|handshake|unreachable|"
        r"proxyconnect|\bEOF\b|connection reset|x509|temporary failure",
        "the base image {image} cannot be pulled: its registry cannot be reached",
        "check the network and the engine's proxy settings, or load the image from a file (`docker load`)",
    ),
    _failure(
        r"pull access denied|unauthorized|authorization failed|insufficient_scope|authentication required|"
        r"\bdenied\b|403 forbidden",
        "the base image {image} cannot be pulled: it does not exist or needs a login",
        "check its name; for a private image run `docker login` first",
    ),
    _failure(
        r"toomanyrequests|429",
        "the base image {image} cannot be pulled: the registry's rate limit is exceeded",
        "log in (`docker login`), or wait",
    ),
    _failure(
        r"not found|manifest unknown|does not exist",
        "the base image {image} does not exist",
        "check its name and tag",
    ),
)

_OTHER_PROCESSOR = (
    "build on a machine that has the image's (`build.on: server`), set `build.platform` to the builder's, or install "
    "emulation there (Debian: `apt-get install qemu-user-static`)"
)

OTHER = (
    _failure(
        r"does not currently support exporting manifest lists",
        "the engine cannot keep an image for several platforms (build.platforms)",
        "turn on its containerd image store, or name a builder that has it as `build.on`",
    ),
    _failure(
        r"cache export (?:feature )?is (?:currently )?not supported",
        "the builder cannot write a `build.cache`",
        "`docker buildx create --use` creates one that can; in GitHub Actions, `docker/setup-buildx-action`",
    ),
    _failure(
        r"secret \"?(?P<id>[\w.-]+?)\"?:? not found",
        "the build needs the secret `{id}`, which was not passed to it",
        "{give}",
    ),
    _failure(r"exec format error", "the image's programs are for another CPU architecture", _OTHER_PROCESSOR),
)

EXIT_HINTS = {
    126: "status 126: the command is not executable (`chmod +x`?)",
    127: "status 127: a command was not found; install it in an earlier step, or use another base image",
    137: "status 137: it was killed, usually because memory ran out",
    139: "status 139: it crashed (SIGSEGV)",
}

# OpenSSL's messages, as pip, curl, git and apt print them; and Node's name for the same.
_UNTRUSTED_CERTIFICATE = re.compile(
    r"CERTIFICATE_VERIFY_FAILED|SELF_SIGNED_CERT_IN_CHAIN|self[- ]signed certificate in certificate chain|"
    r"unable to get local issuer certificate"
)
_UNTRUSTED_CERTIFICATE_HINT = (
    "behind a proxy with its own certificate authority, pass this machine's certificates to the step. In ftl.yaml: "
    '`build: {context: ., secrets: ["id=ca,src=/etc/ssl/certs/ca-certificates.crt"]}`; in the Dockerfile: '
    "`RUN --mount=type=secret,id=ca SSL_CERT_FILE=/run/secrets/ca uv sync ...`, with the other words of the line; "
    "for pip PIP_CERT, for npm NODE_EXTRA_CA_CERTS, for curl CURL_CA_BUNDLE"
)
"""For a program in a step that does not trust its peer's certificate."""

_STALE_LOCK = re.compile(
    r"package\.json and package-lock\.json or npm-shrinkwrap\.json are in sync|ERR_PNPM_OUTDATED_LOCKFILE|"
    r"The lockfile would have been modified by this install|lockfile at `uv\.lock` needs to be updated|"
    r"pyproject\.toml changed significantly since poetry\.lock|updates to go\.mod needed"
)
"""As npm, pnpm, yarn, uv, poetry and Go print it."""

OUTPUT_HINTS = (
    (_UNTRUSTED_CERTIFICATE, _UNTRUSTED_CERTIFICATE_HINT),
    (
        _STALE_LOCK,
        "the lock file is older than the list of dependencies: install them on this machine, and commit the lock file",
    ),
    (
        re.compile(r"exec format error", re.IGNORECASE),
        f"a program there is for another CPU architecture: {_OTHER_PROCESSOR}",
    ),
)
"""Pattern of a line of a failed command's output -> remedy."""
