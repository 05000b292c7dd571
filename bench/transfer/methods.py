"""Methods of bringing an image to a server: each is one process.

All but FTL's are shell scripts of a few lines around the docker and ssh commands; they get what makes them fast: one
SSH connection for everything, and a registry that keeps its content. The process that is measured makes the
connection and ends when the image has its tag on the server.
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
class ServerAccess:
    """Address and credentials of a server, over the link.

    Attributes:
        config: For `ssh -F`, with the server as the host "server".
        registry: The local port of a registry, or of the forward to one.
    """

    host: str
    port: int
    user: str
    key: Path
    known_hosts: Path
    config: Path
    registry: int

    def ssh_config(self) -> str:
        """The text of the ssh configuration."""
        return (
            f"Host server\n  HostName {self.host}\n  Port {self.port}\n  User {self.user}\n"
            f"  IdentityFile {self.key}\n  IdentitiesOnly yes\n  BatchMode yes\n"
            f"  UserKnownHostsFile {self.known_hosts}\n  GlobalKnownHostsFile /dev/null\n"
            f"  ControlPath {self.config}.mux\n"
        )


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    Attributes:
        family: The family of its images; see `images`.
        registry: The side on which its registry runs.
    """

    name: str
    family: str = "others"
    registry: Literal["there", "here"] | None = None

    def argv(self, server: ServerAccess, reference: str, tag: str) -> list[str]:
        """The process that brings the local image `reference` to the server, as `tag`."""
        if self.name == "ftl":
            address = {
                "host": server.host,
                "port": server.port,
                "user": server.user,
                "key": str(server.key),
                "known_hosts": str(server.known_hosts),
            }
            return [sys.executable, "-m", "bench.transfer.ftl_send", json.dumps(address), reference, tag]
        argv = [str(SCRIPTS / f"{self.name}.sh"), str(server.config), reference]
        return [*argv, str(server.registry)] if self.registry else argv

    def prepare_next(self, reference: str) -> list[str] | None:
        """The process that runs after a deploy: FTL learns the blobs of an image while it waits for containers."""
        if self.name != "ftl":
            return None
        return [sys.executable, "-m", "bench.transfer.ftl_send", "warm", reference]

    def tag(self, reference: str, release: str) -> str:
        """The image's tag on the server: FTL has one for each release, other methods keep the name."""
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
"""In the order in which they take turns."""
