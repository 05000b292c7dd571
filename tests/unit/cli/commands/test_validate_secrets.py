"""`ftl validate`: the files of secrets, and what is left to do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli


TEXT = """\
project: {name: shop, domain: shop.example.com}
services:
  - name: web
    image: nginx
    port: 8000
    env: {KEY: '${API_KEY}', OTHER: '${OTHER}'}
"""


@pytest.fixture
def ftl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> Cli:
    """`ftl` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return cli


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("file: secrets/api_key", "there is no file secrets/api_key", "relative to ftl.yaml"),
        ("file: folder", "folder cannot be read: it is a directory", "relative to ftl.yaml"),
        ("age: secrets.yaml.age", "there is no file secrets.yaml.age", "`ftl secrets set API_KEY`"),
    ],
)
def test_validate_misses_the_file_of_a_secret(ftl: Cli, source: str, message: str, hint: str) -> None:
    """It fetches nothing, and runs no command; a deploy would fail later, perhaps after a build."""
    Path("folder").mkdir()
    Path("ftl.yaml").write_text(f"{TEXT}secrets:\n  OTHER: {{command: false}}\n  API_KEY: {{{source}}}\n")
    code, _, err = ftl(["validate"])
    assert (code, f"the secret API_KEY: {message}" in err, hint in err) == (2, True, True)
    assert "ftl.yaml:9:" in err
    assert "OTHER" not in err


@pytest.mark.parametrize("options", [[], ["-e", "staging"]])
def test_the_file_of_a_secret_of_another_environment_may_be_missing(ftl: Cli, options: list[str]) -> None:
    """Each environment is checked for what it uses itself."""
    secrets = "secrets:\n  KEY: {file: key}\n  OTHER: {file: prod-only}\n"
    Path("ftl.yaml").write_text(TEXT.replace("KEY: '${API_KEY}', OTHER: '${OTHER}'", "A: '${KEY}'") + secrets)
    Path("ftl.staging.yaml").write_text("services: {web: {env: {A: '${OTHER}'}}}\n")
    Path("prod-only" if options else "key").write_text("x")
    assert ftl([*options, "validate"]).code == 0
    Path("prod-only" if options else "key").unlink()
    assert ftl([*options, "validate"]).code == 2


@pytest.mark.parametrize(
    ("comments", "note"),
    [
        ("", ""),
        ("# Lines with TO DO need you.\n", ""),
        ("# TO DO a: b\n", "note: 1 comment with TO DO is left at ftl.yaml:8: "),
        ("#\n  # TO DO a\n# TO DO b\n", "note: 2 comments with TO DO are left, the first at ftl.yaml:9: "),
    ],
)
def test_validate_has_a_note_on_what_is_left_to_do(ftl: Cli, comments: str, note: str) -> None:
    """`ftl init --from` writes such comments, and the file is valid with them."""
    values = "secrets: {API_KEY: {env: A}, OTHER: {env: B}}\n"
    Path("ftl.yaml").write_text(TEXT + values + comments)
    code, out, _ = ftl(["validate"])
    assert (code, "TO DO" in out, note in out) == (0, bool(note), True)


@pytest.mark.parametrize(("environment", "overlay"), [("staging", "staging"), ("preview/x", "preview")])
def test_validate_has_a_note_on_what_is_left_to_do_in_an_environment(
    ftl: Cli, environment: str, overlay: str
) -> None:
    """The file of a destination has comments of its own; ftl.yaml alone does not have them."""
    Path("ftl.yaml").write_text(f"{TEXT}secrets: {{API_KEY: {{env: A}}, OTHER: {{env: B}}}}\n# TO DO a\n")
    text = "# TO DO b\nproject: {domain: x.example.com}\n# TO DO c\n"
    Path(f"ftl.{overlay}.yaml").write_text(text)
    code, out, _ = ftl(["-e", environment, "validate"])
    assert (code, "note: 1 comment with TO DO is left at ftl.yaml:8: " in out) == (0, True)
    assert f"note: 2 comments with TO DO are left, the first at ftl.{overlay}.yaml:1: " in out
    assert f"ftl.{overlay}.yaml" not in ftl(["validate"]).out
