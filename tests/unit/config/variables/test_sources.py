"""Variables of a project: precedence of sources, places, and hints for unset ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pytest

from ftl.config.variables.env_file import Variable
from ftl.config.variables.sources import Variables, read_variables

if TYPE_CHECKING:
    from pathlib import Path


def test_the_environment_wins_over_the_file_beside(tmp_path: Path) -> None:
    """.env sets what the environment does not have, and each variable knows its source."""
    (tmp_path / ".env").write_text("A=file\nB=file\n")
    variables = read_variables(tmp_path, {"A": "environment"})
    assert dict(variables) == {"A": "environment", "B": "file"}
    assert variables.find("A").origin == "the environment"
    assert variables.find("B").origin.endswith(".env:2")


def test_a_folder_without_env_has_the_environment_alone(tmp_path: Path) -> None:
    """.env need not exist."""
    assert dict(read_variables(tmp_path, {"A": "1"})) == {"A": "1"}


def test_later_files_win(tmp_path: Path) -> None:
    """Of several files the later one has the say, and one of them may be missing."""
    (tmp_path / ".env").write_text("A=1\nB=1\n")
    (tmp_path / ".env.production").write_text("B=2\n")
    files = (".env", ".env.production", ".env.none")
    assert dict(read_variables(tmp_path, {}, files)) == {"A": "1", "B": "2"}


def test_a_later_file_has_the_values_of_an_earlier_one(tmp_path: Path) -> None:
    """For its expressions; its own lines above win over those, and the environment over all."""
    (tmp_path / ".env").write_text("HOST=db\nUSER=me\nPORT=1\nURL=${HOST}\n")
    (tmp_path / ".env.staging").write_text("USER=you\nDSN=${USER}@${HOST}:${PORT}\n")
    found = dict(read_variables(tmp_path, {"PORT": "3"}, (".env", ".env.staging")))
    assert (found["DSN"], found["URL"]) == ("you@db:3", "db")


def test_the_files_may_have_secrets_in_them(tmp_path: Path) -> None:
    """They win over the environment there, are no variables, and are named where they are part of a value."""
    (tmp_path / ".env").write_text("HOST=db\nKEY=mine\nURL=${HOST}/${KEY}\nSECRET\n")
    (tmp_path / ".env.staging").write_text("DSN=x${URL}\nKEPT='${KEY}'\n")
    plain = read_variables(tmp_path, {"HOST": "h"}, (".env", ".env.staging"))
    assert (plain["URL"], plain.find("URL").secrets) == ("h/mine", frozenset())
    assert plain.with_secrets({}) is plain
    found = plain.with_secrets({"KEY": "k", "SECRET": "s", "OTHER": "o"})
    assert (found["DSN"], found["KEY"], found["SECRET"], found["KEPT"]) == ("xh/k", "mine", "s", "${KEY}")
    assert {name: set(found.find(name).secrets) for name in found if found.find(name).secrets} == {
        "URL": {"KEY"},
        "DSN": {"KEY"},
        "SECRET": {"SECRET"},
    }


def test_a_misspelt_variable_is_recognised(tmp_path: Path) -> None:
    """The hint names a similar variable that is set, never its value."""
    advice = read_variables(tmp_path, {"SECRET_KEY": "s3cr3t", "PATH": "/bin"}).advice("SECRETKEY")
    assert advice.startswith("did you mean `SECRET_KEY`? Or set it in the environment")
    assert "s3cr3t" not in advice


def test_an_example_is_named_while_there_is_no_env(tmp_path: Path) -> None:
    """Beside .env.example, the hint is to copy it; once .env exists, it is not."""
    (tmp_path / ".env.example").write_text("TOKEN=\n")
    assert "copy .env.example to .env" in read_variables(tmp_path, {}).advice("TOKEN")
    (tmp_path / ".env").write_text("")
    assert ".env.example" not in read_variables(tmp_path, {}).advice("TOKEN")


class Vault(Mapping[str, Variable]):
    """A source that looks values up only when they are asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> Variable:
        self.asked.append(name)
        return Variable(f"secret {name}")

    def __contains__(self, name: object) -> bool:
        return name in ("TOKEN", "KEY")

    def __iter__(self) -> Iterator[str]:
        return iter(("TOKEN", "KEY"))

    def __len__(self) -> int:
        return 2


def test_a_source_may_be_lazy() -> None:
    """Only the values that are used are looked up; names and hints cost nothing."""
    vault = Vault()
    variables = Variables({"KEY": Variable("here")}, vault)
    assert list(variables) == ["KEY", "TOKEN"]
    assert "TOKEN" in variables
    assert variables["KEY"] == "here"
    assert "did you mean `TOKEN`?" in variables.advice("TOKENS")
    assert vault.asked == []
    assert variables["TOKEN"] == "secret TOKEN"
    with pytest.raises(KeyError):
        variables["NONE"]
