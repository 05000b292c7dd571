"""Lines of `.kamal/secrets` that name others: aliases, texts and commands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load_secrets
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.errors import ConfigError, FtlError
from ftl.onboarding.takeover.kamal.secrets.sources import sources_of
from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.kamal.test_kamal import words
from tests.unit.onboarding.takeover.kamal.test_kamal_destinations import staging
from tests.unit.onboarding.takeover.kamal.test_kamal_erb import loaded
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

VAULT = "S=$(kamal secrets fetch -a 1password --from Shop/prod PW)\n"
HEAD = "service: shop\nimage: acme/shop\nservers: [192.0.2.1]\n"
DATABASE = "accessories: {db: {image: postgres:16, host: 192.0.2.1, env: {secret: [POSTGRES_PASSWORD]}}}\n"


def values(text: str) -> dict[str, str]:
    """Names and values of lines."""
    return dict(line.split("=", 1) for line in text.splitlines())


@pytest.mark.parametrize("alias", ["$B", "${B}", '"$B"', '"${B}"'])
@pytest.mark.parametrize(
    ("lines", "source"),
    [
        ("B=$(op read op://x/y)", {"command": "op read op://x/y"}),
        ("B=$(cat config/master.key)", {"file": "config/master.key"}),
        (VAULT + "B=$(kamal secrets extract PW $S)", {"command": "op read op://Shop/prod/PW"}),
        ("C=$(op read op://x/y)\nB=$C", {"command": "op read op://x/y"}),
        ("B=$B", {"env": "B"}),
        ("B=plain", {"env": "B"}),
        ("X=1", {"env": "B"}),
        ("B=$(kamal secrets extract P $Z)", {"env": "B"}),
    ],
)
def test_an_alias_has_the_source_of_the_other(alias: str, lines: str, source: object) -> None:
    """The same item of a vault, file, command or variable."""
    found = sources_of(values(f"{lines}\nA={alias}"))
    assert found.declared["A"] == source


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("postgres://u:$B@h/x", "postgres://u:${B}@h/x"),
        ('"postgres://u:${B}@h/$OTHER"', "postgres://u:${B}@h/${OTHER}"),
        ("$U:$B", "${U_PART}${B}:${B}"),
        ("redis://hunter2@h/$B", "redis://${A_PART}@h/${B}"),
        ("redis://u:$B@h/1", "redis://u:${B}@h/1"),
        ("postgres://u@h/$B", "postgres://u@h/${B}"),
        ("a$", None),
        ("$A/x", None),
        ("'$B/x'", None),
        ("$B\\n", None),
    ],
)
def test_a_text_with_others_in_it(value: str, text: str | None) -> None:
    """Another text is in it; what is itself secret in it, or is escaped, stays where it is."""
    found = sources_of({"B": "$(op read op://x)", "U": "me:$B", "A": value})
    assert found.composed.get("A") == text
    assert "A" not in found.declared


@pytest.mark.parametrize(
    ("value", "script"),
    [
        ("$(pass show x | head -1)", "pass show x | head -1"),
        ("$(echo $B | base64 -d)", 'echo "$(op read op://x/y)" | base64 -d'),
        ("$(get \"${B}x\" '$y' $HOME)", "get \"$(op read op://x/y)x\" '$y' $HOME"),
        ('$(get "$(cat $F)")', 'get "$(cat "$(cat \'a key\')")"'),
        ("$(get $E)", 'get "$OTHER"'),
        ("$(get $PLAIN)", "get $PLAIN"),
        ("$(get ${X:-1})", "get $${X:-1}"),
        ("postgres://u:$(get $B)@$E", 'printf %s "postgres://u:$(get "$(op read op://x/y)")@$OTHER"'),
        ("$(get $B)-$FAR", 'printf %s "$(get "$(op read op://x/y)")-$${FAR:?}"'),
        ("p.ss-$(get $B)", None),
        ("$(get '$B')", None),
        ("$(get $J)", None),
        ("$(get `x`)", None),
        ("$(kamal secrets print $B)", None),
        ("postgres://u:hunter2@$(get)", None),
    ],
)
def test_a_command_with_others_in_it_needs_a_shell(value: str, script: str | None) -> None:
    """Each is printed by its own command there; a variable of the environment stays one."""
    lines = {
        "S": "$(kamal secrets fetch -a aws_secrets_manager x)",
        "B": "$(op read op://x/y)",
        "F": "$(cat 'a key')",
        "E": "$OTHER",
        "PLAIN": "1",
        "J": "$(kamal secrets extract K $S)",
        "A": value,
    }
    command = {"command": ["sh", "-c", script]} if script is not None else None
    assert sources_of(lines).declared.get("A") == command


def test_lines_in_a_circle_have_an_end() -> None:
    """One of them has to be set."""
    found = sources_of({"A": "$B", "B": "$C/x", "C": "${A}"})
    assert found.composed["B"] == "${C}${B_PART}"
    assert sources_of({"A": "$B", "B": "$A"}).declared["A"] == {"env": "A"}


@pytest.mark.parametrize(
    ("text", "composed"),
    [
        ("postgres://u:$T@db.example.com/shop", "postgres://u:${T}@db.example.com/shop"),
        ("postgres://u:pw@db/$T", "postgres://u:${A_PART}@db/${T}"),
        ("https://x.test/?token=abc&y=$T", "https://${A_PART}${T}"),
        ("https://x.test/?token=$T", "https://${A_PART}${T}"),
        ("x-access-token:$T", "${A_PART}${T}"),
        ("prefix12345$T/suffix12345", "${A_PART_1}${T}${A_PART_2}"),
        ("https://$T@o12345.ingest.sentry.io/1", "https://${T}${A_PART}"),
        ("https://x/abcdefghij0123456789abc/$T", "https://${A_PART}${T}"),
        ("p@ss-w0rd-$T", "${A_PART}${T}"),
        ("https://hooks.slack.com/services/T0AB/B0CD/XyzAbcdefghijk/$T", "https://${A_PART}${T}"),
        ("postgres://u:p@s/s-$T@db:5432,b/shop", "postgres://u:${A_PART}${T}@db:5432,b/shop"),
        ("postgres://u:hun/ter2:$T", "${A_PART}${T}"),
        ("mysql2://u:$T@db/x?sslkey=hunter", "mysql2://u:${T}@db/x${A_PART}"),
    ],
)
def test_a_text_that_is_secret_in_part(text: str, composed: str) -> None:
    """That part does not come into a file that is kept in git: a variable is in its place."""
    found = sources_of({"T": "$(x)", "A": text})
    assert found.composed["A"] == composed
    assert len(found.parts.get("A", ())) == composed.count("_PART")


def test_a_part_must_be_set(tmp_path: Path) -> None:
    """The file is valid before that; it was live with an empty value."""
    files = {
        "config/deploy.yml": f"{HEAD}env: {{secret: [URL]}}\n",
        ".kamal/secrets": "KEY=$(echo abc)\nURL=postgres://u:hunter2@db/$KEY\n",
    }
    _, report = taken(tmp_path, "config/deploy.yml", files)
    assert "URL_PART is in place of" in words(report, ".kamal/secrets: URL")
    assert verdicts(report)["${URL_PART}"] is Verdict.NEEDS_YOU
    assert "hunter2" not in (tmp_path / "ftl.yaml").read_text()
    with pytest.raises(ConfigError, match="URL_PART"):
        loaded(tmp_path)
    (tmp_path / ".env").write_text("URL_PART=hunter2\n")
    assert loaded(tmp_path).services[0].env["URL"] == "postgres://u:hunter2@db/abc"


def test_the_file_has_them_where_they_are_used(tmp_path: Path) -> None:
    """A deploy had an empty DATABASE_URL; the host of an accessory is the dependency."""
    lines = "PW=$(echo pw) # of the database\nPOSTGRES_PASSWORD=$PW\n"
    lines += (
        "DATABASE_URL=postgres://u:$POSTGRES_PASSWORD@shop-db:5432/shop\nTOKEN=$(printf %s/ $PW | tr / x)\n"
    )
    files = {
        "config/deploy.yml": f"{HEAD}{DATABASE}env: {{secret: ['URL:DATABASE_URL', TOKEN]}}\n",
        "config/deploy.staging.yml": "servers: [192.0.2.2]\n",
        ".kamal/secrets": lines,
        ".kamal/secrets.staging": lines.replace("echo pw", "echo staging"),
    }
    _, report = taken(tmp_path, "config/deploy.yml", files)
    project = loaded(tmp_path)
    assert project.services[0].env == {"URL": "postgres://u:pw@db:5432/shop", "TOKEN": "pwx"}
    assert project.dependencies[0].env["POSTGRES_PASSWORD"] == "pw"
    assert staging(tmp_path).services[0].env["URL"] == "postgres://u:staging@db:5432/shop"
    rows = {row.key: row.verdict for row in report.rows if row.key.startswith(".kamal/")}
    assert set(rows.values()) == {Verdict.CHANGED}
    assert words(report, ".kamal/secrets: POSTGRES_PASSWORD") == "secrets.POSTGRES_PASSWORD, from where PW is"
    assert words(report, ".kamal/secrets: DATABASE_URL").endswith("where DATABASE_URL is used")
    assert words(report, ".kamal/secrets: PW") == "secrets.PW"


def test_a_text_for_the_build_is_printed_by_a_command(tmp_path: Path) -> None:
    """A build has secrets by their names; one that is secret in part is a line of .env, which the row has."""
    files = {
        "config/deploy.yml": f"{HEAD}builder: {{arch: amd64, secrets: [GEMS, PIP, NONE]}}\n",
        ".kamal/secrets": "T=$(echo t)\nGEMS=$T:$U\nPIP=https://u:hunter2@x/$T\n",
    }
    _, report = taken(tmp_path, "config/deploy.yml", files)
    row = words(report, "builder.secrets")
    assert row.startswith("set NONE, write `PIP=https://${PIP_PART}${T}` into .env, and write PIP, NONE as")
    assert words(report, ".kamal/secrets: GEMS") == "secrets.GEMS: a command that prints it, for the build"
    secrets = load_secrets(ProjectFiles(tmp_path / "ftl.yaml", read_variables(tmp_path, os.environ)))
    with pytest.raises(FtlError, match="U: parameter not set"):
        secrets.fetch_all([secrets.declared["GEMS"]])
    (tmp_path / ".env").write_text("U=u\n")
    secrets = load_secrets(ProjectFiles(tmp_path / "ftl.yaml", read_variables(tmp_path, os.environ)))
    assert secrets.fetch_all([secrets.declared["GEMS"]]) == {"GEMS": "t:u"}


def test_a_secret_of_the_registry_alone_is_not_declared(tmp_path: Path) -> None:
    """FTL sends images over SSH; one that the app uses, too, is."""
    files = {
        "config/deploy.yml": f"{HEAD}registry: {{username: [USER], password: [TOKEN]}}\n"
        "env: {secret: [TOKEN]}\n",
        ".kamal/secrets": "USER=$(gh api user)\nTOKEN=$(gh auth token)\n",
    }
    project, report = taken(tmp_path, "config/deploy.yml", files)
    assert [secret.name for secret in project.secrets] == ["TOKEN"]
    assert verdicts(report)[".kamal/secrets: USER"] is Verdict.LEFT_OUT


def test_a_variable_in_a_text_must_be_set(tmp_path: Path) -> None:
    """One row says so, and no deploy starts without it."""
    files = {
        "config/deploy.yml": f"{HEAD}env: {{secret: [URL, ALIAS]}}\n",
        ".kamal/secrets": "URL=redis://:$REDIS_PW@h\nALIAS=$THE_OTHER\n",
    }
    _, report = taken(tmp_path, "config/deploy.yml", files)
    assert verdicts(report)["${REDIS_PW}"] is Verdict.NEEDS_YOU
    row = words(report, ".kamal/secrets: ALIAS")
    assert row.startswith("secrets.ALIAS is the variable THE_OTHER, which is not set now")
    with pytest.raises(ConfigError, match=r"REDIS_PW|THE_OTHER"):
        loaded(tmp_path)
    (tmp_path / ".env").write_text("REDIS_PW=a\nTHE_OTHER=b\n")
    assert loaded(tmp_path).services[0].env == {"URL": "redis://:a@h", "ALIAS": "b"}


def test_the_tool_of_a_vault_asks_for_nothing(tmp_path: Path) -> None:
    """Kamal's adapters signed in on the terminal: the row says what must be there before a deploy."""
    files = {
        "config/deploy.yml": f"{HEAD}env: {{secret: [PW]}}\n",
        ".kamal/secrets": VAULT + "PW=$(kamal secrets extract PW $S)\n",
    }
    _, report = taken(tmp_path, "config/deploy.yml", files)
    assert "first `op signin`" in words(report, ".kamal/secrets: S")
