"""Secrets: fetched once, side by side, only when used, and never by a shell."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ftl.config.dump import dump
from ftl.config.loading import load, load_notifications
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables

from .conftest import written

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Load, Refuse

HEAD = "project: {name: shop}\nserver: local\n"
PYTHON = sys.executable


def project(secrets: str, uses: str) -> str:
    """A project whose service has these lines."""
    return f"{HEAD}secrets:\n{secrets}services:\n  - name: web\n    image: web:1\n{uses}"


def test_a_secret_comes_from_a_command_a_file_or_a_variable(folder: Path, loaded: Load) -> None:
    """`${NAME}` and a service's `secrets` have the value; one newline at its end does not belong to it."""
    (folder / "key").write_text("of file\n")
    made = loaded(
        project(
            "  A: {command: [echo, of command]}\n  B: {file: key}\n  C: {env: TOKEN}\n",
            "    secrets: [B]\n    env: {URL: 'x://${A}@${C}'}\n",
        ),
        TOKEN="t",
        PATH="/usr/bin:/bin",
    )
    assert made.services[0].env == {"B": "of file", "URL": "x://of command@t"}
    assert made.secret_values == {"A": "of command", "B": "of file", "C": "t"}
    assert "of" not in str(dump(made, show_secrets=False)["services"][0]["env"])


def test_it_is_known_which_texts_of_a_service_have_which_secrets_in_them(folder: Path, loaded: Load) -> None:
    """By parts, without the values; a plain value that is the same as that of a secret has none."""
    (folder / ".env").write_text("HOST=db\nDSN=x://${A}@${HOST}\n")
    (folder / "web.env").write_text("A\nFROM_FILE=${DSN}?${B:-none}\nOVER=${A}\n")
    (folder / "app.conf").write_text("${A}")
    made = loaded(
        project(
            "  A: {env: V}\n  B: {env: W}\n",
            "    env_file: web.env\n"
            "    env: {MIXED: 'a$$${A}b', DSN: '${DSN}', HOST: '${HOST}', SAME: '1', OVER: x, NO: '${A:+set}'}\n"
            "    secrets: [B, {name: A, file: /run/a}]\n"
            "    files: [{path: /b, content: 'b=${B}'}, {path: /c, content: '1'}, {path: /d, source: app.conf}]\n",
        ),
        V="1",
        W="2",
    )
    (web,) = made.services
    assert made.secret_texts is not None
    texts = made.secret_texts["web"]
    assert texts.env == {
        "A": ("", "A", ""),
        "B": ("", "B", ""),
        "MIXED": ("a$", "A", "b"),
        "DSN": ("x://", "A", "@db"),
        "FROM_FILE": ("x://", "A", "@db?", "B", ""),
    }
    assert texts.files == {"/run/a": ("", "A", ""), "/b": ("b=", "B", "")}
    values = {"A": "1", "B": "2"}
    contents = {file.path: file.content for file in web.files}
    for found, given in ((texts.env, web.env), (texts.files, contents)):
        for name, parts in found.items():
            assert "".join(values[part] if n % 2 else part for n, part in enumerate(parts)) == given[name]
    (folder / ".env").unlink()
    assert loaded(f"{HEAD}services:\n  - {{name: web, image: web:1, env: {{A: '1'}}}}\n").secret_texts == {}


def test_only_what_is_read_of_a_file_uses_secrets(folder: Path) -> None:
    """A rollback waits for no vault but those of its messages."""
    (folder / ".env").write_text("HOOK=https://a.example/${A}\nOTHER=${B}\n")
    text = "secrets:\n  A: {command: [echo, x]}\n  B: {command: [/nowhere]}\nnotify: ['${HOOK}']\n"
    path = written(folder, f"{HEAD}{text}services: [{{name: web, image: 'web:${{B}}'}}]\n")
    files = ProjectFiles(path, read_variables(folder, {"PATH": "/usr/bin:/bin"}))
    assert [one.url for one in load_notifications(files)] == ["https://a.example/x"]


def test_a_secret_that_nothing_uses_is_not_fetched(loaded: Load) -> None:
    """A vault that is down must not stop what does not need it."""
    made = loaded(project("  A: {command: [/nowhere]}\n", ""))
    assert made.secret_values == {}


def test_validation_fetches_nothing(folder: Path) -> None:
    """It runs in editors and in CI, where there is no vault."""
    path = written(folder, project("  A: {command: [/nowhere]}\n", "    secrets: [A]\n"))
    made = load(ProjectFiles(path, read_variables(folder, {})), fetch=False)
    assert set(made.services[0].env) == {"A"}


@pytest.mark.parametrize("form", ["json", "dotenv"])
def test_one_command_may_print_many_values(folder: Path, loaded: Load, form: str) -> None:
    """Secrets with one command share one call; `{names}` becomes the names that are used."""
    script = folder / "vault.py"
    script.write_text(
        "import json, sys\n"
        "open('calls', 'a').write(' '.join(sys.argv[2:]) + '\\n')\n"
        "values = {name: f'$x of {name}' for name in sys.argv[2:]}\n"
        "print(json.dumps(values) if sys.argv[1] == 'json' else "
        "'\\n'.join(f\"{k}='{v}'\" for k, v in values.items()))\n"
    )
    command = f"{{command: [{PYTHON}, vault.py, {form}, '{{names}}']}}"
    made = loaded(
        project(f"  A: &v {command}\n  B: *v\n  C: *v\n", "    secrets: [A]\n    env: {X: '${B}'}\n")
    )
    assert made.services[0].env == {"A": "$x of A", "X": "$x of B"}
    assert (folder / "calls").read_text() == "A B\n"


