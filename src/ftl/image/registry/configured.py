"""Credentials under `registries` in ftl.yaml: password, token, or output of a command."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from ftl.child import complete
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
    """The stdout of the command without its newline. No message shows it: it may be a secret even on failure."""
    command = registry.command or ()
    argv = shlex.split(command) if isinstance(command, str) else list(command)
    message = f"the command for {registry.server} failed"
    hint = f"run it by hand in {root}: it must print the password or token"
    try:
        done = await complete(argv, seconds=COMMAND_SECONDS, env=environ, cwd=root)
    except TimeoutError:
        raise FtlError(message, cause=f"it took more than {COMMAND_SECONDS:.0f} s", hint=hint) from None
    except OSError as error:
        raise FtlError(message, cause=f"{argv[0]}: {error.strerror}", hint=hint) from error
    if done.exit_code != 0:
        last_line = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise FtlError(message, cause=last_line or f"status {done.exit_code}", hint=hint)
    secret = done.stdout.decode(errors="replace").strip()
    if not secret:
        raise FtlError(message, cause="it printed nothing", hint=hint)
    return secret
