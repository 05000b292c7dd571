"""The network of a cluster, tried with real packets between containers on all servers."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from ftl.aio import gather, shielded
from ftl.common.programs import program
from ftl.dataclass import dataclass
from ftl.engine import labels
from ftl.engine.tarball import tar_archive
from ftl.errors import FtlError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ftl.host.session import Session

SECONDS = 12
"""For names to be known and packets to pass; on a busy machine of the lab 3 to 5."""

_START_SECONDS = 60
"""For the start of all containers of a trial, on a slow machine."""

_IMAGE = "ftl-trial:latest"
_PERL = "/usr/bin/perl"


@dataclass(frozen=True, slots=True)
class LostPackets:
    """Packets that do not pass between two servers.

    Attributes:
        kind: "silent" (nothing passes), "small" (only small packets), or "name" (the name has no address).
        mtu: Of the network's interface in the sender's container.
    """

    sender: str
    receiver: str
    kind: str
    mtu: int

    def __str__(self) -> str:
        way = f"from {self.sender} to {self.receiver}"
        if self.kind == "small":
            return f"small packets pass {way}, and those of {self.mtu} bytes, the network's MTU, do not"
        if self.kind == "name":
            return f"{self.sender} does not find a container on {self.receiver} by its name"
        return f"no packet passes {way} and back"


async def lost_packets(
    sessions: Sequence[Session], network: str, project: str, *, seconds: int = SECONDS
) -> list[LostPackets]:
    """Send datagrams between containers on each pair of servers; the pairs that lost something.

    Small and full ones, in an attachable network. The containers run Perl from the server's own disk, so no image has
    to be there; they are removed again, and remove themselves soon if this is killed.
    """
    run = secrets.token_hex(4)
    names = [f"ftl-trial-{run}-{number}" for number in range(len(sessions))]
    try:
        await gather(
            _serve(session, name, network, project, seconds + _START_SECONDS)
            for session, name in zip(sessions, names, strict=True)
        )
        outputs = await gather(
            _try(session, name, [other for other in names if other != name], seconds)
            for session, name in zip(sessions, names, strict=True)
        )
    finally:
        removing = (_remove(session, name) for session, name in zip(sessions, names, strict=True))
        await shielded(gather(removing))
    hosts = dict(zip(names, (session.name for session in sessions), strict=True))
    return [
        lost
        for session, output in zip(sessions, outputs, strict=True)
        for lost in _read(session.name, output, hosts)
    ]


def _read(sender: str, output: str, hosts: dict[str, str]) -> list[LostPackets]:
    rows = [line.split() for line in output.splitlines()]
    return [
        LostPackets(sender, hosts.get(row[1], row[1]), row[0], int(row[2]))
        for row in rows
        if len(row) == 3 and row[0] in ("silent", "small", "name") and row[2].isdecimal()
    ]


async def _serve(session: Session, name: str, network: str, project: str, seconds: int) -> None:
    engine = session.engine
    await engine.import_archive(_IMAGE, _empty_image())
    folders = ["/usr", "/lib", "/bin"]
    folders += ["/lib64"] if session.info.platform.startswith("linux/amd64") else []
    await engine.create_raw(
        name,
        {
            "Image": _IMAGE,
            "Cmd": [_PERL, "-e", program("ftl.server.cluster", "overlay.pl"), "serve", str(seconds)],
            "Labels": {labels.PROJECT: project, labels.ROLE: labels.ROLE_CLUSTER},
            "HostConfig": {
                "AutoRemove": True,
                "NetworkMode": network,
                "Mounts": [
                    {"Type": "bind", "Source": folder, "Target": folder, "ReadOnly": True}
                    for folder in folders
                ],
            },
        },
    )
    await engine.start(name)


async def _empty_image() -> AsyncIterator[bytes]:
    yield tar_archive({}, folders=("tmp",))


async def _try(session: Session, name: str, others: Sequence[str], seconds: int) -> str:
    argv = (_PERL, "-e", program("ftl.server.cluster", "overlay.pl"), "try", str(seconds), *others)
    done = await session.engine.execute(name, argv, seconds=seconds + 30.0)
    if done.exit_code:
        raise FtlError(f"the network could not be tested on {session.name}", cause=done.message or None)
    return done.text


async def _remove(session: Session, name: str) -> None:
    with suppress(FtlError):
        await session.engine.remove(name, force=True)
    with suppress(FtlError):
        await session.engine.untag(_IMAGE)
