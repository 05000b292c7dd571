"""`ftl build` on this machine's engine, with real builders."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ftl.image.building.context import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.harness import Outcome, Project

pytestmark = pytest.mark.engine

TOKEN = "s3cr3t-0123456789"
SOURCE = """\
FROM ftl-lab-busybox
WORKDIR /app
COPY requirements.txt .
RUN wc -l requirements.txt > installed
COPY . .
"""


@pytest.fixture
def name(testrun_uid: str, worker_id: str, request: pytest.FixtureRequest) -> str:
    """A project's name that no other test and no other run has."""
    return f"build-{testrun_uid[:6]}-{worker_id}-{abs(hash(request.node.name)) % 10**6}"


@pytest.fixture
def project(ftl: Callable[..., Project], busybox: str, name: str) -> Iterator[Callable[..., Project]]:
    """Makes a project of services (each a dict, or only a name) and files; its images are removed afterwards."""

    def make(files: Mapping[str, str], services: Mapping[str, Mapping[str, object]] | None = None) -> Project:
        chosen = services or {"web": {"build": "."}}
        config = {
            "project": {"name": name},
            "server": {"host": "local"},
            "services": [{"name": key, "port": 8000, **value} for key, value in chosen.items()],
        }
        return ftl({"ftl.yaml": config, "requirements.txt": "flask\n", **files})

    yield make
    for image in docker("images", "-q", "--filter", f"label=ftl.project={name}").split():
        subprocess.run(["docker", "rmi", "-f", image], capture_output=True, check=False)


def docker(*argv: str) -> str:
    """What the docker CLI prints."""
    return subprocess.run(["docker", *argv], capture_output=True, text=True, check=True).stdout


def inspect(image: str) -> dict[str, Any]:
    """An image as its engine has it."""
    found: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]
    return found


