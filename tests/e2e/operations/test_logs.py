"""`ftl logs` against a real server."""

from __future__ import annotations

import http.client
import json
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, Any

import pytest
from tests.e2e.support.echo import add_echo
from tests.e2e.support.project import LabProject, lab_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lab.servers import Server
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]

COUNTING = "i=0; while :; do i=$$((i+1)); echo {word} $$i; sleep 0.05; done"  # `$$` is a dollar in ftl.yaml


def counting(word: str = "count") -> list[str]:
    """The command of a service that says `WORD 1`, `WORD 2`, ... twenty times a second."""
    return ["sh", "-c", COUNTING.format(word=word)]


def worker(app: LabProject, name: str, command: list[str], **more: Any) -> None:
    """Add a service without a port."""
    app.config["services"].append(
        {"name": name, "build": "app", "command": command, "stop_timeout": 0, **more}
    )


def lines(stream: IO[str] | None, count: int) -> Iterator[str]:
    """The next lines of a process's output."""
    assert stream is not None
    for _ in range(count):
        yield stream.readline().rstrip("\n")


def test_logs_are_merged_by_time_and_prefixed(ftl: Callable[..., Project], server: Server) -> None:
    """All containers' lines come in the order of time, each with its container; some can be asked for."""
    app = lab_project(ftl, server)
    worker(app, "twin", counting("both"), replicas=2)
    add_echo(app)
    app.deploy().ok()

    everything = app.run("logs", "--json").ok().events("log_line")
    times = [line["time"] for line in everything]
    assert times == sorted(times)
    assert {line["container"] for line in everything} >= {"twin-r1-1", "twin-r1-2", "cache"}

    last = app.run("logs", "twin", "-n", "40").ok().stdout.splitlines()
    assert len(last) == 40
    assert {line.split(" | ")[0] for line in last} == {"twin-r1-1", "twin-r1-2"}

    assert app.run("logs", "cache").ok().stdout == "cache | echo is up\n"
    assert app.run("logs", "cache", "--no-prefix").ok().stdout == "echo is up\n"
    time, _, text = app.run("logs", "cache", "--no-prefix", "-t").ok().stdout.partition(" ")
    assert (len(time), text) == (30, "echo is up\n")
    assert app.run("logs", "cache", "--since", "2999-01-01T00:00:00Z").ok().stdout == ""


def test_mistakes(ftl: Callable[..., Project], server: Server) -> None:
    """A service that ftl.yaml does not have is a mistake (2), one that was never deployed a failure (1)."""
    app = lab_project(ftl, server)
    unknown = app.run("logs", "wbe")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "did you mean `web`?" in unknown.stderr
    nothing = app.run("logs")
    assert nothing.exit_code == 1
    assert "`ftl deploy` starts it" in nothing.stderr


def test_what_ftl_yaml_does_not_have_any_more(ftl: Callable[..., Project], server: Server) -> None:
    """What still runs has a log, and commands can run in it; a name that only records know is told as such."""
    app = lab_project(ftl, server)
    worker(app, "gone", ["sh", "-c", "echo gone is up; sleep 9999"])
    add_echo(app)
    app.deploy().ok()
    del app.config["services"][1]
    cache = app.config.pop("dependencies")
    assert app.run("logs", "gone", "--no-prefix").ok().stdout == "gone is up\n"
    assert app.run("logs", "cache", "--no-prefix").ok().stdout == "echo is up\n"
    assert app.run("exec", "gone", "--", "echo", "here").ok().stdout == "here\n"
    assert app.run("stop", "gone").ok()
    assert app.run("logs", "gone", "web", "--no-prefix", "--grep", "gone").ok().stdout == "gone is up\n"
    unknown = app.run("logs", "gnoe")
    assert (unknown.exit_code, "did you mean `gone`?" in unknown.stderr) == (2, True)
    app.config["dependencies"] = cache
    app.deploy().ok()
    removed = app.run("logs", "gone")
    assert removed.exit_code == 1
    assert "no container of gone is left on" in removed.stderr
    assert "the last release with it is r1" in removed.stderr


def test_a_silent_service_is_noted(ftl: Callable[..., Project], server: Server) -> None:
    """Of a service that logs nothing the command says so on stderr, at once or, with -f, while it waits."""
    app = lab_project(ftl, server)
    worker(app, "mute", ["sleep", "9999"])
    app.deploy().ok()

    silent = app.run("logs", "mute").ok()
    assert (silent.stdout, silent.stderr) == ("", "mute: nothing logged yet\n")
    assert app.run("logs", "mute", "-q").ok().stderr == ""
    with app.project.start("logs", "-f", "mute") as process:
        assert next(lines(process.stderr, 1)) == "mute: nothing logged yet; waiting for lines (Ctrl-C stops)"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def test_following_neither_loses_nor_repeats_a_line(ftl: Callable[..., Project], server: Server) -> None:
    """From the last lines of the past to what comes, also over a restart, each line is there once."""
    app = lab_project(ftl, server)
    worker(app, "counter", counting())
    app.deploy().ok()
    app.save()
    with app.project.start("logs", "-f", "-n", "3", "--no-prefix", "counter") as process:
        seen = [int(line.split()[1]) for line in lines(process.stdout, 60)]
        server.docker("restart", "--time", "0", f"{app.name}-counter-r1")
        while (number := int(next(lines(process.stdout, 1)).split()[1])) != 1:
            seen.append(number)
        again = [number, *(int(line.split()[1]) for line in lines(process.stdout, 40))]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert seen == list(range(seen[0], seen[0] + len(seen)))
    assert again == list(range(1, 42))


