"""The sandbox without an engine: names, saved addresses, build and container options."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ftl.common.next_step import plain
from ftl.engine.tarball import tar_archive
from ftl.errors import UsageError
from ftl.server.sandbox import SandboxAddress, addresses
from ftl.server.sandbox.container import ServerSpec, host_config
from ftl.server.sandbox.home import Home
from ftl.server.sandbox.image import Recipe, build_proxies

if TYPE_CHECKING:
    from pathlib import Path

SPEC = ServerSpec("s", "image", "host", keys={})
CGROUPS = "/sys/fs/cgroup:/sys/fs/cgroup:rw"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state folder, and an environment that names no sandbox."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("FTL_SANDBOX", raising=False)
    return tmp_path


def saved(home: Home, port: int = 2222) -> SandboxAddress:
    """Save an address as `up` does."""
    home.folder.mkdir(parents=True)
    sandbox = SandboxAddress("127.0.0.1", port, "ftl", home.key, home.known_hosts, 8080, 8443)
    home.save([sandbox], ["ssh-ed25519 AAAA"])
    return sandbox


def test_an_address_is_read_as_it_was_saved() -> None:
    """`--server sandbox` connects to the address that `up` saved, with the host key for exactly that port."""
    sandbox = saved(Home.of())
    assert addresses() == (sandbox,)
    assert sandbox.known_hosts.read_text() == "[127.0.0.1]:2222 ssh-ed25519 AAAA\n"
    assert (sandbox.server.port, sandbox.server.known_hosts) == (2222, sandbox.known_hosts)


def test_a_sandbox_is_made_once_its_address_is_saved() -> None:
    """One whose making was killed before has a key that may not be on its servers."""
    home = Home.of()
    saved(home)
    without_key = home.is_made
    home.key.touch()
    whole = home.is_made
    (home.folder / "address.json").unlink()
    assert (without_key, whole, home.is_made) == (False, True, False)


def test_a_sandbox_keeps_no_connection_and_has_no_visitors() -> None:
    """It may be gone any minute, and only this machine reaches it; what comes after its address asks no more."""
    sandbox = saved(Home.of())
    for server in (sandbox.server, sandbox.cluster_server, sandbox.cluster_server.alone):
        assert (server.keep_connection, server.has_visitors) == (0, False)
    assert sandbox.cluster_server.alone == replace(sandbox.server, connect_to="127.0.0.1")


def test_several_servers_are_read_as_they_were_saved() -> None:
    """Each with its own port and host key, and the address at which the others reach it."""
    home = Home.of()
    first = replace(saved(home), private_address="172.18.0.2")
    second = replace(first, port=2223, private_address="172.18.0.3")
    home.save([first, second], ["ssh-ed25519 AAAA", "ssh-ed25519 BBBB"])
    assert addresses() == (first, second)
    assert home.known_hosts.read_text().splitlines() == [
        "[127.0.0.1]:2222 ssh-ed25519 AAAA",
        "[127.0.0.1]:2223 ssh-ed25519 BBBB",
    ]
    assert home.containers(3) == ("ftl-sandbox", "ftl-sandbox.2", "ftl-sandbox.3")


@pytest.mark.parametrize(
    ("hosts", "tls", "by_address", "urls"),
    [
        (["shop.example.com"], True, True, ("http://127.0.0.1:8080",)),
        (["shop.example.com"], True, False, ()),
        (["localhost"], True, True, ("http://127.0.0.1:8080", "https://localhost:8443")),
        (["localhost"], False, True, ("http://127.0.0.1:8080",)),
        (["shop.localhost"], True, False, ("http://shop.localhost:8080", "https://shop.localhost:8443")),
        ([], True, True, ()),
    ],
)
def test_only_addresses_that_answer_are_named(
    hosts: list[str], tls: bool, by_address: bool, urls: tuple[str, ...]
) -> None:
    """The address for a lone project, local names for each, HTTPS by name only; nothing without routes."""
    sandbox = saved(Home.of())
    assert sandbox.urls_of(hosts, tls=tls, by_address=by_address) == urls
    assert sandbox.by_name("a.example") == "curl --connect-to ::127.0.0.1:8080 http://a.example"


def test_saved_files_are_private() -> None:
    """Only the user can read the files beside the key."""
    sandbox = saved(Home.of())
    assert [path.stat().st_mode & 0o077 for path in sandbox.known_hosts.parent.iterdir()] == [0, 0]


def test_the_environment_names_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """FTL_SANDBOX is the default name; a name that is given wins."""
    monkeypatch.setenv("FTL_SANDBOX", "ci")
    assert saved(Home.of("ci"), 1).port == addresses()[0].port
    assert saved(Home.of("other"), 2).port == addresses("other")[0].port
    assert (Home.of().container, Home.of("sandbox").container) == ("ftl-sandbox-ci", "ftl-sandbox")


def test_no_sandbox_is_an_error_with_the_next_step() -> None:
    """The hint is the command that starts the sandbox of that name."""
    with pytest.raises(UsageError, match="no sandbox is running") as caught:
        addresses("ci")
    assert plain(caught.value.hint or "") == "start one: `ftl sandbox up --name ci`"


def test_another_sandbox_is_named_where_the_default_is_not_there() -> None:
    """Whoever started one by --name, and forgot the name, is not told to start a second one."""
    saved(Home.of("ci"))
    with pytest.raises(UsageError) as caught:
        addresses()
    assert caught.value.message == "no sandbox `sandbox` is running; there is `ci`"
    hint = plain(caught.value.hint or "")
    assert hint == "FTL_SANDBOX=ci before a command chooses that one; or start one: `ftl sandbox up`"
    assert (Home.of().others(), Home.of("ci").others()) == (["ci"], [])


@pytest.mark.parametrize("name", ["..", "a/b", "-a", "A", "a b", "a" * 41])
def test_invalid_names_are_refused(name: str) -> None:
    """A name becomes part of a path and of a container's name."""
    with pytest.raises(UsageError, match="is not a valid sandbox name"):
        Home.of(name)


