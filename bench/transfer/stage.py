"""A server of one method's own and a user who knows no other: what a run begins with is what this method left."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from lab import prepare
from lab.place import ROOT
from lab.server import docker
from tests.harness import environment

from bench.transfer import measuring
from bench.transfer.links import LINKS, opened
from bench.transfer.methods import Way

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from lab.servers import Lab, Server, Store

    from bench.transfer.cases import Case
    from bench.transfer.images import Images
    from bench.transfer.links import Carried, Link
    from bench.transfer.measuring import Measured
    from bench.transfer.methods import Method

RUN_SECONDS = 900.0
"""A run that takes longer is stopped, and so is the benchmark."""

_REGISTRY = prepare.Tool("docker-registry", "docker-registry")
_THERE = Path(__file__).parent / "there"
_HOME = "/home/ftl"
_KEPT = "/var/lib/bench-kept"
_READY_SECONDS = 10.0

_COPY = 'rm -rf "$2" && cp -a "$1" "$2"'
_CLEAR = """\
docker ps --all --quiet | xargs -r docker rm --force --volumes
docker volume ls --quiet | xargs -r docker volume rm --force
docker images --format '{{.Repository}}:{{.Tag}}' | grep -v '<none>' > /tmp/names
for kept; do grep -vxF "$kept" /tmp/names > /tmp/rest; mv /tmp/rest /tmp/names; done
xargs -r -a /tmp/names docker rmi --force
docker image prune --force
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took, and what the method says of it (FTL does)."""

    measured: Measured
    carried: Carried
    said: dict[str, Any]


class Stage:
    """A method's server, its home there and here; a context manager.

    State is kept and put back by copying both homes and removing what is not of the state from the server's engine:
    containers, volumes and images.

    Args:
        lab: Where the server is started.
        method: The method.
        images: What it sends.
        folder: An empty folder for its files here, whose path is short: there are sockets in it.
        name: The server's.
    """

    def __init__(self, lab: Lab, method: Method, images: Images, folder: Path, *, name: str) -> None:
        self.name = name
        self.method = method
        self.images = images
        self._lab = lab
        self._folder = folder
        self._home = folder / "home"
        self._log = folder / "log"
        self._port = _free_port()
        self._project = f"{lab.run}-{name}"
        self._kept: tuple[str, ...] = ()
        self._stack = ExitStack()
        self._server: Server
        self._environment: dict[str, str] = {}
        self._address = ""
        self._first = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._untag(())

    def start(self, suite: str, store: Store) -> None:
        """Start the server, and what of the method is there before any deploy."""
        self._server = self._lab.server(self.name, suite=suite, store=store)
        self._address = self._server.address
        state = docker("container", "inspect", "--format", "{{.State.Pid}}", self._server.container)
        self._first = int(state.stdout)
        self._environment = environment(self._home) | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        if self.method.registry is not None:
            self._install()
        if self.method.registry == "here":
            self._stack.enter_context(self._registry())
        self._server.run("sh", "-c", _COPY, "sh", _HOME, f"{_KEPT}-empty")
        shutil.copytree(self._home, self._folder / "empty", symlinks=True)

    # --- state --------------------------------------------------------------------------------------

    def empty(self) -> None:
        """As before the first deploy."""
        self._put_back("empty", ())

    def keep(self, case: Case) -> None:
        """What is there now, after this case, is the state that `back` leads to."""
        self._server.run("sh", "-c", _COPY, "sh", _HOME, f"{_KEPT}-base")
        shutil.rmtree(self._folder / "base", ignore_errors=True)
        shutil.copytree(self._home, self._folder / "base", symlinks=True)
        self._kept = (self._tag(case),)

    def back(self) -> None:
        """As it was kept."""
        self._put_back("base", self._kept)

    def bring_base(self, case: Case) -> None:
        """Deploy the first version, over a link of which nothing is measured, and keep that state."""
        self.empty()
        self.run(case, LINKS["loopback"])
        self.keep(case)

    def _put_back(self, name: str, images: tuple[str, ...]) -> None:
        self._server.run("sh", "-c", _CLEAR, "sh", *images)
        self._server.run("sh", "-c", _COPY, "sh", f"{_KEPT}-{name}", _HOME)
        shutil.rmtree(self._home)
        shutil.copytree(self._folder / name, self._home, symlinks=True)
        self._untag(images)

    def _untag(self, kept: tuple[str, ...]) -> None:
        """Remove the names that pushing needs here, and FTL's releases but those that are kept."""
        named = ("--filter", f"reference=127.0.0.1:{self._port}/*", "--filter", f"reference={self._project}")
        found = docker("images", "--format", "{{.Repository}}:{{.Tag}}", *named).stdout.decode().split()
        if names := [name for name in found if name not in kept]:
            docker("rmi", *names)

    # --- runs ---------------------------------------------------------------------------------------

    def run(self, case: Case, link: Link) -> Run:
        """Bring a case's image to the server, and see that it is there.

        Raises:
            SystemExit: It is not.
        """
        reference, tag = self.images.reference(case.variant), self._tag(case)
        with opened(link, self._address, 22) as carried, self._log.open("wb") as log:
            argv = self.method.argv(self._way(carried.port), reference, tag)
            measured = measuring.run(
                argv, env=self._environment, log=log, server=self._first, timeout=RUN_SECONDS
            )
        said = self._log.read_text(errors="replace")
        if measured.exit_code != 0:
            raise SystemExit(f"{self.method.name}, {case.name}, {link.name}: {measured}\n{said[-3000:]}")
        layers = ("image", "inspect", "--format", "{{json .RootFS.Layers}}")
        if self._server.docker(*layers, tag) != docker(*layers, reference).stdout.decode().strip():
            raise SystemExit(f"{self.method.name}, {case.name}: another image has arrived\n{said[-3000:]}")
        return Run(measured, carried, json.loads(said) if self.method.name == "ftl" else {})

    def _tag(self, case: Case) -> str:
        return self.method.tag(self.images.reference(case.variant), f"{self._project}:{case.name}")

    def _way(self, port: int) -> Way:
        """The server at a port here; writes what ssh needs for it."""
        known_hosts, config = self._folder / "known_hosts", self._folder / "ssh"
        host_key = self._server.known_hosts.read_text().split(maxsplit=1)[1]
        known_hosts.write_text(f"[127.0.0.1]:{port} {host_key}")
        server = self._server
        way = Way("127.0.0.1", port, server.user, server.key, known_hosts, config, self._port)
        config.write_text(way.written())
        return way

    # --- registries ---------------------------------------------------------------------------------

    def _install(self) -> None:
        """Put a registry, and what pulls from one, into the server's home, as a user without rights could."""
        files = [*_THERE.iterdir(), _program()]
        self._server.run("mkdir", "-p", f"{_HOME}/bench")
        for path in files:
            self._server.write(f"{_HOME}/bench/{path.name}", path.read_bytes())
        programs = [f"{_HOME}/bench/{path.name}" for path in files if not path.suffix]
        self._server.run("chmod", "0755", *programs)
        self._server.run("chown", "-R", "ftl:ftl", f"{_HOME}/bench")

    @contextmanager
    def _registry(self) -> Iterator[None]:
        """A registry here that is always there."""
        settings = {
            "REGISTRY_HTTP_ADDR": f"127.0.0.1:{self._port}",
            "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(self._home / "registry"),
        }
        argv = (str(_program()), "serve", str(_THERE / "registry.yml"))
        quiet = subprocess.DEVNULL
        with subprocess.Popen(
            argv, env={**os.environ, **settings}, stdin=quiet, stdout=quiet, stderr=quiet
        ) as process:
            try:
                deadline = time.monotonic() + _READY_SECONDS
                while not _answers(self._port):
                    if process.poll() is not None or time.monotonic() > deadline:
                        raise SystemExit("docker-registry does not start")
                    time.sleep(0.05)
                yield
            finally:
                process.terminate()


def _program() -> Path:
    prepare.ensure((_REGISTRY,))
    found = shutil.which(_REGISTRY.program)
    assert found is not None
    return Path(found)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _free_port() -> int:
    """A port that nobody uses now: fixed for all runs, as that of a registry is."""
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        port: int = own.getsockname()[1]
        return port
