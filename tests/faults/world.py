"""Fault-test world: a project under load, a neighbour, and foreign objects with close names."""

from __future__ import annotations

import itertools
import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lab import images
from lab.load import Load, Request, Target
from lab.server import docker
from lab.servers import INIT_SCRIPT, PUT_INIT_SCRIPT

from tests.faults import repository
from tests.faults.commands import LAB_SETTINGS, PREVIEW
from tests.faults.objects import (
    KEPT_RELEASES,
    exposed_secrets,
    foreign,
    local_leftovers,
    release_tags,
    runs_kept,
    snapshot,
    stored_secrets,
)
from tests.faults.running import Commands
from tests.faults.sandboxes import sandbox_objects
from tests.faults.secret_scan import planted
from tests.faults.sources import REGISTRY_USER, Sources, with_backups
from tests.faults.store import EDITOR, Store
from tests.harness import Project, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lab.load import Tally
    from lab.peers import Registry
    from lab.servers import Server

SETTLE_SECONDS = 30.0
"""Limit for what goes on without FTL after a fault: the proxy's switch, a drain, a script of the server."""

SINGLE = ("solo", "db")
"""Service and dependency of the project of which two containers never run at a time."""

FOREIGN = "foreign=yes"


_STOPS_AT_ONCE = ("sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait")


