"""Images through registries with passwords and tokens: push by one engine, pull by another."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from lab import images, peers
from lab.servers import INIT_SCRIPT, PUT_INIT_SCRIPT
from tests.e2e.support.project import lab_project, unique
from tests.e2e.support.registry_deployer import (
    PASSWORD,
    READY,
    USERS,
    Deployer,
    allow_insecure,
    auth_entry,
    credential_files,
    forwarded_engine,
    registry_findings,
    run_on_terminal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lab.servers import Lab, Server
    from tests.e2e.conftest import ServerFactory
    from tests.harness import Project

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def basic(lab: Lab) -> Iterator[peers.Registry]:
    """A registry with passwords."""
    with peers.registry(lab, f"{unique('basic')}.test", "basic", users=USERS) as found:
        yield found


@pytest.fixture(scope="module")
def token(lab: Lab) -> Iterator[peers.Registry]:
    """A registry whose token server takes passwords and identity tokens."""
    with peers.registry(lab, f"{unique('token')}.test", "token", users=USERS) as found:
        yield found


@pytest.fixture(scope="module")
def builder(lab: Lab, basic: peers.Registry, token: peers.Registry) -> Iterator[Server]:
    """The machine whose engine builds."""
    made = lab.server("builder")
    images.ensure("busybox", "caddy")
    made.load("ftl-lab-busybox:latest", "caddy:2")
    for registry in (basic, token):
        registry.trust(made)
    made.stop_engine()  # its BuildKit reads certificates when it starts
    made.start_engine()
    yield made
    lab.remove("builder")


@pytest.fixture
def deployer(
    ftl: Callable[..., Project], server: Server, builder: Server, tmp_path: Path
) -> Iterator[Callable[[str], Deployer]]:
    """Create a deployer whose project's image has a name in a registry."""
    home = tmp_path / "docker"
    home.mkdir(mode=0o700)
    with forwarded_engine(builder, tmp_path) as engine:

        def make(host: str) -> Deployer:
            made = lab_project(ftl, server)
            return Deployer(made, f"{host}/team/{made.name}:v1", home, engine)

        yield make


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


def test_an_engine_with_the_containerd_store(
    ftl: Callable[..., Project],
    basic: peers.Registry,
    token: peers.Registry,
    builder: Server,
    server_factory: ServerFactory,
    tmp_path: Path,
) -> None:
    """Pulled images are pinned as with the other store, and an untrusted token server is reported.

    The store trusts token servers by the system's certificates only; following the hint fixes it.
    """
    server = server_factory("newer", suite="trixie", store="containerd")
    for registry in (basic, token):
        registry.trust(server)
    home = tmp_path / "docker"
    home.mkdir(mode=0o700)
    server.load("caddy:2")
    with forwarded_engine(builder, tmp_path) as engine:
        at = Deployer(lab_project(ftl, server), "", home, engine)
        name = f"team/{at.made.name}:v1"
        logins = {one.host: auth_entry("me", PASSWORD) for one in (basic, token)}
        at.logins(**logins)
        for registry in (token, basic):
            at.made.service()["image"] = f"{registry.host}/{name}"
            at.ftl("build").ok()
            at.docker("rmi", f"{registry.host}/{name}")  # else it would be sent from this machine
        del at.made.service()["build"]
        at.logins()
        assert "cannot pull" in registry_findings(at)[0]["what"]
        at.logins(**logins)
        at.ftl("deploy").ok()
        exact = f"{basic.host}/{name.partition(':')[0]}@{basic.digest(name.partition(':')[0], 'v1')}"
        assert at.release(server)["pulled"] == exact
        assert server.docker("inspect", "-f", "{{.Config.Image}}", f"{at.made.name}-web-r1") == exact.replace(
            "@", ":v1@"
        )
        server.docker("tag", "caddy:2", f"{basic.host}/{name}")
        at.made.service()["env"] = {"COLOUR": "blue"}
        at.ftl("deploy").ok()
        assert at.release(server)["pulled"] == exact, "the tag has moved, the image has not"
        assert at.made.get() == (200, "one")
        at.made.service()["image"] = f"{token.host}/{name}"
        refused = at.ftl("deploy").result["error"]
        assert "does not trust the certificate of the token server" in refused["cause"]
        assert "`update-ca-certificates`" in refused["hint"]
        server.write("/usr/local/share/ca-certificates/lab.crt", token.authority)
        server.run("update-ca-certificates")
        server.stop_engine()
        server.start_engine()
        at.ftl("deploy").ok()
        assert at.release(server)["pulled"].startswith(token.host)
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


