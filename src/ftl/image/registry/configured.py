"""Credentials under `registries` in ftl.yaml: password, token, or output of a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.config.secret_command import SecretCommandFailed, command_words, credentials_in, secret_output
from ftl.errors import FtlError
from ftl.image.registry.credentials import Credentials, token_user
from ftl.image.registry.names import config_key

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ftl.config.models.project import Registry

COMMAND_SECONDS = 60.0
"""Limit for the command of a registry, which may ask a cloud, or a person for a fingerprint."""


async def configured_credentials(
    registry: Registry, *, root: Path, environ: Mapping[str, str]
) -> Credentials | None:
    """Return the credentials of an entry of `registries`; None if it has none.

    Raises:
        FtlError: Its command failed, printed nothing, or took too long.
    """
    secret = registry.password or registry.token
    if secret is None and registry.command:
        secret = await _command_output(registry, root, environ)
    if not secret:
        return None
    username = registry.username or token_user(registry.server)
    return Credentials(config_key(registry.server), username, secret, "`registries` in ftl.yaml")


async def _command_output(registry: Registry, root: Path, environ: Mapping[str, str]) -> str:
    """The stdout of the command without its newline."""
    message = f"the command for {registry.server} failed"
    try:
        argv = command_words(registry.command or ())
        secret = (await secret_output(argv, seconds=COMMAND_SECONDS, env=environ, cwd=root)).strip()
    except SecretCommandFailed as failure:
        raise FtlError(message, cause=failure.said(credentials_in(environ)), hint=failure.hint) from None
    if not secret:
        hint = f"run it by hand in {root}: it must print the password or token"
        raise FtlError(message, cause="it printed nothing", hint=hint)
    return secret
