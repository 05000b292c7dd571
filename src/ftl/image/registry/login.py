"""Log in to registries: try credentials, and store them on this machine or on a server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.child import complete
from ftl.common.files import CHANGED_MEANWHILE, content_digest
from ftl.common.json_fields import as_object, parse_json
from ftl.common.programs import program, shell
from ftl.engine.local import local_url
from ftl.errors import FtlError
from ftl.image.building.docker_cli.buildkit_cli import find_cli
from ftl.image.building.docker_cli.command import cli_environment
from ftl.image.registry.credentials import Credentials
from ftl.image.registry.docker_config import READ_CONFIG, credential_helper, with_credentials
from ftl.image.registry.failures import RegistryRequest, registry_error, translated_errors
from ftl.image.registry.keyring import RegistryLogin
from ftl.image.registry.names import display_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.engine.api import Engine
    from ftl.ssh.machine import Machine

LOGIN_SECONDS = 60.0
_ATTEMPTS = 3
_TYPED_ORIGIN = "the prompt"


def typed_credentials(registry: str, username: str, secret: str) -> Credentials:
    """Make credentials that the user typed."""
    return Credentials(registry, username, secret, _TYPED_ORIGIN)


async def verify(engine: Engine, credentials: Credentials) -> None:
    """Let an engine log in with credentials; it does not store them.

    Raises:
        TransferFailed: The registry rejects them, or cannot be reached from there.
    """
    with translated_errors(_login_request(engine.name, credentials)):
        async with asyncio.timeout(LOGIN_SECONDS):
            await engine.log_in(credentials.auth_config())


async def docker_login(credentials: Credentials, environ: Mapping[str, str]) -> None:
    """Store credentials in Docker's configuration on this machine, with `docker login`.

    Raises:
        TransferFailed: The registry rejects them.
        BuildFailed: There is no docker CLI.
    """
    docker = await asyncio.to_thread(find_cli, environ)
    request = _login_request("this machine", credentials)
    user = ["--username", credentials.username, "--password-stdin"]
    with translated_errors(request):
        done = await complete(
            [docker, "login", *user, credentials.registry],
            stdin=credentials.secret.encode(),
            seconds=LOGIN_SECONDS,
            env=cli_environment(local_url(environ), environ),
            cwd=Path.cwd(),
        )
    if done.exit_code != 0:
        raise registry_error(request, done.complaint.removeprefix("Error response from daemon: "))


async def store_on_server(machine: Machine, credentials: Sequence[Credentials]) -> None:
    """Store credentials in the Docker config file of the user on a server (mode 0600, merged).

    They are for images that the server pulls without FTL; no deploy needs them. Where the file changes between the
    look and the write, as by a `docker login` there, it is read and merged again.

    Raises:
        FtlError: The file cannot be read or written, changes all the time, or leaves credentials to a helper.
        ServerError: The server cannot be reached.
    """
    message = f"the credentials could not be stored on {machine.name}"
    script = program("ftl.common", "scripts/replace_file.sh")
    script += program("ftl.image.registry", "write_config.sh")
    for _ in range(_ATTEMPTS):
        read = (await machine.run(["sh", "-c", READ_CONFIG])).require(message)
        content = _merged(read.stdout, credentials, message)
        argv = shell(script, "ftl-login", str(len(content)), content_digest(read.stdout))
        written = await machine.run(argv, stdin=content)
        if written.exit_code != CHANGED_MEANWHILE:
            written.require(message)
            return
    raise FtlError(
        message,
        cause="~/.docker/config.json was changed there by somebody else each time that it was read",
        hint="run it again once nobody else logs in there",
    )


def _merged(read: bytes, credentials: Sequence[Credentials], message: str) -> bytes:
    """The content of a config file on a server with these credentials."""
    try:
        config = as_object(parse_json(read or b"{}"))
    except ValueError as error:
        cause = "~/.docker/config.json on the server is not JSON"
        raise FtlError(message, cause=cause, hint="repair or remove it") from error
    for credential in credentials:
        if helper := credential_helper(config, credential.registry):
            cause = f"docker on the server stores them with docker-credential-{helper}"
            raise FtlError(
                message, cause=cause, hint=f"log in on the server: `docker login {credential.registry}`"
            )
    return json.dumps(with_credentials(config, credentials), indent=2).encode()


def _login_request(engine_name: str, credentials: Credentials) -> RegistryRequest:
    registry = credentials.registry
    action = f"log in to {display_name(registry)}"
    return RegistryRequest(action, engine_name, RegistryLogin(registry, credentials))
