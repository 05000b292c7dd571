"""Hooks that never end: they are stopped after a limit, and nothing of them stays."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from ftl.deploy.apply.clients import RunClients
from ftl.deploy.apply.context import DeployContext
from ftl.deploy.apply.kept_logs import LINES, last_lines, pre_hooks
from ftl.deploy.apply.steps import hooks
from ftl.deploy.apply.steps.records import write_record
from ftl.deploy.plan.steps.containers import RunHook
from ftl.deploy.plan.steps.records import WriteRecord
from ftl.engine.specs import ContainerSpec
from ftl.engine.values import LogLine
from ftl.errors import HookFailed
from ftl.events import HookOutput
from ftl.host.fleet import Fleet
from ftl.host.session import Session
from ftl.releases import store
from ftl.releases.record import ReleaseRecord
from tests.support.clock import run
from tests.support.fake_container import Behavior
from tests.support.fake_engine import FakeEngine
from tests.support.fake_machine import FakeMachine
from tests.unit.deploy.world import INFO, project, server

if TYPE_CHECKING:
    from ftl.events import Event
    from ftl.releases.record import KeptLine

HOOK = "shop-web-r2-pre"


def context(engine: FakeEngine, events: list[Event], root: Path = Path()) -> DeployContext:
    """The context of a deploy of r2."""
    asked = project()
    session = Session("shop.example.com", FakeMachine(), engine, INFO)
    clients = RunClients(asked, root)
    return DeployContext(asked, root, Fleet([session]), session, server(asked), "r2", events.append, clients)


def hook(where: Literal["local", "remote"], command: str, timeout: float = 60.0) -> RunHook:
    """A pre hook of web."""
    spec = ContainerSpec(image="", labels={}, restart="no")
    return RunHook("web", "pre", where, command, spec, "shop-web:r2", HOOK, timeout=timeout)


def test_a_remote_hook_that_never_ends_is_stopped_and_removed() -> None:
    """Also one that ignores its stop signal; the error has the last lines, and says that nothing was switched."""
    engine = FakeEngine(images=["shop-web:r2"])
    engine.behaviors["shop-web:r2"] = Behavior(ignores_stop=True)
    events: list[Event] = []

    async def scenario() -> None:
        running = asyncio.ensure_future(
            hooks.run_hook(context(engine, events), hook("remote", "migrate", 5.0))
        )
        await asyncio.sleep(1)
        engine.by_name[HOOK].log.append(LogLine("stdout", "2026-01-02T03:04:05Z", "waiting for a lock"))
        await running

    with pytest.raises(HookFailed, match="the pre hook of web") as caught:
        run(scenario())
    assert caught.value.cause == "it did not finish within 5.0 s and was stopped"
    assert caught.value.details == ("waiting for a lock",)
    assert "nothing was switched" in (caught.value.hint or "")
    assert "`timeout` next to `remote`" in (caught.value.hint or "")
    assert events == [HookOutput("web", "pre", "waiting for a lock")]
    assert engine.by_name == {}


def test_a_pre_hook_is_recorded_before_it_runs() -> None:
    """A deploy that is killed in its migration has run it; the release after it knows so from the record alone."""
    engine = FakeEngine(images=["shop-web:r2"])
    engine.behaviors["shop-web:r2"] = Behavior(exit_code=1)
    seen: list[tuple[str, ...] | None] = []

    async def scenario() -> None:
        await store.ensure_store(engine, "shop-web:r2")
        made = context(engine, [])
        made.emit = lambda _: None
        began = ReleaseRecord("r2", "started", 1.0, services={}, pre_hooks=())
        await write_record(made, WriteRecord("shop", began))
        start = engine.start

        async def starting(container: str) -> None:
            seen.append((await store.read_records(engine, "shop"))[-1].pre_hooks)
            await start(container)

        engine.start = starting  # type: ignore[method-assign]
        with pytest.raises(HookFailed):
            await hooks.run_hook(made, hook("remote", "migrate"))
        with pytest.raises(HookFailed):
            await hooks.run_hook(made, hook("remote", "migrate"))
        assert pre_hooks(made) == ("web",)

    run(scenario())
    assert seen == [("web",), ("web",)]


def test_of_two_pre_hooks_that_begin_at_once_none_is_lost() -> None:
    """Services are deployed side by side; the slower writer of the record must not have the older one."""
    engine = FakeEngine(images=["shop-web:r2"])

    async def scenario() -> tuple[str, ...] | None:
        await store.ensure_store(engine, "shop-web:r2")
        made = context(engine, [])
        made.emit = lambda _: None
        began = ReleaseRecord("r2", "started", 1.0, services={}, pre_hooks=())
        await write_record(made, WriteRecord("shop", began))
        put, delays = engine.put_archive, iter([5.0])

        async def late(container: str, path: str, archive: bytes) -> None:
            await asyncio.sleep(next(delays, 0.0))
            await put(container, path, archive)

        engine.put_archive = late  # type: ignore[method-assign]
        both = [replace(hook("local", "true"), service=name) for name in ("web", "api")]
        await asyncio.gather(*(hooks._record_begin(made, step) for step in both))
        return (await store.read_records(engine, "shop"))[-1].pre_hooks

    assert run(scenario()) == ("web", "api")


def test_a_talkative_local_hook_fails_with_its_last_lines(tmp_path: Path) -> None:
    """Only those are kept: the others went out as they came."""
    events: list[Event] = []

    async def local_hook() -> None:
        await hooks.run_hook(context(FakeEngine(), events, tmp_path), hook("local", "seq 5000; exit 3"))

    with pytest.raises(HookFailed) as caught:
        asyncio.run(local_hook())
    assert caught.value.details == tuple(str(number) for number in range(5001 - hooks.LAST_LINES, 5001))
    assert len(events) == 5000


def test_a_local_hook_has_the_variables_of_env_with_secrets_in_them(tmp_path: Path) -> None:
    """As they were when ftl.yaml was read; the name of the environment is one of them."""
    (tmp_path / ".env").write_text("URL=x://${KEY}/${FTL_ENV}\n")
    events: list[Event] = []
    made = context(FakeEngine(), events, tmp_path)
    made.project = replace(made.project, secret_values={"KEY": "hunter2"}, environment="staging")

    async def local_hook() -> None:
        await hooks.run_hook(made, hook("local", "echo $URL"))

    asyncio.run(local_hook())
    assert events == [HookOutput("web", "pre", "x://hunter2/staging")]


def test_a_local_hook_sees_the_variables_of_its_step(tmp_path: Path) -> None:
    """Which release, commit, service and environment it runs for; FTL's own environment does not replace them."""
    events: list[Event] = []
    told = {"FTL_SERVICE": "web", "FTL_COMMIT": "c0ffee", "FTL_ENV": "staging", "FTL_RELEASE": "r2"}
    command = "echo $FTL_PROJECT $FTL_SERVICE $FTL_COMMIT $FTL_ENV $FTL_RELEASE $FTL_SERVER"
    step = replace(hook("local", command), variables=told)

    async def local_hook() -> None:
        await hooks.run_hook(context(FakeEngine(), events, tmp_path), step)

    asyncio.run(local_hook())
    assert events == [HookOutput("web", "pre", "shop web c0ffee staging r2 shop.example.com")]


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_the_text_of_a_local_hook_is_in_no_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    """It may have a secret in it, and all users of the machine see the arguments of a process."""
    monkeypatch.setattr(hooks, "_SHELL", shell)
    events: list[Event] = []
    command = "key=hunter2\necho \"é $key $# $(cat)\"\ntr '\\0' ' ' < /proc/$$/cmdline\necho\nexit 3\n"

    async def local_hook() -> None:
        await hooks.run_hook(context(FakeEngine(), events, tmp_path), hook("local", command))

    with pytest.raises(HookFailed) as caught:
        asyncio.run(local_hook())
    assert caught.value.cause == "it ended with status 3"
    first, second = (event.line for event in events if isinstance(event, HookOutput))
    assert first == "é hunter2 0 "
    assert second.startswith(f"{shell} /dev/stdin")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux shows the open files of a process")
