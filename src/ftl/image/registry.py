"""Registries that the user named in `image`: pushing there, and the credentials for pulling from there.

Both go by what `docker login` left behind: the push through the docker CLI, which reads it itself; the pull by the
server's engine, which is handed the credentials in a request body.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ftl import references
from ftl.child import lines_of
from ftl.engine import local_url
from ftl.errors import TransferFailed
from ftl.events import PushProgress
from ftl.fields import record, text
from ftl.image.building.builder import find_builder
from ftl.image.building.command import client_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.events import Emit
    from ftl.fields import Json

HUB = "https://index.docker.io/v1/"
"""Docker Hub's name in docker's config file."""

PUSH_STALL_SECONDS = 600.0
"""A push that says nothing for so long is given up."""

_HELPER_SECONDS = 20.0
_HELPER_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_DENIED = re.compile(
    r"denied|unauthorized|authentication required|no basic auth|insufficient_scope|401|403", re.IGNORECASE
)
_UNREACHABLE = re.compile(
    r"no such host|connection refused|i/o timeout|unreachable|handshake|x509|\bEOF\b", re.IGNORECASE
)


def registry_of(reference: str) -> str:
    """The registry that a reference names, as docker's config file calls it."""
    host = references.registry(reference)
    return HUB if host in (references.HUB, "index.docker.io") else host


def registry_auth(reference: str, environ: Mapping[str, str] | None = None) -> dict[str, str] | None:
    """The credentials that `docker login` keeps for a reference's registry; None where there are none.

    Read in docker's own order: the registry's helper (`credHelpers`), the store (`credsStore`), the file itself
    (`auths`). A helper that fails counts as one without credentials: the registry may well be public.

    Returns:
        The fields of the engine API's X-Registry-Auth: `username` and `password`, or `identitytoken`; and
        `serveraddress`.
    """
    environ = os.environ if environ is None else environ
    registry = registry_of(reference)
    config = _config(environ)
    helper = text(record(config.get("credHelpers")).get(registry)) or text(config.get("credsStore"))
    if _HELPER_NAME.fullmatch(helper):
        found = _from_helper(helper, registry, environ)
        if found is not None:
            return found
    return _from_file(config, registry)


def _config(environ: Mapping[str, str]) -> Json:
    folder = Path(environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    try:
        return record(json.loads((folder / "config.json").read_text()))
    except (OSError, ValueError):
        return {}


def _from_helper(helper: str, registry: str, environ: Mapping[str, str]) -> dict[str, str] | None:
    """Ask a credential helper (docker/docker-credential-helpers: `get`, the registry on stdin, JSON back)."""
    try:
        done = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=registry,
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=_HELPER_SECONDS,
            check=False,
        )
        answer = record(json.loads(done.stdout)) if done.returncode == 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return _credentials(registry, text(answer.get("Username")), text(answer.get("Secret")))


def _from_file(config: Json, registry: str) -> dict[str, str] | None:
    entries = record(config.get("auths"))
    names = (registry, f"https://{registry}", f"https://{registry}/v1/", f"https://{registry}/v2/")
    entry = next((record(entries[name]) for name in names if name in entries), {})
    if token := text(entry.get("identitytoken")):
        return _credentials(registry, "<token>", token)
    try:
        username, _, password = base64.b64decode(text(entry.get("auth"))).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return _credentials(registry, username, password.rstrip("\0"))


def _credentials(registry: str, username: str, secret: str) -> dict[str, str] | None:
    """Helpers mark a token (the OAuth flow of some registries) by the user name `<token>`."""
    if not secret:
        return None
    if username == "<token>":
        return {"identitytoken": secret, "serveraddress": registry}
    return {"username": username, "password": secret, "serveraddress": registry}


async def push(reference: str, *, emit: Emit) -> None:
    """Push an image of this machine's engine, with the docker CLI and its logins.

    Raises:
        TransferFailed: The registry refused it or was not reached, in the registry's words.
        BuildFailed: There is no docker CLI.
    """
    environ = dict(os.environ)
    builder = await asyncio.to_thread(find_builder, environ)
    env = client_environment(local_url(), environ)
    last = ""
    try:
        async with (
            asyncio.timeout(PUSH_STALL_SECONDS) as limit,
            lines_of([builder.docker, "push", reference], env=env, cwd=Path.cwd()) as (lines, process),
        ):
            async for line in lines:
                limit.reschedule(asyncio.get_running_loop().time() + PUSH_STALL_SECONDS)
                if text := line.strip():
                    last = text
                    emit(PushProgress(reference, text))
            status = await process.wait()
    except TimeoutError:
        raise TransferFailed(
            f"{reference} could not be pushed", cause=f"nothing happened for {PUSH_STALL_SECONDS:.0f} s"
        ) from None
    if status != 0:
        raise _refused(reference, last)


def _refused(reference: str, words: str) -> TransferFailed:
    registry = registry_of(reference)
    hint = None
    if _DENIED.search(words):
        hint = "run `docker login`" if registry == HUB else f"run `docker login {registry}`"
    elif _UNREACHABLE.search(words):
        hint = "check the registry's name and the network"
    return TransferFailed(f"{reference} could not be pushed", cause=words or None, hint=hint)
