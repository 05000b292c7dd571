"""`ftl validate`, `ftl config` and `ftl init`, from the outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.cli.conftest import Cli, Outcome

TEXT = """\
project:
  name: shop
  domain: shop.example.com
services:
  - name: web
    build: .
    port: 8000
    routes: [/, /api]
    env: {TOKEN: '${TOKEN:-none}'}
dependencies: [redis]
"""
HEAVY = ("asyncio", "pydantic", "rich", "aiodocker", "aiohttp", "dotenv")


@pytest.fixture
def ftl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> Cli:
    """`ftl` in a folder with a Dockerfile and an ftl.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOKEN", "hunter2")
    Path("Dockerfile").write_text("FROM scratch\nEXPOSE 9000\n")
    Path("ftl.yaml").write_text(TEXT)
    return cli


def test_validate_counts_what_there_is(ftl: Cli) -> None:
    """A valid file prints one line of counts."""
    Path("ftl.yaml").write_text(TEXT.replace(".example.com", ".test"))
    assert ftl(["validate"]) == Outcome(0, "shop is valid: 1 service, 1 dependency, 2 routes\n", "")


def test_validate_warns_of_a_placeholder(ftl: Cli) -> None:
    """The file is valid, and what `ftl init` could not know is named with its line."""
    code, out, _ = ftl(["validate"])
    assert (code, out.splitlines()[1].partition(" is a placeholder")[0]) == (
        0,
        "note: ftl.yaml:3: domain: shop.example.com",
    )
    assert "shop.example.com" in json.loads(ftl(["validate", "--json"])[1])["notes"][0]


@pytest.mark.parametrize("command", ["validate", "config"])
def test_a_variable_that_a_secret_hides_is_named(
    ftl: Cli, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """A line of .env has a note where `secrets` takes the value from elsewhere; the YAML on stdout has none."""
    Path("ftl.yaml").write_text(f"{TEXT}secrets: {{TOKEN: {{command: echo one}}}}\n")
    Path(".env").write_text("DB=1\nTOKEN=two\n")
    monkeypatch.delenv("TOKEN")
    code, out, err = ftl([command])
    assert code == 0
    note = "note: .env:2: TOKEN is not what `secrets` takes, which has another source for it (ftl.yaml:11)"
    assert note in (out if command == "validate" else err)


def test_validate_gives_programs_the_counts(ftl: Cli) -> None:
    """With --json the last line is the result with the counts."""
    code, out, _ = ftl(["validate", "--json"])
    result = json.loads(out)
    assert (code, result["ok"], result["services"], result["routes"]) == (0, True, 1, 2)


def test_validate_shows_every_problem_with_its_line(ftl: Cli) -> None:
    """Each problem is shown with file, line, column, a caret and a hint; the exit code is 2."""
    Path("ftl.yaml").write_text(TEXT.replace("port: 8000", "prot: 8000").replace("redis", "rediss"))
    code, out, err = ftl(["validate"])
    assert (code, out) == (2, "")
    assert "ftl.yaml:7:5" in err
    assert "did you mean `port`?" in err
    assert "ftl.yaml:10:16" in err
    assert "did you mean `redis`?" in err


def test_validate_gives_programs_the_problems(ftl: Cli) -> None:
    """With --json the problems are data: message, file, line, column, hint."""
    Path("ftl.yaml").write_text(TEXT.replace("port: 8000", "prot: 8000"))
    code, out, _ = ftl(["validate", "--json"])
    result = json.loads(out.splitlines()[-1])
    assert (code, result["ok"], result["exit_code"]) == (2, False, 2)
    assert "did you mean" in json.dumps(result)


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("port: 8000", r'"en\e]0;owned\av": x'),
        TEXT.replace("name: web", r'name: "we\e[2Jb"'),
        TEXT.replace("port: 8000", "port: 80\x0000"),
    ],
)
def test_what_a_file_holds_does_not_steer_the_terminal(ftl: Cli, text: str) -> None:
    """Escape sequences in keys, values and source lines are shown as text."""
    Path("ftl.yaml").write_text(text)
    outcome = ftl(["validate"])
    assert outcome.code == 2
    assert not [char for char in outcome.err if ord(char) < 32 and char != "\n"]


