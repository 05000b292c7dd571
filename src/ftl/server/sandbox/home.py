"""Local state of a sandbox: its key pair, its host key and its address."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ftl.common.json_fields import parse_json
from ftl.config import Server
from ftl.dataclass import dataclass
from ftl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

DEFAULT = "sandbox"
VARIABLE = "FTL_SANDBOX"

_LOCAL = "localhost"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, slots=True)
class SandboxAddress:
    """Address of a sandbox, as this machine reaches it, and the key to log in with.

    Attributes:
        key: The private key that `user` logs in with.
        known_hosts: Holds the sandbox's host key, and no other.
        http_port: The port of `host` that is the sandbox's port 80.
        https_port: The port of `host` that is the sandbox's port 443.
    """

    host: str
    port: int
    user: str
    key: Path
    known_hosts: Path
    http_port: int
    https_port: int

    @property
    def server(self) -> Server:
        """The address as a `server` section of an ftl.yaml, with its known_hosts file."""
        return Server(
            host=self.host,
            port=self.port,
            user=self.user,
            ssh_key=str(self.key),
            known_hosts=self.known_hosts,
        )

    @property
    def urls(self) -> tuple[str, str]:
        """The proxy's HTTP and HTTPS URLs, for a browser on this machine."""
        return f"http://{self.host}:{self.http_port}", f"https://{self.host}:{self.https_port}"

    def urls_of(self, hosts: Collection[str], *, tls: bool, by_address: bool) -> tuple[str, ...]:
        """The URLs at which a browser on this machine reaches a project.

        Args:
            hosts: The hosts of its routes. Only localhost and names below it resolve to this machine (RFC 6761).
            tls: Whether it serves HTTPS, which works by name only: certificates are for names.
            by_address: Whether requests to the bare address reach this project, and not another or none.
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
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "key": str(self.key),
            "known_hosts": str(self.known_hosts),
            "http_port": self.http_port,
            "https_port": self.https_port,
        }


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

    @property
    def container(self) -> str:
        """The name of the container that is the sandbox."""
        return "ftl-sandbox" if self.name == DEFAULT else f"ftl-sandbox-{self.name}"

    @property
    def key(self) -> Path:
        """The private key; the public one is beside it."""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The file with the host key."""
        return self.folder / "known_hosts"

    def save(self, address: SandboxAddress, host_key: str) -> None:
        """Write the sandbox's address and host key."""
        _write(self.known_hosts, f"[{address.host}]:{address.port} {host_key}\n")
        _write(self._record, json.dumps(address.fields()) + "\n")

    def address(self) -> SandboxAddress | None:
        """The saved address; None where there is none."""
        try:
            fields = parse_json(self._record.read_text())
        except FileNotFoundError:
            return None
        return SandboxAddress(
            **{**fields, "key": Path(fields["key"]), "known_hosts": Path(fields["known_hosts"])}
        )

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


def address(name: str | None = None) -> SandboxAddress:
    """The address of a running sandbox; by default $FTL_SANDBOX, else "sandbox".

    Reads what `ftl sandbox up` saved and does not ask the engine.

    Raises:
        UsageError: There is none.
    """
    home = Home.of(name)
    saved = home.address()
    if saved is None:
        option = "" if home.name == DEFAULT else f" --name {home.name}"
        raise UsageError("no sandbox is running", hint=f"start one: `ftl sandbox up{option}`")
    return saved


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