@pytest.mark.parametrize(
    "command", ["{}", "{} & wait", ("/bin/sh", "-c", "{}")], ids=["text", "background", "list"]
)
@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_programs_of_a_local_hook_inherit_no_open_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str, command: str | tuple[str, ...]
) -> None:
    """One that goes on in the background would hold it, and a file with the hook's text has secrets in it."""
    monkeypatch.setattr(hooks, "_SHELL", shell)
    looked = "sh -c 'readlink /proc/$$/fd/*; true'"
    made = (
        command.format(looked) if isinstance(command, str) else tuple(part.format(looked) for part in command)
    )
    events: list[Event] = []

    async def local_hook() -> None:
        with (tmp_path / "ours").open("w"):
            step = replace(hook("local", ""), command=made)
            await hooks.run_hook(context(FakeEngine(), events, tmp_path), step)

    asyncio.run(local_hook())
    stdin, stdout, stderr = (event.line for event in events if isinstance(event, HookOutput))
    assert (stdin, stdout) == ("/dev/null", stderr)
    assert stdout.startswith("pipe:")


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("true", 0, ""),
        ("nowhere-to-be-found", 127, "not found"),
        ("if", 2, "yntax error"),
        ("true\nkill -9 $$", -9, ""),
        (f": {'x' * 200_000}; exit 4", 4, ""),
    ],
    ids=["ok", "missing", "syntax", "killed", "long"],
)
def test_a_local_hook_has_the_status_of_its_shell(
    tmp_path: Path, command: str, status: int, words: str
) -> None:
    """Also where its text is longer than an argument may be."""
    events: list[Event] = []

    async def local_hook() -> None:
        await hooks.run_hook(context(FakeEngine(), events, tmp_path), hook("local", command))

    if status == 0:
        asyncio.run(local_hook())
        return
    with pytest.raises(HookFailed) as caught:
        asyncio.run(local_hook())
    assert caught.value.cause == f"it ended with status {status}"
    assert words in "".join(caught.value.details)


