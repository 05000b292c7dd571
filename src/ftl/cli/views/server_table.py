"""Table of the servers of a cluster, of `ftl servers` and `ftl status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.cli.output import put_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.operations.views.servers import ServerStatus

HEADER = ("SERVER", "STATE", "PROXY", "RUNNING", "MANAGER")


def put_servers(servers: Sequence[ServerStatus]) -> None:
    """Print the table."""
    put_table(HEADER, [_row(server) for server in servers])


def _row(server: ServerStatus) -> tuple[str, ...]:
    proxy = "behind: `ftl deploy` mends it" if server.proxy == "behind" else server.proxy or "-"
    return server.host, server.state, proxy, str(server.tasks), "yes" if server.manager else "-"
