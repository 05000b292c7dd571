"""Local state of a sandbox: its key pair, its host keys and its addresses."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ftl.common.json_fields import parse_json
from ftl.common.next_step import ftl
from ftl.config.models.project import ClusterServer, Server
from ftl.dataclass import dataclass
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

DEFAULT = "sandbox"
VARIABLE = "FTL_SANDBOX"

_LOCAL = "localhost"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class SandboxAddress:
    """Address of a sandbox's server, as this machine reaches it, and the key to log in with.

    Attributes:
        known_hosts: Holds the sandbox's host keys, and no other.
        http_port: The port of `host` that is the sandbox's port 80.
        https_port: The port of `host` that is the sandbox's port 443.
        private_address: Where the other servers of the sandbox reach it; empty where it has one.
    """

    host: str
    port: int
    user: str
    key: Path
    known_hosts: Path
    http_port: int
    https_port: int
    private_address: str = ""

    @property
    def server(self) -> Server:
        """The address as a `server` section of an ftl.yaml, with its known_hosts file."""
        return Server(
            host=self.host,
            port=self.port,
            user=self.user,
            ssh_key=str(self.key),
            known_hosts=self.known_hosts,
            keep_connection=0,
            has_visitors=False,
        )

    @property
    def cluster_server(self) -> ClusterServer:
        """The address as an item of `servers`, for a server of any name."""
        return ClusterServer(
            host=self.host,
            port=self.port,
            user=self.user,
            ssh_key=str(self.key),
            known_hosts=self.known_hosts,
            keep_connection=0,
            has_visitors=False,
            connect_to=self.host,
            private_address=self.private_address,
        )

    @property
    def urls(self) -> tuple[str, str]:
        """The proxy's HTTP and HTTPS URLs, for a browser on this machine."""
        return f"http://{self.host}:{self.http_port}", f"https://{self.host}:{self.https_port}"

    def urls_of(self, hosts: Collection[str], *, tls: bool, by_address: bool) -> tuple[str, ...]:
        """The URLs at which a browser on this machine reaches a project.

        Of the hosts of its routes only localhost and names below it resolve to this machine (RFC 6761). HTTPS works by
        name only: certificates are for names. `by_address`: requests to the bare address reach this project, and not
        another or none.
        """
        if not hosts:
            return ()
        local = sorted(host for host in hosts if host == _LOCAL or host.endswith(f".{_LOCAL}"))
        named = [f"http://{host}:{self.http_port}" for host in local]
        secured = [f"https://{host}:{self.https_port}" for host in local] if tls else []
        return (*([self.urls[0]] if by_address else named), *secured)

    def by_name(self, host: str) -> str:
        """The curl command that requests a host by its name while DNS does not lead here."""
        return f"curl --connect-to ::{self.host}:{self.http_port} http://{host}"

    @property
    def ssh(self) -> str:
        """The ssh command that logs in, ready to be pasted into a shell."""
        options = ("-i", str(self.key), "-p", str(self.port), "-o", f"UserKnownHostsFile={self.known_hosts}")
        return shlex.join(("ssh", *options, f"{self.user}@{self.host}"))

    def fields(self) -> dict[str, object]:
        """The address as JSON fields."""
        stored = {**asdict(self), "key": str(self.key), "known_hosts": str(self.known_hosts)}
        if not self.private_address:
            del stored["private_address"]
        return stored