def test_a_local_hook_that_never_ends_is_killed_with_its_children(tmp_path: Path) -> None:
    """A process that ignores SIGTERM, and one that it left in the background."""
    command = "trap '' TERM; sleep 60 & echo $! $$ > pids; echo up; while :; do sleep 1; done"
    began = time.monotonic()

    async def local_hook() -> None:
        await hooks.run_hook(context(FakeEngine(), [], tmp_path), hook("local", command, 1.0))

    with pytest.raises(HookFailed) as caught:
        asyncio.run(local_hook())
    assert caught.value.cause == "it did not finish within 1.0 s and was stopped"
    assert caught.value.details == ("up",)
    assert time.monotonic() - began < 30
    for pid in (tmp_path / "pids").read_text().split():
        while Path(f"/proc/{pid}").exists() and not _is_zombie(
            int(pid)
        ):  # a busy machine kills when it gets to it
            assert time.monotonic() - began < 30
            time.sleep(0.05)


def _is_zombie(pid: int) -> bool:
    """Whether a process has ended, and its parent (not ours) has not asked for its status yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("status", [0, 1])
def test_the_last_lines_of_a_hook_are_kept_although_its_container_is_gone(status: int) -> None:
    """With the record of a release that fails, be it by this hook or after it; `ftl logs --release` shows them."""
    engine = FakeEngine(images=["shop-web:r2"])
    engine.behaviors["shop-web:r2"] = Behavior(status, 0.5, tuple(f"line {n}" for n in range(LINES + 5)))
    made = context(engine, [])

    async def scenario() -> tuple[KeptLine, ...]:
        with suppress(HookFailed):
            await hooks.run_hook(made, hook("remote", "migrate"))
        return await last_lines(made)

    lines = run(scenario())
    assert engine.by_name == {}
    assert (len(lines), lines[-1].text) == (LINES, f"line {LINES + 4}")
    assert {(line.service, line.container) for line in lines} == {("web", "web-r2-pre")}
