"""Release records that a power cut has damaged, on engines of several releases of Debian."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.project import lab_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]


@pytest.mark.parametrize(
    ("suite", "store"),
    [
        ("bookworm", "overlay2"),
        pytest.param("trixie", "containerd", marks=pytest.mark.nightly),
        pytest.param("sid", "containerd", marks=pytest.mark.nightly),
    ],
)
def test_what_a_power_cut_leaves_of_the_records(
    server_factory: ServerFactory, ftl: Callable[..., Project], suite: str, store: str
) -> None:
    """An older copy stays beside each file, a damaged hold counts as one, and a lost record is made again."""
    server = server_factory("cut", suite=suite, store=store)
    app = lab_project(ftl, server)
    app.deploy().ok()
    in_store(server, f"touch -d @1 /ftl/{app.name}/*")  # long ago: all is on the disk
    app.version("two")
    app.deploy().ok()

    audit = f"/ftl/{app.name}/audit.jsonl"
    assert in_store(server, f"wc -l <{audit}.old").strip() == "2"  # its entry, and the end
    assert in_store(server, f"wc -l <{audit}").strip() == "3"
    in_store(server, f": >{audit}")
    entries = app.run("audit", "--json").ok().result["entries"]  # r2's by its record
    assert sorted((entry["release"], entry["outcome"]) for entry in entries) == [
        ("r1", "done"),
        ("r2", "done"),
    ]

    app.run("rollback", "--hold", "-m", "it loses sessions", "--json").ok()
    in_store(
        server, f": >/ftl/{app.name}/hold.json; rm -f /ftl/{app.name}/r3.json.old; : >/ftl/{app.name}/r3.json"
    )
    refused = app.run("deploy", "--json")
    assert refused.exit_code == 2
    assert "damaged, as by a power cut" in refused.result["error"]["message"]
    status = app.run("status", "--json").ok().result
    assert "damaged" in status["hold"]
    assert status["release"] == "r3"

    done = app.run("deploy", "--end-hold", "--json").ok()
    assert any("r3.json" in note and "damaged" in note for note in done.result.get("notes", ())) or any(
        "r3.json" in note["text"] for note in done.events("note")
    )
    releases = {
        each["release"]: each["outcome"] for each in app.run("releases", "--json").ok().result["releases"]
    }
    assert (releases["r3"], releases["r4"]) == ("replaced", "live")
    assert app.run("status", "--json").ok().result["hold"] is None
    assert app.get() == (200, "two")


def in_store(server: Server, script: str) -> str:
    """Run a script where the release records are."""
    image = server.docker("inspect", "-f", "{{.Image}}", "ftl-proxy")
    return server.docker(
        "run", "--rm", "--volumes-from", "ftl-state", "--entrypoint", "sh", image, "-c", script
    )