@dataclass(frozen=True, slots=True)
class Home:
    """The folder in the user's state directory that belongs to one sandbox."""

    folder: Path

    @classmethod
    def of(cls, name: str | None = None) -> Home:
        """The folder of the sandbox `name`; by default $FTL_SANDBOX, else "sandbox".

        Raises:
            UsageError: The name is not valid.
        """
        from platformdirs import user_state_path

        name = name or os.environ.get(VARIABLE) or DEFAULT
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"`{name}` is not a valid sandbox name",
                hint="use lowercase letters, digits and dashes, at most 40",
            )
        return cls(user_state_path("ftl") / "sandbox" / name)

    @property
    def name(self) -> str:
        """The sandbox's name."""
        return self.folder.name

    def others(self) -> list[str]:
        """Names of the user's other sandboxes."""
        records = self.folder.parent.glob(f"*/{self._record.name}")
        return sorted(record.parent.name for record in records if record.parent != self.folder)

    @property
    def container(self) -> str:
        """The name of the container that is the sandbox, or its first server."""
        return "ftl-sandbox" if self.name == DEFAULT else f"ftl-sandbox-{self.name}"

    def containers(self, servers: int) -> tuple[str, ...]:
        """The names of the containers of a number of servers; no sandbox's name has a dot."""
        return (self.container, *(f"{self.container}.{number}" for number in range(2, servers + 1)))

    @property
    def is_made(self) -> bool:
        """Whether its making has come to the end: only then somebody can log in."""
        return self.key.exists() and self._record.exists()

    @property
    def network(self) -> str:
        """The name of the network of several servers."""
        return self.container

    @property
    def key(self) -> Path:
        """The private key; the public one is next to it."""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The file with the host keys."""
        return self.folder / "known_hosts"

    def save(self, addresses: Sequence[SandboxAddress], host_keys: Sequence[str]) -> None:
        """Write the addresses and host keys of the sandbox's servers."""
        known = [
            f"[{address.host}]:{address.port} {key}\n"
            for address, key in zip(addresses, host_keys, strict=True)
        ]
        _write(self.known_hosts, "".join(known))
        first, *others = [address.fields() for address in addresses]
        record = {**first, "others": others} if others else first
        _write(self._record, json.dumps(record) + "\n")

    def addresses(self) -> tuple[SandboxAddress, ...]:
        """The saved addresses of its servers; empty where there is no sandbox."""
        try:
            fields = parse_json(self._record.read_text())
        except FileNotFoundError:
            return ()
        others = fields.pop("others", [])
        return tuple(_restored(each) for each in (fields, *others))

    def remove(self) -> None:
        """Remove the folder with its keys."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Exclude other commands on the same sandbox; the lock ends with this process at the latest.

        Raises:
            UsageError: Another command has the lock.
        """
        path = self.folder.with_suffix(".lock")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(path) as file:
            if file is None:
                raise UsageError(
                    f"another `ftl sandbox` command is working on the sandbox `{self.name}`",
                    hint="wait for it to finish, or choose another name with --name",
                )
            yield

    @property
    def _record(self) -> Path:
        return self.folder / "address.json"


def addresses(name: str | None = None) -> tuple[SandboxAddress, ...]:
    """The addresses of a running sandbox's servers; by default $FTL_SANDBOX, else "sandbox".

    Reads what `ftl sandbox up` saved and does not ask the engine.

    Raises:
        UsageError: There is none; another one is named.
    """
    home = Home.of(name)
    saved = home.addresses()
    if not saved:
        start = (
            f"start one: {ftl('sandbox up' if home.name == DEFAULT else f'sandbox up --name {home.name}')}"
        )
        others = home.others()
        if not others:
            raise UsageError("no sandbox is running", hint=start)
        raise UsageError(
            f"no sandbox `{home.name}` is running; there is {', '.join(f'`{name}`' for name in others)}",
            hint=f"{VARIABLE}={others[0]} before a command chooses that one; or {start}",
        )
    return saved


def _restored(fields: Mapping[str, Any]) -> SandboxAddress:
    return SandboxAddress(
        **{**fields, "key": Path(fields["key"]), "known_hosts": Path(fields["known_hosts"])}
    )


@contextmanager
def _locked(path: Path) -> Iterator[TextIO | None]:
    """Take flock(2) on a file, and remove it afterwards; None: another process has it."""
    import fcntl

    while True:
        with path.open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
                continue  # its last owner removed it between our open and our lock
            try:
                yield file
            finally:
                path.unlink(missing_ok=True)
            return


def _write(path: Path, text: str) -> None:
    """Write a private file whole or not at all."""
    partial = path.with_name(path.name + ".new")
    partial.touch(mode=0o600)
    partial.write_text(text)
    partial.replace(path)