def test_plain_http_needs_an_insecure_registry(
    ftl: Callable[..., Project],
    lab: Lab,
    builder: Server,
    server_factory: ServerFactory,
    tmp_path: Path,
) -> None:
    """Neither engine uses plain HTTP by default; with `insecure` in ftl.yaml, setup configures the server's."""
    server = server_factory("plain", daemon=READY)
    server.load("caddy:2")
    server.run("sh", "-c", PUT_INIT_SCRIPT, stdin=INIT_SCRIPT.encode())
    home = tmp_path / "docker"
    home.mkdir(mode=0o700)
    with (
        forwarded_engine(builder, tmp_path) as engine,
        peers.registry(lab, f"{unique('plain')}.test", "none", plain=True) as registry,
    ):
        host = f"{registry.host}:80"
        made = lab_project(ftl, server)
        at = Deployer(made, f"{host}/team/{made.name}:v1", home, engine)

        def refused(*argv: str) -> dict[str, Any]:
            outcome = at.ftl(*argv)
            assert outcome.exit_code == 1
            found: dict[str, Any] = outcome.result["error"]
            assert f"{host} speaks plain HTTP" in found["message"]
            assert "`insecure-registries` in /etc/docker/daemon.json" in found["hint"]
            return found

        assert "daemon.json on this machine" in refused("build")["hint"]
        allow_insecure(builder, host)
        at.ftl("build").ok()
        assert f"daemon.json on {server.section()['host']}" in refused("deploy")["hint"]
        setup = ("setup", "--no-firewall")
        assert "write_daemon_settings" not in [one["step"] for one in at.ftl(*setup).ok().result["changes"]]
        made.config["registries"] = [{"server": host, "insecure": True}]
        (change,) = at.ftl(*setup).ok().result["changes"]
        assert change["step"] == "write_daemon_settings"
        assert "(insecure registries)" in change["text"]
        settings = json.loads(server.run("cat", "/etc/docker/daemon.json").stdout)
        assert settings == {**READY, "insecure-registries": [host]}
        assert not at.ftl(*setup).ok().result["changed"]
        at.ftl("deploy").ok()
        digest = registry.digest(f"team/{made.name}", "v1")
        assert at.release(server)["pulled"] == f"{host}/team/{made.name}@{digest}"
        assert made.get() == (200, "one")


def test_registries_from_setup_to_deploy(
    ftl: Callable[..., Project],
    lab: Lab,
    basic: peers.Registry,
    builder: Server,
    server_factory: ServerFactory,
    tmp_path: Path,
) -> None:
    """Setup asks for credentials and stores them in Docker's configuration; build pushes, the server pulls.

    It asks for those of private images that are only pulled, too, and doctor reports missing ones. With
    --store-credentials they are stored on the server as well, readable by its user only.
    """
    server = server_factory("registries", daemon=READY)
    server.load("caddy:2")
    home = tmp_path / "docker"
    home.mkdir(mode=0o700)
    with (
        forwarded_engine(builder, tmp_path) as engine,
        peers.registry(lab, f"{unique('private')}.test", "basic", users=USERS) as private,
        peers.registry(lab, f"{unique('public')}.test", "none") as public,
    ):
        made = lab_project(ftl, server)
        at = Deployer(made, f"{basic.host}/team/{made.name}:v1", home, engine)
        at.ftl("build", "--skip-push").ok()
        basic.trust(server)
        for registry in (private, public):
            registry.trust(server)
            registry.trust(builder)
            at.logins(**{registry.host: auth_entry("me", PASSWORD)})
            at.docker("tag", f"{made.name}-web:latest", f"{registry.host}/team/peer:v1")
            at.docker("push", f"{registry.host}/team/peer:v1")
            at.docker("rmi", f"{registry.host}/team/peer:v1")
        (home / "config.json").unlink()
        made.config["dependencies"] = [
            {"name": one.host.partition(".")[0], "image": f"{one.host}/team/peer:v1"}
            for one in (private, public)
        ]
        made.config["registries"] = [{"server": "nowhere.test", "username": "me", "password": PASSWORD}]
        made.save()
        answers = ("me\n", f"{PASSWORD}\n")
        screen = run_on_terminal(at, ("setup", "--no-firewall", "--store-credentials"), *answers, *answers)
        assert screen.count("User name:") == 2, screen
        assert PASSWORD not in screen
        assert "host name of nowhere.test cannot be resolved" in screen, (
            "a warning: nothing is pulled from it"
        )
        del made.config["registries"]
        stored = json.loads((home / "config.json").read_text())
        assert set(stored["auths"]) == {basic.host, private.host}
        at.logins(**{basic.host: stored["auths"][basic.host]})
        found = {one["name"]: one for one in registry_findings(at)}
        assert "cannot pull" in found[private.host]["what"]
        assert found[private.host]["level"] == "problem"
        assert found[public.host]["level"] == "ok"
        at.logins(**stored["auths"])
        assert {one["level"] for one in registry_findings(at)} == {"ok"}
        repository = f"team/{made.name}"
        at.ftl("build", "--skip-push").ok()
        assert basic.digest(repository, "v1") == "", "--skip-push does not push"
        at.ftl("build").ok()
        digest = basic.digest(repository, "v1")
        at.ftl("deploy").ok()
        assert at.release(server)["pulled"] == f"{basic.host}/{repository}@{digest}"
        assert made.get() == (200, "one")
        assert f"{private.host}/team/peer:v1@sha256:" in server.docker(
            "ps", "--no-trunc", "--format", "{{.Image}}"
        )
        del made.service()["build"]
        without_docker = at.ftl("setup", "--no-firewall", env={"DOCKER_HOST": "unix:///nowhere"}).ok()
        assert set(without_docker.result["registries"]) == {basic.host, private.host}, (
            "they were tried by the server"
        )
    mode = server.run("stat", "-c", "%a %U", "/home/ftl/.docker/config.json").stdout.decode().strip()
    assert mode == "600 ftl"
    assert basic.host in json.loads(server.run("cat", "/home/ftl/.docker/config.json").stdout)["auths"]
    assert (
        server.run("runuser", "-u", "ftl", "--", "docker", "pull", at.reference, check=False).returncode == 0
    )
