"""Credentials in Docker's configuration: config file, credential store and helpers."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.child import complete
from ftl.common.files import read_small_text
from ftl.common.json_fields import as_object, as_str, parse_json
from ftl.errors import FtlError
from ftl.image.registry.credentials import IDENTITY_TOKEN_USER, Credentials

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from ftl.child import Completed
    from ftl.common.json_fields import Json

CONFIG_FILE = "config.json"

READ_CONFIG = 'test ! -e "$HOME/.docker/config.json" || cat "$HOME/.docker/config.json"'
"""Shell script that prints the config file of the user on a server, if there is one."""

_HELPER_SECONDS = 20.0
_HELPER_NAME = re.compile(r"[A-Za-z0-9_.-]+")
# What helpers print if they have no credentials (docker/docker-credential-helpers, `IsErrCredentialsNotFound`).
_NONE_STORED = "credentials not found in native keychain"
_FILE_ORIGIN = "docker's config file"


class HelperFailed(FtlError):
    """A credential helper failed or gave an invalid answer."""


async def stored_credentials(registry: str, environ: Mapping[str, str]) -> Credentials | None:
    """Return the credentials that Docker has stored for a registry; None if there are none.

    They are read in Docker's own order: the registry's helper (`credHelpers`), else the store (`credsStore`); then
    the file itself (`auths`).

    `environ` determines the location of the file, and of programs.

    Raises:
        HelperFailed: The helper failed, and the file has no credentials either.
    """

    async def ask(program: str) -> Completed:
        message = f"the credential helper {program} failed"
        try:
            return await complete(
                [program, "get"], stdin=registry.encode(), seconds=_HELPER_SECONDS, env=dict(environ)
            )
        except TimeoutError as error:
            raise HelperFailed(message, cause=str(error)) from None
        except OSError as error:
            raise HelperFailed(message, cause=error.strerror) from error

    return await find_credentials(read_config(environ), registry, ask)


async def find_credentials(
    config: Json, registry: str, ask: Callable[[str], Awaitable[Completed]], *, origin: str = ""
) -> Credentials | None:
    """Return the credentials that a config file, or its helper, has for a registry; None: none.

    Args:
        config: The content of the file.
        registry: Its key in the file.
        ask: Runs `PROGRAM get` with the registry on stdin (docker/docker-credential-helpers), where the file is.
        origin: Where the credentials are, for messages; empty: the file or the helper of this machine.

    Raises:
        HelperFailed: The helper failed, and the file has no credentials either.
    """
    in_file = _credentials_in(config, registry, origin or _FILE_ORIGIN)
    helper = credential_helper(config, registry)
    if not _HELPER_NAME.fullmatch(helper):  # it becomes part of a program's name
        return in_file
    program = f"docker-credential-{helper}"
    try:
        return _helper_answer(await ask(program), program, registry, origin or program) or in_file
    except HelperFailed:
        if in_file is None:
            raise
        return in_file


def config_folder(environ: Mapping[str, str]) -> Path:
    """Return Docker's configuration folder."""
    return Path(environ.get("DOCKER_CONFIG") or Path(environ.get("HOME") or Path.home()) / ".docker")


def read_config(environ: Mapping[str, str]) -> Json:
    """Read Docker's config file; empty if there is none, or none that can be read."""
    try:
        return as_object(parse_json(read_small_text(config_folder(environ) / CONFIG_FILE)))
    except (OSError, ValueError):
        return {}


def credential_helper(config: Json, registry: str) -> str:
    """Return the name of a registry's helper, else of the store; empty if there is none."""
    return as_str(as_object(config.get("credHelpers")).get(registry)) or as_str(config.get("credsStore"))


def with_credentials(config: Json, credentials: Sequence[Credentials]) -> dict[str, object]:
    """Return the content of a config file with credentials added under `auths`."""
    entries = {credential.registry: credential.config_entry() for credential in credentials}
    return {**config, "auths": {**as_object(config.get("auths")), **entries}}


def _helper_answer(done: Completed, program: str, registry: str, origin: str) -> Credentials | None:
    """The credentials in the answer of a helper; None where it has none."""
    message = f"the credential helper {program} failed"
    output = done.text.strip() or done.error_text
    if done.exit_code != 0:
        if _NONE_STORED in output:
            return None
        raise HelperFailed(message, cause=output or f"status {done.exit_code}")
    try:
        answer = as_object(parse_json(done.stdout))
    except ValueError as error:
        raise HelperFailed(message, cause="its answer is not JSON") from error
    return _credentials(registry, as_str(answer.get("Username")), as_str(answer.get("Secret")), origin)


def _credentials_in(config: Json, registry: str, origin: str) -> Credentials | None:
    """The credentials that a config file itself has for a registry."""
    entries = as_object(config.get("auths"))
    keys = (registry, f"https://{registry}", f"https://{registry}/v1/", f"https://{registry}/v2/")
    entry = next((as_object(entries[key]) for key in keys if key in entries), {})
    if token := as_str(entry.get("identitytoken")):
        return _credentials(registry, IDENTITY_TOKEN_USER, token, origin)
    try:
        username, _, password = base64.b64decode(as_str(entry.get("auth"))).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return _credentials(registry, username, password.rstrip("\0"), origin)


def _credentials(registry: str, username: str, secret: str, origin: str) -> Credentials | None:
    return Credentials(registry, username, secret, origin) if secret else None
