"""The GitHub action and the GitLab template, from an empty runner to an app that answers.

GitLab's job runs in what Debian has of the image that the template names, docker:28-cli: busybox's shell and tools, no
bash, no Python before the job installs it. The packages are Debian's (glibc, Docker's CLI 26.1), `apk` is a stand-in
for the template's line, and the engine is that of this machine in place of the service docker:28-dind.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from lab import images
from tests.e2e.support.ci_container import SYSTEM, ci_container
from tests.e2e.support.project import lab_project
from tests.harness import ROOT
from tests.support.ci_runners import run_action, run_gitlab

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Lab, Server
    from tests.harness import Project

pytestmark = [
    pytest.mark.server,
    pytest.mark.usefixtures("busybox", "proxy_image"),
    pytest.mark.timeout(1200, func_only=True),
]


@pytest.fixture(scope="session", autouse=True)
def runner() -> None:
    """The images of the runners, built before the test's own time."""
    images.ensure("runner", "docker-cli")


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """The wheel of this checkout."""
    uv = str(Path(sys.executable).parent / "uv")
    argv = (uv, "build", "--quiet", "--wheel", "--python", sys.executable, "--no-build-isolation")
    subprocess.run(
        (*argv, "--out-dir", str(tmp_path / "dist")), cwd=ROOT, check=True, capture_output=True, timeout=240
    )
    (built,) = (tmp_path / "dist").glob("*.whl")
    return built


def commit(folder: Path) -> None:
    """Commit all files of a folder."""
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    for argv in (("init", "--quiet"), ("add", "."), (*who, "commit", "--quiet", "--message", "Shop")):
        subprocess.run(("git", *argv), cwd=folder, check=True, capture_output=True, timeout=60)


def test_jobs_install_ftl_and_deploy(
    ftl: Callable[..., Project], server: Server, lab: Lab, wheel: Path
) -> None:
    """A release by a job of GitHub, and the next one by a job of GitLab, each on a machine that has never had FTL."""
    app = lab_project(ftl, server, env={"GREETING": "${GREETING}"})
    app.config["server"] = {"host": server.name, "user": server.user}
    app.save()
    commit(app.project.folder)
    key = server.key.read_text()
    known = f"{server.name} {server.known_hosts.read_text().partition(' ')[2]}"

    with ci_container(lab, "github") as machine:
        assert machine.run(("bash", "-c", "command -v ftl"), {"PATH": machine.path}, "/").returncode != 0
        workspace = PurePosixPath(machine.home, "work/shop/shop")
        machine.check_out(app.project.folder, str(workspace))
        package = machine.put(wheel, "/tmp/packages")
        inputs = {"ssh-key": key, "known-hosts": known, "package": package}
        job = run_action(workspace, inputs, machine=machine, variables={"GREETING": "hello"})
        assert job.code == 0, job.log
        figures = {name: float(job.outputs[name]) for name in ("seconds", "bytes")}
        assert min(figures.values()) > 0
        assert {name: value for name, value in job.outputs.items() if name not in figures} == {
            "release": "r1", "url": f"http://{app.domain}", "changed": "true",
        }  # fmt: skip
        assert f"### {app.name}: r1 is live" in job.summary
        assert [path for path in job.cached if not machine.has(path)] == []
        assert [text for text in ("\x1b", key.splitlines()[1]) if text in job.log] == []
    assert app.get() == (200, "one")

    app.version("two")
    commit(app.project.folder)
    with ci_container(
        lab, "gitlab", image=images.DOCKER_CLI, home="/root", user="root", path=f"/opt/busybox:{SYSTEM}"
    ) as machine:
        for missing in ("bash", "python3"):
            argv = ("sh", "-c", f"command -v {missing}")
            assert machine.run(argv, {"PATH": machine.path}, "/").returncode != 0
        workspace = PurePosixPath("/builds/group/shop")
        machine.check_out(app.project.folder, str(workspace))
        package = machine.put(wheel, "/tmp/packages")
        variables = {
            "SSH_PRIVATE_KEY": machine.put(server.key, "/builds/group/shop.tmp"),
            "SSH_KNOWN_HOSTS": known,
            "GREETING": "hello",
        }
        job = run_gitlab(workspace, {"package": package}, variables, machine=machine)
        assert job.code == 0, job.log
        found = [job.outputs[f"FTL_{name}"] for name in ("RELEASE", "URL", "CHANGED")]
        assert found == ["r2", f"http://{app.domain}", "true"]
        assert f"### {app.name}: r2 is live" in job.summary
        assert [path for path in job.cached if not machine.has(path)] == []
        assert "\x1b" not in job.log
    assert app.get() == (200, "two")
