"""Sections about the servers: the only one, or those of a cluster."""

from __future__ import annotations

from dataclasses import field, fields
from typing import TYPE_CHECKING

from ftl.config.models import field_types
from ftl.config.models.field_types import ListOf, Section, key, key_metadata
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

WEB = "web"
"""The role of the servers that have a proxy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(Section):
    """`server:` the server to deploy to.

    A single value is the host. For missing keys ssh decides (its configuration file, the agent).

    Attributes:
        known_hosts: Not a key of ftl.yaml: the file with the host key of a server that FTL created.
        connect_to: Not a key either: the address of a server that stands in for `host`.
        has_visitors: Not a key either: whether others reach it. Where only this machine does, no authority certifies
            hosts, nobody waits for messages, and no DNS record is missing.
    """

    host: str = field(
        metadata=key_metadata(
            field_types.SSH_HOST,
            "A name, an address or a Host of ~/.ssh/config; `local` is the engine of this machine, without SSH.",
            optional=True,
            default_text="`project.domain`",
        )
    )
    port: int | None = key(field_types.PORT, "SSH port.", None, default_text="22")
    user: str | None = key(field_types.SSH_USER, "SSH user.", None, default_text="the current user")
    ssh_key: str | None = key(
        field_types.PATH, "Private key file.", None, default_text="the keys that ssh would use"
    )
    keep_connection: float = key(
        field_types.DURATION,
        "How long the SSH connection stays open after a command, for the next one; 0: not at all.",
        60.0,
    )
    known_hosts: Path | None = None
    connect_to: str | None = None
    has_visitors: bool = True

    @property
    def is_local(self) -> bool:
        """Whether it is the engine of this machine, without SSH."""
        return self.host == "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterServer(Server):
    """`servers[]:` one of several servers, with the keys of `server`.

    A single value is the host. Hosts are the names of the servers, in `on` and in messages.
    """

    host: str = field(
        metadata=key_metadata(field_types.SSH_HOST, "A name, an address or a Host of ~/.ssh/config.")
    )
    private_address: str | None = key(
        field_types.IP_ADDRESS,
        "Its IP address in the servers' private network, which they use to reach each other.",
        None,
        default_text="the address of `host`",
    )
    roles: tuple[str, ...] = key(
        ListOf(field_types.NAME),
        "Names that `on` may use. A server with the role `web` has a proxy.",
        (WEB, "worker"),
        default_text="`[web, worker]`",
    )

    @property
    def alone(self) -> Server:
        """The server without its cluster."""
        return Server(**{item.name: getattr(self, item.name) for item in fields(Server)})


def servers_on(servers: Iterable[ClusterServer], on: Collection[str]) -> tuple[str, ...]:
    """Hosts that an `on` names, by host or role, in the order of the file; all if it is empty."""
    return tuple(server.host for server in servers if not on or server.host in on or {*server.roles} & {*on})