def test_config_shows_bidirectional_controls_as_yaml_escapes(
    ftl: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bidirectional controls are visible, and a YAML parser reads the original value."""
    monkeypatch.setenv("TOKEN", "a\u202eb")
    outcome = ftl(["config", "--show-secrets"])
    assert r"a\u202Eb" in outcome.out
    assert yaml.safe_load(outcome.out)["services"][0]["env"] == {"TOKEN": "a\u202eb"}


def test_config_prints_yaml_without_secrets(ftl: Cli) -> None:
    """The resolved file is YAML with secrets masked, unless --show-secrets is given."""
    code, out, _ = ftl(["config"])
    assert code == 0
    assert yaml.safe_load(out)["services"][0]["env"] == {"TOKEN": "********"}
    assert "hunter2" not in out
    assert "hunter2" in ftl(["config", "--show-secrets"]).out


def test_config_gives_programs_the_project(ftl: Cli) -> None:
    """With --json the result's `config` is the resolved form."""
    _, out, _ = ftl(["config", "--json", "--show-secrets"])
    config = json.loads(out.splitlines()[-1])["config"]
    assert config["services"][0]["routes"][1] == {"path": "/api", "strip_prefix": False, "host": None}
    assert config["volumes"] == ["redis_data"]


def test_config_prints_the_schema_without_a_file(ftl: Cli) -> None:
    """--schema prints the JSON Schema without an ftl.yaml."""
    Path("ftl.yaml").unlink()
    code, out, _ = ftl(["config", "--schema"])
    assert code == 0
    assert json.loads(out)["title"] == "ftl.yaml"


def test_validate_checks_the_files_of_build_secrets(ftl: Cli) -> None:
    """A missing file is found before a build, at its place in ftl.yaml."""
    path = Path("ftl.yaml")
    path.write_text(TEXT.replace("build: .", "build: {context: ., secrets: [ca=./no.pem]}"))
    code, _, err = ftl(["validate"])
    assert (code, "secrets: there is no file ./no.pem" in err) == (2, True)
    os.mkfifo("no.pem")
    code, _, err = ftl(["validate"])
    assert (code, "secrets: ./no.pem cannot be read: it is a FIFO" in err) == (2, True)


def test_init_writes_a_file_that_is_valid(ftl: Cli) -> None:
    """`ftl init` creates a valid file with the port that the Dockerfile exposes."""
    Path("ftl.yaml").unlink()
    code, out, _ = ftl(["init"])
    assert (code, "ftl validate" in out) == (0, True)
    assert "port: 9000" in Path("ftl.yaml").read_text()
    assert ftl(["validate"]).code == 0


def test_init_says_what_it_wrote_and_found(ftl: Cli) -> None:
    """The JSON result has the files, the evidence and what is left to do."""
    Path("ftl.yaml").unlink()
    result = ftl(["init", "--json", "--domain", "shop.example.org"]).result
    assert (result["stack"], result["port"], result["written"]) == (
        "Dockerfile",
        9000,
        ["ftl.yaml", ".dockerignore"],
    )
    assert {"subject", "value", "reason", "sure"} == set(result["found"][0])
    assert "domain: shop.example.org" in Path("ftl.yaml").read_text()


def test_init_can_print_the_files_only(ftl: Cli) -> None:
    """--dry-run prints each file below its name, and writes none."""
    Path("ftl.yaml").unlink()
    outcome = ftl(["init", "--dry-run"])
    assert "==> ftl.yaml\n" in outcome.out
    assert "port: 9000" in outcome.out
    assert not Path("ftl.yaml").exists()


def test_init_refuses_a_domain_that_is_none(ftl: Cli) -> None:
    """A wrong --domain or --server is an error before anything is written."""
    Path("ftl.yaml").unlink()
    assert "`https://x.org` is not a domain" in ftl(["init", "--domain", "https://x.org"]).err
    assert "`a b` is not a host" in ftl(["init", "--server", "a b"]).err
    assert not Path("ftl.yaml").exists()


def test_init_leaves_a_file_alone_that_is_there(ftl: Cli) -> None:
    """`ftl init` does not overwrite a file."""
    code, _, err = ftl(["init"])
    assert (code, "ftl.yaml already exists" in err) == (2, True)
    assert Path("ftl.yaml").read_text() == TEXT


def test_init_without_an_app_is_an_error(ftl: Cli) -> None:
    """Without a Dockerfile and an app, nothing is written, and the hint says how to go on."""
    Path("ftl.yaml").unlink()
    Path("Dockerfile").unlink()
    code, _, err = ftl(["init"])
    assert (code, "write a Dockerfile" in err) == (2, True)
    assert not Path("ftl.yaml").exists()


@pytest.mark.parametrize("valid", [True, False])
def test_validate_imports_nothing_heavy(ftl: Cli, *, valid: bool) -> None:
    """`ftl validate` starts fast: no event loop, no engine client, no terminal library."""
    if not valid:
        Path("ftl.yaml").write_text("project: 1\n")
    program = "import sys; from ftl.cli import main\ntry: main(['validate'])\n"
    program += f"except SystemExit: pass\nfinally: print([name for name in {HEAVY!r} if name in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.splitlines()[-1] == "[]"


@pytest.fixture
def staging(ftl: Cli) -> Cli:
    """`ftl` where there is an environment `staging`, too."""
    Path("ftl.staging.yaml").write_text("protected: true\nservices:\n  - {name: web, replicas: 2}\n")
    return ftl


@pytest.mark.parametrize(("variable", "options"), [("", ["-e", "staging"]), ("staging", [])])
def test_an_environment_is_given_by_an_option_or_a_variable(
    staging: Cli, monkeypatch: pytest.MonkeyPatch, variable: str, options: list[str]
) -> None:
    """`-e NAME` and $FTL_ENV merge ftl.NAME.yaml."""
    monkeypatch.setenv("FTL_ENV", variable)
    assert staging([*options, "validate"]).out.startswith("shop-staging is valid")
    code, out, _ = staging([*options, "config", "--origin"])
    assert (code, "ftl.staging.yaml:3  services.0.replicas: 2" in out) == (0, True)


@pytest.mark.parametrize(
    ("name", "hint"), [("stagin", "did you mean `staging`?"), ("x/y", "the environments here are staging")]
)
def test_an_unknown_environment_is_refused(staging: Cli, name: str, hint: str) -> None:
    """The hint has the environments that the folder has."""
    code, _, err = staging(["-e", name, "validate"])
    assert (code, f"there is no environment `{name}`" in err, hint in err) == (2, True, True)


@pytest.mark.parametrize(("variable", "options"), [("", ["-e", "production"]), ("prod", [])])
def test_production_is_ftl_yaml_itself(
    staging: Cli, monkeypatch: pytest.MonkeyPatch, variable: str, options: list[str]
) -> None:
    """Where it has no overlay; one that it has is an environment like any other."""
    monkeypatch.setenv("FTL_ENV", variable)
    code, _, err = staging([*options, "validate"])
    assert (code, "without -e and $FTL_ENV, ftl.yaml itself is what is deployed" in err) == (2, True)
    assert "the environments here are staging" in err
    Path(f"ftl.{variable or options[1]}.yaml").write_text("protected: true\n")
    assert staging([*options, "validate"]).code == 0


@pytest.mark.parametrize(
    ("name", "other"), [("production", "prod"), ("prod", "production"), ("prod", "live")]
)
def test_production_by_another_name_is_not_ftl_yaml(staging: Cli, name: str, other: str) -> None:
    """Without -e the command would go to the server of ftl.yaml, which is not that of ftl.prod.yaml."""
    Path(f"ftl.{other}.yaml").write_text("protected: true\n")
    code, _, err = staging(["-e", name, "validate"])
    assert (code, "what is deployed" in err, f"{other}" in err) == (2, False, True)


def test_the_overlay_of_previews_is_no_environment(staging: Cli) -> None:
    """`-e preview` would make a project that nothing removes; the environments that are named do without it."""
    Path("ftl.preview.yaml").write_text("project: {domain: '${FTL_ENV}.example.com'}\n")
    code, _, err = staging(["-e", "preview", "deploy"])
    assert (code, "`ftl preview up NAME`, or `-e preview/NAME`" in err) == (2, True)
    assert "the environments here are staging\n" in staging(["-e", "x/y", "validate"]).err


@pytest.mark.parametrize(
    ("overlay", "note"),
    [
        ("project: {name: shop, domain: s.test}", "`project.name` in ftl.staging.yaml is that of ftl.yaml"),
        ("services: {web: {replicas: 2}}", "write another `project.domain` into ftl.staging.yaml"),
        ("project: {domain: s.test}", None),
        ("server: elsewhere.test", None),
    ],
)
def test_what_an_environment_shares_with_the_file_is_noted(
    staging: Cli, overlay: str, note: str | None
) -> None:
    """Only one of two with one project name, or one route on one server, can be deployed."""
    base = "services: [{name: web, image: 'web:1', port: 80, routes: [{path: /}]}]"
    Path("ftl.yaml").write_text(f"project: {{name: shop, domain: shop.test}}\nserver: local\n{base}\n")
    Path("ftl.staging.yaml").write_text(f"{overlay}\n")
    code, out, _ = staging(["-e", "staging", "validate"])
    assert (code, "note: " in out) == (0, note is not None)
    assert note is None or note in out
    assert "note: " not in staging(["validate"]).out


def test_a_protected_environment_has_to_be_spelled_out(staging: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that was set once must not let a deploy through."""
    monkeypatch.setenv("FTL_ENV", "staging")
    for command in (["deploy"], ["restore", "postgres", "x.dump", "--yes"], ["jobs", "run", "nightly"]):
        code, _, err = staging(command)
        assert (code, "staging is protected" in err, "add `-e staging`" in err) == (2, True, True)
    assert staging(["validate"]).code == 0


CHANGES = (
    ["rollback"],
    ["restart"],
    ["start"],
    ["stop"],
    ["scale", "web=2"],
    ["maintenance", "on"],
    ["maintenance", "off"],
    ["prune"],
    ["remove"],
)


@pytest.mark.parametrize("call", CHANGES, ids=" ".join)
def test_a_dry_run_of_a_protected_environment_needs_no_name(
    staging: Cli, monkeypatch: pytest.MonkeyPatch, call: list[str]
) -> None:
    """A command that changes a protected environment wants -e; its dry run gets as far as the server without."""
    monkeypatch.setenv("FTL_ENV", "staging")
    code, _, err = staging(call)
    assert (code, "staging is protected" in err) == (2, True)
    code, _, err = staging(["--server", "127.0.0.1:1", *call, "--dry-run"])
    assert (code, "staging is protected" in err) == (3, False)


def test_a_mark_in_a_protected_environment_needs_its_name(
    staging: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It decides where the next rollback goes. The list of the releases is for everybody."""
    monkeypatch.setenv("FTL_ENV", "staging")
    here = ["--server", "127.0.0.1:1"]
    for marking in (["--mark-bad", "r1", "-m", "slow"], ["--unmark-bad", "r1"]):
        code, _, err = staging([*here, "releases", *marking])
        assert (code, "staging is protected" in err) == (2, True)
        assert staging([*here, "-e", "staging", "releases", *marking]).code == 3
    assert staging([*here, "releases"]).code == 3


def test_a_protected_project_is_deployed_from_a_clean_checkout(staging: Cli) -> None:
    """What is not committed cannot be deployed again by somebody else."""
    subprocess.run(["git", "init", "-q"], check=True)
    code, _, err = staging(["-e", "staging", "deploy"])
    assert (code, "the checkout has changes" in err) == (2, True)
