"""A sample server for the tests of doctor: its facts, and containers on it."""

from __future__ import annotations

from ftl.engine import labels
from ftl.engine.values import Container, PublishedPort
from ftl.server.doctor.facts import read

OUTPUT = """\
Last login: never
time\t1000
user\tdeploy
os-release\tPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
memory\tMemTotal:        4015976 kB
memory\tMemAvailable:    1003994 kB
memory\tSwapTotal:             0 kB
root\t/var/lib/docker
disk\t/dev/vda1 40000000 30000000 8000000 79% /
inodes\t/dev/vda1 2500000 100000 2400000 4% /
zstd\tyes
connection\t198.51.100.7 51234 203.0.113.5 22
address\t2: eth0    inet 10.0.0.2/24 brd 10.0.0.255 scope global eth0
address\t2: eth0    inet6 2001:db8::5/64 scope global
address\t3: docker0    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0
address\t7: br-0123456789ab    inet 172.18.0.1/16 scope global br-0123456789ab
address\t8: ftl-9a8b7c    inet 172.19.0.1/16 scope global ftl-9a8b7c
tcp\t00000000:1538
tcp\t0100007F:0CEA
tcp\t00000000000000000000000000000000:0016
tcp\tnonsense
web-server\tnginx
allowed\t22
allowed\t8443
allowed\tnonsense
"""

FACTS = read(OUTPUT, asked_at=1000.2, answered=1000.4)


def container(name: str, *published: PublishedPort, role: str | None = None) -> Container:
    """A running container, one of FTL's if it has a role."""
    container_labels = {labels.ROLE: role} if role else {}
    return Container(
        name[0] * 12, name, f"{name}:1", "sha256:0", container_labels, "running", "Up", 0, (), published
    )


def published(
    host_port: int, address: str = "0.0.0.0", inside: int = 0, protocol: str = "tcp"
) -> PublishedPort:
    """A port of a container that the server publishes."""
    return PublishedPort(inside or host_port, protocol, address, host_port)


PROXY = container("ftl-proxy", published(80), published(443), role=labels.ROLE_PROXY)
DATABASE = container("db", published(15432, inside=5432))
FORWARDED = container("shop-mail-r1", published(2525), role=labels.ROLE_SERVICE)
INNER = container("cache", published(6379, "127.0.0.1"))
