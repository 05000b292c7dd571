"""The docker CLI: which one is chosen, and what it is called with."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ftl.config.models.project import BuildSecret
from ftl.errors import BuildFailed
from ftl.image.building.build_secrets import ResolvedSecret, resolve_secrets
from ftl.image.building.builder import Builder, find_builder
from ftl.image.building.command import BuildRequest, build_arguments, build_environment

CALL = BuildRequest(
    context=Path("/app"),
    dockerfile=Path("/app/Dockerfile"),
    tags=("shop-web:latest",),
    labels={"ftl.project": "shop"},
    args={"VERSION": "1 2"},
    secrets=(ResolvedSecret("npm", env="NPM_TOKEN"), ResolvedSecret("ca", source=Path("/etc/ca.pem"))),
    target="run",
    platform="linux/arm64",
)
TOKEN = "s3cr3t"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, so that what is remembered starts empty."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return tmp_path


def cli(folder: Path, *, version: str, buildx: bool = False) -> Path:
    """A program that answers `--version` and `buildx version` as a docker CLI does."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "docker"
    answer = (
        'echo "github.com/docker/buildx v0.17.1 abc"'
        if buildx
        else 'echo "unknown command: docker buildx" >&2; exit 1'
    )
    path.write_text(
        f'#!/bin/sh\necho x >> "{folder}/asked"\n[ "$1" = buildx ] && {{ {answer}; exit; }}\necho "{version}"\n'
    )
    path.chmod(0o755)
    return path


def path_of(*programs: Path) -> dict[str, str]:
    """An environment whose PATH leads to these programs in this order."""
    folders = [str(program.parent) for program in programs]
    return {"PATH": os.pathsep.join(folders), "HOME": os.environ["HOME"]}


OLD, NEW, ANCIENT = (
    "Docker version 20.10.24, build 297e128",
    "Docker version 28.2.2, build e6534b4",
    "Docker version 17.03.1",
)


def test_an_older_cli_with_buildkit_goes_before_a_new_one_without(home: Path) -> None:
    """A CLI of its own without buildx refuses BuildKit: the next one on PATH has it built in."""
    new, old = cli(home / "new", version=NEW), cli(home / "old", version=OLD)
    assert find_builder(path_of(new, old)) == Builder(str(old), "buildkit")


def test_buildx_goes_before_all_others(home: Path) -> None:
    """The plugin is the builder that is still developed."""
    old, new = cli(home / "old", version=OLD), cli(home / "new", version=NEW, buildx=True)
    assert find_builder(path_of(old, new)) == Builder(str(new), "buildx")


@pytest.mark.parametrize("version", [NEW, ANCIENT])
def test_without_buildkit_the_classic_builder_is_used(home: Path, version: str) -> None:
    """Nothing better being there, images can still be built."""
    only = cli(home / "only", version=version)
    assert find_builder(path_of(only)).kind == "classic"


def test_another_products_stand_in_is_no_docker_cli(home: Path) -> None:
    """Podman's `docker` speaks to no Docker engine."""
    podman, old = cli(home / "podman", version="podman version 4.9.4"), cli(home / "old", version=OLD)
    assert find_builder(path_of(podman, old)).docker == str(old)
    with pytest.raises(BuildFailed, match="not Docker's own CLI"):
        find_builder(path_of(podman))


def test_without_any_cli_the_error_says_what_to_install(home: Path) -> None:
    """No docker at all is a sentence with a hint."""
    with pytest.raises(BuildFailed, match="no docker CLI") as caught:
        find_builder({"PATH": str(home), "HOME": str(home)})
    assert "install" in (caught.value.hint or "")


def test_the_choice_is_remembered_until_a_cli_changes(home: Path) -> None:
    """Asking every CLI costs processes, so it is done again only when one is replaced."""
    old = cli(home / "old", version=OLD)
    asked = home / "old" / "asked"
    find_builder(path_of(old))
    times = asked.read_text().count("x")
    assert find_builder(path_of(old)).kind == "buildkit"
    assert asked.read_text().count("x") == times
    cli(home / "old", version=NEW, buildx=True)
    assert find_builder(path_of(old)).kind == "buildx"


BUILDERS = [Builder("/usr/bin/docker", "buildx"), Builder("/usr/bin/docker", "buildkit")]


