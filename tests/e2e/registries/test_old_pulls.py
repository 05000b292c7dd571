"""Images of registries that leave the server with the releases that had them pulled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.project import lab_project, unique
from tests.e2e.support.registry_deployer import PASSWORD, Deployer, auth_entry, forwarded_engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab import peers
    from lab.servers import Server
    from tests.e2e.conftest import ServerFactory
    from tests.harness import Project

pytestmark = pytest.mark.server

SERVE = 'CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]'
BASE = "ftl-lab-busybox:latest"


def make(
    docker: Callable[..., object],
    reference: str,
    text: str,
    command: str = SERVE,
    *,
    flat: Path | None = None,
) -> None:
    """Make an image with 1 MB of its own, as somebody without FTL does."""
    name = unique("made")
    files = f"head -c 1000000 /dev/urandom >/data; mkdir /www; printf %s {text} >/www/index.html"
    docker("run", "--network", "none", "--name", name, BASE, "sh", "-c", files)
    if flat is None:
        docker("commit", "--change", command, name, reference)
    else:
        docker("export", "--output", flat, name)
        docker("import", "--change", command, flat, reference)
    docker("rm", name)


def tags_on(server: Server, repository: str) -> set[str]:
    """Tags of a repository that a server has, and `<none>` for what is there by digest alone."""
    return set(server.docker("images", "--format", "{{.Tag}}", repository).split())


def test_a_server_keeps_the_pulled_images_of_kept_releases(
    deployer: Callable[[str], Deployer], basic: peers.Registry, server: Server
) -> None:
    """With a tag for each commit, as CI pushes them. Others go, those of failed releases too; what was there stays."""
    check_kept(deployer(basic.host), basic, server)


@pytest.mark.nightly
def test_a_server_with_the_containerd_store_keeps_the_pulled_images_of_kept_releases(
    ftl: Callable[..., Project],
    basic: peers.Registry,
    builder: Server,
    server_factory: ServerFactory,
    tmp_path: Path,
) -> None:
    """Where an image's ID is the digest of its manifest, and its names are those of containerd.

    Then those that share layers with an image that was loaded, which this engine's list does not have.
    """
    server = server_factory("newer-pulls", suite="trixie", store="containerd")
    server.load("caddy:2")
    home = tmp_path / "docker"
    home.mkdir(mode=0o700)
    with forwarded_engine(builder, tmp_path) as engine:
        made = lab_project(ftl, server)
        at = Deployer(made, f"{basic.host}/team/{made.name}:v1", home, engine)
        check_kept(at, basic, server, tmp_path / "flat.tar")

        made = lab_project(ftl, server)
        at = Deployer(made, f"{basic.host}/team/{made.name}:v1", home, engine)
        web, repository = made.service(), at.reference.rpartition(":")[0]
        del web["build"]
        made.config["keep_releases"] = 2
        server.load(BASE)
        for version in ("v1", "v2", "v3"):
            web["image"] = f"{repository}:{version}"
            make(at.docker, web["image"], version)
            at.docker("push", web["image"])
            at.ftl("deploy").ok()
            assert made.get() == (200, version)

        def there(version: str) -> bool:
            inspected = server.run("docker", "image", "inspect", f"{repository}:{version}", check=False)
            return inspected.returncode == 0

        assert tags_on(server, repository) == set(), "the engine lists them: is this test needed any more?"
        assert [there(version) for version in ("v1", "v2", "v3")] == [False, True, True]
        at.ftl("rollback").ok()
        assert made.get() == (200, "v2")
        at.ftl("remove", "--yes").ok()
        assert [there(version) for version in ("v2", "v3")] == [False, False]


def check_kept(at: Deployer, basic: peers.Registry, server: Server, flat: Path | None = None) -> None:
    """Deploy seven images of a registry, and look which stay; of one layer each where a place for a file is given."""
    basic.trust(server)
    server.load(BASE)
    at.logins(**{basic.host: auth_entry("me", PASSWORD)})
    web, repository, mine = at.made.service(), at.reference.rpartition(":")[0], f"{at.made.name}-mine"
    del web["build"]
    at.made.config["keep_releases"] = 2

    def deploy(version: str) -> list[str]:
        web["image"] = f"{repository}:{version}"
        deployed = at.ftl("deploy").ok()
        assert at.made.get() == (200, version)
        return [note["text"] for note in deployed.events("note") if "pulled images" in note["text"]]

    make(server.docker, f"{repository}:v0", "v0")
    for version in ("v1", "v2", "v3", "v4", "v6"):
        make(at.docker, f"{repository}:{version}", version, flat=flat)
        at.docker("push", f"{repository}:{version}")
    make(at.docker, f"{repository}:v5", "v5", 'CMD ["false"]', flat=flat)
    at.docker("push", f"{repository}:v5")

    assert deploy("v0") + deploy("v1") + deploy("v2") == []
    server.docker("tag", f"{repository}:v2", mine)
    (freed,) = deploy("v3")
    assert ("1.0 MB freed" if flat is None else "MB freed") in freed, freed
    assert tags_on(server, repository) == {"v0", "v2", "v3"}
    deploy("v4")
    web["image"] = f"{repository}:v5"
    assert at.ftl("deploy").exit_code == 1
    assert "v5" in tags_on(server, repository)
    deploy("v6")
    assert tags_on(server, repository) == {"v0", "v4", "v6"}
    assert tags_on(server, mine) == {"latest"}, "its image is the user's now"
    assert at.ftl("prune").ok().result["images"] == []

    back = at.ftl("rollback").ok()
    assert not back.events("pull_progress"), "it was there"
    assert at.made.get() == (200, "v4")
    assert tags_on(server, repository) == {"v0", "v4", "v6"}
    at.ftl("remove", "--yes").ok()
    assert tags_on(server, repository) == {"v0"}
    assert f"ftl-mark/{at.made.name}/" not in server.docker("images", "--format", "{{.Repository}}")
    server.docker("rmi", f"{repository}:v0", mine)


def test_projects_share_what_one_of_them_brought(
    deployer: Callable[[str], Deployer], basic: peers.Registry, server: Server
) -> None:
    """Staging and production on one server: an image stays until both have given it up, then it goes."""
    basic.trust(server)
    at = deployer(basic.host)
    at.logins(**{basic.host: auth_entry("me", PASSWORD)})
    web, repository = at.made.service(), at.reference.rpartition(":")[0]
    del web["build"]
    at.made.config["keep_releases"] = 1
    at.made.project.write({"ftl.staging.yaml": {"project": {"domain": f"staging.{at.made.domain}"}}})
    for version in ("v1", "v2"):
        make(at.docker, f"{repository}:{version}", version)
        at.docker("push", f"{repository}:{version}")
    for version, environment in (("v1", "staging"), ("v1", ""), ("v2", "staging")):
        web["image"] = f"{repository}:{version}"
        at.ftl("deploy", *(("-e", environment) if environment else ())).ok()
    assert tags_on(server, repository) == {"v1", "v2"}
    at.ftl("deploy").ok()
    assert tags_on(server, repository) == {"v2"}
    at.ftl("remove", "--yes", "-e", "staging").ok()
    assert tags_on(server, repository) == {"v2"}
    at.ftl("remove", "--yes").ok()
    assert tags_on(server, repository) == set()


@pytest.mark.parametrize("fixed", [False, True])
def test_what_this_machine_pushed_leaves_it_with_its_release(
    deployer: Callable[[str], Deployer], basic: peers.Registry, server: Server, fixed: bool
) -> None:
    """Of a service with `build` and `image`: with a tag for each commit, or always the same."""
    basic.trust(server)
    at = deployer(basic.host)
    at.logins(**{basic.host: auth_entry("me", PASSWORD)})
    repository = at.reference.rpartition(":")[0]
    at.made.config["keep_releases"] = 2
    for version in ("v1", "v2", "v3", "v4"):
        at.made.version(version)
        at.made.service()["image"] = f"{repository}:{'v1' if fixed else version}"
        at.ftl("deploy").ok()
    ours = ("--filter", f"label=ftl.project={at.made.name}")
    here = at.docker("images", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}", *ours)
    listed = [line.split() for line in here.splitlines()]
    assert len({image for image, _ in listed}) == 2, here
    kept = {name for _, name in listed if name.startswith(repository) and not name.endswith(":<none>")}
    assert kept == ({f"{repository}:v1"} if fixed else {f"{repository}:v3", f"{repository}:v4"})
    assert {name for _, name in listed if name.startswith(f"{at.made.name}-web:r")} == {
        f"{at.made.name}-web:r3",
        f"{at.made.name}-web:r4",
    }
    assert at.ftl("rollback").ok()
    assert at.made.get() == (200, "v3")
    at.ftl("remove", "--yes").ok()
    assert at.docker("images", "-q", *ours) == ""
