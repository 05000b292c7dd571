"""The script that replaces containers, with a docker command that is a folder of files."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.common.programs import program
from ftl.deploy.apply.replacement_script import Incoming, Outgoing, Replacement, ReplacementScript
from ftl.deploy.plan.replacements import Proof
from ftl.errors import EngineError
from ftl.ssh.local import Local
from tests.unit.host.programs import put_programs

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

# A container is a folder: its status, restart policy, name, and "broken" or "deaf" where it does not start or stop.
DOCKER = """#!/bin/sh
[ "$1" != --host ] || shift 2
cd "$FAKE/containers" || exit 1
[ ! -e "$FAKE/down" ] || exit 1
of() { cat "$1/$2" 2>/dev/null || { echo "No such container: $1" >&2; exit 1; }; }
case "$*" in
"inspect --type container -f {{.State.Running}} "*)
    case $(of "$6" status) in running) echo true ;; '') exit 1 ;; *) echo false ;; esac
    ;;
"inspect -f {{.State.Status}} "*) of "$4" status ;;
"inspect -f {{.HostConfig.RestartPolicy.Name}} "*) of "$4" policy ;;
inspect*) echo always ;;
"ps -aq"*) echo state ;;
ps*) ;;
"cp "*) path=$FAKE/${2%%:*}${2#*:} && tar -C "${path%/*}" -cf - "${path##*/}" ;;
*)
    echo "$*" >>"$FAKE/calls"
    case $1 in
    stop) [ -e "$4/deaf" ] || { sleep "$(cat "$4/slow" 2>/dev/null || echo 0)"; echo exited >"$4/status"; } ;;
    start)
        [ ! -e "$2/broken" ] || { echo "no such device" >&2; exit 1; }
        echo running >"$2/status"
        ;;
    update) echo "$3" >"$4/policy" ;;
    rename) echo "$3" >"$2/name" ;;
    esac
    ;;
