"""The credentials that ftl.yaml lists: a password or token as written there, or as a command prints it."""

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

    from ftl.config import Registry

COMMAND_SECONDS = 60.0
"""How long the command of a registry may take: it may ask a cloud, or a person for a fingerprint."""


async def configured_credentials(
    registry: Registry, *, root: Path, environ: Mapping[str, str]
) -> Credentials | None:
    """The credentials that an entry of `registries` gives; None where it gives none.

    Raises:
        FtlError: Its command failed, printed nothing, or took too long.
    """
    secret = registry.password or registry.token
    if secret is None and registry.command:
        secret = await _printed(registry, root, environ)
    if not secret:
        return None
    username = registry.username or token_user(registry.server)
    return Credentials(config_key(registry.server), username, secret, "`registries` in ftl.yaml")


async def _printed(registry: Registry, root: Path, environ: Mapping[str, str]) -> str:
    """What the command prints, without the line's end. It is nowhere shown: it may be a secret even on failure."""
    command = registry.command or ()
    argv = shlex.split(command) if isinstance(command, str) else list(command)
    message = f"the command for {registry.server} failed"
    hint = f"run it by hand in {root}: it has to print the password or token"
    try:
        done = await complete(argv, seconds=COMMAND_SECONDS, env=environ, cwd=root)
    except TimeoutError:
        raise FtlError(message, cause=f"it took more than {COMMAND_SECONDS:.0f} s", hint=hint) from None
    except OSError as error:
        raise FtlError(message, cause=f"{argv[0]}: {error.strerror}", hint=hint) from error
    if done.exit_code != 0:
        words = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise FtlError(message, cause=words or f"status {done.exit_code}", hint=hint)
    secret = done.stdout.decode(errors="replace").strip()
    if not secret:
        raise FtlError(message, cause="it printed nothing", hint=hint)
    return secret
