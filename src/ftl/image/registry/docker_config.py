"""What `docker login` left on this machine: the credentials file, the store and the helpers that it names."""

from __future__ import annotations

import base64
import binascii
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.child import complete
from ftl.errors import FtlError
from ftl.image.registry.credentials import IDENTITY_TOKEN_USER, Credentials
from ftl.json_fields import as_object, as_str

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.json_fields import Json

CONFIG_FILE = "config.json"

_HELPER_SECONDS = 20.0
_HELPER_NAME = re.compile(r"[A-Za-z0-9_.-]+")
# What helpers say for "I have none" (docker/docker-credential-helpers, `IsErrCredentialsNotFound`).
_NONE_STORED = "credentials not found in native keychain"


class HelperFailed(FtlError):
    """A credential helper could not say what it has."""


async def stored_credentials(registry: str, environ: Mapping[str, str]) -> Credentials | None:
    """The credentials that docker keeps for a registry; None where there are none.

    Read in docker's own order: the registry's helper (`credHelpers`), else the store (`credsStore`); then the file
    itself (`auths`).

    Args:
        registry: As the file calls it.
        environ: Says where the file is, and where programs are.

    Raises:
        HelperFailed: The helper failed, and the file has no credentials either.
    """
    config = read_config(environ)
    helper = as_str(as_object(config.get("credHelpers")).get(registry)) or as_str(config.get("credsStore"))
    if not _HELPER_NAME.fullmatch(helper):
        return _from_file(config, registry)
    try:
        found = await _from_helper(f"docker-credential-{helper}", registry, environ)
    except HelperFailed:
        in_file = _from_file(config, registry)
        if in_file is None:
            raise
        return in_file
    return found or _from_file(config, registry)


def config_folder(environ: Mapping[str, str]) -> Path:
    """Where docker keeps its configuration."""
    return Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME") or Path.home()) / ".docker")


def read_config(environ: Mapping[str, str]) -> Json:
    """What is in docker's config file; nothing where there is none that can be read."""
    try:
        return as_object(json.loads((config_folder(environ) / CONFIG_FILE).read_text()))
    except (OSError, ValueError):
        return {}


async def _from_helper(program: str, registry: str, environ: Mapping[str, str]) -> Credentials | None:
    """Ask a credential helper (docker/docker-credential-helpers: `get`, the registry on stdin, JSON back)."""
    message = f"the credential helper {program} failed"
    try:
        done = await complete(
            [program, "get"], stdin=registry.encode(), seconds=_HELPER_SECONDS, env=dict(environ)
        )
    except TimeoutError:
        raise HelperFailed(message, cause=f"it did not answer within {_HELPER_SECONDS:.0f} s") from None
    except OSError as error:
        raise HelperFailed(message, cause=error.strerror) from error
    said = (done.stdout or done.stderr).decode(errors="replace").strip()
    if done.exit_code != 0:
        if _NONE_STORED in said:
            return None
        raise HelperFailed(message, cause=said or f"status {done.exit_code}")
    try:
        answer = as_object(json.loads(done.stdout))
    except ValueError as error:
        raise HelperFailed(message, cause="its answer is not JSON") from error
    return _credentials(registry, as_str(answer.get("Username")), as_str(answer.get("Secret")), program)


def _from_file(config: Json, registry: str) -> Credentials | None:
    entries = as_object(config.get("auths"))
    names = (registry, f"https://{registry}", f"https://{registry}/v1/", f"https://{registry}/v2/")
    entry = next((as_object(entries[name]) for name in names if name in entries), {})
    if token := as_str(entry.get("identitytoken")):
        return _credentials(registry, IDENTITY_TOKEN_USER, token, "docker's config file")
    try:
        username, _, password = base64.b64decode(as_str(entry.get("auth"))).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return _credentials(registry, username, password.rstrip("\0"), "docker's config file")


def _credentials(registry: str, username: str, secret: str, origin: str) -> Credentials | None:
    return Credentials(registry, username, secret, origin) if secret else None
