"""THERE in one command: what a server tells about itself to a user without rights. Read-only."""

from __future__ import annotations

import ipaddress
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ftl.image.transfer.remote.scripts import IMAGES_FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftl.ssh.machine import Machine

SECONDS = 10.0

# Interfaces that Docker made, for FTL too: nobody outside reaches their addresses.
_BRIDGE = re.compile(r"docker\d|br-[0-9a-f]{12}|ftl-|veth")

# Each line is a name, a tab and a value; names repeat. $1 is where Docker keeps, or will keep, its data, $2 its store.
# Nothing here needs rights: df asks about the path itself, which every user may, and /proc's tables are public. Which
# program holds a port is root's to know; which web servers run is not, and systemd's list leaves out those in
# containers.
SCRIPT = (
    IMAGES_FOLDER
    + r"""
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin
lines() { while IFS= read -r line; do printf '%s\t%s\n' "$1" "$line"; done; }
date +%s | lines time
id -un | lines user
( . /etc/os-release && printf '%s\n' "$PRETTY_NAME" ) 2>/dev/null | lines system
grep -E '^(MemTotal|MemAvailable|SwapTotal):' /proc/meminfo | lines memory
printf '%s\n' "$images" | lines root
while [ ! -e "$images" ]; do images=$(dirname -- "$images"); done
df -Pk -- "$images" 2>/dev/null | tail -n 1 | lines disk
df -Pi -- "$images" 2>/dev/null | tail -n 1 | lines inodes
command -v zstd | lines zstd
printf '%s\n' "${SSH_CONNECTION-}" | lines connection
{ ip -o addr show scope global || hostname -I | tr ' ' '\n' | sed 's/^/- - - /'; } 2>/dev/null | lines address
sed -nE 's,^allow ([0-9]+)/tcp$,\1,p' /etc/ftl/firewall.conf 2>/dev/null | lines allowed
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep ' 0A ' | lines listener
web='nginx apache2 lighttpd haproxy caddy traefik varnish'
if units=$(systemctl list-units --plain --no-legend --state=active $(printf '%s.service ' $web) 2>/dev/null); then
    printf '%s\n' "$units" | sed -n 's/\.service .*//p' | lines program
else
    cat /proc/[0-9]*/comm 2>/dev/null | sort -u | grep -xF "$(printf '%s\n' $web)" | lines program
fi
true
"""
)


@dataclass(frozen=True, slots=True)
class ListeningPort:
    """A TCP port that something on the server listens on."""

    address: str
    port: int

    @property
    def is_everywhere(self) -> bool:
        """Whether it listens on all of the server's addresses."""
        return ipaddress.ip_address(self.address).is_unspecified


@dataclass(frozen=True, slots=True)
class FreeSpace:
    """Bytes (or inodes) of a file system: all that users may have, and what is left."""

    total: int
    free: int

    @property
    def share(self) -> float:
        """The part that is left, 0 to 1."""
        return self.free / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server said.

    Attributes:
        skew: Seconds by which its clock is ahead of ours, as far as the time that the question took lets one say.
        memory: Bytes: "MemTotal", "MemAvailable", "SwapTotal".
        root: Where images are kept; `disk` and `inodes` are those of its file system.
        addresses: Its own, without loopback.
        programs: Web servers that run there, by name.
        allowed: The TCP ports that the firewall of `ftl setup` was told to let through.
    """

    user: str
    system: str
    skew: float
    memory: dict[str, int]
    root: str
    disk: FreeSpace | None
    inodes: FreeSpace | None
    has_zstd: bool
    addresses: tuple[str, ...]
    listeners: tuple[ListeningPort, ...]
    programs: tuple[str, ...]
    allowed: tuple[int, ...]


async def gather_facts(machine: Machine, *, root: str, store: str) -> ServerFacts:
    """Ask a machine about itself: one command.

    Args:
        machine: Which one.
        root: Its engine's data directory.
        store: Where its engine keeps images: "overlay2", "containerd".

    Raises:
        ServerError: It does not answer (any more).
    """
    before = time.time()
    done = await machine.run(["sh", "-c", SCRIPT, "sh", root, store], timeout=SECONDS)
    return read(done.stdout.decode(errors="replace"), asked=before, answered=time.time())


def read(output: str, *, asked: float, answered: float) -> ServerFacts:
    """Read the script's output.

    Args:
        output: What it printed. What is missing or odd is left out.
        asked: Our time before, in seconds since 1970.
        answered: The same, after.
    """
    said: dict[str, list[str]] = {}
    for line in output.splitlines():
        name, tab, value = line.partition("\t")
        if tab:
            said.setdefault(name, []).append(value)
    return ServerFacts(
        user=_first(said, "user"),
        system=_first(said, "system"),
        skew=_skew(_first(said, "time"), asked, answered),
        memory=_memory(said.get("memory", ())),
        root=_first(said, "root"),
        disk=_room(_first(said, "disk"), 1024),
        inodes=_room(_first(said, "inodes"), 1),
        has_zstd="zstd" in said,
        addresses=_addresses(said.get("address", ()), _first(said, "connection")),
        listeners=tuple(dict.fromkeys(filter(None, map(listener, said.get("listener", ()))))),
        programs=tuple(said.get("program", ())),
        allowed=tuple(int(port) for port in said.get("allowed", ()) if port.isdecimal() and len(port) < 6),
    )


def _first(said: dict[str, list[str]], name: str) -> str:
    return said.get(name, [""])[0].strip()


def _skew(there: str, asked: float, answered: float) -> float:
    """How far outside of the time between question and answer the server's (whole) second lies."""
    if not there.isdigit():
        return 0.0
    moment = int(there)
    return min(moment + 1 - asked, 0.0) or max(moment - answered, 0.0)


def _memory(lines: Sequence[str]) -> dict[str, int]:
    """/proc/meminfo: `MemTotal:  4015976 kB`."""
    words = [line.split() for line in lines]
    return {word[0].rstrip(":"): int(word[1]) * 1024 for word in words if len(word) > 1 and word[1].isdigit()}


def _room(line: str, unit: int) -> FreeSpace | None:
    """A line of `df -P`: file system, total, used, free, capacity, mount point."""
    words = line.split()
    if len(words) < 6 or not (words[2].isdigit() and words[3].isdigit()):
        return None
    used, free = int(words[2]) * unit, int(words[3]) * unit
    return FreeSpace(used + free, free)  # what is reserved for root is in neither


def _addresses(lines: Sequence[str], connection: str) -> tuple[str, ...]:
    """The address at which sshd was reached ($SSH_CONNECTION's third word), and those of `ip -o addr`."""
    words = [line.split() for line in lines]
    found = [word[3].partition("/")[0] for word in words if len(word) > 3 and not _BRIDGE.match(word[1])]
    candidates = [*connection.split()[2:3], *found]
    return tuple(dict.fromkeys(one for one in candidates if _is_address(one)))


def _is_address(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def listener(row: str) -> ListeningPort | None:
    """A row of /proc/net/tcp or tcp6 (proc(5)): the local address is hexadecimal words in the machine's order.

    All that FTL deploys to (amd64, arm64) is little-endian.
    """
    words = row.split()
    if len(words) < 4:
        return None
    digits, _, port = words[1].partition(":")
    try:
        raw = bytes.fromhex(digits)
        packed = b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))
        address = ipaddress.ip_address(packed)
        mapped = getattr(address, "ipv4_mapped", None)
        return ListeningPort(str(mapped or address), int(port, 16))
    except ValueError:
        return None
