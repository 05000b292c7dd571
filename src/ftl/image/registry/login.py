"""Logging in to the registries that a project pushes to: what is missing, trying it, and keeping it where asked to."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.child import complete
from ftl.engine.local import local_url
from ftl.errors import FtlError
from ftl.image.building.builder import find_cli
from ftl.image.building.command import cli_environment
from ftl.image.registry.credentials import Credentials
from ftl.image.registry.failures import RegistryRequest, transfer_error, translate_errors
from ftl.image.registry.keyring import RegistryLogin
from ftl.image.registry.names import display_name
from ftl.json_fields import as_object, as_str

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.ssh.machine import Machine

LOGIN_SECONDS = 60.0
_ORIGIN = "what was entered"

# The file is written beside its place first: a cut connection leaves the old one. A symbolic link stays one.
_WRITE = """
set -e
umask 077
mkdir -p "$HOME/.docker"
target=$(readlink -f "$HOME/.docker/config.json")
cat > "$target.ftl"
mv -f "$target.ftl" "$target"
"""
_READ = 'test ! -e "$HOME/.docker/config.json" || cat "$HOME/.docker/config.json"'


def typed_credentials(registry: str, username: str, secret: str) -> Credentials:
    """Credentials that somebody typed."""
    return Credentials(registry, username, secret, _ORIGIN)


async def verify(engine: Engine, credentials: Credentials) -> None:
    """Have an engine try credentials on their registry; it does not keep them.

    Raises:
        TransferFailed: The registry does not take them, or cannot be reached from there.
    """
    registry = credentials.registry
    attempt = RegistryRequest(
        f"log in to {display_name(registry)}", engine.name, RegistryLogin(registry, credentials)
    )
    with translate_errors(attempt):
        async with asyncio.timeout(LOGIN_SECONDS):
            await engine.log_in(credentials.auth_config())


async def docker_login(credentials: Credentials, environ: Mapping[str, str]) -> None:
    """Keep credentials where docker keeps them on this machine (`docker login --password-stdin`, which tries them).

    Raises:
        TransferFailed: The registry does not take them.
        BuildFailed: There is no docker CLI.
    """
    docker = await asyncio.to_thread(find_cli, environ)
    registry = credentials.registry
    attempt = RegistryRequest(
        f"log in to {display_name(registry)}", "this machine", RegistryLogin(registry, credentials)
    )
    with translate_errors(attempt):
        done = await complete(
            [docker, "login", "--username", credentials.username, "--password-stdin", registry],
            stdin=credentials.secret.encode(),
            seconds=LOGIN_SECONDS,
            env=cli_environment(local_url(environ), environ),
            cwd=Path.cwd(),
        )
    if done.exit_code != 0:
        words = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise transfer_error(attempt, words.removeprefix("Error response from daemon: "))


async def store_on_server(machine: Machine, credentials: Sequence[Credentials]) -> None:
    """Keep credentials on a server, in the docker config file of who logs in there (mode 0600, merged).

    For images that the server must pull by itself; no deploy needs it.

    Raises:
        FtlError: The file there cannot be read or written, or leaves credentials to a helper.
        ServerError: The server cannot be reached.
    """
    there = await machine.run(["sh", "-c", _READ])
    message = f"the credentials could not be stored on {machine.name}"
    if there.exit_code != 0:
        raise FtlError(message, cause=there.stderr.decode(errors="replace").strip() or None)
    try:
        config = dict(as_object(json.loads(there.stdout or b"{}")))
    except ValueError as error:
        raise FtlError(
            message, cause="~/.docker/config.json there is not JSON", hint="repair or remove it"
        ) from error
    for one in credentials:
        helper = as_str(as_object(config.get("credHelpers")).get(one.registry)) or as_str(
            config.get("credsStore")
        )
        if helper:
            hint = f"log in there by hand: `docker login {one.registry}`"
            raise FtlError(message, cause=f"docker there keeps them by docker-credential-{helper}", hint=hint)
    entries = {one.registry: one.config_entry() for one in credentials}
    merged = {**config, "auths": {**as_object(config.get("auths")), **entries}}
    done = await machine.run(["sh", "-c", _WRITE], stdin=json.dumps(merged, indent=2).encode())
    if done.exit_code != 0:
        raise FtlError(message, cause=done.stderr.decode(errors="replace").strip() or None)
