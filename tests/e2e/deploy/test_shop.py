"""The example app, deployed as its README says: database, migrations, two services."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from lab import images
from tests.e2e.support.project import unique
from tests.harness import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.harness import Outcome, Project

pytestmark = pytest.mark.server

TOKEN = "let-me-in"
PICTURE = b"\x89PNG\r\n\x1a\n and so on"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


@dataclass(frozen=True, slots=True)
class Shop:
    """The shop in a folder, and its server."""

    project: Project
    server: Server
    domain: str

    @property
    def web(self) -> Path:
        """The folder of the web app."""
        return self.project.folder / "web"

    def deploy(self) -> Outcome:
        """Deploy what is in the folder now."""
        return self.project.run("deploy", "--json", env=self.settings)

    @property
    def settings(self) -> dict[str, str]:
        """What is asked for by .env.example."""
        return {
            "DOMAIN": self.domain,
            "EMAIL": "shop@example.com",
            "TLS": "off",
            "POSTGRES_PASSWORD": "a-secret",
            "ADMIN_TOKEN": TOKEN,
            "PYTHON_IMAGE": "python-base",
            "CA_BUNDLE": str(CA_BUNDLE if CA_BUNDLE.exists() else "/dev/null"),
        }

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """A customer's request: status and body."""
        connection = HTTPConnection("127.0.0.1", self.server.http_port, timeout=20)
        try:
            connection.request(method, path, body, {"Host": self.domain, **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def versions(self) -> tuple[str, str]:
        """Which release of the web app answers, and which of the prices behind it."""
        status, body = self.ask("GET", "/version")
        assert status == 200, body
        found: dict[str, Any] = json.loads(body)
        return found["version"], found["prices"]

    def change(self, name: str, old: str, new: str) -> None:
        """Change a file of the web app's source."""
        path = self.web / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def shop(ftl: Callable[..., Project], server: Server, proxy_image: str) -> Shop:
    """A copy of the example under a name of its own, not yet deployed."""
    images.ensure("postgres", "python")
    project = ftl()
    shutil.copytree(ROOT / "examples" / "shop", project.folder, dirs_exist_ok=True)
    config = yaml.safe_load((project.folder / "ftl.yaml").read_text())
    name = unique("shop")
    config["project"]["name"] = name
    config["server"] = server.section()
    project.write({"ftl.yaml": config})
    return Shop(project, server, f"{name}.example.com")


def test_the_shop_sells_and_survives_its_own_releases(shop: Shop) -> None:
    """Orders and pictures outlive releases; only what changed is replaced; a migration that fails changes nothing."""
    first = shop.deploy().ok().result["services"]
    assert {name: one["action"] for name, one in first.items()} == {"web": "created", "prices": "created"}
    status, page = shop.ask("GET", "/")
    assert (status, b"32.00" in page) == (200, True)
    order = b'{"sku": "teapot", "quantity": 2}'
    status, answer = shop.ask("POST", "/orders", order, **{"Content-Type": "application/json"})
    assert (status, json.loads(answer)) == (201, {"order": 1, "version": "1.0.0"})
    status, _ = shop.ask("PUT", "/products/teapot/picture", PICTURE, Authorization=f"Bearer {TOKEN}")
    assert status == 204

    shop.change("shop/__init__.py", "1.0.0", "1.1.0")
    (shop.web / "migrations" / "0003_notes.sql").write_text(
        "ALTER TABLE orders ADD COLUMN note text NOT NULL DEFAULT '';\n"
    )
    second = shop.deploy().ok().result
    actions = {name: one["action"] for name, one in {**second["services"], **second["dependencies"]}.items()}
    assert actions == {"web": "replaced", "prices": "unchanged", "postgres": "unchanged"}
    assert second["services"]["web"]["bytes_sent"] < 100_000
    assert shop.versions() == ("1.1.0", "1.0.0")
    assert shop.ask("GET", "/orders/1")[0] == 200
    assert shop.ask("GET", "/pictures/teapot.png") == (200, PICTURE)

    shop.change("shop/__init__.py", "1.1.0", "1.2.0")
    (shop.web / "migrations" / "0004_broken.sql").write_text("ALTER TABLE customers ADD COLUMN name text;\n")
    third = shop.deploy()
    assert third.exit_code == 1
    error = third.result["error"]
    assert "customers" in "\n".join([str(error["cause"]), *error["details"]])
    assert shop.versions() == ("1.1.0", "1.0.0")
