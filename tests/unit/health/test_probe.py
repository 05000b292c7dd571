"""One probe of a container, against real sockets."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace

import pytest

from ftl.health.probe import NOT_HTTP, REFUSED, SHOWN, ProbeResult, answers_still, probe
from ftl.health.spec import HealthSpec
from tests.support.clock import run
from tests.unit.health.stage import OK, stage

HTTP = HealthSpec(ports=(8000,), path="/up", host="shop.example.com", timeout=2)
TCP = HealthSpec(ports=(8000,), timeout=2)


def response(status: str, *headers: str, body: bytes = b"") -> bytes:
    """An HTTP answer."""
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return head.encode() + b"\r\n\r\n" + body


def probed(
    spec: HealthSpec,
    answer: bytes | None,
    *,
    health: str = "",
    health_log: str = "",
) -> ProbeResult:
    """Probe a container that answers so on port 8000."""

    async def work() -> ProbeResult:
        made = await stage()
        async with made.listening(lambda: answer):
            state = replace(await made.state(), health=health, health_log=health_log)
            return await probe(made.engine, made.machine, state, spec)

    return run(work())


@pytest.mark.parametrize("status", ["200 OK", "204 No Content"])
def test_any_2xx_passes(status: str) -> None:
    """Whatever else it says."""
    assert probed(HTTP, response(status)).ok


@pytest.mark.parametrize(
    ("answer", "text", "body"),
    [
        (response("301 Moved", "Location: https://www.example.com/"), "301 Moved to https://www.example.com/", ""),
        (response("404 Not Found", body=b" no\n page "), "404 Not Found", "no page"),
        (response("500 Oops", body=b"x" * 3000), "500 Oops", "x" * SHOWN + "..."),
        (response("503 " + "y" * 3000), "503 " + "y" * SHOWN + "...", ""),
        (b"", REFUSED, ""),
        (None, "no answer within 2 s", ""),
    ],
)  # fmt: skip
def test_other_answers_do_not_pass(answer: bytes | None, text: str, body: str) -> None:
    """The result says what came, in bounded length; redirects are not followed."""
    result = probed(HTTP, answer)
    assert (result.ok, result.text, result.body) == (False, text, body)


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02F", b"\x00" * 2000])
def test_what_is_no_http_is_called_so(answer: bytes) -> None:
    """However much of it came, the text stays short."""
    text = probed(HTTP, answer).text
    assert text.startswith(NOT_HTTP)
    assert len(text) < len(NOT_HTTP) + SHOWN + 10


@pytest.mark.parametrize("spec", [HTTP, TCP])
def test_a_port_without_a_listener_refuses(spec: HealthSpec) -> None:
    """The container runs, its program does not listen (yet)."""

    async def work() -> None:
        made = await stage()
        result = await probe(made.engine, made.machine, await made.state(), spec)
        assert result == ProbeResult(False, REFUSED)

    run(work())


@pytest.mark.parametrize(("https", "proto"), [(False, b""), (True, b"https")])
def test_the_request_is_a_visitors(https: bool, proto: bytes) -> None:
    """The public host name, and the proxy's headers: apps that redirect or check hosts answer as they will."""
    spec = HealthSpec(ports=(8000,), path="/up?deep=1", host="shop.example.com", https=https)

    async def work() -> None:
        made = await stage()
        async with made.listening(lambda: OK):
            await probe(made.engine, made.machine, await made.state(), spec)
        line, *lines = made.requests[0].split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines if line)
        assert line == b"GET /up?deep=1 HTTP/1.1"
        assert headers[b"Host"] == headers[b"X-Forwarded-Host"] == b"shop.example.com"
        assert headers.get(b"X-Forwarded-Proto", b"") == proto

    run(work())


@pytest.mark.parametrize(("answer", "ok"), [(None, True), (b"", False)])
def test_a_port_passes_when_it_keeps_the_connection(answer: bytes | None, ok: bool) -> None:
    """Behind an SSH forward all connections are accepted; one that nobody wants is closed at once."""
    assert probed(TCP, answer).ok is ok


