"""An ssh that is started before FTL is loaded: the same command line again, or none."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.ssh.multiplexing import head_start, kept
from ftl.ssh.multiplexing.first_command import StartedAhead

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS = ["exec", "web", "--", "true"]
LOGIN = "echo $$ in {folder}; exec sleep 60"


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder of notes; nothing of other tests is left, nor anything of the test itself."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    fresh(monkeypatch)
    yield tmp_path / "state" / "ftl" / "ssh"
    head_start.end()


@pytest.fixture
def folder() -> Iterator[Path]:
    """The folder of a connection, in a private folder with a short path."""
    with tempfile.TemporaryDirectory(prefix="t-", dir="/tmp") as runtime:
        yield Path(runtime, "0123456789ab.1")


def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of another process of ours."""
    monkeypatch.setattr(head_start, "_ahead", head_start._Ahead())


def command(folder: Path, script: str = LOGIN) -> list[str]:
    """A command line that stands for ssh's."""
    return ["sh", "-c", script.replace("{folder}", str(folder))]


def connected(monkeypatch: pytest.MonkeyPatch, folder: Path, *, shared: bool = False) -> None:
    """A command that connected, and another one after it."""
    Path("ftl.yaml").write_text("project: shop\n")
    head_start.begin(WORDS, {})
    head_start.depends_on(["ftl.yaml", "ftl.staging.yaml"])
    head_start.note(command(folder), str(folder), shared=shared)
    fresh(monkeypatch)


def begun() -> list[head_start.HeadStart]:
    """The processes that were started ahead."""
    return head_start._ahead.begun


def runs(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists() or not _is_gone(pid)


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize("after", ["true", "false"])
def test_the_same_command_is_started_ahead_and_taken(
    monkeypatch: pytest.MonkeyPatch, folder: Path, after: str
) -> None:
    """In a folder of its own; the words for the server are not FTL's, and may be others."""
    connected(monkeypatch, folder)
    head_start.begin(["exec", "web", "--", after], {})
    (ahead,) = begun()
    other = folder.with_name("ftl-abc")
    assert head_start.take(command(other, "exec sleep 61"), str(other), shared=False) is None
    assert head_start.take(command(other), str(other), shared=False) is ahead
    assert head_start.take(command(other), str(other), shared=False) is None
    assert ahead.folder != str(folder)

    first = StartedAhead(ahead)

    async def work() -> bytes:
        async with asyncio.timeout(20):
            while not first.output.endswith(b"\n"):
                assert await first.news()
            output = first.output
            assert first.status is None
            await first.end(prompting=True)
            await first.ended()
        return output

    assert asyncio.run(work()).decode() == f"{ahead.pid} in {ahead.folder}\n"
    assert first.status == -15
    assert not runs(ahead.pid)


@pytest.mark.parametrize(
    "change", ["edited", "overlay", "gone", "words", "folder", "agent", "note", "ssh", "sandbox"]
)
def test_after_a_change_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, state: Path, tmp_path: Path, folder: Path, change: str
) -> None:
    """A file with a mistake was changed: it has its error, and no connection is begun for it."""
    connected(monkeypatch, folder)
    words, environ = WORDS, {}
    match change:
        case "edited":
            Path("ftl.yaml").write_text("project: shpo\n")
        case "overlay":
            Path("ftl.staging.yaml").write_text("{}")
        case "gone":
            Path("ftl.yaml").unlink()
        case "words":
            words = ["exec", "api", "--", "true"]
        case "folder":
            (tmp_path / "other").mkdir()
            monkeypatch.chdir(tmp_path / "other")
        case "agent":
            environ = {"SSH_AUTH_SOCK": "/run/agent"}
        case "sandbox":  # another one
            environ = {"FTL_SANDBOX": "try"}
        case "ssh":
            (tmp_path / ".ssh").mkdir()
            (tmp_path / ".ssh" / "config").write_text("StrictHostKeyChecking yes")
        case _:
            (note,) = state.iterdir()
            note.write_text('{"files": {}, "starts": [{"words": 1}, 2]}')
    head_start.begin(words, environ)
    assert begun() == []


def test_what_nobody_takes_is_ended_with_its_note(
    monkeypatch: pytest.MonkeyPatch, state: Path, folder: Path
) -> None:
    """The configuration leads elsewhere by now, or the command failed before."""
    connected(monkeypatch, folder)
    head_start.begin(WORDS, {})
    (ahead,) = begun()
    assert Path(ahead.folder).is_dir()
    head_start.end()
    assert not runs(ahead.pid)
    assert not Path(ahead.folder).exists()
    assert list(state.iterdir()) == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(ahead.output)


