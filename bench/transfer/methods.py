"""The ways to bring an image to a server that are compared: each is a process, which runs from nothing to the end.

All but FTL's are shell scripts of a few lines around the docker and ssh commands; they are given what makes them quick:
one SSH connection for all that they do, and a registry that keeps what it had. The process that is measured makes the
connection and ends when the image has its name on the server.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True, slots=True)
class Way:
    """How a process reaches its server, over the link.

    Attributes:
        config: For `ssh -F`; the server is the host "server" of it.
        registry: The port here that leads to a registry or on which there is one.
    """

    host: str
    port: int
    user: str
    key: Path
    known_hosts: Path
    config: Path
    registry: int

    def written(self) -> str:
        """The ssh configuration."""
        return (
            f"Host server\n  HostName {self.host}\n  Port {self.port}\n  User {self.user}\n"
            f"  IdentityFile {self.key}\n  IdentitiesOnly yes\n  BatchMode yes\n"
            f"  UserKnownHostsFile {self.known_hosts}\n  GlobalKnownHostsFile /dev/null\n"
            f"  ControlPath {self.config}.mux\n"
        )


@dataclass(frozen=True, slots=True)
class Method:
    """One way.

    Attributes:
        family: Whose images it sends: see `images`.
        registry: Where its registry runs.
    """

    name: str
    family: str = "others"
    registry: Literal["there", "here"] | None = None

    def argv(self, way: Way, reference: str, tag: str) -> list[str]:
        """The process that brings the image `reference` of this machine to the server, as `tag`."""
        if self.name == "ftl":
            server = {
                "host": way.host,
                "port": way.port,
                "user": way.user,
                "key": str(way.key),
                "known_hosts": str(way.known_hosts),
            }
            return [sys.executable, "-m", "bench.transfer.ftl_send", json.dumps(server), reference, tag]
        argv = [str(SCRIPTS / f"{self.name}.sh"), str(way.config), reference]
        return [*argv, str(way.registry)] if self.registry else argv

    def tag(self, reference: str, release: str) -> str:
        """The image's name on the server: FTL's releases each have their own, the others keep the name."""
        return release if self.name == "ftl" else reference


METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("ftl", family="ftl"),
        Method("save-load"),
        Method("registry", registry="there"),
        Method("registry-reverse", registry="here"),
        Method("original"),
    )
}
"""The order in which they take turns."""
