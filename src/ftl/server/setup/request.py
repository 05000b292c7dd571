"""The options of one `ftl setup` run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from ftl.server.setup.ports import ServerPort


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """The desired setup.

    Attributes:
        keys: The public keys that ssh would log in with from this machine; the first is authorised on a server that
            accepts none of them.
        docker_repository: The URL of Docker's own packages, without the distribution's name.
        forwards: The ports that ftl.yaml publishes past the proxy; the firewall lets them through once they are
            deployed.
        insecure: Registries that the engine may use without a trusted certificate.
        swap: Bytes of swap to add if the server has none.
        cluster: Name of the project whose servers become one cluster; empty for a project on one server.
        peers: Addresses of the project's other servers, which may use the ports of Swarm mode; empty for one server.
        harden: Whether to disable root login and password authentication.
    """

    keys: tuple[str, ...] = ()
    docker_repository: str = "https://download.docker.com/linux"
    firewall: bool = True
    allow: tuple[ServerPort, ...] = ()
    forwards: tuple[ServerPort, ...] = ()
    insecure: tuple[str, ...] = ()
    swap: int = 0
    unattended_upgrades: bool = False
    cluster: str = ""
    peers: tuple[str, ...] = ()
    harden: bool = False
