"""Secrets without a value: the command's own words, a hint, and no secret in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.config.secrets.project_text import project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.config.conftest import Load, Refuse


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{command: [sh, -c, 'echo sealed >&2; exit 3']}", "the command failed: sealed"),
        ("{command: [sh, -c, 'exit 3']}", "ended with status 3"),
        ("{command: [sleep, '60'], timeout: 0.2}", "took more than 0.2 s"),
        ("{command: [cat, /dev/zero], timeout: 0.3}", "took more than 0.3 s"),
        ("{command: ['true']}", "the command printed nothing"),
        ("{command: pass show db | head -n 1}", "`|` needs a shell"),
        ("{command: echo value 2>/dev/null}", "`2>` needs a shell"),
        ("{command: cd vault; cat key}", "`;` needs a shell"),
        ("{command: [/nowhere]}", "cannot be started: No such file"),
        ("{command: [cat]}", "the command printed nothing"),
        ("{command: [echo, 'ENC[AES256_GCM,data:x]']}", "still encrypted"),
        ("{command: [echo, 'no'], format: json}", "the output is not JSON"),
        ("{command: [echo, B=1], format: dotenv}", "the output has no A"),
        ("{command: [echo, A=], format: dotenv}", "A is empty in the output"),
        ("{command: [echo, '{\"A\": null}'], format: json}", "A is null in the output"),
        ('{command: [echo, \'{"A": {"b": 1}}\'], format: json}', "A is a map in the output"),
        ("{command: [echo, '{\"A\": [1]}'], format: json}", "A is a list in the output"),
        ('{command: [echo, \'{"A": " "}\'], format: json}', "A is empty in the output"),
        ("{command: [echo, '{\"B\": 1}'], format: json}", "the output has no A"),
        ("{command: [echo, '[1]'], format: json}", "the output is a list, not a map of names"),
        ("{command: ['true'], format: json}", "the command printed nothing"),
        ("{file: Dockerfile, format: json}", "Dockerfile is not JSON"),
        ("{env: PATH, format: dotenv, key: K}", "the variable PATH has no K"),
        ("{file: nowhere}", "there is no file nowhere"),
        ("{file: /dev/zero}", "cannot be read"),
        ("{env: NOWHERE}", "the variable NOWHERE is not set"),
    ],
)
def test_a_secret_without_a_value_is_reported_at_its_place(refused: Refuse, source: str, words: str) -> None:
    """The command's own words are in the message."""
    (problem,) = refused(project(f"  A: {source}\n", "    secrets: [A]\n"), PATH="/usr/bin:/bin")
    assert problem.line == 4
    assert words in problem.message


def test_several_lines_of_a_command_that_fails_are_shown(folder: Path, refused: Refuse) -> None:
    """The last ones, bounded, as a terminal shows them, and no secret in them."""
    words = [
        *(f"line {number}" for number in range(9)),
        "\x1b[31m[ERROR]\x1b[0m 401 Unauthorized: fetched-\x1b[1mvalue\x1b[0m\a",
        "",
        "loading\r  you are not signed in ",
        "key-of-two-lines",
        "x" * 290 + " login-value",
    ]
    (folder / "words").write_text("\n".join(words))
    (folder / "key").write_text("-----\nkey-of-two-lines\n")
    lines = (
        "  A: {command: [echo, fetched-value]}\n"
        "  B: {command: [sh, -c, 'cat words >&2; exit 1']}\n"
        "  C: {file: key}\n"
    )
    text = project(lines, "    secrets: [A, B, C]\n")
    (problem,) = refused(text, PATH="/usr/bin:/bin", VAULT_TOKEN="login-value")
    assert problem.message.splitlines() == [
        "the secret B: the command failed:",
        "  line 8",
        "  [ERROR] 401 Unauthorized: ********",
        "  you are not signed in",
        "  ********",
        f"  {'x' * 290} ********",
    ]


def test_what_a_command_has_said_before_it_took_too_long_is_shown(refused: Refuse) -> None:
    """It may say what it waits for; as with one that fails, no secret is in it."""
    command = "[sh, -c, 'echo $$T: session expired >&2; echo run op signin >&2; exec sleep 60'], timeout: 3"
    lines = f"  A: {{command: {command}}}\n  B: {{command: [echo, fetched-value]}}\n"
    text = project(lines, "    secrets: [A, B]\n")
    (problem,) = refused(text, PATH="/usr/bin:/bin", T="fetched-value")
    assert problem.message.splitlines() == [
        "the secret A: the command took more than 3 s:",
        "  ********: session expired",
        "  run op signin",
    ]


