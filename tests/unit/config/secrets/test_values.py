"""Values of secrets: their sources; fetched once, side by side, and only when used."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import pytest

from ftl.config.dump import dump
from ftl.config.loading import load, load_section
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from tests.unit.config.conftest import written
from tests.unit.config.secrets.project_text import HEAD, project

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.config.conftest import Load

PYTHON = sys.executable


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
    assert [one.url for one in load_section(files, "notify").notify] == ["https://a.example/x"]


def test_a_secret_that_nothing_uses_is_not_fetched(loaded: Load) -> None:
    """A vault that is down must not stop what does not need it."""
    made = loaded(project("  A: {command: [/nowhere]}\n", ""))
    assert made.secret_values == {}


def test_validation_fetches_nothing(folder: Path) -> None:
    """It runs in editors and in CI, where there is no vault."""
    path = written(folder, project("  A: {command: [/nowhere]}\n", "    secrets: [A]\n"))
    made = load(ProjectFiles(path, read_variables(folder, {})), fetch=None)
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
