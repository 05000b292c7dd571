"""A server for one method, whose state is saved and restored between runs."""

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

from bench.transfer import measurement
from bench.transfer.links import LINKS, open_link
from bench.transfer.methods import ServerAccess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from lab.servers import Lab, Server, Store

    from bench.transfer.cases import Case
    from bench.transfer.images import AppImages
    from bench.transfer.links import Link, LinkTraffic
    from bench.transfer.measurement import Measurement
    from bench.transfer.methods import Method

RUN_SECONDS = 900.0
"""Seconds after which a run is stopped, and with it the benchmark."""

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
class RunResult:
    """Measurement of one run, and the result that FTL reports."""

    measurement: Measurement
    traffic: LinkTraffic
    said: dict[str, Any]


class MethodServer:
    """A method's server, with a home folder on both sides; a context manager.

    State is saved and restored by copying both home folders and removing containers, volumes and images that are not
    part of it from the server's engine.

    Args:
        lab: Starts the server.
        method: The method.
        images: The images that it sends.
        folder: An empty folder for its local files, with a short path: it contains sockets.
        name: The server's name.
    """

    def __init__(self, lab: Lab, method: Method, images: AppImages, folder: Path, *, name: str) -> None:
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
        """Start the server, and install what the method needs before any deploy."""
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
        """Restore the state before the first deploy."""
        self._restore("empty", ())

    def keep(self, case: Case) -> None:
        """Save the state after this case, for `back`, once the method has prepared its next run."""
        argv = self.method.prepare_next(self.images.reference(case.variant))
        if argv is not None:
            subprocess.run(argv, env=self._environment, check=True, timeout=RUN_SECONDS)
        self._server.run("sh", "-c", _COPY, "sh", _HOME, f"{_KEPT}-base")
        shutil.rmtree(self._folder / "base", ignore_errors=True)
        shutil.copytree(self._home, self._folder / "base", symlinks=True)
        self._kept = (self._tag(case),)

    def back(self) -> None:
        """Restore the state that was saved."""
        self._restore("base", self._kept)

    def bring_base(self, case: Case) -> None:
        """Deploy the first version without measuring it, and save that state."""
        self.empty()
        self.run(case, LINKS["loopback"])
        self.keep(case)

    def _restore(self, name: str, images: tuple[str, ...]) -> None:
        self._server.run("sh", "-c", _CLEAR, "sh", *images)
        self._server.run("sh", "-c", _COPY, "sh", f"{_KEPT}-{name}", _HOME)
        shutil.rmtree(self._home)
        shutil.copytree(self._folder / name, self._home, symlinks=True)
        self._untag(images)

    def _untag(self, kept: tuple[str, ...]) -> None:
        """Remove the local tags that pushing needs, and FTL's releases that are not in the saved state."""
        named = ("--filter", f"reference=127.0.0.1:{self._port}/*", "--filter", f"reference={self._project}")
        found = docker("images", "--format", "{{.Repository}}:{{.Tag}}", *named).stdout.decode().split()
        if names := [name for name in found if name not in kept]:
            docker("rmi", *names)

    # --- runs ---------------------------------------------------------------------------------------

    def run(self, case: Case, link: Link) -> RunResult:
        """Bring a case's image to the server, and verify it.

        Raises:
            SystemExit: The image is not on the server.
        """
        reference, tag = self.images.reference(case.variant), self._tag(case)
        with open_link(link, self._address, 22) as traffic, self._log.open("wb") as log:
            argv = self.method.argv(self._access(traffic.port), reference, tag)
            measured = measurement.run(
                argv, env=self._environment, log=log, server=self._first, timeout=RUN_SECONDS
            )
        said = self._log.read_text(errors="replace")
        if measured.exit_code != 0:
            raise SystemExit(f"{self.method.name}, {case.name}, {link.name}: {measured}\n{said[-3000:]}")
        layers = ("image", "inspect", "--format", "{{json .RootFS.Layers}}")
        if self._server.docker(*layers, tag) != docker(*layers, reference).stdout.decode().strip():
            raise SystemExit(f"{self.method.name}, {case.name}: another image has arrived\n{said[-3000:]}")
        return RunResult(measured, traffic, json.loads(said) if self.method.name == "ftl" else {})

    def _tag(self, case: Case) -> str:
        return self.method.tag(self.images.reference(case.variant), f"{self._project}:{case.name}")

    def _access(self, port: int) -> ServerAccess:
        """The server at a local port; writes the ssh configuration for it."""
        known_hosts, config = self._folder / "known_hosts", self._folder / "ssh"
        host_key = self._server.known_hosts.read_text().split(maxsplit=1)[1]
        known_hosts.write_text(f"[127.0.0.1]:{port} {host_key}")
        server = self._server
        access = ServerAccess("127.0.0.1", port, server.user, server.key, known_hosts, config, self._port)
        config.write_text(access.ssh_config())
        return access

    # --- registries ---------------------------------------------------------------------------------

    def _install(self) -> None:
        """Install a registry, and scripts that pull from one, in the server's home folder: without root."""
        files = [*_THERE.iterdir(), _program()]
        self._server.run("mkdir", "-p", f"{_HOME}/bench")
        for path in files:
            self._server.write(f"{_HOME}/bench/{path.name}", path.read_bytes())
        programs = [f"{_HOME}/bench/{path.name}" for path in files if not path.suffix]
        self._server.run("chmod", "0755", *programs)
        self._server.run("chown", "-R", "ftl:ftl", f"{_HOME}/bench")

    @contextmanager
    def _registry(self) -> Iterator[None]:
        """A local registry that runs all the time."""
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
    """A free port, the same for all runs, like a registry's."""
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        port: int = own.getsockname()[1]
        return port
