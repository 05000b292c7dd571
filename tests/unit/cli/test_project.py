"""The project file of a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.cli.options import Options
from ftl.cli.project import fetch_secrets
from ftl.cli.project_file import find_file
from ftl.common.redact import redacted
from ftl.errors import FtlError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_file_is_found_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ftl.yaml is found from any folder below it, as a relative path."""
    (tmp_path / "ftl.yaml").write_text("")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert find_file(None) == "../../ftl.yaml"
    monkeypatch.chdir(tmp_path)
    assert find_file(None) == "ftl.yaml"


def test_a_folder_means_the_file_in_it(tmp_path: Path) -> None:
    """-f FOLDER means the ftl.yaml in that folder."""
    (tmp_path / "ftl.yaml").write_text("")
    assert find_file(str(tmp_path)) == str(tmp_path / "ftl.yaml")


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an ftl.yaml, the error's hint says how to create one."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        find_file(None)
    assert "ftl init" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="no file `other"):
        find_file("other.yaml")


def test_secrets_that_are_asked_for_are_fetched_although_nothing_uses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no others; one that is not declared is left out, and a file that is not complete is no obstacle."""
    secrets = "  A: {command: [echo, value-of-a]}\n  B: {command: [/nowhere]}\n"
    web = "services: [{name: web, image: 'web:1', env: {C: '${NOT_SET}'}}]\n"
    (tmp_path / "ftl.yaml").write_text(f"project: {{name: shop}}\nserver: local\nsecrets:\n{secrets}{web}")
    monkeypatch.chdir(tmp_path)
    assert fetch_secrets(Options(), ["A", "X"]) == {"A": "value-of-a"}
    assert "value-of-a" not in redacted("it is value-of-a")
    with pytest.raises(FtlError, match="the secret B: `/nowhere` cannot be started"):
        fetch_secrets(Options(), ["A", "B"])