@pytest.mark.parametrize(
    ("script", "taken"),
    [("exit 0", False), ("exit 255", True), ("touch {folder}/master; exit 0", True)],
    ids=["ended", "refused", "stands"],
)
def test_a_connection_that_has_ended_unused_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, folder: Path, script: str, taken: bool
) -> None:
    """A command that prints a secret took longer than ssh waits: the login is begun again. A refusal is one."""
    connected_by = command(folder, script)
    Path("ftl.yaml").write_text("project: shop\n")
    head_start.begin(WORDS, {})
    head_start.depends_on(["ftl.yaml"])
    head_start.note(connected_by, str(folder), shared=False)
    fresh(monkeypatch)
    head_start.begin(WORDS, {})
    (ahead,) = begun()
    while ahead.status is None:
        time.sleep(0.01)
    other = folder.with_name("ftl-abc")
    found = head_start.take(command(other, script), str(other), shared=False)
    assert found is (ahead if taken else None)
    assert Path(ahead.folder).exists() is taken
    assert begun() == []
    if found is not None:
        found.end()


@contextmanager
def terminal() -> Iterator[None]:
    """A terminal as stdin and stderr."""
    ours, theirs = os.openpty()
    saved = {number: os.dup(number) for number in (0, 2)}
    for number in saved:
        os.dup2(theirs, number)
    try:
        yield
    finally:
        for number, copy in saved.items():
            os.dup2(copy, number)
            os.close(copy)
        os.close(ours)
        os.close(theirs)


def test_two_do_not_ask_on_the_terminal_at_once(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The configuration leads elsewhere: the one that was started ahead ends before another starts."""
    other = folder.with_name("ftl-abc")
    with terminal():
        connected(monkeypatch, folder)
        head_start.begin(WORDS, {})
        (ahead,) = begun()
        assert head_start.take(command(other, "exec sleep 61"), str(other), shared=False) is None
    assert begun() == []
    assert not runs(ahead.pid)


def test_a_command_that_connects_again_is_begun_once(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A lost connection is made again, in another folder."""
    Path("ftl.yaml").write_text("project: shop\n")
    head_start.begin(WORDS, {})
    head_start.depends_on(["ftl.yaml"])
    for each in (folder, folder.with_name("ftl-abc")):
        head_start.note(command(each), str(each), shared=False)
    fresh(monkeypatch)
    head_start.begin(WORDS, {})
    assert len(begun()) == 1


def test_a_note_that_others_may_have_written_is_not_run(
    monkeypatch: pytest.MonkeyPatch, state: Path, folder: Path
) -> None:
    """It is a command line: under sudo, it would be run as root."""
    connected(monkeypatch, folder)
    state.chmod(0o770)
    head_start.begin(WORDS, {})
    assert begun() == []


def test_a_kept_connection_is_begun_in_its_folder(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The folder is locked as that of a command: no other command removes it meanwhile."""
    connected(monkeypatch, folder, shared=True)
    head_start.begin(WORDS, {})
    (ahead,) = begun()
    assert ahead.folder == str(folder)
    assert len(kept._commands(folder)) == 1
    kept._sweep(folder)
    assert head_start.take(command(folder), str(folder), shared=True) is ahead
    assert kept._commands(folder) == []
    ahead.end()
    assert folder.is_dir()  # others may use it


@pytest.mark.parametrize("name", ["master", "retired"])
def test_a_kept_connection_that_stands_or_is_given_up_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, folder: Path, name: str
) -> None:
    """Its socket is there, or no later command may use it."""
    connected(monkeypatch, folder, shared=True)
    folder.mkdir()
    (folder / name).touch()
    head_start.begin(WORDS, {})
    assert begun() == []


def test_a_folder_that_others_may_enter_is_not_used(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Whoever made it could wait there for our socket."""
    connected(monkeypatch, folder, shared=True)
    folder.parent.chmod(0o755)
    head_start.begin(WORDS, {})
    assert begun() == []


def test_a_connection_that_was_attached_to_meanwhile_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, state: Path, folder: Path
) -> None:
    """It logged in before the command looked for it."""
    connected(monkeypatch, folder, shared=True)
    head_start.begin(WORDS, {})
    (ahead,) = begun()
    head_start.forget(str(folder))
    head_start.end()
    assert runs(ahead.pid)
    assert len(list(state.iterdir())) == 1
    os.kill(ahead.pid, 15)
    os.waitpid(ahead.pid, 0)


def test_notes_of_commands_that_run_no_more_are_removed(
    monkeypatch: pytest.MonkeyPatch, state: Path, folder: Path
) -> None:
    """After a week."""
    state.mkdir(parents=True)
    old = state / "0.json"
    old.write_text("{}")
    os.utime(old, (time.time() - 8 * 24 * 3600,) * 2)
    connected(monkeypatch, folder)
    assert not old.exists()
    assert len(list(state.iterdir())) == 1
