"""Images through registries with passwords and tokens: push by one engine, pull by another."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lab import peers
from tests.e2e.support.project import unique
from tests.e2e.support.registry_deployer import (
    PASSWORD,
    USERS,
    Deployer,
    auth_entry,
    credential_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Lab, Server

pytestmark = pytest.mark.server


def test_the_server_pulls_the_pushed_digest(
    deployer: Callable[[str], Deployer], basic: peers.Registry, server: Server
) -> None:
    """Build pushes, deploy has the server pull that digest and records it; the login is stored nowhere."""
    basic.trust(server)
    at = deployer(basic.host)
    at.made.config["registries"] = [
        {"server": basic.host, "username": "me", "password": "${REGISTRY_PASSWORD}"}
    ]
    env = {"REGISTRY_PASSWORD": PASSWORD}
    repository = at.reference.partition("/")[2].partition(":")[0]
    assert at.ftl("build", "--skip-push", env=env).ok().result["services"]["web"]["pushed"] is None
    assert basic.digest(repository, "v1") == "", "--skip-push does not push"
    pushed = at.ftl("build", env=env).ok()
    assert pushed.events("push_progress")
    digest = basic.digest(repository, "v1")
    reference = f"{basic.host}/{repository}@{digest}"
    assert pushed.result["services"]["web"]["pushed"] == reference
    deployed = at.ftl("deploy", env=env).ok()
    assert deployed.events("pull_progress")
    assert at.made.get() == (200, "one")
    assert at.release(server)["pulled"] == reference
    assert reference in server.docker("image", "inspect", "-f", "{{.RepoDigests}}", f"{at.made.name}-web:r1")
    assert credential_files(server) == ""
    config = at.ftl("config", env=env)
    assert PASSWORD not in config.stdout + deployed.stdout + pushed.stdout
    assert not (at.home / "config.json").exists(), "nothing is stored on this machine"
    for version in ("two", "three", "four", "five", "six"):
        at.made.version(version)
        at.ftl("deploy", env=env).ok()
    remaining = server.docker("images", "--digests", "--format", "{{.Digest}} {{.Repository}}:{{.Tag}}")
    assert digest not in remaining, "the first release's image is removed with all its names"
    assert at.made.get() == (200, "six")


def test_credentials_from_every_source(
    deployer: Callable[[str], Deployer], token: peers.Registry, server: Server
) -> None:
    """An identity token in Docker's config file, one printed by a command, a password of a helper; then none."""
    token.trust(server)
    at = deployer(token.host)
    at.logins(**{token.host: {**auth_entry("me", ""), "identitytoken": "refresh-me"}})
    at.ftl("deploy").ok()
    assert at.made.get() == (200, "one")
    at.made.version("two")
    at.logins(**{token.host: auth_entry("me", "wrong")})
    at.made.config["registries"] = [{"server": token.host, "command": ["printf", "%s", "refresh-me"]}]
    at.ftl("deploy").ok()
    assert at.made.get() == (200, "two"), "ftl.yaml takes precedence over Docker's config file"
    at.made.version("three")
    del at.made.config["registries"]
    helper = at.home / "docker-credential-lab"
    helper.write_text(f'#!/bin/sh\necho \'{{"Username": "me", "Secret": "{PASSWORD}"}}\'\n')
    helper.chmod(0o755)
    (at.home / "config.json").write_text(json.dumps({"credHelpers": {token.host: "lab"}}))
    path = f"{at.home}{os.pathsep}{at.made.project.environment['PATH']}"
    at.ftl("deploy", env={"PATH": path}).ok()
    assert at.made.get() == (200, "three")
    at.made.version("four")
    at.logins()
    refused = at.ftl("deploy")
    assert refused.exit_code == 1
    assert "requires a login, and there are no credentials" in refused.result["error"]["message"]
    assert f"docker login {token.host}" in refused.result["error"]["hint"]
    assert at.made.get() == (200, "three"), "the old release keeps running"


