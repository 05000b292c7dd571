"""Registries with newer engines, without TLS, and from `ftl setup` on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from lab import peers
from lab.servers import INIT_SCRIPT, PUT_INIT_SCRIPT
from tests.e2e.support.project import lab_project, unique
from tests.e2e.support.registry_deployer import (
    PASSWORD,
    READY,
    USERS,
    Deployer,
    allow_insecure,
    auth_entry,
    forwarded_engine,
    registry_findings,
    run_on_terminal,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab.servers import Lab, Server
    from tests.e2e.conftest import ServerFactory
    from tests.harness import Project

pytestmark = pytest.mark.server


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
