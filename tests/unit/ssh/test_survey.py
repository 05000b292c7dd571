"""What a server says about itself, and what it means."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl.ssh.survey import GREETING, SURVEY, Survey, read, silent_engine, without_engine

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = Survey("deploy", "/var/run/docker.sock", default_exists=True, installed=True, listening=True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ftl-survey\tdeploy\t/var/run/docker.sock\tsocket\tengine\tlistening\n", WHOLE),
        (
            "ftl-survey\tme\t\t\t\t\r\n",
            Survey("me", "", default_exists=False, installed=False, listening=False),
        ),
        ("Welcome to shop!\n", None),
        ("ftl-survey\tcut", None),
        ("", None),
        (
            "ftl-survey\tme\t/tmp/a b:c\tsocket\t\t\n",
            Survey("me", "", default_exists=True, installed=False, listening=False),
        ),
    ],
)
def test_the_survey_is_found_among_other_lines(line: str, expected: Survey | None) -> None:
    """Only the marked line counts, and a path that ssh could not be given does not."""
    assert read(line) == expected


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_any_login_shell_runs_the_survey(shell: str) -> None:
    """The survey is one word for the login shell, and ends with its line."""
    done = subprocess.run([shell, "-c", SURVEY], capture_output=True, text=True, check=True)
    found = read(done.stdout.splitlines()[-1])
    assert found is not None
    assert (
        found.user == subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    )


def test_the_greeting_stays_until_its_input_ends() -> None:
    """The master's command says its line at once and goes when its stdin does."""
    with subprocess.Popen(
        ["sh", "-c", GREETING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "\n"
        assert read(child.stdout.readline()) is not None
        assert child.poll() is None
        child.stdin.close()
        assert child.wait() == 0


def test_a_rootless_engines_socket_is_found_where_the_login_names_it(tmp_path: Path) -> None:
    """DOCKER_HOST of the login is looked at after the system's own socket."""
    path = tmp_path / "rootless.sock"
    script = SURVEY.replace("/var/run/docker.sock", "/nonexistent/docker.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        done = subprocess.run(
            ["sh", "-c", script],
            env={"PATH": "/usr/bin:/bin", "DOCKER_HOST": f"unix://{path}"},
            capture_output=True,
            text=True,
            check=True,
        )
    found = read(done.stdout.splitlines()[-1])
    assert found is not None
    assert found.socket == str(path)


@pytest.mark.parametrize(
    ("survey", "message", "hint"),
    [
        (
            Survey("deploy", "", default_exists=True, installed=True, listening=True),
            "deploy may not use Docker on shop",
            "`sudo usermod -aG docker deploy`",
        ),
        (
            Survey("deploy", "", default_exists=False, installed=True, listening=False),
            "the Docker engine on shop does not run",
            "systemctl enable --now docker",
        ),
        (
            Survey("deploy", "", default_exists=False, installed=False, listening=False),
            "Docker is not installed on shop",
            "apt-get install docker.io",
        ),
    ],
)
def test_a_missing_engine_is_told_by_its_reason(survey: Survey, message: str, hint: str) -> None:
    """No permission, not running and not installed are three messages with three remedies."""
    error = without_engine(survey, "shop")
    assert error.message == message
    assert error.hint is not None
    assert hint in error.hint


def test_an_engine_that_looks_as_it_should_is_not_explained() -> None:
    """Where somebody listens and ssh has refused nothing, the engine's own error stands."""
    assert silent_engine(WHOLE, "shop", ["Warning: something"]) is None