def test_commands_on_one_sandbox_exclude_each_other() -> None:
    """While one runs, a second on the same sandbox is refused; on another sandbox it is not."""
    with Home.of("a").lock():
        with Home.of("b").lock():
            pass
        with pytest.raises(UsageError, match="another `ftl sandbox` command"), Home.of("a").lock():
            pass
    with Home.of("a").lock():
        pass


def test_an_image_is_named_after_its_contents() -> None:
    """Each suite and each set of packages has a name of its own; the same recipe always has the same name."""
    recipes = [
        Recipe(suite, docker, comfort)
        for suite in ("trixie", "sid")
        for docker in (True, False)
        for comfort in (True, False)
    ]
    assert len({recipe.reference for recipe in recipes}) == len(recipes)
    assert Recipe().reference == Recipe("trixie").reference


def test_the_docker_command_is_a_package_of_its_own_from_trixie_on() -> None:
    """Bookworm's docker.io brings it, later ones do not; a bare server has neither."""
    assert {"docker.io"} == {name for name in Recipe("bookworm").packages if name.startswith("docker")}
    assert {"docker.io", "docker-cli", "docker-buildx"} <= set(Recipe("trixie").packages)
    assert not [name for name in Recipe("trixie", docker=False).packages if name.startswith("docker")]


def test_a_build_context_is_the_same_for_the_same_files() -> None:
    """It has no times and owners of this machine, so that the builder's cache matches."""
    members = [("boot", b"one"), ("etc/two", b"2")]
    packed = tar_archive(dict(members), parents=False)
    assert packed == tar_archive(dict(members), parents=False)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert [(entry.name, entry.mtime, entry.uid) for entry in archive] == [
            ("boot", 0, 0),
            ("etc/two", 0, 0),
        ]


def test_a_build_gets_the_proxies_of_this_machine(tmp_path: Path) -> None:
    """In both spellings, the environment's before those of docker's config file."""
    configured = {"proxies": {"default": {"httpProxy": "http://file:1", "httpsProxy": "http://file:2"}}}
    (tmp_path / "config.json").write_text(json.dumps(configured))
    environ = {"DOCKER_CONFIG": str(tmp_path), "http_proxy": "http://env:1"}
    assert build_proxies(environ) == {
        "http_proxy": "http://env:1",
        "HTTP_PROXY": "http://file:1",
        "https_proxy": "http://file:2",
        "HTTPS_PROXY": "http://file:2",
    }


def test_a_server_is_published_on_loopback_alone() -> None:
    """At a fixed port, or at one that the engine chooses; nothing of it is reached from other machines."""
    spec = replace(SPEC, ports={22: 0, 80: 8080})
    assert host_config(spec, {})["PortBindings"] == {
        "22/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}],
        "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
    }


def test_an_engine_s_data_is_in_volumes_or_in_memory() -> None:
    """A server with a disk of a given size has /var/lib/docker in memory, and no volume for it."""
    on_disk, in_memory = host_config(SPEC, {}), host_config(replace(SPEC, disk=1 << 30), {})
    volumes = ["s-docker:/var/lib/docker", "s-containerd:/var/lib/containerd"]
    assert (on_disk["Binds"], on_disk["Mounts"]) == ([*volumes, CGROUPS], [])
    assert in_memory["Binds"] == [volumes[1], CGROUPS]
    assert in_memory["Mounts"] == [
        {
            "Type": "tmpfs",
            "Target": "/var/lib/docker",
            "TmpfsOptions": {"SizeBytes": 1 << 30, "Mode": 0o711},
        }
    ]
