"""`ftl build` on this machine's engine, with real builders."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.e2e.building.support import SOURCE, built, inspect, warnings

from ftl.image.building.inputs.context import walk_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness import Project

pytestmark = pytest.mark.engine


def test_an_image_is_built_and_labelled(project: Callable[..., Project], name: str) -> None:
    """The image is PROJECT-SERVICE:latest, with labels for project, service and commit."""
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
    """A second build takes every step from the cache and leaves the image unchanged, also after `touch`."""
    made = project({"Dockerfile": SOURCE})
    first = built(made)["web"]
    (made.folder / "requirements.txt").touch()
    second = built(made)["web"]
    assert (first["built"], second["built"], second["first_miss"]) == (True, False, None)
    assert (first["id"], first["content"]) == (second["id"], second["content"])


def test_a_commit_that_changes_no_file_of_the_image_changes_no_content(
    project: Callable[..., Project],
) -> None:
    """Another git commit changes a label but not the content id: nothing has to be deployed."""
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
         "the instruction is new or changed"),
    ],
)  # fmt: skip
def test_the_first_cache_miss_and_its_reason_are_reported(
    project: Callable[..., Project], name: str, change: dict[str, str], miss: str, reason: str
) -> None:
    """After a change, the first executed step is reported, and what changed for it.

    The change contains the project's name, which no earlier run left in the builder's cache.
    """
    made = project({"Dockerfile": SOURCE, ".dockerignore": "Dockerfile\nftl.yaml\n"})
    built(made)
    made.write({path: text.replace("NAME", name) for path, text in change.items()})
    web = built(made)["web"]
    assert (web["built"], web["first_miss"], web["miss_reason"]) == (True, miss.replace("NAME", name), reason)


def test_no_cache_executes_every_step(project: Callable[..., Project]) -> None:
    """`--no-cache` is given as the reason."""
    made = project({"Dockerfile": SOURCE})
    built(made)
    web = built(made, "--no-cache")["web"]
    assert (web["built"], web["miss_reason"]) == (True, "the cache was disabled (--no-cache)")


def test_target_and_args_shape_the_image(project: Callable[..., Project], name: str) -> None:
    """The requested stage is built, with build args that may contain any characters."""
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


def test_services_are_built_in_parallel(project: Callable[..., Project]) -> None:
    """All builds start before the first one finishes."""
    files = {
        f"{service}/Dockerfile": f"FROM ftl-lab-busybox\nRUN sleep 2 && echo {service}\n" for service in "abc"
    }
    made = project(files, {service: {"build": service} for service in "abc"})
    outcome = made.run("--json", "build", "--no-cache").ok()
    kinds = [line["type"] for line in outcome.lines if line["type"] in ("build_started", "build_finished")]
    assert kinds == ["build_started"] * 3 + ["build_finished"] * 3


def test_only_the_named_services_are_built(project: Callable[..., Project]) -> None:
    """`ftl build b` builds only b."""
    files = {f"{service}/Dockerfile": "FROM ftl-lab-busybox\n" for service in "ab"}
    made = project(files, {service: {"build": service} for service in "ab"})
    assert set(built(made, "b")) == {"b"}


@pytest.mark.parametrize(
    ("argument", "words"), [("wbe", "there is no service `wbe`"), ("db", "`db` has no `build`")]
)
def test_a_service_that_cannot_be_built_is_a_usage_error(
    project: Callable[..., Project], argument: str, words: str
) -> None:
    """An unknown service, or one whose image is pulled, exits 2 and lists the services that can be built."""
    made = project({"Dockerfile": SOURCE}, {"web": {"build": "."}, "db": {"image": "postgres:16"}})
    outcome = made.run("build", argument)
    assert outcome.exit_code == 2
    assert words in outcome.stderr
    assert "web" in outcome.stderr.partition(words)[2]


def test_a_large_context_is_warned_about(project: Callable[..., Project]) -> None:
    """The warning lists the largest folders, and what to add to .dockerignore."""
    made = project({"Dockerfile": "FROM ftl-lab-busybox\nCOPY requirements.txt .\n", "node_modules/x": "x"})
    with (made.folder / "node_modules" / "large").open("wb") as file:
        file.truncate(60_000_000)
    outcome = made.run("--json", "build").ok()
    assert [event["bytes"] > 60_000_000 for event in outcome.events("build_context")] == [True]
    [(text, hint)] = warnings(outcome)
    assert "node_modules 60.0 MB" in text
    assert "create a .dockerignore" in hint
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
def test_the_walked_context_is_what_the_builder_receives(
    project: Callable[..., Project], name: str, patterns: str
) -> None:
    """FTL and BuildKit apply .dockerignore alike, file by file."""
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
    received = {event["line"].removeprefix("./") for event in outcome.events("build_output")}
    walked = walk_context(made.folder, made.folder / "Dockerfile")
    assert set(walked.files) == received


def test_explain_reports_figures_and_advice(project: Callable[..., Project], name: str) -> None:
    """Layer sizes, durations of steps, and advice with its figure, as text and as JSON."""
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
    assert "Dockerfile:3: any file change re-runs" in text


def test_the_servers_platform_is_used_once_it_is_known(project: Callable[..., Project], name: str) -> None:
    """While it is unknown, the engine's own is used, with a note; `build.platform` overrides both."""
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
