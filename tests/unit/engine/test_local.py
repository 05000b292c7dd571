"""Address of this machine's engine."""

from __future__ import annotations

import hashlib
import json
import socket
from typing import TYPE_CHECKING

import pytest

from ftl.engine import local
from ftl.engine.local import local_url
from ftl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide an engine of the machine that runs the tests."""
    monkeypatch.setattr(local, "DEFAULT", tmp_path / "default.sock")


def context(home: Path, name: str, host: str) -> None:
    """Write a docker context as the CLI does."""
    folder = home / ".docker" / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    meta = {"Name": name, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (folder / "meta.json").write_text(json.dumps(meta))


def current(home: Path, name: str) -> None:
    """Make a context the CLI's current one."""
    (home / ".docker").mkdir(exist_ok=True)
    (home / ".docker" / "config.json").write_text(json.dumps({"currentContext": name}))


def test_docker_host_comes_first(tmp_path: Path) -> None:
    """DOCKER_HOST overrides every context, as in the docker CLI."""
    context(tmp_path, "other", "unix:///other.sock")
    current(tmp_path, "other")
    environ = {"DOCKER_HOST": "tcp://127.0.0.1:2375", "DOCKER_CONTEXT": "other"}
    assert local_url(environ, tmp_path) == "tcp://127.0.0.1:2375"


def test_docker_context_comes_before_the_current_context(tmp_path: Path) -> None:
    """DOCKER_CONTEXT overrides the configuration's current context."""
    context(tmp_path, "one", "unix:///one.sock")
    context(tmp_path, "two", "unix:///two.sock")
    current(tmp_path, "one")
    assert local_url({}, tmp_path) == "unix:///one.sock"
    assert local_url({"DOCKER_CONTEXT": "two"}, tmp_path) == "unix:///two.sock"


def test_docker_config_names_another_folder(tmp_path: Path) -> None:
    """DOCKER_CONFIG moves the CLI's configuration together with its contexts."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    context(elsewhere, "one", "unix:///one.sock")
    current(elsewhere, "one")
    assert local_url({"DOCKER_CONFIG": str(elsewhere / ".docker")}, tmp_path) == "unix:///one.sock"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"currentContext": 7}', '{"currentContext": "default"}'])
def test_a_configuration_without_a_context_leads_to_the_default(tmp_path: Path, content: str) -> None:
    """No context, a broken file and the context `default` all mean the default socket."""
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(content)
    assert local_url({}, tmp_path) == f"unix://{tmp_path / 'default.sock'}"


def test_sockets_of_rootless_and_desktop_engines_are_found(tmp_path: Path) -> None:
    """Without a default socket, those of other products are tried."""
    place = tmp_path / ".colima" / "default"
    place.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "docker.sock"))
        assert local_url({}, tmp_path) == f"unix://{place / 'docker.sock'}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "docker.sock"))
        assert local_url({"XDG_RUNTIME_DIR": str(tmp_path)}, tmp_path) == f"unix://{tmp_path / 'docker.sock'}"


@pytest.mark.parametrize("host", ["ssh://me@shop", "npipe:////./pipe/docker_engine", "shop:2375"])
def test_an_engine_of_another_machine_is_refused(tmp_path: Path, host: str) -> None:
    """An engine behind SSH, or with an unsupported address, is a usage error that names the variable."""
    with pytest.raises(UsageError, match="DOCKER_HOST"):
        local_url({"DOCKER_HOST": host}, tmp_path)


def test_a_missing_context_is_an_error(tmp_path: Path) -> None:
    """It is not silently replaced by another engine."""
    with pytest.raises(UsageError, match="`gone`"):
        local_url({"DOCKER_CONTEXT": "gone"}, tmp_path)


def test_a_context_with_tls_is_refused(tmp_path: Path) -> None:
    """Its keys are not ignored: FTL does not use the engine without them."""
    context(tmp_path, "safe", "tcp://shop:2376")
    digest = hashlib.sha256(b"safe").hexdigest()
    (tmp_path / ".docker" / "contexts" / "tls" / digest / "docker").mkdir(parents=True)
    with pytest.raises(UsageError, match="TLS"):
        local_url({"DOCKER_CONTEXT": "safe"}, tmp_path)
