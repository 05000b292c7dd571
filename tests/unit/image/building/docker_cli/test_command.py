"""The docker CLI's arguments and environment for a build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ftl.image.building.docker_cli.build_secrets import ResolvedSecret, pass_secrets
from ftl.image.building.docker_cli.buildkit_cli import BuildKitCli
from ftl.image.building.docker_cli.cache import CacheOptions
from ftl.image.building.docker_cli.command import BuildRequest, build_arguments, build_environment

REQUEST = BuildRequest(
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


BUILDERS = [BuildKitCli("/usr/bin/docker", "buildx"), BuildKitCli("/usr/bin/docker", "buildkit")]


@pytest.mark.parametrize("builder", BUILDERS)
def test_no_value_of_a_secret_or_build_arg_is_in_the_arguments(builder: BuildKitCli) -> None:
    """Process lists are public, so values are passed by environment."""
    request = replace(REQUEST, args={"VERSION": TOKEN})
    argv = build_arguments(builder, request)
    env = build_environment(builder, request, host="unix:///x", environ={}, secrets={"NPM_TOKEN": TOKEN})
    assert not [word for word in argv if TOKEN in word]
    assert (env["VERSION"], env["NPM_TOKEN"]) == (TOKEN, TOKEN)
    assert "--build-arg=VERSION" in argv
    assert "--secret=id=npm,env=NPM_TOKEN" in argv
    assert "--secret=id=ca,src=/etc/ca.pem" in argv


@pytest.mark.parametrize("name", ["PATH", "HOME", "DOCKER_HOST", "BUILDX_BUILDER", "LD_PRELOAD", "DYLD_X"])
def test_a_build_arg_does_not_change_how_the_cli_works(name: str) -> None:
    """An arg named like a variable that the CLI reads is passed as an argument; no secret is in such a one."""
    request = replace(REQUEST, args={name: "value"})
    env = build_environment(BUILDERS[0], request, host="unix:///x", environ={}, secrets={})
    assert f"--build-arg={name}=value" in build_arguments(BUILDERS[0], request)
    assert env.get(name) != "value"


@pytest.mark.parametrize(
    "name", ["NPM_TOKEN", "DOCKER_PASSWORD", "LD_SDK_KEY", "SSL_KEY", "XDG_TOKEN", "LC_KEY"]
)
def test_a_build_arg_that_only_looks_like_a_variable_of_the_cli_is_in_no_argument(
    name: str, tmp_path: Path
) -> None:
    """Nor one with the name of a build secret, which keeps a value of its own."""
    secrets, variables = pass_secrets(REQUEST.secrets, {"NPM_TOKEN": "of the secret"}, tmp_path)
    request = replace(REQUEST, args={name: TOKEN}, secrets=secrets)
    argv = build_arguments(BUILDERS[0], request)
    env = build_environment(BUILDERS[0], request, host="unix:///x", environ={}, secrets=variables)
    assert not [word for word in argv if TOKEN in word]
    assert (f"--build-arg={name}" in argv, env[name]) == (True, TOKEN)
    (flag,) = (word for word in argv if word.startswith("--secret=id=npm,env="))
    assert env[flag.removeprefix("--secret=id=npm,env=")] == "of the secret"


@pytest.mark.parametrize(
    ("kind", "words", "variables"),
    [
        (
            "buildx",
            ["buildx", "build", "--load", "--progress", "plain"],
            {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
        ),
        ("buildkit", ["build", "--progress", "plain"], {"DOCKER_BUILDKIT": "1"}),
    ],
)
def test_each_kind_of_builder_gets_its_own_command(
    kind: str, words: list[str], variables: dict[str, str]
) -> None:
    """Plain progress, the image loaded, no attestations, and always the same engine."""
    builder = BuildKitCli("/usr/bin/docker", kind)  # type: ignore[arg-type]
    request = replace(REQUEST, secrets=())
    argv = build_arguments(builder, request)
    environ = {"DOCKER_CONTEXT": "elsewhere", "DOCKER_HOST": "tcp://elsewhere", "KEPT": "yes"}
    env = build_environment(builder, request, host="unix:///here.sock", environ=environ, secrets={})
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


def test_a_build_on_another_machine_ignores_the_chosen_builder() -> None:
    """`docker buildx use`, or $BUILDX_BUILDER, names a builder for this machine: the engine there builds itself."""
    environ = {"BUILDX_BUILDER": "mine"}
    here = build_environment(BUILDERS[0], REQUEST, host="unix:///x", environ=environ, secrets={})
    there = build_environment(
        BUILDERS[0], REQUEST, host="unix:///forwarded", environ=environ, secrets={}, remote=True
    )
    assert here["BUILDX_BUILDER"] == "mine"
    assert (there["BUILDX_BUILDER"], there["DOCKER_HOST"]) == ("default", "unix:///forwarded")


def test_caches_are_options_of_the_command() -> None:
    """Read and written in the order of the file."""
    request = replace(REQUEST, cache=CacheOptions(("type=gha", "type=local,src=/c"), ("type=gha,mode=max",)))
    argv = build_arguments(BUILDERS[0], request)
    assert [word for word in argv if word.startswith("--cache")] == [
        "--cache-from=type=gha",
        "--cache-from=type=local,src=/c",
        "--cache-to=type=gha,mode=max",
    ]
