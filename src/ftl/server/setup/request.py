"""The options of one `ftl setup` run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.server.setup.ports import Port


@dataclass(frozen=True, slots=True)
class SetupRequest:
    """What `ftl setup` was asked for.

    Attributes:
        keys: The public keys that ssh would log in with here, the first of them for a server that knows none.
        docker_repository: Where Docker's own packages are, without the distribution's name.
        firewall: Whether to touch the firewall at all.
        allow: More ports that stay open.
        forwards: The ports that ftl.yaml opens past the proxy; the rules let them through as soon as they are
            deployed.
        insecure: The registries that the engine may use without a certificate that it trusts.
        swap: Bytes of swap, if the server has none.
        unattended_upgrades: Whether security updates are to install themselves.
        harden: Whether to end root's login and logins by password.
    """

    keys: tuple[str, ...] = ()
    docker_repository: str = "https://download.docker.com/linux"
    firewall: bool = True
    allow: tuple[Port, ...] = ()
    forwards: tuple[Port, ...] = ()
    insecure: tuple[str, ...] = ()
    swap: int = 0
    unattended_upgrades: bool = False
    harden: bool = False
