"""A server in memory, on which FTL can be killed at each call: engine and proxy."""

from __future__ import annotations

import hashlib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ftl.engine import labels
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import ExecResult
from ftl.errors import EngineError
from ftl.proxy import commands
from tests.support.fake_engine import FakeEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.support.fake_container import FakeContainer
    from tests.unit.deploy.model_machine import ModelScript

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
        self.scripts: list[ModelScript] = []
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
        if name == "ftl-join":
            async with self._call("join", *arguments[:2]):
                container, network, address = self._get(arguments[0]), arguments[1], arguments[2]
                own = next(one.name for one in self._networks.values() if one.id == network)
                container.endpoints.pop(own, None)
                self._join(container, network, arguments[4::2], address)
                return 0
        if name in ("ftl-backups", "ftl-unused-layers"):
            return 0  # there are none, and no cached layers
        raise NotImplementedError(name)

    async def replace(self, containers: Sequence[Sequence[str]]) -> str:
        """Replace containers as the script does: "started", or "failed" and the old ones run."""
        try:
            async with self._call("replace", *(one[1] for one in containers)):
                for _, number, _, _, _, parked in (one for one in containers if one[0] == "old"):
                    before = self._get(number)
                    before.end(143, stopped=True)
                    self._policy(before, "no")
                    self._renamed(before, parked)
                for _, number, _, name, _ in (one for one in containers if one[0] == "new"):
                    after = self._get(number)
                    self._renamed(after, name)
                    self._policy(after, after.spec.labels.get(labels.RESTART, "always"))
                    self._runs(after)
        except EngineError as error:
            self._back(containers)
            return f"failed {error.cause}"
        return "started "

    async def back(self, containers: Sequence[Sequence[str]]) -> None:
        """Take a replacement back as the script does."""
        async with self._call("back", *(one[1] for one in containers)):
            self._back(containers)

    def _back(self, containers: Sequence[Sequence[str]]) -> None:
        for _, number, _, _, fresh in (one for one in containers if one[0] == "new"):
            if (after := self._find(number)) is not None:
                after.end(143, stopped=True)
                self._policy(after, "no")
                self._renamed(after, fresh)
        for _, number, _, again, name, _ in (one for one in containers if one[0] == "old"):
            if (before := self._find(number)) is not None:
                self._renamed(before, name)
                if again == "1":
                    self._policy(before, before.spec.labels.get(labels.RESTART, "always"))
                    self._runs(before)

    def _runs(self, one: FakeContainer) -> None:
        if one.state == "running":
            return
        self._begin(one)
        if "broken" in self._image_names(one.image_id):
            one.end(3)

    def end_operation(self) -> None:
        """FTL is gone, killed or not: its scripts take back what was not decided."""
        self.begin(None)
        scripts, self.scripts = self.scripts, []
        for script in scripts:
            if not script.ended and not self._is_decided(script):
                for containers in reversed(script.replacements.values()):
                    if self._is_untouched(containers):
                        self._back(containers)
        self._check_data()

    def _is_decided(self, script: ModelScript) -> bool:
        live = {f"{name}={alias}" for name, alias in self.live().items()}
        stored = self._volume_files.get("ftl-state", {}).get(f"/{script.record}") if script.record else b""
        return bool(live & set(script.proof)) or b'"outcome":"live"' in (stored or b"")

    def _is_untouched(self, containers: Sequence[Sequence[str]]) -> bool:
        olds = [self._find(one[1]) for one in containers if one[0] == "old"]
        news = [self._find(one[1]) for one in containers if one[0] == "new"]
        return all(one is not None and one.state != "running" for one in olds) and all(
            one is not None and one.spec.restart == one.spec.labels.get(labels.RESTART, "always")
            for one in news
        )

    def _renamed(self, one: FakeContainer, name: str) -> None:
        if name in ("-", one.name):
            return
        assert name not in self.by_name
        del self.by_name[one.name]
        one.name = name
        self.by_name[name] = one

    def _policy(self, one: FakeContainer, policy: str) -> None:
        one.spec = ContainerSpec(**{**_fields(one.spec), "restart": policy})  # type: ignore[arg-type]


def _fields(spec: ContainerSpec) -> dict[str, object]:
    return {name: getattr(spec, name) for name in spec.__dataclass_fields__}
