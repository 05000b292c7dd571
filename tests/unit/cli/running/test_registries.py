"""`registries` for commands that go by what is deployed: read late, and alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.cli.options import Options
from ftl.cli.project import load_target
from ftl.cli.running.operation import OperationCall
from ftl.deploy.command_line import GivenCommand
from ftl.errors import ConfigError, FtlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ftl.config.models.project import Registry
    from ftl.deploy.operation import OperationRequest, OperationResult
    from ftl.events import Emit
    from ftl.ssh.machine import Machine

FILE = """\
project: {name: shop}
server: shop.example.com
services: [{name: web, image: 'web:${NOT_SET}'}]
secrets: {TOKEN: {command: 'echo s3cret'}, OTHER: {command: 'false'}}
registries:
  - {server: ghcr.io, username: me, password: '${TOKEN}'}
"""


class Got(FtlError):
    """The request was made."""


def registries_of(options: Options, name: str | None) -> Callable[[], Sequence[Registry]]:
    """What a command gets to read them with."""
    requests: list[OperationRequest] = []

    async def work(request: OperationRequest, _machines: Sequence[Machine], _emit: Emit) -> OperationResult:
        requests.append(request)
        raise Got("")

    call = OperationCall(options, load_target(options, name), GivenCommand("rollback"), dry_run=True)
    with pytest.raises(Got):
        call.run("rollback", work, lambda _: {}, lambda _: None)
    assert requests[0].registries is not None
    return requests[0].registries


def test_they_alone_are_read_with_their_secrets(tmp_path: Path) -> None:
    """A variable that is not set elsewhere, or another secret, stops nothing."""
    (tmp_path / "ftl.yaml").write_text(FILE)
    (one,) = registries_of(Options(file=str(tmp_path / "ftl.yaml")), None)()
    assert (one.server, one.username, one.password) == ("ghcr.io", "me", "s3cret")


def test_a_mistake_in_them_is_one_only_when_they_are_read(tmp_path: Path) -> None:
    """A rollback that needs none of them goes on."""
    (tmp_path / "ftl.yaml").write_text(FILE.replace("echo s3cret", "false"))
    read = registries_of(Options(file=str(tmp_path / "ftl.yaml")), None)
    with pytest.raises(ConfigError, match="TOKEN"):
        read()


def test_without_ftl_yaml_there_are_none() -> None:
    """The error says where they would be used."""
    read = registries_of(Options(server="shop.example.com"), "shop")
    with pytest.raises(UsageError, match="in the folder of"):
        read()