def test_a_check_by_http_loads_no_http_library() -> None:
    """It would take `ftl status` longer than all of its round trips."""
    code = (
        "import asyncio, sys; from ftl.health.probe import probe_http; from ftl.ssh.local import Local; "
        "print(asyncio.run(probe_http(Local(), '127.0.0.1', 1, path='/', host='x', https=False, timeout=2)).text); "
        "print({'aiohttp', 'aiodocker'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{REFUSED}\nset()\n"


def test_all_ports_must_accept_connections() -> None:
    """A dependency may have several."""

    async def work() -> None:
        made = await stage()
        spec = HealthSpec(ports=(5672, 15672))
        async with made.listening(lambda: None, 5672):
            result = await probe(made.engine, made.machine, await made.state(), spec)
            assert not result.ok
            async with made.listening(lambda: None, 15672):
                result = await probe(made.engine, made.machine, await made.state(), spec)
                assert result.ok

    run(work())


def test_a_server_that_does_not_answer_is_no_answer() -> None:
    """The call by which a refusal is awaited is within the probe's limit too."""

    async def work() -> float:
        made = await stage()
        state = await made.state()
        async with made.listening(lambda: None):
            made.engine.block("ping")
            result = await probe(made.engine, made.machine, state, TCP)
        assert result.text == "no answer within 2 s"
        return asyncio.get_running_loop().time()

    assert run(work()) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("health", "ok", "final"), [("healthy", True, False), ("starting", False, False), ("unhealthy", False, True)]
)  # fmt: skip
def test_dockers_check_must_pass_too_where_the_file_sets_one(health: str, ok: bool, final: bool) -> None:
    """Unhealthy is final, since Docker has retried the check; the text has its output, shortened."""
    spec = HealthSpec(ports=(8000,), docker_check=30)
    result = probed(spec, None, health=health, health_log="no database\n" * 100)
    assert (result.ok, result.final) == (ok, final)
    if final:
        assert result.text.startswith("Docker's health check failed: no database no database")
        assert len(result.text) < 250


@pytest.mark.parametrize("health", ["starting", "unhealthy"])
def test_an_images_own_check_is_ignored(health: str) -> None:
    """Its first answer may take half a minute, and nobody asked for it."""
    assert probed(TCP, None, health=health).ok


def test_a_container_in_no_network_cannot_be_reached() -> None:
    """Something disconnected it."""

    async def work() -> None:
        made = await stage()
        await made.engine.disconnect("shop", "shop-web-r1")
        result = await probe(made.engine, made.machine, await made.state(), TCP)
        assert result == ProbeResult(False, "it is in no network")

    run(work())


def test_a_check_of_the_image_holds_up_dependencies_and_is_told_of_services() -> None:
    """Its first result may take half a minute, so a service does not wait; one that fails is not kept quiet."""
    waiting = replace(HTTP, image_check=True)
    assert not probed(waiting, OK, health="starting").ok
    assert probed(waiting, OK, health="healthy").ok
    assert probed(waiting, OK).ok
    failed = probed(waiting, OK, health="unhealthy", health_log="no table")
    assert (failed.ok, failed.final, failed.text) == (False, True, "Docker's health check failed: no table")
    told = probed(HTTP, OK, health="unhealthy", health_log="no table")
    assert (told.ok, told.note) == (True, "Docker's health check failed: no table")


@pytest.mark.parametrize(
    ("answer", "with_path", "without"),
    [
        (response("200 OK"), True, True),
        (response("404 Not Found"), False, True),
        (response("500 Oops"), False, False),
        (response("503 Busy"), False, False),
        (b"", False, False),
        (None, False, True),
    ],
    ids=["200", "404", "500", "503", "closed", "silent"],
)
def test_a_container_with_visitors_is_judged_by_what_it_answers(
    answer: bytes | None, with_path: bool, without: bool
) -> None:
    """Without a path, silence is no failure: a program with one worker may be busy."""

    async def work(spec: HealthSpec) -> bool:
        made = await stage()
        async with made.listening(lambda: answer):
            return (await answers_still(made.machine, (await made.state()).endpoints, spec)).ok

    assert (run(work(HTTP)), run(work(TCP))) == (with_path, without)
