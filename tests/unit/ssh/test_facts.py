"""The facts that a server reports, and the errors that follow from them."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl.ssh.facts import LoginFacts, command, engine_missing, engine_silent, find, read

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = LoginFacts("deploy", "/var/run/docker.sock", default_exists=True, installed=True, listening=True)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ftl-facts\tdeploy\t/var/run/docker.sock\tsocket\tengine\tlistening\n", WHOLE),
        (
            "ftl-facts\tme\t\t\t\t\r\n",
            LoginFacts("me", "", default_exists=False, installed=False, listening=False),
        ),
        ("Welcome to shop!\n", None),
        ("ftl-facts\tcut", None),
        ("", None),
        (
            "ftl-facts\tme\t/tmp/a b:c\tsocket\t\t\n",
            LoginFacts("me", "", default_exists=True, installed=False, listening=False),
        ),
    ],
)
def test_the_facts_are_found_among_other_lines(line: str, expected: LoginFacts | None) -> None:
    """Only the marked line counts, and a path that ssh could not be given does not."""
    assert read(line) == expected


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_any_login_shell_runs_the_command(shell: str) -> None:
    """It is one word for the login shell, and ends with its line."""
    done = subprocess.run([shell, "-c", command()], capture_output=True, text=True, check=True)
    found = find(done.stdout)
    assert found is not None
    assert (
        found.user == subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    )


def test_a_rootless_engines_socket_is_found_where_the_login_names_it(tmp_path: Path) -> None:
    """DOCKER_HOST of the login is looked at after the system's own socket."""
    path = tmp_path / "rootless.sock"
    script = command().replace("/var/run/docker.sock", "/nonexistent/docker.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        done = subprocess.run(
            ["sh", "-c", script],
            env={"PATH": "/usr/bin:/bin", "DOCKER_HOST": f"unix://{path}"},
            capture_output=True,
            text=True,
            check=True,
        )
    found = find(done.stdout)
    assert found is not None
    assert found.socket == str(path)


@pytest.mark.parametrize(
    ("facts", "message", "hint"),
    [
        (
            LoginFacts("deploy", "", default_exists=True, installed=True, listening=True),
            "deploy may not use Docker on shop",
            "`sudo usermod -aG docker deploy`",
        ),
        (
            LoginFacts("deploy", "", default_exists=False, installed=True, listening=False),
            "the Docker engine on shop does not run",
            "systemctl enable --now docker",
        ),
        (
            LoginFacts("deploy", "", default_exists=False, installed=False, listening=False),
            "Docker is not installed on shop",
            "apt-get install docker.io",
        ),
    ],
)
def test_a_missing_engine_is_told_by_its_reason(facts: LoginFacts, message: str, hint: str) -> None:
    """No permission, not running and not installed are three messages with three remedies."""
    error = engine_missing(facts, "shop")
    assert error.message == message
    assert error.hint is not None
    assert hint in error.hint


def test_an_engine_that_looks_as_it_should_is_not_explained() -> None:
    """Where somebody listens and ssh has refused nothing, the engine's own error stands."""
    assert engine_silent(WHOLE, "shop", "Warning: something\n") is None


def test_what_login_scripts_print_before_the_facts_is_noise() -> None:
    """`ftl doctor` shows it."""
    found = find("Welcome to prod\nYou have mail\n\nftl-facts\tdeploy\t\t\t\t\nlater\n")
    assert found is not None
    assert found.noise == "Welcome to prod\nYou have mail"


@pytest.mark.parametrize("host", ["tcp://10.0.0.9:2375", "ssh://docker@other"])
def test_an_engine_elsewhere_is_named(tmp_path: Path, host: str) -> None:
    """By DOCKER_HOST or the docker command's context: nothing here needs to be started."""
    script = command().replace("/var/run/docker.sock", "/nonexistent/docker.sock")
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho {host}\n")
    docker.chmod(0o755)
    here = {"PATH": f"{tmp_path}:/usr/bin:/bin", "XDG_RUNTIME_DIR": "/nonexistent"}
    for env in ({"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": "/nonexistent", "DOCKER_HOST": host}, here):
        done = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, check=True)
        found = find(done.stdout)
        assert found is not None
        assert (found.socket, found.elsewhere) == ("", host)
        error = engine_missing(found, "shop")
        assert host in (error.cause or "")
        assert "does not run" not in error.message


def test_the_socket_of_the_docker_commands_context_is_used(tmp_path: Path) -> None:
    """Where neither the usual one nor a rootless one is there."""
    script = command().replace("/var/run/docker.sock", "/nonexistent/docker.sock")
    path, docker = tmp_path / "engine.sock", tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\necho unix://{path}\n")
    docker.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "XDG_RUNTIME_DIR": "/nonexistent"}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        done = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, check=True)
    found = find(done.stdout)
    assert found is not None
    assert (found.socket, found.elsewhere) == (str(path), "")
