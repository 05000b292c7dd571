"""ssh is started while FTL is still loaded: logins, errors and remains are the same."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.ssh.keeping import logins
from tests.e2e.ssh.stage import PATIENCE, processes
from tests.harness import Project, environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.support.sshd import Sshd

pytestmark = pytest.mark.server

WORDS = ("--json", "logs", "-n", "1")


@pytest.fixture
def project(sshd: Sshd, tmp_path: Path) -> Project:
    """A project on that server, where nothing of it runs. It has reached it once."""
    variables = {"WHERE": "127.0.0.1", "TMPDIR": str(tmp_path)}
    made = Project(tmp_path / "app", {**environment(tmp_path / "home"), **variables})
    made.write(
        {
            "ftl.yaml": {
                "project": {"name": f"ahead-{sshd.port}"},
                "server": {"host": "${WHERE}", "port": sshd.port, "ssh_key": str(sshd.key)},
                "services": [{"name": "web", "image": "nginx"}],
            }
        }
    )
    first = made.run(*WORDS)
    assert "no container of web" in first.stdout
    assert logins(sshd) == 1
    return made


def connections(sshd: Sshd) -> int:
    """How many connections sshd has told of."""
    return len(set(re.findall(r" port ([0-9]+)", sshd.log)))


def ended(folder: Path) -> bool:
    """Whether no ssh has files in the folder for temporary ones, soon."""
    deadline = time.monotonic() + PATIENCE
    while processes(f"{folder}/ftl-") or any(folder.glob("ftl-*")):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_the_next_command_logs_in_once_and_leaves_nothing(
    project: Project, sshd: Sshd, tmp_path: Path
) -> None:
    """It says the same as the first one."""
    again = project.run(*WORDS)
    assert "no container of web" in again.stdout
    assert again.exit_code == 1
    assert logins(sshd) == 2
    assert ended(tmp_path)


def test_ssh_is_started_before_the_file_is_read(project: Project, sshd: Sshd, tmp_path: Path) -> None:
    """The variable that names the server is empty: an error as before, and the login that was begun is ended."""
    before = connections(sshd)
    failed = project.run(*WORDS, env={"WHERE": ""})
    assert failed.exit_code == 2
    assert ended(tmp_path)
    assert connections(sshd) - before <= 1
    assert logins(sshd) <= 2
    assert list((tmp_path / "home/.state/ftl/ssh").iterdir()) == []


def test_a_file_with_a_mistake_has_its_error_and_no_login(
    project: Project, sshd: Sshd, tmp_path: Path
) -> None:
    """It has changed since."""
    before = connections(sshd)
    path = project.folder / "ftl.yaml"
    path.write_text(path.read_text().replace('"host"', '"hosts"'))
    failed = project.run(*WORDS)
    assert failed.exit_code == 2
    assert "`host` of server is missing" in failed.stdout
    assert ended(tmp_path)
    assert connections(sshd) == before


def test_another_server_is_reached_and_the_former_one_left(
    project: Project, sshd: Sshd, tmp_path: Path
) -> None:
    """The variable has another value: the login that was begun is ended, the next command begins with the new one."""
    for number in (1, 2):
        moved = project.run(*WORDS, env={"WHERE": "localhost"})
        assert "on localhost" in moved.stdout
        assert ended(tmp_path)
        assert logins(sshd) >= 1 + number
    assert logins(sshd) <= 4


def test_a_server_that_refuses_has_the_same_error(project: Project, sshd: Sshd, tmp_path: Path) -> None:
    """By the login that was begun: it is not tried again."""
    before = connections(sshd)
    (tmp_path / "authorized").write_text("")
    refused = project.run(*WORDS)
    assert refused.exit_code == 3
    assert connections(sshd) == before + 1
    assert "Permission denied" in refused.stdout
    assert ended(tmp_path)