def built(made: Project, *argv: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The services of the result of a build that succeeded."""
    services: dict[str, Any] = made.run("--json", "build", *argv, env=env).ok().result["services"]
    return services


def warnings(outcome: Outcome) -> list[tuple[str, str]]:
    """(text, hint) of the warnings."""
    return [(note["text"], note["hint"]) for note in outcome.events("note") if note["level"] == "warning"]


def test_an_image_is_built_and_labelled(project: Callable[..., Project], name: str) -> None:
    """The image is PROJECT-SERVICE:latest and says where it came from."""
    made = project({"Dockerfile": SOURCE})
    git = ["git", "-C", str(made.folder), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    web = built(made)["web"]
    image = inspect(f"{name}-web:latest")
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert (web["image"], web["id"], web["built"]) == (f"{name}-web:latest", image["Id"], True)
    assert image["Config"]["Labels"].items() >= {
        "ftl.project": name, "ftl.service": "web", "ftl.commit": commit,
    }.items()  # fmt: skip


def test_an_unchanged_tree_builds_nothing(project: Callable[..., Project]) -> None:
    """The second build finds every step in the cache and leaves the image as it is, also after a mere touch."""
    made = project({"Dockerfile": SOURCE})
    first = built(made)["web"]
    (made.folder / "requirements.txt").touch()
    second = built(made)["web"]
    assert (first["built"], second["built"], second["first_miss"]) == (True, False, None)
    assert (first["id"], first["content"]) == (second["id"], second["content"])


def test_a_commit_that_changes_no_file_of_the_image_changes_no_content(
    project: Callable[..., Project],
) -> None:
    """Another git commit is another label, and still the same content: nothing has to be deployed."""
    made = project({"Dockerfile": "FROM ftl-lab-busybox\nCOPY requirements.txt .\n"})
    git = ["git", "-C", str(made.folder), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    contents, ids = set(), set()
    for number in range(2):
        (made.folder / "NOTES").write_text(f"{number}")
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", f"{number}"]):
            subprocess.run([*git, *words], check=True, capture_output=True)
        web = built(made)["web"]
        contents.add(web["content"])
        ids.add(web["id"])
    assert (len(contents), len(ids)) == (1, 2)


@pytest.mark.parametrize(
    ("change", "miss", "reason"),
    [
        ({"requirements.txt": "NAME\n"}, "line 3: COPY requirements.txt .", "requirements.txt changed"),
        ({"app.py": "NAME\n"}, "line 5: COPY . .", "app.py changed"),
        ({"Dockerfile": SOURCE.replace("> installed", "> NAME")}, "line 4: RUN wc -l requirements.txt > NAME",
         "the instruction is new or was changed"),
    ],
)  # fmt: skip
def test_the_first_miss_and_its_reason_are_told(
    project: Callable[..., Project], name: str, change: dict[str, str], miss: str, reason: str
) -> None:
    """After a change, the first step that was carried out is named, and what changed there.

    What changes holds the project's name, which no earlier run left in the builder's cache.
    """
    made = project({"Dockerfile": SOURCE, ".dockerignore": "Dockerfile\nftl.yaml\n"})
    built(made)
    made.write({path: text.replace("NAME", name) for path, text in change.items()})
    web = built(made)["web"]
    assert (web["built"], web["first_miss"], web["miss_reason"]) == (True, miss.replace("NAME", name), reason)


def test_no_cache_carries_out_every_step(project: Callable[..., Project]) -> None:
    """`--no-cache` is its own reason."""
    made = project({"Dockerfile": SOURCE})
    built(made)
    web = built(made, "--no-cache")["web"]
    assert (web["built"], web["miss_reason"]) == (True, "the cache was not to be used (--no-cache)")


def test_target_and_args_shape_the_image(project: Callable[..., Project], name: str) -> None:
    """The stage that is asked for is built, with the values that are given; they may hold anything."""
    value = "a b\"$HOME'`x`"
    made = project(
        {
            "Dockerfile": "FROM ftl-lab-busybox AS one\nARG GREETING=none\nENV SAID=$GREETING\n"
            "FROM ftl-lab-busybox AS two\nENV SAID=wrong\n"
        },
        {"web": {"build": {"context": ".", "target": "one", "args": {"GREETING": value.replace("$", "$$")}}}},
    )
    built(made)
    assert f"SAID={value}" in inspect(f"{name}-web")["Config"]["Env"]


def test_services_are_built_side_by_side(project: Callable[..., Project]) -> None:
    """All builds have begun before the first has ended."""
    files = {
        f"{service}/Dockerfile": f"FROM ftl-lab-busybox\nRUN sleep 2 && echo {service}\n" for service in "abc"
    }
    made = project(files, {service: {"build": service} for service in "abc"})
    outcome = made.run("--json", "build", "--no-cache").ok()
    kinds = [line["type"] for line in outcome.lines if line["type"] in ("build_started", "build_finished")]
    assert kinds == ["build_started"] * 3 + ["build_finished"] * 3


def test_only_the_named_services_are_built(project: Callable[..., Project]) -> None:
    """`ftl build b` leaves the others alone."""
    files = {f"{service}/Dockerfile": "FROM ftl-lab-busybox\n" for service in "ab"}
    made = project(files, {service: {"build": service} for service in "ab"})
    assert set(built(made, "b")) == {"b"}


@pytest.mark.parametrize(
    ("argument", "words"), [("wbe", "there is no service `wbe`"), ("db", "`db` has no `build`")]
)
def test_a_service_that_cannot_be_built_is_a_usage_error(
    project: Callable[..., Project], argument: str, words: str
) -> None:
    """A name that is no service's, or a service whose image is pulled, exits 2 and names what there is."""
    made = project({"Dockerfile": SOURCE}, {"web": {"build": "."}, "db": {"image": "postgres:16"}})
    outcome = made.run("build", argument)
    assert outcome.exit_code == 2
    assert words in outcome.stderr
    assert "web" in outcome.stderr.partition(words)[2]


SECRET_SOURCE = """\
FROM ftl-lab-busybox
RUN --mount=type=secret,id=one --mount=type=secret,id=two --mount=type=secret,id=three \\
    sleep 2 && cat /run/secrets/* | wc -c > /length
"""


def test_secrets_reach_the_build_and_nothing_else(project: Callable[..., Project], name: str) -> None:
    """From a variable, from .env and from a file: none is in the image, its history, or any argument list."""
    made = project(
        {"Dockerfile": SECRET_SOURCE, ".env": f"FROM_DOTENV={TOKEN}\n", "token": TOKEN, ".dockerignore": "*"},
        {"web": {"build": {"context": ".", "secrets": [
            {"id": "one", "env": "FROM_ENV"}, {"id": "two", "env": "FROM_DOTENV"}, {"id": "three", "file": "token"},
        ]}}},
    )  # fmt: skip
    commands: set[str] = set()
    with made.start("build", "--no-cache", env={"FROM_ENV": TOKEN}) as process:
        while process.poll() is None:
            commands |= command_lines(name)
            time.sleep(0.05)
        assert process.returncode == 0
    assert [line for line in commands if "--secret" in line]
    assert not [line for line in commands if TOKEN in line]
    assert TOKEN not in docker("history", "--no-trunc", f"{name}-web")
    assert TOKEN not in docker("inspect", f"{name}-web")
    length = docker("run", "--rm", f"{name}-web", "cat", "/length")
    assert int(length) == 3 * len(TOKEN)


def command_lines(word: str) -> set[str]:
    """The argument lists of all processes that mention a word."""
    found: set[str] = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line:
            found.add(line)
    return found


def test_a_device_may_be_an_empty_secret(project: Callable[..., Project]) -> None:
    """`/dev/null` stands for "no such secret here", which keeps one Dockerfile for all machines."""
    made = project(
        {"Dockerfile": "FROM ftl-lab-busybox\nRUN --mount=type=secret,id=ca test ! -s /run/secrets/ca\n"},
        {"web": {"build": {"context": ".", "secrets": [{"id": "ca", "file": "/dev/null"}]}}},
    )
    built(made)


def test_a_missing_secret_is_told_before_anything_is_built(project: Callable[..., Project]) -> None:
    """The variable is named."""
    made = project(
        {"Dockerfile": SOURCE}, {"web": {"build": {"context": ".", "secrets": ["NOT_SET_ANYWHERE"]}}}
    )
    outcome = made.run("build")
    assert outcome.exit_code == 1
    assert "the variable NOT_SET_ANYWHERE is not set" in outcome.stderr


def test_a_failing_step_shows_its_output_and_its_line(project: Callable[..., Project]) -> None:
    """The step's last words, the Dockerfile's line and the status; the other service's build is stopped."""
    made = project(
        {
            "web/Dockerfile": "FROM ftl-lab-busybox\n\nRUN echo first words; \\\n  echo last words >&2; exit 3\n",
            "slow/Dockerfile": "FROM ftl-lab-busybox\nRUN sleep 100\n",
        },
        {"web": {"build": "web"}, "slow": {"build": "slow"}},
    )
    outcome = made.run("--json", "build", timeout=60)
    error = outcome.result["error"]
    assert outcome.exit_code == 1
    assert error["message"].startswith("web/Dockerfile:3: a build step failed (RUN echo first words;")
    assert error["cause"] == "it ended with status 3"
    assert sorted(error["details"]) == ["first words", "last words"]
    assert error["place"] == {"server": "this machine", "service": "web", "step": "build"}


def test_a_failing_step_that_two_services_share_is_told_by_the_one_that_knows_it(
    project: Callable[..., Project],
) -> None:
    """BuildKit tells one of two like builds about the step; that one's error is the one that is shown."""
    source = "FROM ftl-lab-busybox\nRUN sleep 1; echo last words; exit 3\n"
    made = project({"Dockerfile": source}, {"web": {"build": "."}, "worker": {"build": "."}})
    error = made.run("--json", "build", timeout=60).result["error"]
    assert error["message"] == "Dockerfile:2: a build step failed (RUN sleep 1; echo last words; exit 3)"
    assert error["details"] == ["last words"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("FROM ftl-lab-busybox\nCOPY nothere /\n", ["Dockerfile:2", "`nothere` was not found"]),
        ("FROM ftl-lab-busybox\nCOPY ignored /\n", ["Dockerfile:2", ".dockerignore keeps it out"]),
        ("FROM ftl-lab-busybox\nRNU x\n", ["Dockerfile:2", "unknown instruction: RNU", "did you mean RUN?"]),
        (
            "FROM registry.invalid/nothing:1\nRUN x\n",
            ["Dockerfile:1", "registry.invalid/nothing:1", "cannot be pulled"],
        ),
        (
            "FROM ftl-lab-busybox\nRUN --mount=type=secret,id=x,required=true true\n",
            ["Dockerfile:2", "build.secrets"],
        ),
        ("FROM ftl-lab-busybox\nRUN no-such-program\n", ["Dockerfile:2", "status 127", "not found"]),
        ("", ["holds no instruction"]),
    ],
)
def test_what_is_wrong_with_a_dockerfile_is_said_in_words(
    project: Callable[..., Project], source: str, words: list[str]
) -> None:
    """Exit code 1, the line, the cause, and no traceback."""
    made = project({"Dockerfile": source, "ignored": "x", ".dockerignore": "ignored\n"})
    outcome = made.run("build")
    assert outcome.exit_code == 1
    assert "Traceback" not in outcome.stderr
    assert not [word for word in words if word not in outcome.stderr], outcome