def test_containers_of_a_new_release_join(ftl: Callable[..., Project], server: Server) -> None:
    """While a deploy replaces the containers, following goes on with the new ones from their first line.

    That of one release ends with its containers, of which a failed one has kept lines.
    """
    app = lab_project(ftl, server)
    worker(app, "counter", counting("old"))
    app.deploy().ok()
    with (
        app.project.start("logs", "-f", "-n", "0", "counter") as process,
        app.project.start("logs", "-f", "--release", "r1", "--no-prefix", "counter") as old,
    ):
        assert next(lines(process.stdout, 1)).startswith("counter-r1 | old ")
        app.config["services"][1]["command"] = counting("new")
        app.deploy().ok()
        new: list[str] = []
        while len(new) < 20:
            line = next(lines(process.stdout, 1))
            if line.startswith("counter-r2"):
                new.append(line)
        shown, notes = old.communicate(timeout=20)
    assert new == [f"counter-r2 | new {number}" for number in range(1, 21)]
    numbers = [int(line.removeprefix("old ")) for line in shown.splitlines()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert (old.returncode, "no container of counter in r1 is left: the log ends here" in notes) == (0, True)

    unknown = app.run("logs", "-f", "--release", "r99", "counter", timeout=60)
    assert (unknown.exit_code, "there is no release `r99`" in unknown.stderr) == (2, True)


def test_following_goes_on_across_a_reboot_and_a_rollback(
    ftl: Callable[..., Project], server: Server
) -> None:
    """What is shown of each container is what its log has, each line once and in order."""
    app = lab_project(ftl, server)
    worker(app, "counter", counting("old"))
    app.deploy().ok()
    app.config["services"][1]["command"] = counting("new")
    app.deploy().ok()

    def logged(container: str) -> list[tuple[str, str]]:
        """Time and text of the lines that the engine has."""
        lines = server.docker("logs", "-t", f"{app.name}-{container}").splitlines()
        return [(time, text) for time, _, text in (line.partition(" ") for line in lines)]

    with app.project.start("logs", "-f", "-n", "3", "--json", "counter") as process:
        shown: dict[str, list[tuple[str, str]]] = {}

        def follow(container: str, count: int) -> None:
            """Read until this number of its lines were shown since now."""
            until = len(shown.get(container, ())) + count
            while len(shown.get(container, ())) < until:
                line = json.loads(next(lines(process.stdout, 1)))
                if line["type"] == "log_line":
                    shown.setdefault(line["container"], []).append((line["time"], line["text"]))

        follow("counter-r2", 40)
        server.kill()
        server.start()
        follow("counter-r2", 60)
        assert [text for _, text in shown["counter-r2"]].count("new 1") == 1, "it began anew with the server"
        before = logged("counter-r2")
        first = before.index(shown["counter-r2"][0])
        count = min(len(before) - first, len(shown["counter-r2"]))
        assert shown["counter-r2"][:count] == before[first : first + count]
        assert app.run("rollback", "--json").ok().result["rollback_of"] == "r1"
        follow("counter-r3", 40)
        assert shown["counter-r3"] == logged("counter-r3")[: len(shown["counter-r3"])]
        numbers = [int(text.split()[1]) for _, text in shown["counter-r2"]]
        again = numbers[numbers.index(1, 1) :]
        assert again == list(range(1, len(again) + 1)), "up to its end, too"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


REQUESTS, CLIENTS = 5000, 4
LONG = "x" * 3000
"""Requests with such a path begin another file of the access log (10 MB) after about 3000 of them."""


def test_following_requests_shows_each_once_while_the_log_is_rotated(
    ftl: Callable[..., Project], server: Server
) -> None:
    """Those before following began, those while the past is shown, and all that come."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    app.save()

    def send(client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=60)
        for number in range(client, REQUESTS, CLIENTS):
            connection.request("GET", f"/{number}-{LONG}", headers={"Host": app.domain})
            connection.getresponse().read()
        connection.close()

    shown: list[int] = []
    with (
        ThreadPoolExecutor(CLIENTS) as pool,
        app.project.start("logs", "--proxy", "-f", "-n", "20000", "--json", "web") as process,
    ):
        sending = pool.map(send, range(CLIENTS))
        while len(shown) < REQUESTS:
            event = json.loads(next(lines(process.stdout, 1)))
            assert event.get("level") != "warning", event
            if event["type"] == "log_line":
                shown.append(int(event["text"].split(f"{app.domain}/")[1].partition("-")[0]))
        list(sending)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert sorted(shown) == list(range(REQUESTS))
    assert len(server.docker("exec", "ftl-proxy", "ls", "/data/ftl/access").split()) == 2


def test_the_output_of_hooks_is_followed_while_they_run_across_deploys(
    ftl: Callable[..., Project], server: Server
) -> None:
    """Each line comes as it is printed, and once; those of a local hook, which has no container, after the switch."""
    app = lab_project(ftl, server)
    told = "echo begun; until [ -e /www/never ] || [ $((n += 1)) = 5 ]; do sleep 1; done; echo done"
    app.service()["hooks"] = {"pre": f"n=0; {told}", "post": {"local": "echo here"}}
    app.deploy().ok()
    with app.project.start("logs", "--hooks", "-f", "--no-prefix") as process:
        assert [*lines(process.stdout, 3)] == ["begun", "done", "here"]
        for version in ("two", "three"):
            app.version(version)
            app.save()
            with app.project.start("deploy") as deploying:
                assert [*lines(process.stdout, 1)] == ["begun"]
                assert deploying.poll() is None, "it runs still"
                assert [*lines(process.stdout, 2)] == ["done", "here"]
                assert deploying.wait(60) == 0
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
        assert (process.returncode, rest) == (130, "")