def test_a_rollback_pulls_with_the_login_that_it_needs(
    deployer: Callable[[str], Deployer], basic: peers.Registry, server: Server
) -> None:
    """A record has no login: that of today's ftl.yaml serves, and without ftl.yaml that of the server itself."""
    basic.trust(server)
    at = deployer(basic.host)
    at.made.config["registries"] = [
        {"server": basic.host, "username": "me", "password": "${REGISTRY_PASSWORD}"}
    ]
    env = {"REGISTRY_PASSWORD": PASSWORD}
    for version in ("one", "two"):
        at.made.version(version)
        at.ftl("build", env=env).ok()
        at.ftl("deploy", env=env).ok()
    config = Path(at.made.project.environment["HOME"]) / ".ssh" / "config"
    config.write_text(f"IdentityFile {server.key}\n{config.read_text()}")
    elsewhere = ("--server", f"{server.user}@{server.host}:{server.port}", "--project", at.made.name)

    def forget(release: str) -> None:
        """Neither the server nor the machine that built has its image any more."""
        server.docker("rmi", "-f", server.docker("images", "-q", f"{at.made.name}-web:{release}"))
        names = (f"{at.made.name}-web", at.reference)
        here = {image for name in names for image in at.docker("images", "-q", name).split()}
        if here:  # nothing was built since
            at.docker("rmi", "-f", *here)

    def hint(*argv: str) -> str:
        """What a rollback that fails advises."""
        refused = at.ftl("rollback", *argv)
        assert refused.exit_code == 1, refused
        return str(refused.result["error"]["hint"])

    forget("r1")
    assert "REGISTRY_PASSWORD" in hint("r1")
    without = hint("r1", *elsewhere)
    assert f"docker login {basic.host}` on this machine or on " in without
    assert "in the folder of ftl.yaml" in without
    assert at.made.get() == (200, "two")
    assert at.ftl("rollback", "r1", env=env).ok().events("pull_progress")
    assert at.made.get() == (200, "one")
    assert PASSWORD not in json.dumps(at.record(server))

    forget("r2")
    folder = "/root/.docker" if server.user == "root" else f"/home/{server.user}/.docker"
    server.run("mkdir", "-p", folder)
    server.write(f"{folder}/config.json", json.dumps({"auths": {basic.host: auth_entry("me", PASSWORD)}}))
    try:
        assert at.ftl("rollback", "r2", *elsewhere).ok().events("pull_progress")
    finally:
        server.run("rm", f"{folder}/config.json")
    assert at.made.get() == (200, "two")


def test_pulled_images_are_pinned_by_digest(
    deployer: Callable[[str], Deployer], lab: Lab, builder: Server, server: Server
) -> None:
    """Services and dependencies run the digest that was pulled, which the release record has.

    Moving the tag, in the registry or on the server, does not change what later releases run. Neither a new
    configuration of an image that was pushed before nor an image named by tag and digest needs the registry.
    """
    with peers.registry(lab, f"{unique('held')}.test", "basic", users=USERS) as registry:
        for machine in (builder, server):
            registry.trust(machine)
        at = deployer(registry.host)
        at.made.config["registries"] = [{"server": registry.host, "username": "me", "password": PASSWORD}]
        web = at.made.service()
        built = {**web, "name": "built", "image": at.reference.replace(":v1", "-built:v1"), "routes": []}
        at.ftl("build").ok()
        repository = at.reference.partition("/")[2].partition(":")[0]
        exact = f"{registry.host}/{repository}@{registry.digest(repository, 'v1')}"
        del web["build"]
        at.made.config["services"].append(built)
        at.made.config["dependencies"] = [{"name": "peer", "image": at.reference}]
        deployed = at.ftl("deploy").ok()
        assert deployed.result["services"]["web"]["image"] == at.reference
        assert at.made.get() == (200, "one")
        record = at.record(server)
        assert record["services"]["web"]["pulled"] == exact
        assert record["dependencies"]["peer"]["pulled"] == exact
        assert record["services"]["built"]["pulled"]
        containers = (f"{at.made.name}-web-r1", f"{at.made.name}-peer")
        tagged = exact.replace("@", ":v1@")
        assert server.docker("inspect", "-f", "{{.Config.Image}}", *containers).split() == [tagged, tagged]
        at.docker("tag", "ftl-lab-busybox:latest", at.reference)
        at.logins(**{registry.host: auth_entry("me", PASSWORD)})
        at.docker("push", at.reference)
        assert registry.digest(repository, "v1") not in exact, "the tag has moved"
    server.docker("tag", "caddy:2", at.reference)
    server.docker("kill", f"{at.made.name}-peer")  # it ignores SIGTERM
    for one in (web, built, at.made.config["dependencies"][0]):
        one["env"] = {"COLOUR": "blue"}
    web["hooks"] = {"pre": {"remote": "test $COLOUR = blue && cat /www/index.html"}}
    actions = at.ftl("deploy").ok().result["services"]
    assert {name: one["action"] for name, one in actions.items()} == {"web": "replaced", "built": "replaced"}
    after = at.record(server)
    assert after["dependencies"] == record["dependencies"], "a new container of the same image"
    for name in ("web", "built"):
        assert after["services"][name]["pulled"] == record["services"][name]["pulled"]
        assert after["services"][name]["image_id"] == record["services"][name]["image_id"]
    containers = (f"{at.made.name}-web-r2", f"{at.made.name}-peer")
    assert server.docker("inspect", "-f", "{{.Config.Image}}", *containers).split() == [tagged, tagged]
    assert "@sha256" not in at.ftl("status").ok().stdout
    web["image"] = tagged
    at.ftl("deploy").ok()
    assert at.release(server)["pulled"] == exact
    assert at.made.get() == (200, "one")


