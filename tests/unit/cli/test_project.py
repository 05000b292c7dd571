"""Which file and which server a command works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.cli.address import parse
from ftl.cli.project import find_file
from ftl.config.models.project import Server
from ftl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "host", "port", "user"),
    [
        ("shop.example.com", "shop.example.com", None, None),
        ("deploy@shop.example.com", "shop.example.com", None, "deploy"),
        ("shop.example.com:2222", "shop.example.com", 2222, None),
        ("ssh://deploy@10.0.0.5:2222", "10.0.0.5", 2222, "deploy"),
        ("ssh://shop/", "shop", None, None),
        ("[2001:db8::1]:2222", "2001:db8::1", 2222, None),
        ("root@[::1]", "::1", None, "root"),
        ("local", "local", None, None),
        ("my-host_alias", "my-host_alias", None, None),
    ],
)
def test_addresses(text: str, host: str, port: int | None, user: str | None) -> None:
    """--server takes every form in which people write an SSH address."""
    assert parse(text) == Server(host=host, port=port, user=user)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-oProxyCommand=x",
        "a b",
        "host:",
        "host:0",
        "host:65536",
        "host:12x",
        "@host",
        "u@",
        "a:1:2",
        "-lroot@host",
    ],
)
def test_what_is_no_address(text: str) -> None:
    """What is no address is refused, above all what ssh would take for an option."""
    with pytest.raises(UsageError):
        parse(text)


def test_the_file_is_found_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ftl.yaml is found from any folder below it, and named as seen from there."""
    (tmp_path / "ftl.yaml").write_text("")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_file(None) == "../../ftl.yaml"
    monkeypatch.chdir(tmp_path)
    assert find_file(None) == "ftl.yaml"


def test_a_folder_means_the_file_in_it(tmp_path: Path) -> None:
    """-f FOLDER is the ftl.yaml in that folder."""
    (tmp_path / "ftl.yaml").write_text("")
    assert find_file(str(tmp_path)) == str(tmp_path / "ftl.yaml")


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no ftl.yaml, the error says how to get one."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        find_file(None)
    assert "ftl init" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="no file `other"):
        find_file("other.yaml")
