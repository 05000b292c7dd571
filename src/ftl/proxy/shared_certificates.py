"""Certificates that a task of the Swarm has brought (share.sh) and the proxy has not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.errors import FtlError
from ftl.proxy import stopped
from ftl.proxy.names import ProxyNames, shared_certificates_folder
from ftl.proxy.state import observe

if TYPE_CHECKING:
    from ftl.engine.api import Engine


async def remove_shared_certificates(engine: Engine, project: str) -> None:
    """Remove those of a project, with their keys; also where the proxy is stopped.

    Raises:
        FtlError: They cannot be removed.
    """
    names = ProxyNames()
    state = await observe(engine, installation=names)
    if state is None:
        return
    argv = ["rm", "-rf", shared_certificates_folder(project)]
    if state.running:
        done = await engine.execute(names.container, argv)
    else:
        done = await stopped.execute(engine, names, state.image, project, argv)
    if done.exit_code != 0:
        cause = done.message
        raise FtlError(
            f"{shared_certificates_folder(project)} stays in the proxy of {engine.name}", cause=cause
        )
