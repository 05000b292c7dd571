"""What every test may ask for."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.harness import Project, environment, reset_ssh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# A program that was started in the background by a shell ignores Ctrl-C, one that was started by nohup the end of its
# terminal, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


# Hypothesis' limit of 200 ms for an example measures how busy the machine is; pytest-timeout bounds a test that hangs.
# No test is judged by seconds: a machine that is busy draws examples slowly
settings.register_profile("ftl", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ftl")


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests() -> Iterator[None]:
    """Values that one test redacts are words that another one prints; so is the target of its call."""
    yield
    if (next_step := sys.modules.get("ftl.cli.next_step")) is not None:
        next_step.reset()
    if (redact := sys.modules.get("ftl.common.redact")) is not None:
        redact.forget()


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def user(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user who has nothing: no ssh configuration, no known hosts, no state."""
    return environment(tmp_path_factory.mktemp("home"))


@pytest.fixture
def ftl(tmp_path: Path, user: dict[str, str]) -> Callable[..., Project]:
    """Makes a project folder of files: `ftl({"ftl.yaml": "..."}).run("validate")`.

    A file's content is text, bytes, or a value that is written as JSON, which YAML reads. A second call is the same
    folder with more files. Each test begins without known hosts and keys: a lab server's address belonged to another
    server in an earlier test, whose host key it had then.
    """
    folder = tmp_path / "project"
    reset_ssh(Path(user["HOME"]))

    def project(files: Mapping[str, object] | None = None) -> Project:
        folder.mkdir(exist_ok=True)
        made = Project(folder, user)
        made.write(files or {})
        return made

    return project
