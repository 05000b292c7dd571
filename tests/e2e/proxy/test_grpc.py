"""A gRPC service: its calls and streams while a deploy replaces it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lab import images
from tests.e2e.deploy.test_protocol_tcp import await_line
from tests.e2e.support.project import lab_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.nightly, pytest.mark.usefixtures("busybox", "proxy_image")]

DOCKERFILE = "FROM ftl-lab-grpc\nCOPY *.py /\n"
ECHO = """
import os, signal, threading
from concurrent import futures

import grpc

RELEASE = os.environ["RELEASE"].encode()

def once(request, context):
    return RELEASE

def talk(requests, context):
    for request in requests:
        yield RELEASE

methods = {
    "Once": grpc.unary_unary_rpc_method_handler(once),
    "Talk": grpc.stream_stream_rpc_method_handler(talk),
}
server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Echo", methods)])
server.add_insecure_port("0.0.0.0:50051")
server.start()
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
stop.wait()
server.stop(1).wait()
"""
PROBE = """
import threading, time

import grpc

channel = grpc.insecure_channel("echo:50051")
once, talk = channel.unary_unary("/Echo/Once"), channel.stream_stream("/Echo/Talk")
ITEMS = 50

def say(*words):
    print(*words, flush=True)

def items():
    for _ in range(ITEMS):
        yield b"hello"
        time.sleep(0.1)

def hold():
    while True:
        try:
            answers = [answer.decode() for answer in talk(items())]
            (release,) = set(answers)
            say("whole" if len(answers) == ITEMS else "short", release)
        except grpc.RpcError as error:
            say("cut", error.code())

threading.Thread(target=hold, daemon=True).start()
while True:
    try:
        say("new", once(b"hello", timeout=10).decode())
    except grpc.RpcError as error:
        say("failed", error.code())
    time.sleep(0.02)
"""


def test_calls_and_streams_of_a_grpc_service_survive_its_replacement(
    ftl: Callable[..., Project], server: Server
) -> None:
    """No call fails from the client's start on, and a stream ends in the release in which it began, in both ways."""
    images.ensure("grpc")
    app = lab_project(ftl, server)
    app.project.write({"app/Dockerfile": DOCKERFILE, "app/echo.py": ECHO, "app/probe.py": PROBE})
    app.config["services"] = [
        {
            "name": "echo",
            "build": "app",
            "command": ["python3", "/echo.py"],
            "port": 50051,
            "protocol": "h2c",
            "env": {"RELEASE": "one"},
            "drain_timeout": 15,
        },
        {
            "name": "probe",
            "build": "app",
            "command": ["python3", "/probe.py"],
            "depends_on": ["echo"],
            "stop_timeout": 0,
        },
    ]
    app.deploy().ok()
    await_line(app, "whole one")
    app.service("echo")["env"] = {"RELEASE": "two"}
    assert app.deploy().ok().result["services"]["probe"]["action"] == "unchanged"
    said = await_line(app, "whole two")
    assert not [line for line in said if line.split()[0] not in ("new", "whole")]
    assert "whole one" in said[said.index("new two") :], "the stream that was open at the switch"
    calls = [line for line in said if line.startswith("new")]
    assert calls == sorted(calls), "once the new release answered, the old one got no call"
