"""Secrets and env files: each may use the other, and neither reads itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.config.secrets.project_text import project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.config.conftest import Load, Refuse


def test_a_secret_may_be_used_in_an_env_file_alone(folder: Path, loaded: Load) -> None:
    """By an expression, or by its name on a line; one that only a comment or a single quote names is not fetched."""
    (folder / "a.env").write_text("URL=x://${A}\nB\n# ${C}\nLITERAL='${C}'\nD=${NONE:-${D}}\n")
    (folder / "b.env").write_text('BOTH="${URL}?${A}"\n')
    lines = "".join(f"  {name}: {{env: V_{name}}}\n" for name in "ABC")
    text = project(lines, "    env_file: ['${WHERE}.env', b.env]\n")
    made = loaded(text, WHERE="a", V_A="1", V_B="2", D="4")
    assert made.secret_values == {"A": "1", "B": "2"}
    assert dict(made.services[0].env) == {
        "URL": "x://1",
        "B": "2",
        "LITERAL": "${C}",
        "D": "4",
        "BOTH": "x://1?1",
    }


def test_secrets_may_be_used_in_env(folder: Path, loaded: Load) -> None:
    """The file has their values; they are used by those who use its variables, the others by the file."""
    (folder / ".env").write_text("URL=x://${A}\nMORE=${URL}/${PORT}\nOTHER=${B}\nPORT=80\nNEVER='${C}'\n")
    lines = "".join(f"  {name}: {{command: [echo, of-{name}]}}\n" for name in "ABC")
    made = loaded(project(lines, "    env: {M: '${MORE}'}\n"), PATH="/usr/bin:/bin", PORT="1")
    assert made.services[0].env == {"M": "x://of-A/1"}
    assert made.secret_users == {"A": ("web",), "B": (".env",)}
    assert made.secret_values == {"A": "of-A", "B": "of-B"}


def test_variables_of_env_that_have_secrets_reach_env_files_and_presets(folder: Path, loaded: Load) -> None:
    """An env file that names such a variable uses the secret; a preset passes it on."""
    (folder / ".env").write_text("URL=x://${A}\nPOSTGRES_PASSWORD=y${B}\n")
    (folder / "a.env").write_text("MINE=${URL}\n")
    text = project("  A: {env: V_A}\n  B: {env: V_B}\n", "    env_file: a.env\ndependencies: [postgres:17]\n")
    made = loaded(text, V_A="1", V_B="2")
    assert made.services[0].env == {"MINE": "x://1"}
    assert made.dependencies[0].env["POSTGRES_PASSWORD"] == "y2"
    assert made.secret_users == {"A": ("web",), "B": ("postgres",)}


def test_a_command_of_a_secret_has_no_variable_that_is_made_of_one(folder: Path, loaded: Load) -> None:
    """Its environment is that of .env without these: nothing waits for another secret."""
    (folder / ".env").write_text("URL=x://${A}\nROLE=deploy\n")
    lines = "  A: {env: V}\n  B: {command: [sh, -c, 'echo $ROLE-$URL-']}\n"
    made = loaded(project(lines, "    secrets: [B]\n    env: {U: '${URL}'}\n"), V="1", PATH="/usr/bin:/bin")
    assert made.services[0].env == {"B": "deploy--", "U": "x://1"}


def test_a_secret_is_not_made_of_another(folder: Path, refused: Refuse) -> None:
    """Nor of itself: a source that is a variable of .env with a secret in it is a mistake."""
    (folder / ".env").write_text("URL=x://${A}\nA=${A}\n")
    problems = refused(project("  A: {env: A}\n  B: {env: URL}\n", "    secrets: [A, B]\n"))
    assert [(problem.line, problem.message) for problem in problems] == [
        (4, "the secret A: its variable has the secret A in it (.env:2)"),
        (5, "the secret B: its variable has the secret A in it (.env:1)"),
    ]


def test_a_secret_from_env_may_be_used_there(folder: Path, loaded: Load) -> None:
    """The usual pair: the value in one line, what is made of it in another."""
    (folder / ".env").write_text("A=1\nURL=x://${A}\n")
    made = loaded(project("  A: {env: A}\n", "    env: {U: '${URL}'}\n"))
    assert made.services[0].env == {"U": "x://1"}


def test_what_is_not_set_in_env_is_reported_with_secrets_too(folder: Path, refused: Refuse) -> None:
    """The secrets are known there, and nothing else is; also where ftl.yaml cannot be parsed."""
    (folder / ".env").write_text("URL=x://${A}\nB=${NONE}\n")
    problems = refused(project("  A: {env: V}\n", "    env: {U: '${URL}'}\n    port: x\n"), V="1")
    assert [(problem.file, problem.line) for problem in problems] == [(".env", 2), ("ftl.yaml", 9)]
    problems = refused("a: [\n")
    assert {problem.file for problem in problems} == {".env", "ftl.yaml"}