def test_a_command_is_asked_for_the_key_of_a_secret(folder: Path, loaded: Load) -> None:
    """Where that is called otherwise than the secret; for one name once."""
    (folder / "vault.py").write_text("import sys\nfor name in sys.argv[1:]: print(f'{name}=of {name}')\n")
    command = f"{{command: [{PYTHON}, vault.py, '{{names}}']"
    lines = f"  A: {command}, key: stripe-live}}\n  B: {command}}}\n  C: {command}, key: stripe-live}}\n"
    made = loaded(project(lines, "    secrets: [A, B, C]\n"))
    assert made.secret_values == {"A": "of stripe-live", "B": "of B", "C": "of stripe-live"}


@pytest.mark.parametrize("times", [("0.1", "30"), ("30", "0.1")])
def test_a_call_for_many_secrets_has_the_longest_time_of_theirs(loaded: Load, times: tuple[str, str]) -> None:
    """In whatever order they are written."""
    command = "command: [sh, -c, 'sleep 0.6; echo A=1; echo B=2'], format: dotenv"
    lines = "".join(
        f"  {name}: {{{command}, timeout: {time}}}\n" for name, time in zip("AB", times, strict=True)
    )
    made = loaded(project(lines, "    secrets: [A, B]\n"), PATH="/usr/bin:/bin")
    assert made.secret_values == {"A": "1", "B": "2"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("true", "true"),
        ("false", "false"),
        ("1.10", "1.10"),
        ("12345678901234567890", "12345678901234567890"),
        ("1e3", "1e3"),
    ],
)
def test_single_values_of_json_are_texts(loaded: Load, value: str, text: str) -> None:
    """As they are written: a flag and a number are usual among the values of a vault."""
    made = loaded(
        project(f"  A: {{command: [echo, '{{\"A\": {value}}}'], format: json}}\n", "    secrets: [A]\n"),
        PATH="/usr/bin:/bin",
    )
    assert made.secret_values == {"A": text}


def test_commands_run_side_by_side(loaded: Load) -> None:
    """Ten slow vaults take as long as one; a child that is left behind is not waited for."""
    lines = "".join(f"  S{n}: {{command: [sh, -c, 'sleep 60 & sleep 0.5; echo v{n}']}}\n" for n in range(10))
    names = ", ".join(f"S{n}" for n in range(10))
    started = time.monotonic()
    made = loaded(project(lines, f"    secrets: [{names}]\n"), PATH="/usr/bin:/bin")
    assert len(made.services[0].env) == 10
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=a$$b", "a$$b"),
        ('A="a$$b"', "a$$b"),
        ("A='a$$b'", "a$$b"),
        ("A=a$$$b", "a$$$b"),
        (r'A="a\$b"', "a$b"),
        ("A=${B}", "${B}"),
    ],
)
def test_dollar_signs_of_a_dotenv_output_are_kept(folder: Path, loaded: Load, line: str, value: str) -> None:
    """What a vault prints is final: nothing in it is interpolated or an escape of it."""
    (folder / "out").write_text(line + "\n")
    made = loaded(project("  A: {command: [cat, out], format: dotenv}\n", "    secrets: [A]\n"))
    assert made.services[0].env == {"A": value}


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


@pytest.mark.parametrize("name", ["DOCKER_HOST", "LD_PRELOAD"])
@pytest.mark.parametrize("value", ["${A}", "x ${A}", "${OF_A}"])
def test_a_secret_is_in_no_build_argument_that_the_builder_gets_by_its_command_line(
    refused: Refuse, folder: Path, name: str, value: str
) -> None:
    """A variable of that name would change how the docker CLI works."""
    (folder / ".env").write_text("OF_A=x${A}\n")
    build = f"    build: {{context: ., args: {{{name}: '{value}'}}}}\n"
    (problem,) = refused(project("  A: {env: TOKEN}\n", build), TOKEN="hunter2")
    assert (problem.file, problem.line) == ("ftl.yaml", 8)
    assert f"args: {name} has the secret A in it" in problem.message
    assert "rename the argument" in (problem.hint or "")


@pytest.mark.parametrize(("name", "value"), [("DOCKER_HOST", "plain"), ("DOCKER_PASSWORD", "${A}")])
def test_other_build_arguments_may_have_any_value(loaded: Load, name: str, value: str) -> None:
    """One without a secret is no secret in a process list, and others go by a variable."""
    build = f"    build: {{context: ., args: {{{name}: '{value}'}}}}\n"
    made = loaded(project("  A: {env: TOKEN}\n", build), TOKEN="hunter2")
    assert made.services[0].build is not None
    assert made.services[0].build.args == {name: value.replace("${A}", "hunter2")}


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


def test_a_secret_may_be_a_file_in_the_container(folder: Path, loaded: Load) -> None:
    """It is readable by its owner alone, and is no variable."""
    (folder / "key").write_text("hunter2\n")
    secret = "{name: KEY, file: /run/secrets/key, owner: 1000}"
    made = loaded(project("  KEY: {file: key}\n", f"    secrets: [{secret}]\n")).services[0]
    (file,) = made.files
    assert (file.path, file.content, file.mode, file.owner) == (
        "/run/secrets/key",
        "hunter2",
        "0400",
        "1000:1000",
    )
    assert made.env == {}
    shown = dump(loaded(project("  KEY: {file: key}\n", f"    secrets: [{secret}]\n")), show_secrets=False)
    assert "hunter2" not in str(shown)