def test_without_an_engine_the_error_says_so(project: Callable[..., Project]) -> None:
    """Nobody is told about a Dockerfile when it is the engine that does not run."""
    made = project({"Dockerfile": SOURCE})
    outcome = made.run("build", env={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    assert outcome.exit_code == 1
    assert "engine" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert "Dockerfile" not in outcome.stderr


def test_an_interrupted_build_leaves_nothing_running(project: Callable[..., Project], name: str) -> None:
    """Ctrl-C ends the builder's processes and the step in the engine, and exits 130."""
    made = project(
        {"Dockerfile": "FROM ftl-lab-busybox\nRUN echo $$NAME; sleep 987\n".replace("$$NAME", name)}
    )
    with made.start("--json", "build") as process:
        assert process.stdout is not None
        next(line for line in process.stdout if json.loads(line)["type"] == "build_output")
        assert command_lines(name)
        process.send_signal(2)
        process.communicate(timeout=30)
    assert process.returncode == 130
    deadline = time.monotonic() + 20
    while command_lines(f"{name}; sleep 987") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not command_lines(name)


def test_a_large_context_is_told_and_warned_about(project: Callable[..., Project]) -> None:
    """The size is of the whole context; the folders that make it large are named, with what to write where."""
    made = project({"Dockerfile": "FROM ftl-lab-busybox\nCOPY requirements.txt .\n", "node_modules/x": "x"})
    with (made.folder / "node_modules" / "large").open("wb") as file:
        file.truncate(60_000_000)
    outcome = made.run("--json", "build").ok()
    assert [event["bytes"] > 60_000_000 for event in outcome.events("build_context")] == [True]
    [(text, hint)] = warnings(outcome)
    assert "node_modules 60.0 MB" in text
    assert "there is no .dockerignore" in hint
    made.write({".dockerignore": "node_modules\n"})
    assert warnings(made.run("--json", "build").ok()) == []


@pytest.mark.parametrize(
    "patterns",
    [
        "node_modules\n**/*.pyc\n",
        "*\n!src\nsrc/*.txt\n",
        "docs\n!docs/keep\n!docs/*.md\n",
        "/src/\n./a?c\n[!x]bc\n",
        "**/deep\n!src/deep/x.pyc\n*.md\n!README.md\n",
        "src/**/deep/**\n  docs/keep  \n# comment\n",
    ],
)
def test_the_context_is_counted_as_the_builder_takes_it(
    project: Callable[..., Project], name: str, patterns: str
) -> None:
    """What .dockerignore leaves is the same for us and for BuildKit, file by file."""
    names = [
        "abc", "xbc", "README.md", "CHANGES.md", "src/a.py", "src/b.txt", "src/deep/x.pyc", "src/deep/y/z", "docs/a.md",
        "docs/keep/b.txt", "docs/c.txt", "node_modules/m/n.js", "web/node_modules/o.js", "lib/p.pyc",
    ]  # fmt: skip
    made = project({path: f"{path} {name}" for path in names})
    made.write(
        {
            "Dockerfile": "FROM ftl-lab-busybox\nCOPY . /ctx\nRUN cd /ctx && find . -type f\n",
            ".dockerignore": f"Dockerfile\nftl.yaml\n.dockerignore\nrequirements.txt\n{patterns}",
        }
    )
    outcome = made.run("--json", "build", "--no-cache").ok()
    taken = {event["line"].removeprefix("./") for event in outcome.events("build_output")}
    counted = walk(made.folder, made.folder / "Dockerfile")
    assert set(counted.files) == taken


def test_explain_turns_figures_into_advice(project: Callable[..., Project], name: str) -> None:
    """Sizes of layers, seconds of steps, and advice with its figure, as text and as JSON."""
    made = project(
        {
            "Dockerfile": "FROM ftl-lab-busybox\nWORKDIR /app\nCOPY . .\n"
            "RUN echo pip install -r requirements.txt && sleep 1\n"
            "RUN head -c 3000000 /dev/zero > blob\nRUN chown -R 1000 /app\n"
        }
    )
    built(made)
    web = built(made, "--explain")["web"]
    steps = {line: (size, seconds) for line, _, size, seconds in web["explanation"]["steps"]}
    rules = {advice["rule"]: advice for advice in web["explanation"]["advice"]}
    assert steps[5][0] >= 3_000_000
    assert steps[4][1] >= 1.0
    assert rules["order"]["seconds"] == steps[4][1]
    assert rules["copied-twice"]["bytes"] >= 3_000_000
    text = made.run("build", "--explain").ok().stdout
    assert f"{name}" not in text
    assert "Dockerfile:3: any changed file repeats" in text


@pytest.fixture
def without_buildkit(tmp_path: Path) -> dict[str, str]:
    """A PATH whose only docker CLI is a new one without buildx: nothing but the classic builder is left."""
    folder = tmp_path / "only"
    folder.mkdir()
    for program in ("git", "ssh"):
        if found := shutil.which(program):
            (folder / program).symlink_to(found)
    wrapper = folder / "docker"
    wrapper.write_text(
        f'#!/bin/sh\ncase "$1" in\n--version) echo "Docker version 28.2.2, build e6534b4" ;;\nbuildx) exit 1 ;;\n'
        f'*) exec {older_cli()} "$@" ;;\nesac\n'
    )
    wrapper.chmod(0o755)
    return {"PATH": str(folder)}


def older_cli() -> str:
    """A docker CLI of this machine that still has the classic builder."""
    for folder in os.environ["PATH"].split(os.pathsep):
        path = shutil.which("docker", path=folder)
        if path is not None:
            shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
            if re.search(r"version (?:1[89]|2[0-8])\.", shown):
                return path
    pytest.skip("this machine's docker CLI has no classic builder")


def test_the_classic_builder_does_where_buildkit_is_not(
    project: Callable[..., Project], name: str, without_buildkit: dict[str, str]
) -> None:
    """It builds, says what it would rather have, and knows its cache as well."""
    made = project({"Dockerfile": SOURCE, ".dockerignore": "Dockerfile\nftl.yaml\n", "marker": name})
    outcome = made.run("--json", "build", env=without_buildkit).ok()
    assert [hint for text, hint in warnings(outcome) if "no BuildKit" in text and "buildx" in hint]
    assert outcome.result["services"]["web"]["built"]
    again = built(made, env=without_buildkit)["web"]
    assert (again["built"], again["first_miss"]) == (False, None)
    made.write({"requirements.txt": f"{name}\n"})
    changed = built(made, env=without_buildkit)["web"]
    assert (changed["first_miss"], changed["miss_reason"]) == (
        "line 3: COPY requirements.txt .", "requirements.txt changed",
    )  # fmt: skip


def test_the_classic_builders_failures_read_alike(
    project: Callable[..., Project], without_buildkit: dict[str, str]
) -> None:
    """The same line, status and output as with BuildKit."""
    made = project({"Dockerfile": "FROM ftl-lab-busybox\nRUN echo last words; exit 3\n"})
    error = made.run("--json", "build", env=without_buildkit).result["error"]
    assert error["message"] == "Dockerfile:2: a build step failed (RUN echo last words; exit 3)"
    assert (error["cause"], error["details"]) == ("it ended with status 3", ["last words"])


def test_secrets_without_buildkit_are_refused(
    project: Callable[..., Project], without_buildkit: dict[str, str]
) -> None:
    """They are never turned into build args."""
    made = project(
        {"Dockerfile": SOURCE}, {"web": {"build": {"context": ".", "secrets": [{"id": "x", "env": "HOME"}]}}}
    )
    outcome = made.run("build", env=without_buildkit)
    assert outcome.exit_code == 1
    assert "build secrets need BuildKit" in outcome.stderr


def test_a_cli_that_refuses_buildkit_is_passed_over(
    project: Callable[..., Project], without_buildkit: dict[str, str]
) -> None:
    """A new CLI without buildx comes first on PATH, an older one with BuildKit later: BuildKit it is."""
    path = f"{without_buildkit['PATH']}:{os.environ['PATH']}"
    made = project({"Dockerfile": "FROM ftl-lab-busybox\nRUN --mount=type=cache,target=/c true\n"})
    outcome = made.run("--json", "build", env={"PATH": path}).ok()
    assert warnings(outcome) == []


def test_the_servers_platform_is_used_once_it_is_known(project: Callable[..., Project], name: str) -> None:
    """Unknown, it is the engine's own, and that is said; `build.platform` decides over all."""
    made = project({"Dockerfile": "FROM scratch\nCOPY requirements.txt /\n"})
    config = json.loads((made.folder / "ftl.yaml").read_text())
    config["server"]["host"] = "server.invalid"
    made.write({"ftl.yaml": config})
    outcome = made.run("--json", "build").ok()
    assert [
        note
        for note in outcome.events("note")
        if "the platform of server.invalid is not known yet" in note["text"]
    ]
    config["services"][0]["build"] = {"context": ".", "platform": "linux/arm64"}
    made.write({"ftl.yaml": config})
    built(made)
    assert inspect(f"{name}-web")["Architecture"] == "arm64"


def test_a_registry_that_cannot_be_reached_fails_the_push_alone(project: Callable[..., Project]) -> None:
    """The image is built and tagged; `--skip-push` leaves it at that."""
    made = project({"Dockerfile": SOURCE}, {"web": {"build": ".", "image": "localhost:9/app:1"}})
    outcome = made.run("--json", "build")
    assert outcome.exit_code == 1
    assert outcome.result["error"]["message"] == (
        "this machine could not push localhost:9/app:1: localhost:9 does not answer"
    )
    assert "connection refused" in outcome.result["error"]["cause"]
    assert built(made, "--skip-push")["web"]["image"] == "localhost:9/app:1"