esac
"""

REPLACEMENT = Replacement(
    "db", (Outgoing("0ld", 3, name="db", parked="db-old"),), (Incoming("4e3", 3, name="db", fresh="db-new"),)
)
NONE = Proof()
KEY = f"key of {os.getpid()}"
BEFORE = ("running always db", "created no db-new")
AFTER = ("exited no db-old", "running always db")
TAKEN_BACK = ("running always db", "exited no db-new")


class Server:
    """A folder that stands for a server with two containers."""

    def __init__(self, home: Path) -> None:
        self.home = home
        put_programs(home / "bin", {"docker": DOCKER})
        for number, words in (("0ld", BEFORE[0]), ("4e3", BEFORE[1])):
            for file, word in zip(("status", "policy", "name"), words.split(), strict=True):
                self.set(f"containers/{number}/{file}", word)

    def set(self, file: str, text: str = "") -> None:
        """Write a file."""
        path = self.home / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    @property
    def state(self) -> tuple[str, ...]:
        """Status, restart policy and name of the old container and the new one."""
        folders = (self.home / "containers" / number for number in ("0ld", "4e3"))
        return tuple(
            " ".join((folder / file).read_text().strip() for file in ("status", "policy", "name"))
            for folder in folders
        )

    @property
    def calls(self) -> list[str]:
        """Commands that changed something."""
        return (self.home / "calls").read_text().splitlines()

    @property
    def lock(self) -> Path:
        """The lock file, which exists."""
        text = program("ftl.host", "scripts/lock_file.sh")
        script = f'{text}\nlock_file "" "{KEY}"\nexists "$file" || create "$file" 660\necho "$file"'
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        return Path(done.stdout.strip())

    @contextmanager
    def locked(self) -> Iterator[Callable[[], None]]:
        """Hold the deploy lock; yields its release."""
        with self.lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield lambda: fcntl.flock(file, fcntl.LOCK_UN)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server whose commands are the ones on the path of this process."""
    monkeypatch.setenv("FAKE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    server = Server(tmp_path)
    yield server
    server.lock.unlink()


def run(
    work: Callable[[ReplacementScript], Coroutine[None, None, None]],
    proof: Proof = NONE,
    key: str = KEY,
    *,
    then: Callable[[], None] = lambda: None,
) -> None:
    """Do something with a script, close its input, as a kill of FTL does, and wait for its end after `then`."""

    async def opened() -> None:
        machine = Local()
        script = await ReplacementScript.open(machine, key, proof)
        assert script is not None
        (process,) = machine._children
        await work(script)
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.to_thread(then)
        async with asyncio.timeout(30):
            await process.wait()
        await asyncio.sleep(0.1)

    asyncio.run(opened())


async def replaced(script: ReplacementScript) -> None:
    """Replace the container; the end of the input then tells that FTL is gone."""
    await script.replace(script.begin(REPLACEMENT))


def test_the_old_stops_before_the_new_starts_and_keeps_its_policy_until_it_has_stopped(
    server: Server,
) -> None:
    """A power cut while it stops starts it again; and what is decided stays."""

    async def work(script: ReplacementScript) -> None:
        await replaced(script)
        script.end()

    run(work)
    assert server.state == AFTER
    order = [call for call in server.calls if call.split()[-1] in ("0ld", "4e3") or "rename" in call]
    assert order == [
        "update --restart always 4e3",
        "stop -t 3 0ld",
        "rename 0ld db-old",
        "rename 4e3 db",
        "update --restart no 0ld",
        "start 4e3",
    ]


@pytest.mark.parametrize("fault", ["4e3/broken", "0ld/deaf"])
def test_the_old_runs_again_where_the_new_does_not_start(server: Server, fault: str) -> None:
    """Also where the old one does not stop: the new one is never started then."""
    server.set(f"containers/{fault}")

    async def work(script: ReplacementScript) -> None:
        with pytest.raises(EngineError) as caught:
            await replaced(script)
        assert (caught.value.cause or "").strip() == (
            "no such device" if "broken" in fault else "the old container does not stop"
        )
        script.end()

    run(work)
    assert server.state[0] == "running always db"
    assert server.state[1].split()[0] != "running"


def test_undoing_starts_the_old_again(server: Server) -> None:
    """And a container that did not run before stays stopped."""

    async def work(script: ReplacementScript) -> None:
        number = script.begin(REPLACEMENT)
        await script.replace(number)
        await script.back(number)
        assert server.state == TAKEN_BACK
        idle = script.begin(Replacement("db", (Outgoing("0ld", 1, again=False),), (Incoming("4e3", 1),)))
        await script.replace(idle)
        await script.back(idle)
        script.end()

    run(work)
    assert server.state == ("exited no db", "exited no db-new")


def test_without_ftl_the_old_runs_again_once_the_lock_is_free(server: Server) -> None:
    """The end of the input alone says little: FTL may still act."""
    with server.locked() as release:

        def then() -> None:
            time.sleep(0.7)
            assert server.state == AFTER
            release()

        run(replaced, then=then)
    assert server.state == TAKEN_BACK


def test_a_kill_in_the_middle_of_a_stop_is_taken_back_too(server: Server) -> None:
    """The script ends what it has begun first."""
    server.set("containers/0ld/slow", "0.7")

    async def work(script: ReplacementScript) -> None:
        asking = asyncio.ensure_future(replaced(script))
        await asyncio.sleep(0.3)
        asking.cancel()

    run(work)
    assert server.state == TAKEN_BACK
    assert "start 4e3" in server.calls


def test_an_engine_that_is_restarted_meanwhile_is_waited_for(server: Server) -> None:
    """Nothing is done while it does not answer, and the old container runs in the end."""

    async def work(script: ReplacementScript) -> None:
        await replaced(script)
        server.set("down")

    def then() -> None:
        time.sleep(0.5)
        assert server.state == AFTER
        (server.home / "down").unlink()

    run(work, then=then)
    assert server.state == TAKEN_BACK


@pytest.mark.parametrize("told_by", ["live file", "record"])
def test_what_was_decided_is_not_taken_back(server: Server, told_by: str) -> None:
    """FTL was killed after the switch, before it could say so."""
    file = "ftl-proxy/config/live/shop.web" if told_by == "live file" else "state/ftl/shop/r2.json"
    server.set(file, "r2-web" if told_by == "live file" else '{"outcome":"live"}')
    run(replaced, Proof("shop/r2.json", ("shop.api=r2-api", "shop.web=r2-web")))
    assert server.state == AFTER


@pytest.mark.parametrize("change", ["0ld/status running", "4e3/policy no"])
def test_what_somebody_has_changed_since_is_left_alone(server: Server, change: str) -> None:
    """As by `ftl stop`, which takes the restart policies."""

    async def work(script: ReplacementScript) -> None:
        await replaced(script)
        file, word = change.split()
        server.set(f"containers/{file}", word)

    run(work)
    assert server.state != TAKEN_BACK
    assert "start 0ld" not in server.calls


def test_in_a_cluster_nothing_is_taken_back_by_the_server_alone(server: Server) -> None:
    """What is decided may be on other servers: the new container runs on."""
    run(replaced, key="")
    assert server.state == AFTER


def test_without_a_docker_command_there_is_no_script(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls of the API do it then."""
    found = shutil.which("sh")
    assert found is not None
    (server.home / "bin" / "docker").unlink()
    (server.home / "bin" / "sh").symlink_to(found)

    async def work() -> None:
        with monkeypatch.context() as patched:
            patched.setenv("PATH", f"{server.home}/bin")
            assert await ReplacementScript.open(Local(), KEY, NONE) is None

    asyncio.run(work())
