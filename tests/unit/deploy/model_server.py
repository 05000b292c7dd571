"""A server in memory, on which FTL can be killed at each call: engine, proxy, deploy lock."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.child import Completed
from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import ExecResult
from ftl.errors import EngineError
from ftl.proxy import commands
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import CommandOutput, FakeMachine, FakeProcess

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Sequence

    from tests.support.fake_container import FakeContainer

IMAGES = (
    "caddy:2",
    "app:1",
    "app:2",
    "app:broken",
    "store:1",
    "store:2",
    "built:1",
    "built:2",
    "built:broken",
)

_SWITCH = commands.switch({})[2]
_RELOAD = commands.reload("", "", "")[2]


class Killed(BaseException):
    """FTL was killed: no call of it reaches the engine any more."""


class ModelEngine(FakeEngine):
    """An engine on which FTL can be killed, and that checks each change.

    Attributes:
        project: The project that is being changed; None: somebody changes the server by hand.
        fault: ("kill" or "fail", number of the changing call, whether it has its effect); None: no fault.
        broken: Rules that were broken, in words.
    """

    def __init__(self) -> None:
        super().__init__(images=IMAGES)
        self.project: str | None = None
        self.fault: tuple[str, int, bool] | None = None
        self.broken: list[str] = []
        self.exclusive: set[str] = set()
        self._killed = False
        self._changes = 0
        self.on_execute = self._execute

    def begin(self, project: str | None, fault: tuple[str, int, bool] | None = None) -> None:
        """Begin an operation of a project, or one by hand."""
        self.project, self.fault = project, fault
        self._killed, self._changes = False, 0

    @property
    def killed(self) -> bool:
        """Whether FTL was killed in this operation."""
        return self._killed

    @asynccontextmanager
    async def _call(self, method: str, *subjects: str, reads: bool = False) -> AsyncIterator[None]:
        async with super()._call(method, *subjects, reads=reads):
            with_effect = self._meet(reads=reads)
            if not reads:
                self._check(method, subjects)
            yield
            if not reads:
                self._check_data()
            if with_effect:
                self._hit()

    async def start(self, container: str) -> None:
        """Start a container; one whose program is broken has ended by then, and so has a command on files."""
        await super().start(container)
        target = self._get(container)
        if target.name.startswith("ftl-proxy-files-"):
            argv = (*(target.spec.entrypoint or ()), *(target.spec.command or ()))
            target.end(self._execute("", argv).exit_code)
        if "broken" in self._image_names(target.image_id):
            target.end(3)

    def _image_names(self, image: str) -> str:
        return " ".join(self._images[image].tags)

    def _meet(self, *, reads: bool) -> bool:
        """Let the fault happen, if it is its turn; whether it happens after the call."""
        if self._killed:
            raise Killed
        self._changes += not reads
        if self.fault is None or reads or self._changes != self.fault[1]:
            return False
        if not self.fault[2]:
            self._hit()
        return True

    def _hit(self) -> None:
        assert self.fault is not None
        if self.fault[0] == "kill":
            self._killed = True
            raise Killed
        raise EngineError("the engine could not do it", status=500, cause="broken")

    # --- rules ------------------------------------------------------------------------------------

    def _check(self, method: str, subjects: Sequence[str]) -> None:
        """A container that is changed is the project's own, and one that is removed is not live."""
        if self.project is None or method not in ("stop", "remove", "rename", "start", "set_restart_policy"):
            return
        target = self._find(subjects[0])
        if target is None:
            return
        owner, role = target.spec.labels.get(labels.PROJECT), target.spec.labels.get(labels.ROLE)
        if owner != self.project and role != labels.ROLE_PROXY:
            self.broken.append(f"{method} {target.name}, which is of {owner or 'nobody'}")

    def _check_data(self) -> None:
        """No volume of a dependency is in two running containers, and no exclusive service runs twice."""
        running = [one for one in self.by_name.values() if one.state == "running"]
        for one in running:
            if one.spec.labels.get(labels.ROLE) != labels.ROLE_DEPENDENCY:
                continue
            for mount in one.spec.mounts:
                users = {
                    other.name
                    for other in running
                    for its in other.spec.mounts
                    if its.source == mount.source and not its.read_only
                }
                if len(users) > 1:
                    self.broken.append(f"{mount.source} is in {', '.join(sorted(users))} at once")

    # --- proxy ------------------------------------------------------------------------------------

    @property
    def proxy_files(self) -> dict[str, bytes | None]:
        """Files of the proxy's configuration volume, by path below it."""
        return self._volume_files.setdefault("ftl-proxy-config", {})

    def live(self) -> dict[str, str]:
        """PROJECT.SERVICE -> alias, by the live files."""
        found = {name: data for name, data in self.proxy_files.items() if name.startswith("/live/") and data}
        return {name.removeprefix("/live/"): data.decode() for name, data in found.items() if data}

    def _execute(self, _container: str, argv: Sequence[str]) -> ExecResult:
        files = self.proxy_files
        if argv[0] == "rm":
            for name in argv[2:]:
                files.pop(name.removeprefix("/config"), None)
        elif argv[0] == "wget":
            return ExecResult(0, b"[]", b"")
        elif argv[2] == _SWITCH:
            for pair in argv[4:]:
                name, _, alias = pair.partition("=")
                files[f"/live/{name}"] = alias.encode()
            return ExecResult(0, "\n".join(argv[4:]).encode(), b"")
        elif argv[2] == _RELOAD:
            return ExecResult(self._reload(*argv[4:7]), b"", b"")
        return ExecResult(0, b"", b"")

    def _reload(self, change: str, base: str, project: str) -> int:
        files, folder = self.proxy_files, f"/ftl/next/{change}"
        config, site = files.pop(f"{folder}/caddy.json", None), files.pop(f"{folder}/site.json", None)
        if hashlib.sha256(files.get("/ftl/caddy.json") or b"").hexdigest() != base:
            return commands.STALE
        files["/ftl/caddy.json"] = config
        if site is not None:
            files[f"/ftl/sites/{project}.json"] = site
        else:
            files.pop(f"/ftl/sites/{project}.json", None)
        return 0

    # --- scripts that the server runs by itself -----------------------------------------------------

    async def script(self, argv: Sequence[str]) -> int:
        """Run one of FTL's scripts with the server's docker command; its status."""
        name, arguments = argv[3], argv[5:]
        if name == "ftl-replace":
            async with self._call("replace", *arguments):
                return self._replace(*arguments)
        if name == "ftl-join":
            async with self._call("join", *arguments[:2]):
                container, network, address = self._get(arguments[0]), arguments[1], arguments[2]
                own = next(one.name for one in self._networks.values() if one.id == network)
                container.endpoints.pop(own, None)
                self._join(container, network, arguments[4::2], address)
                return 0
        raise NotImplementedError(name)

    def _replace(self, old: str, new: str, name: str, parked: str, fresh: str, _seconds: str) -> int:
        before, after = self._get(old), self._get(new)
        before.end(143, stopped=True)
        self._policy(before, "no")
        if parked in self.by_name or (name in self.by_name and self.by_name[name] is not before):
            self._policy(before, "always")
            before.state = "running"
            return 1
        self._renamed(before, parked)
        self._renamed(after, name)
        self._policy(after, "always")
        after.state = "running"
        return 0

    def _renamed(self, one: FakeContainer, name: str) -> None:
        del self.by_name[one.name]
        one.name = name
        self.by_name[name] = one

    def _policy(self, one: FakeContainer, policy: str) -> None:
        one.spec = ContainerSpec(**{**_fields(one.spec), "restart": policy})  # type: ignore[arg-type]


def _fields(spec: ContainerSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__}


class ModelMachine(FakeMachine):
    """The server's shell: the deploy lock, and scripts that use its docker command."""

    def __init__(self, engine: ModelEngine) -> None:
        super().__init__()
        self._engine = engine

    async def start(self, argv: Sequence[str]) -> Process:
        """Take the deploy lock."""
        process = FakeProcess(CommandOutput(stdout=b"mine\n", stays=True))
        self.processes.append(process)
        return process

    async def run(
        self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0
    ) -> Completed:
        """Run a script."""
        return Completed(tuple(argv), await self._engine.script(argv), b"", b"")