def test_a_private_base_image_is_pulled_with_the_login_in_ftl_yaml(
    deployer: Callable[[str], Deployer], basic: peers.Registry
) -> None:
    """The builder has the login while the build runs; Docker's own configuration is not changed."""
    at = deployer(basic.host)
    base = f"{basic.host}/team/{at.made.name}-base:v1"
    at.logins(**{basic.host: auth_entry("me", PASSWORD)})
    at.docker("tag", "ftl-lab-busybox:latest", base)
    at.docker("push", base)
    at.docker("rmi", base)
    at.logins(**{basic.host: auth_entry("me", "wrong")})
    at.made.version("one", dockerfile=f"FROM {base}\nCOPY www /www\n")
    assert at.ftl("build", "--skip-push").exit_code == 1
    at.made.config["registries"] = [{"server": basic.host, "username": "me", "password": PASSWORD}]
    at.ftl("build", "--skip-push").ok()
    assert PASSWORD not in (at.home / "config.json").read_text()


def test_each_registry_error_has_a_hint(
    deployer: Callable[[str], Deployer],
    lab: Lab,
    basic: peers.Registry,
    token: peers.Registry,
    builder: Server,
    server: Server,
) -> None:
    """A wrong password, an expired token, an unknown authority, a registry that is down, an unknown host."""
    at = deployer(basic.host)

    def refused(host: str, **login: object) -> dict[str, Any]:
        at.made.service()["image"] = f"{host}/team/{at.made.name}:v1"
        at.made.config["registries"] = [{"server": host, **login}]
        outcome = at.ftl("build")
        assert outcome.exit_code == 1, outcome
        found: dict[str, Any] = outcome.result["error"]
        assert found["cause"]
        return found

    wrong = refused(basic.host, username="me", password="wrong")
    assert "rejects the credentials of me" in wrong["message"]
    assert "wrong" not in json.dumps(wrong["message"]) + wrong["cause"]
    expired = refused(token.host, token="refresh-nobody")
    assert "rejects the token" in expired["message"]
    assert "expired or was revoked" in expired["hint"]
    assert "cannot be resolved" in refused("no-such-registry.test")["message"]
    with peers.registry(lab, f"{unique('untrusted')}.test", "none") as untrusted:
        error = refused(untrusted.host)
        assert "does not trust the certificate" in error["message"]
        assert f"/etc/docker/certs.d/{untrusted.host}/ca.crt" in error["hint"]
        untrusted.trust(builder)
        at.ftl("build").ok()
        deployed = at.ftl("deploy")
        assert deployed.exit_code == 1, "the server does not trust it yet"
        assert "certificate" in deployed.result["error"]["message"]
    assert "does not answer" in refused(f"{server.name}:5000")["message"]
