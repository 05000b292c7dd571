"""--server: parsing an address, and the URLs of the projects on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.cli.address import parse, resolve
from ftl.config.loading import load
from ftl.config.models.project import Project, Server
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.deploy.result import DeployResult
from ftl.errors import UsageError
from ftl.operations.views.status import Status
from ftl.server.sandbox import SandboxAddress
from ftl.server.sandbox.home import Home

if TYPE_CHECKING:
    from pathlib import Path

RESULT = DeployResult(
    server="shop.example.com", release="r1", seconds=1.0, changed=True, urls=("https://shop.example.com",)
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one host name."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    file = tmp_path / "ftl.yaml"
    file.write_text(
        "project: {name: shop, domain: shop.example.com}\n"
        "services: [{name: web, build: ., port: 8000, routes: [/]}]\n"
    )
    return load(ProjectFiles(file, read_variables(tmp_path, {})))


@pytest.mark.parametrize(
    ("text", "host", "port", "user"),
    [
        ("shop.example.com", "shop.example.com", None, None),
        ("deploy@shop.example.com", "shop.example.com", None, "deploy"),
        ("shop.example.com:2222", "shop.example.com", 2222, None),
        ("ssh://deploy@10.0.0.5:2222", "10.0.0.5", 2222, "deploy"),
        ("ssh://shop/", "shop", None, None),
        ("[2001:db8::1]:2222", "2001:db8::1", 2222, None),
        ("root@[::1]", "::1", None, "root"),
        ("local", "local", None, None),
        ("my-host_alias", "my-host_alias", None, None),
    ],
)
def test_addresses(text: str, host: str, port: int | None, user: str | None) -> None:
    """--server accepts every common form of an SSH address."""
    assert parse(text) == Server(host=host, port=port, user=user)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-oProxyCommand=x",
        "a b",
        "host:",
        "host:0",
        "host:65536",
        "host:12x",
        "@host",
        "u@",
        "a:1:2",
        "-lroot@host",
    ],
)
def test_invalid_addresses(text: str) -> None:
    """An invalid address is refused, especially one that ssh would parse as an option."""
    with pytest.raises(UsageError):
        parse(text)


def test_a_server_answers_at_the_urls_of_the_routes(project: Project) -> None:
    """DNS leads to a real server, so the URLs of a deploy are those of its routes."""
    address = resolve("deploy@shop.example.com")
    assert address.urls(project, RESULT) == ("https://shop.example.com",)
    assert address.host_requests(project) == ()
    assert address.sends_messages
    assert address.is_found_by_dns
    assert not resolve("local").is_found_by_dns


def test_the_sandbox_answers_at_its_own_ports(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """URLs of the sandbox have its published ports, and curl requests each host by its name."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("FTL_SANDBOX", raising=False)
    home = Home.of()
    home.folder.mkdir(parents=True)
    one = SandboxAddress("127.0.0.1", 2222, "ftl", home.key, home.known_hosts, 8080, 8443)
    home.save([one], ["ssh-ed25519 AAAA"])

    address = resolve("sandbox")

    assert (address.server.port, address.sandbox_servers) == (2222, ())
    assert address.urls(project, RESULT) == ()
    seen = Status("shop", "sandbox", "docker", "r1", (), by_address=True)
    assert address.urls(project, seen)[0] == "http://127.0.0.1:8080", "as after a deploy"
    assert address.url_here("http://feat.localhost") == "http://feat.localhost:8080"
    assert address.url_here("https://feat.localhost") == "https://feat.localhost:8443"
    assert not address.is_found_by_dns
    assert not address.sends_messages, "nobody else wants to hear of a sandbox"
    assert address.host_requests(project) == ("curl --connect-to ::127.0.0.1:8080 http://shop.example.com",)


def test_a_sandbox_that_is_down_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--server sandbox` without a sandbox names the command that starts one."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("FTL_SANDBOX", raising=False)
    with pytest.raises(UsageError) as caught:
        resolve("sandbox")
    assert "ftl sandbox up" in (caught.value.hint or "")