@pytest.mark.parametrize("builder", BUILDERS)
def test_no_value_of_a_secret_or_build_arg_is_in_the_arguments(builder: Builder) -> None:
    """Process lists are public: values travel in the environment."""
    call = replace(CALL, args={"VERSION": TOKEN})
    argv = build_arguments(builder, call)
    env = build_environment(builder, call, host="unix:///x", environ={}, variables={"NPM_TOKEN": TOKEN})
    assert not [word for word in argv if TOKEN in word]
    assert (env["VERSION"], env["NPM_TOKEN"]) == (TOKEN, TOKEN)
    assert "--build-arg=VERSION" in argv
    assert "--secret=id=npm,env=NPM_TOKEN" in argv
    assert "--secret=id=ca,src=/etc/ca.pem" in argv


@pytest.mark.parametrize("name", ["PATH", "HOME", "DOCKER_HOST", "LD_PRELOAD", "NPM_TOKEN"])
def test_a_build_arg_does_not_change_how_the_cli_works(name: str) -> None:
    """An arg with the name of a variable that the CLI or a secret needs is given as an argument."""
    call = replace(CALL, args={name: "value"})
    env = build_environment(BUILDERS[0], call, host="unix:///x", environ={}, variables={"NPM_TOKEN": TOKEN})
    assert f"--build-arg={name}=value" in build_arguments(BUILDERS[0], call)
    assert env.get(name) != "value"


@pytest.mark.parametrize(
    ("kind", "words", "variables"),
    [
        (
            "buildx",
            ["buildx", "build", "--load", "--progress", "plain"],
            {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
        ),
        ("buildkit", ["build", "--progress", "plain"], {"DOCKER_BUILDKIT": "1"}),
        ("classic", ["build"], {"DOCKER_BUILDKIT": "0"}),
    ],
)
def test_each_builder_is_called_its_own_way(kind: str, words: list[str], variables: dict[str, str]) -> None:
    """Plain progress where there is one, the image loaded, no attestations, and always the same engine."""
    builder = Builder("/usr/bin/docker", kind)  # type: ignore[arg-type]
    call = replace(CALL, secrets=())
    argv = build_arguments(builder, call)
    environ = {"DOCKER_CONTEXT": "elsewhere", "DOCKER_HOST": "tcp://elsewhere", "KEPT": "yes"}
    env = build_environment(builder, call, host="unix:///here.sock", environ=environ, variables={})
    assert argv[1 : len(words) + 1] == words
    assert argv[-2:] == ["--", "/app"]
    assert {
        "--tag=shop-web:latest",
        "--label=ftl.project=shop",
        "--target=run",
        "--platform=linux/arm64",
    } <= set(argv)
    assert env.items() >= {**variables, "DOCKER_HOST": "unix:///here.sock", "KEPT": "yes"}.items()
    assert "DOCKER_CONTEXT" not in env


def test_secrets_are_looked_for_before_the_build(tmp_path: Path) -> None:
    """Files start at ftl.yaml's folder; a bare name is a variable."""
    (tmp_path / "ca.pem").write_text("x")
    wanted = [
        BuildSecret(id="ca", file="ca.pem"),
        BuildSecret(id="npm", env="NPM_TOKEN"),
        BuildSecret(id="BARE"),
    ]
    found = resolve_secrets(wanted, root=tmp_path, environ={"NPM_TOKEN": "1", "BARE": "2"})
    assert found == (
        ResolvedSecret("ca", source=tmp_path / "ca.pem"),
        ResolvedSecret("npm", env="NPM_TOKEN"),
        ResolvedSecret("BARE", env="BARE"),
    )


@pytest.mark.parametrize(
    "secret", [BuildSecret(id="x", env="NOT_SET"), BuildSecret(id="x", file="not-there"), BuildSecret(id="x")]
)
def test_a_secret_that_is_not_there_stops_the_build(secret: BuildSecret, tmp_path: Path) -> None:
    """The error names the secret and what is missing."""
    with pytest.raises(BuildFailed, match="the build secret `x` is not there") as caught:
        resolve_secrets([secret], root=tmp_path, environ={})
    assert caught.value.cause
    assert caught.value.hint
