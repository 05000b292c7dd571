"""The script that replaces containers, with a docker command that is a folder of files."""

from __future__ import annotations

import asyncio
import shutil
import time

import pytest

from ftl.deploy.apply.replacement_script import Incoming, Outgoing, Replacement, ReplacementScript
from ftl.deploy.plan.replacements import Proof
from ftl.errors import EngineError
from ftl.locks.script_lines import ScriptLock
from ftl.ssh.local import Local
from tests.unit.deploy.apply.replacement_server import (
    AFTER,
    HOLDER,
    KEY,
    NONE,
    REPLACEMENT,
    TAKEN_BACK,
    Server,
    replaced,
    run,
)


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
            assert await ReplacementScript.open(Local(), ScriptLock(KEY, HOLDER), NONE) is None

    asyncio.run(work())