class World(Commands):
    """Project NAME with four services, one more from a registry, a dependency and a job, on one server.

    Its versions are commits. Beside it: the project NAME-web, whose service is `api`, and containers, volumes,
    networks, tags and backups of nobody, whose names begin or end like the project's, and some of which have inherited
    its label. The project NAME-y is there only while it is to be removed, as NAME-k is, which has scheduled backups,
    and NAME-s, which has data, only where a command needs it.

    Args:
        server: An empty server.
        folder: For the projects, their user's home, and the temporary folder.
        name: Project name; no other may have it on this machine.
        port: Where the server's sshd is reached: the server's own, or a relay's.
        registry: One that lets in the user `REGISTRY_USER` with the password `login`; None: no service is from there.
        login: That password, which is looked for as the other planted secrets are.
    """

    def __init__(
        self,
        server: Server,
        folder: Path,
        name: str,
        *,
        port: int | None = None,
        registry: Registry | None = None,
        login: str = "",
    ) -> None:
        self.server = server
        self.name = name
        self.home = folder / "home"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        # In Python's development mode asyncio and FTL tell of what nobody waited for or closed.
        user = {**environment(self.home), "TMPDIR": str(self.temporary), "PYTHONDEVMODE": "1"}
        editor = folder / "editor"
        editor.write_text(EDITOR)
        editor.chmod(0o700)
        user["EDITOR"] = str(editor)
        self.neighbour = Project(folder / "neighbour", user)
        self.passing = Project(folder / "passing", user)
        self.kept = Project(folder / "kept", user)
        self.builder = folder / "builder.sock"
        self.building = Project(folder / "project", {**user, "DOCKER_HOST": f"unix://{self.builder}"})
        self.store = Store(server, Project(folder / "store", user), f"{name}-s", self._run_store)
        self.login = login or planted()
        self._registry = registry
        section = {**server.section(), "port": port or server.port}
        self._sources = Sources(name, section, registry.host if registry is not None else None)
        self._versions = itertools.count(1)
        self.version = ""
        self.token = planted()
        self.password = planted()
        super().__init__(Project(folder / "project", user), (self.token, self.password, self.login))
        self.expected: frozenset[str] = frozenset()
        self.foreign: frozenset[str] = frozenset()

    # --- preparation --------------------------------------------------------------------------------

    def prepare(self, *, setup: bool = False, store: bool = False, kept: bool = False) -> None:
        """Deploy everything, and note the state in which every later deploy must end.

        Args:
            setup: Prepare the server with `ftl setup`, too: its containers then survive their engine.
            store: Have the project with data, too.
            kept: Have what the project with scheduled backups needs.
        """
        self.server.load(images.BUSYBOX)
        self.server.load("caddy:2")
        self.server.docker("tag", "caddy:2", "ftl-lab-proxy:first")
        self.server.run("sh", "-c", PUT_INIT_SCRIPT, stdin=INIT_SCRIPT.encode())
        self.server.run("cp", "/etc/docker/daemon.json", LAB_SETTINGS, check=False)
        recipe = f"FROM {images.BUSYBOX}\nLABEL ftl.project={self.name}\nCMD {json.dumps(_STOPS_AT_ONCE)}\n"
        docker("build", "--quiet", "--tag", f"ftl-lab-{self.name}-db:1", "-", stdin=recipe.encode())
        if self._registry is not None:
            self._fill_registry(self._registry)
        self._make_foreign()
        self.neighbour.folder.mkdir()
        api = self._sources.service("api", secret=False, routes=["/"])
        self.neighbour.write(self._sources.files(f"{self.name}-web", "neighbour", [api]))
        self.passing.folder.mkdir()
        short = self._sources.service("web", secret=False, volumes=["data:/data"])
        self.passing.write(
            {
                **self._sources.files(f"{self.name}-y", "passing", [short]),
                "ftl.preview.yaml": {"project": {"domain": f"${{FTL_ENV}}.{self.name}.example.com"}},
            }
        )
        self.run_well("deploy", project=self.neighbour)
        idle = {"name": "idle", "build": "app", "command": "sleep 100000", "stop_timeout": 1}
        if store:
            self.store.prepare(self._sources.files(f"{self.name}-s", "store", [idle]), self.home)
        if kept:
            images.ensure("redis")
            self.server.load("ftl-lab-redis:latest")
            self.kept.folder.mkdir()
            self.kept.write(with_backups(self._sources.files(f"{self.name}-k", "kept", [idle])))
        self.project.folder.mkdir()
        repository.begin(self.project.folder)
        for turn in range(2):
            self.change()
            if setup and not turn:
                self.run_well("setup")
            self.run_well("deploy")
        self.expected = self._settled()
        self.foreign = self._foreign_state()

    def change(self) -> str:
        """Write a new version of the project, which every service answers."""
        number = next(self._versions)
        self.version = f"v{number}"
        secrets = {"TOKEN": self.token, "PASSWORD": self.password, "LOGIN": self.login}
        self.project.write(self._sources.version(number, secrets))
        (self.project.folder / ".env").chmod(0o600)
        repository.commit(self.project.folder, self.version)
        return self.version

    def _make_foreign(self) -> None:
        near = (f"{self.name}-web-old", f"{self.name}-web-r", f"{self.name}-dbx", f"x{self.name}-web-r1")
        for name in near:
            self._make_container(name)
            self.server.docker("tag", images.BUSYBOX, f"{name}:r1")
        for project in (self.name, f"{self.name}-y", f"{self.name}-k"):
            self._make_container(f"{project}-by-hand", f"ftl.project={project}", "ftl.service=web")
        self.server.run("mkdir", "-p", self._foreign_backups)
        self.server.write(f"{self._foreign_backups}/cache-20260131-031500.rdb", "a backup of nobody\n")
        for volume in (f"{self.name}_datax", f"x_{self.name}_data"):
            self.server.docker("volume", "create", "--label", FOREIGN, volume)
        self.server.docker("network", "create", "--label", FOREIGN, f"ftl-p-{self.name}x")

    def _make_container(self, name: str, *marks: str) -> None:
        options = [word for mark in (FOREIGN, *marks) for word in ("--label", mark)]
        self.server.docker(
            "run", "-d", "--restart", "always", "--name", name, *options, images.BUSYBOX, "sleep", "100000"
        )

    @property
    def _foreign_backups(self) -> str:
        return f"/var/backups/ftl/{self.name}-kx"

    def _fill_registry(self, registry: Registry) -> None:
        """Two images in the registry, of which the server's engine keeps neither."""
        registry.trust(self.server)
        references = [f"{registry.host}/team/side:v{number}" for number in range(2)]
        login = f"docker login --username {REGISTRY_USER} --password-stdin {registry.host}"
        pushes = [
            f"printf 'FROM {images.BUSYBOX}\\nLABEL number={number}\\n' | docker build -q -t {reference} - &&"
            f" docker push -q {reference} && docker rmi -f {reference}"
            for number, reference in enumerate(references)
        ]
        script = " && ".join(("export DOCKER_CONFIG=$(mktemp -d)", login, *pushes, 'rm -r "$DOCKER_CONFIG"'))
        self.server.run("sh", "-c", script, stdin=self.login.encode(), timeout=120)

    def _foreign_state(self) -> frozenset[str]:
        labels = (FOREIGN, f"ftl.project={self.name}-web")
        return foreign(self.server, *labels, folder=self._foreign_backups)

    # --- commands -----------------------------------------------------------------------------------

    def _run_store(self, *argv: str, stdin: str = "") -> None:
        self.run_well(*argv, project=self.store.project, stdin=stdin)

    def previous_release(self) -> str:
        """The release before the live one."""
        releases = self.run_well("releases").result["releases"]
        return str(next(each["release"] for each in releases if each["outcome"] == "replaced"))

    # --- what holds ---------------------------------------------------------------------------------

    @contextmanager
    def load(self) -> Iterator[Tally]:
        """Keep-alive clients of the project and of its neighbour, without retries."""
        hosts = (f"{self.name}.example.com", f"{self.name}-web.example.com")
        loads = [
            Load(
                Target("127.0.0.1", self.server.http_port, host),
                [Request("GET", path) for path in paths],
                clients=2,
                pause=0.02,
                timeout=20,
            )
            for host, paths in zip(hosts, (("/", "/x/"), ("/",)), strict=True)
        ]
        with loads[0], loads[1]:
            yield loads[0].tally
        loads[0].tally.add(loads[1].tally)

    def answers(self, path: str = "/") -> set[tuple[int, str]]:
        """Statuses and bodies of several requests, each over a connection of its own."""
        import http.client

        seen = set()
        for _ in range(6):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=10)
            try:
                connection.request("GET", path, headers={"Host": f"{self.name}.example.com"})
                response = connection.getresponse()
                seen.add((response.status, response.read().decode().strip()))
            except OSError as error:
                seen.add((0, type(error).__name__))
            finally:
                connection.close()
        return seen

    def serves_one_release(self) -> bool:
        """Whether all requests get 200 from one release, within `SETTLE_SECONDS`."""
        return eventually(lambda: len(seen := self.answers()) == 1 and next(iter(seen))[0] == 200)

    def not_single(self) -> list[str]:
        """Those of which one container is to run, and another number does, after `SETTLE_SECONDS`."""
        counts: dict[str, int] = {}

        def one_each() -> bool:
            counts.update({name: self._running(name) for name in SINGLE})
            return set(counts.values()) == {1}

        eventually(one_each)
        return [
            f"{count} containers of {name} run after the fault"
            for name, count in counts.items()
            if count != 1
        ]

    def _running(self, name: str) -> int:
        filters = (f"project={self.name}", f"service={name}", "role")
        options = [word for each in filters for word in ("--filter", f"label=ftl.{each}")]
        return len(self.server.docker("ps", "--quiet", *options, check=False).split())

    def status_is_true(self) -> bool:
        """Whether `ftl status` says healthy exactly where the site answers, within `SETTLE_SECONDS`."""
        return eventually(self._status_agrees)

    def _status_agrees(self) -> bool:
        serves = {status for status, _ in self.answers() | self.answers("/x/")} == {200}
        told = self.run("status")
        units = {
            unit["name"]: unit
            for unit in told.result.get("units", ())
            if unit["kind"] == "proxy" or (unit["name"] in ("web", "web-x") and unit["live"])
        }
        # One that the engine restarted lately is called unhealthy, though it answers.
        well = [unit["healthy"] or "restarted" in unit["health"] for unit in units.values()]
        return (len(well) == 3 and all(well)) == serves

    def differences(self) -> list[str]:
        """Differences from the expected state that remain after `SETTLE_SECONDS`; empty if none."""
        there: list[str] = []

        def as_expected() -> bool:
            now = self._snapshot()
            missing = {line for line in self.expected - now if not _ends_by_itself(line)}
            there[:] = [f"+ {line}" for line in now - self.expected] + [f"- {line}" for line in missing]
            return not there

        eventually(as_expected)
        repositories = [f"{self.name}-{service}" for service in ("web", "web-x", "worker", "solo", "side")]
        kept = [
            f"+ {len(tags)} release tags of {repository}"
            for repository, tags in release_tags(self.server, repositories).items()
            if len(tags) > KEPT_RELEASES
        ]
        kept += runs_kept(self.server, self.name)
        kept += [f"+ {kind} here {name}" for kind, name in sandbox_objects(self.name)]
        return sorted(there) + kept + local_leftovers(self.home, self.temporary)

    def _snapshot(self) -> frozenset[str]:
        """Without what stays on purpose: lock files of removed projects, and the script that ends previews."""
        locks = tuple(f"ftl-{self.name}-{ending}.lock" for ending in ("y", f"y-{PREVIEW}", "k"))
        stays = (*locks, "/.ftl/expire.sh")
        return frozenset(line for line in snapshot(self.server) if not line.endswith(stays))

    def _settled(self) -> frozenset[str]:
        """A snapshot that is the same a moment later: nothing goes on by itself, such as a drain's last `sleep`."""
        state = self._snapshot()
        while True:
            time.sleep(2)
            if (now := self._snapshot()) == state:
                return now
            state = now

    def exposed_secrets(self) -> list[str]:
        """Files that others can read, here or on the server, with a secret; any file with the registry's password."""
        exposed = exposed_secrets(self.server, self.home, (self.token, self.password, self.login))
        return exposed + stored_secrets(self.server, (self.home, self.temporary), self.login)

    def foreign_touched(self) -> list[str]:
        """Objects of others that have changed."""
        return sorted(self._foreign_state() ^ self.foreign)


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether something holds within `SETTLE_SECONDS`."""
    end = time.monotonic() + SETTLE_SECONDS
    while not (good := holds()) and time.monotonic() < end:
        time.sleep(0.5)
    return good


def _ends_by_itself(line: str) -> bool:
    """Whether a line of a snapshot is a process outside of containers: one that has ended is no difference."""
    return line.startswith("process ") and not line.startswith("process in a container: ")
