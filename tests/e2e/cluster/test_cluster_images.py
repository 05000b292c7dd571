"""Images for several servers: once from here, and from server to server."""

from __future__ import annotations

import json
import random
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e.support.project import DOCKERFILE, unique
from tests.e2e.support.swarm import form_swarm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lab.servers import Lab, Store
    from tests.harness import Outcome, Project

pytestmark = [pytest.mark.engine, pytest.mark.server, pytest.mark.nightly]

BIG = DOCKERFILE.replace("COPY www", "COPY base /base\nCOPY code /code\nCOPY www")
REFUSE_RUN = """\
#!/bin/sh
case " $* " in *" run "*) echo "no containers today" >&2; exit 125 ;; esac
exec /usr/bin/docker "$@"
"""
"""A docker command of a server that starts no container: it cannot take what its neighbour has."""


class Deployer:
    """A project with one service on three servers.

    Attributes:
        name: The project's name.
        servers: The servers.
    """

    def __init__(self, lab: Lab, project: Project, kinds: Sequence[tuple[str, Store]]) -> None:
        self.name = unique("fan")
        self.project = project
        self.servers = [
            lab.server(f"{self.name}-{letter}", suite=suite, store=store)
            for letter, (suite, store) in zip("abc", kinds, strict=True)
        ]

    def write(self, change: str, *, base: int = 2_000_000) -> None:
        """Write the app: `base` bytes that stay, and 300 kB of code with a change."""
        form = random.Random(1)
        code = "\n".join(str(form.random()) for _ in range(15_000))
        sections = [{**server.section(), "host": server.address, "port": 22} for server in self.servers]
        config: dict[str, Any] = {
            "project": {"name": self.name, "domain": f"{self.name}.example.com"},
            "servers": sections,
            "services": [{"name": "web", "build": "app", "port": 8000, "replicas": 3, "stop_timeout": 1}],
            "proxy": {"tls": "off"},
        }
        self.project.write(
            {
                "app/Dockerfile": BIG,
                "app/base/data": form.randbytes(base).hex()[:base],
                "app/code/code.txt": f"{code}\n{change}\n",
                "app/www/index.html": "here",
                "ftl.yaml": json.dumps(config),
            }
        )

    def deploy(self, change: str) -> list[dict[str, int]]:
        """Deploy a version; what each server got."""
        self.write(change)
        done = self.project.run("deploy", "--json").ok()
        return self.traffic(done)

    @staticmethod
    def traffic(done: Outcome) -> list[dict[str, int]]:
        """What each server got."""
        servers: list[dict[str, int]] = done.result["servers"]
        return servers

    def left(self) -> list[str]:
        """What transfers have left on the servers."""
        found: list[str] = []
        for server in self.servers:
            found += server.docker("ps", "-aq", "--filter", "label=ftl.role=transfer").split()
            found += server.docker("images", "--quiet", "ftl-incoming").split()
            found += (
                server.run(
                    "sh",
                    "-c",
                    "find /home/*/.cache/ftl/layers -name '.run.*'; find /tmp -name 'tmp.*'",
                    check=False,
                )
                .stdout.decode()
                .split()
            )
        return found


@pytest.fixture
def deployer(
    lab: Lab, ftl: Callable[..., Project], proxy_image: str, request: pytest.FixtureRequest
) -> Iterator[Deployer]:
    """A project on three servers, by default with Docker 26.1."""
    made = Deployer(lab, ftl(), getattr(request, "param", [("trixie", "overlay2")] * 3))
    try:
        form_swarm(made.servers, made.name)
        yield made
    finally:
        for server in made.servers:
            lab.remove(server.name)


@pytest.mark.parametrize(
    "deployer",
    [
        [("bookworm", "overlay2")] * 3,
        [("sid", "containerd")] * 3,
        [("trixie", "containerd"), ("bookworm", "overlay2"), ("sid", "containerd")],
    ],
    ids=["docker-20.10", "docker-28", "mixed"],
    indirect=True,
)
def test_images_are_sent_once_cold_and_for_a_change(deployer: Deployer) -> None:
    """All bytes from here go to one server; the others get as many from it, as a delta for the second release."""
    sizes = []
    for change in ("one", "two"):
        first, *others = deployer.deploy(change)
        assert first["bytes_fanned_out"] == 0
        assert [each["bytes_sent"] for each in others] == [0, 0]
        assert [each["bytes_fanned_out"] for each in others] == [first["bytes_sent"]] * 2
        sizes.append(first["bytes_sent"])
    assert sizes[1] < sizes[0] / 10
    assert deployer.left() == []


def test_a_server_that_does_not_get_it_from_its_neighbour_gets_it_from_here(deployer: Deployer) -> None:
    """The other one is not held up; a warning says which, and why."""
    last = deployer.servers[2]
    last.write("/usr/local/bin/docker", REFUSE_RUN.encode())
    last.run("chmod", "755", "/usr/local/bin/docker")
    deployer.write("one")
    done = deployer.project.run("deploy", "--json").ok()
    first, second, third = deployer.traffic(done)
    assert second["bytes_sent"] == 0
    assert second["bytes_fanned_out"] == first["bytes_sent"]
    assert third["bytes_fanned_out"] == 0
    assert third["bytes_sent"] > first["bytes_sent"] / 2
    notes = [event["text"] for event in done.events("note")]
    assert any(text.startswith(f"{last.address} did not get the images from ") for text in notes)
    assert deployer.left() == []


@pytest.mark.parametrize("victim", ["ftl", "receiver"])
def test_what_is_cut_leaves_nothing(deployer: Deployer, victim: str) -> None:
    """FTL is killed, or a server loses its power: no tag, container or file is left, and the next deploy works."""
    deployer.write("one", base=60_000_000)
    with deployer.project.start("deploy", "--json") as process:
        assert process.stdout is not None
        while '"transfer_progress"' not in process.stdout.readline():
            assert process.poll() is None
        if victim == "ftl":
            process.kill()
        else:
            deployer.servers[2].kill()
            process.send_signal(signal.SIGINT)
        process.wait(60)
    if victim == "receiver":
        deployer.servers[2].start()  # what it had is removed by the next transfer
    else:
        deadline = time.monotonic() + 30
        while left := deployer.left():
            assert time.monotonic() < deadline, left
            time.sleep(0.5)
        for server in deployer.servers:
            assert server.docker("images", "--quiet", f"{deployer.name}-web") == ""
    deployer.project.run("deploy", "--json", "--wait-lock", "60").ok()
    assert deployer.left() == []