def test_what_a_command_says_is_bounded(refused: Refuse) -> None:
    """However long its only line is."""
    command = "[sh, -c, 'head -c 5000 /dev/zero | tr \"\\\\0\" y >&2; exit 1']"
    (problem,) = refused(
        project(f"  A: {{command: {command}}}\n", "    secrets: [A]\n"), PATH="/usr/bin:/bin"
    )
    assert problem.message == f"the secret A: the command failed: {'y' * 300}..."


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("[sh, -c, 'echo sealed >&2; exit 3']", "its exit code was 3; run it by hand in {folder}"),
        ("[sleep, '60'], timeout: 0.2", "run it by hand in {folder}: it may ask for something"),
        ("[/nowhere]", "is it installed on this machine"),
    ],
)
def test_the_hint_for_a_command_that_fails(refused: Refuse, folder: Path, command: str, hint: str) -> None:
    """It has the exit code, and no part of the command: the line of ftl.yaml shows it whole."""
    text = project(f"  A: {{command: {command}}}\n", "    secrets: [A]\n")
    (problem,) = refused(text, PATH="/usr/bin:/bin")
    assert (problem.hint or "").startswith(hint.format(folder=folder.resolve()))
    assert "..." not in (problem.hint or "")


@pytest.mark.parametrize(
    "command",
    [
        """'sh -c "exit 3" X-Token:${T}'""",
        "[sh, -c, 'exit 3', '${T}']",
        "'echo <${T}'",
        "'echo ${T}; true'",
    ],
)
def test_a_command_that_fails_does_not_print_its_arguments(refused: Refuse, command: str) -> None:
    """They may have a credential from a variable."""
    text = project(f"  A: {{command: {command}}}\n", "    secrets: [A]\n")
    (problem,) = refused(text, PATH="/usr/bin:/bin", T="hunter2")
    assert problem.message.startswith("the secret A: ")
    assert "hunter2" not in f"{problem.message} {problem.hint}"


def test_what_only_looks_like_a_shell_is_passed_on(loaded: Load) -> None:
    """In quotes, inside a word, and in a list."""
    for command in ("echo 'a | b;'", "echo 'a | b;'x&y=1", "[echo, '|', ';']"):
        made = loaded(
            project(
                f"  A: {{command: {json.dumps(command) if command[0] != '[' else command}}}\n",
                "    secrets: [A]\n",
            )
        )
        assert made.secret_values["A"] in ("a | b;", "a | b;x&y=1", "| ;")


def test_a_command_that_fails_does_not_print_another_secret(refused: Refuse) -> None:
    """Values that were fetched with it, credentials of the environment and tokens of the usual forms are masked."""
    words = "fetched-value and login-value and ghp_0123456789abcdefghijABCD and short in /etc/key of ubuntu"
    lines = (
        "  A: {command: [echo, fetched-value]}\n"
        "  C: {env: SHORT}\n"
        f"  B: {{command: [sh, -c, 'echo \"{words}\" >&2; exit 1']}}\n"
    )
    text = project(lines, "    secrets: [A, B, C]\n")
    given = {
        "VAULT_TOKEN": "login-value",
        "SHORT": "short",
        "CREDENTIALS": "/etc/key",
        "DESKTOP_SESSION": "ubuntu",
    }
    (problem,) = refused(text, PATH="/usr/bin:/bin", **given)
    masks = " and ".join(["********"] * 3)
    assert problem.message == f"the secret B: the command failed: {masks} and short in /etc/key of ubuntu"


def test_a_misspelt_secret_of_a_service_has_a_suggestion(refused: Refuse) -> None:
    """A name that the project does not declare is a mistake."""
    (problem,) = refused(project("  API_KEY: {env: PATH}\n", "    secrets: [API_KEI]\n"), PATH="x")
    assert "has no secret `API_KEI`" in problem.message
    assert problem.hint == "did you mean `API_KEY`?"


def test_a_secret_of_the_build_belongs_below_build(refused: Refuse) -> None:
    """It is in Docker's form, and was called a secret that the project lacks."""
    (problem,) = refused(project("  API_KEY: {env: PATH}\n", '    secrets: ["id=ca,src=ca.pem"]\n'), PATH="x")
    assert problem.hint is not None
    assert 'belongs below `build`: `build: {context: ., secrets: ["id=ca,src=ca.pem"]}`' in problem.hint
