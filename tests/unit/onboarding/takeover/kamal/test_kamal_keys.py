"""`ftl init --from` answers to every key that Kamal's documentation has in these sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.kamal.test_kamal import HEAD, words
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {
    "proxy.host": "one.example.com",
    "proxy.hosts": "[two.example.com]",
    "proxy.app_port": "4321",
    "proxy.ssl": "true",
    "proxy.ssl_redirect": "false",
    "proxy.forward_headers": "true",
    "proxy.response_timeout": "47",
    "proxy.path_prefix": "/prefix",
    "proxy.path_prefixes": "[/first]",
    "proxy.strip_path_prefix": "false",
    "proxy.healthcheck.path": "/health",
    "proxy.healthcheck.interval": "3",
    "proxy.healthcheck.timeout": "7",
    "proxy.buffering.requests": "true",
    "proxy.buffering.responses": "true",
    "proxy.buffering.max_request_body": "40000000",
    "proxy.buffering.max_response_body": "0",
    "proxy.buffering.memory": "2000000",
    "proxy.logging.request_headers": "[X-Request-ID]",
    "proxy.logging.response_headers": "[X-Request-ID]",
    "proxy.run.http_port": "8080",
    "proxy.run.metrics_port": "9090",
    "proxy.ssl.certificate_pem": "CERTIFICATE_PEM",
    "proxy.ssl.private_key_pem": "PRIVATE_KEY_PEM",
    "healthcheck.path": "/health",
    "healthcheck.port": "4321",
    "healthcheck.interval": "20s",
    "healthcheck.max_attempts": "9",
    "healthcheck.cmd": "curl http://localhost",
    "healthcheck.cord": "/tmp/kamal-cord",
    "healthcheck.exposed_port": "4001",
    "healthcheck.log_lines": "60",
    "builder.driver": "docker",
    "builder.arch": "arm64",
    "builder.remote": "ssh://docker@docker-builder",
    "builder.local": "false",
    "builder.pack.builder": "heroku/builder:24",
    "builder.context": "sub",
    "builder.dockerfile": "Dockerfile.prod",
    "builder.target": "production",
    "builder.cache.type": "registry",
    "builder.cache.options": "mode=max",
    "builder.cache.image": "kamal-app-build-cache",
    "builder.args.ENVIRONMENT": "production-argument",
    "builder.secrets": "[SECRET1]",
    "builder.ssh": "default=$SSH_AUTH_SOCK",
    "builder.provenance": "mode=max",
    "builder.sbom": "true",
    "ssh.user": "app",
    "ssh.port": "2222",
    "ssh.proxy": "proxy-host",
    "ssh.proxy_command": "ssh -W %h:%p user@proxy",
    "ssh.log_level": "debug",
    "ssh.keys_only": "false",
    "ssh.keys": "[~/.ssh/id.pem]",
    "ssh.key_data": "[SSH_PRIVATE_KEY]",
    "ssh.config": "true",
    "logging.driver": "json-file",
    "logging.options.max-size": "100m",
}


@pytest.mark.parametrize("key", KEYS)
def test_each_key_has_a_row_or_its_value_in_the_file(tmp_path: Path, key: str) -> None:
    """No key is dropped: it or the section that is all its own has a row, or ftl.yaml has what it says."""
    *sections, name = key.split(".")
    text = "".join(f"{'  ' * depth}{section}:\n" for depth, section in enumerate(sections))
    text = (
        f"service: shop\nimage: shop\nservers: [192.0.2.1]\n{text}{'  ' * len(sections)}{name}: {KEYS[key]}\n"
    )
    files = {"deploy.yml": text, "sub/Dockerfile": "FROM x\n"}
    _, report = taken(tmp_path, "deploy.yml", files)
    rows = verdicts(report)
    assert not [row for row in rows if row.startswith("ftl.yaml:")], report.rows
    parts = key.split(".")
    has_row = any(".".join(parts[:end]) in rows for end in range(2, len(parts) + 1))
    written = (tmp_path / "ftl.yaml").read_text()
    assert has_row or KEYS[key].strip("[]") in written


def test_times_of_a_health_check_are_kept(tmp_path: Path) -> None:
    """Interval and timeout of kamal-proxy's check, attempts of Kamal 1, and the time that a deploy waits."""
    head = "service: shop\nimage: shop\nservers: [192.0.2.1]\n"
    checks = {
        "proxy: {host: a.example.com, healthcheck: {path: /h, interval: 3, timeout: 7}}\n": ("/h", 3, 7, 30),
        "healthcheck: {path: /h, interval: 20s, max_attempts: 9}\n": ("/h", 20, 5, 9),
        "proxy: {host: a.example.com}\ndeploy_timeout: 120\n": ("/up", 1, 5, 120),
        "deploy_timeout: 120\nproxy: {host: a.example.com, healthcheck: {interval: 3}}\n": ("/up", 3, 5, 40),
        "proxy: {host: a.example.com}\ndeploy_timeout: 20\n": ("/up", 1, 5, 30),
    }
    for text, values in checks.items():
        project, _ = taken(tmp_path, "deploy.yml", {"deploy.yml": head + text})
        check = project.services[0].health_check
        assert check is not None
        assert (check.path, check.interval, check.timeout, check.retries) == values


@pytest.mark.parametrize("value", ["", "[/a, /b]"])
def test_a_path_without_a_value_is_that_of_kamal(tmp_path: Path, value: str) -> None:
    """The service keeps its check over HTTP."""
    text = "service: shop\nimage: shop\nservers: [192.0.2.1]\n"
    text += f"proxy:\n  host: a.example.com\n  healthcheck:\n    path: {value}\n    interval: 3\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    check = project.services[0].health_check
    assert check is not None
    assert (check.path, check.interval) == ("/up", 3)
    assert "no value" in next(row.text for row in report.rows if row.key == "proxy.healthcheck.path")


@pytest.mark.parametrize(
    ("keys", "needs_you"),
    [
        ("proxy: {host: a.example.com, ssl: false}\n", True),
        ("proxy: {host: a.example.com}\n", True),
        ("proxy: {host: a.example.com, ssl: true, forward_headers: true}\n", True),
        ("proxy: {host: a.example.com, ssl: true}\n", False),
        ("proxy: {host: a.example.com, ssl: false, forward_headers: false}\n", False),
    ],
)
def test_headers_of_a_proxy_in_front(tmp_path: Path, keys: str, needs_you: bool) -> None:
    """Without ssl, Kamal passes them on; FTL's proxy trusts nobody, and force_ssl redirected for ever."""
    text = f"service: shop\nimage: shop\nservers: [192.0.2.1]\n{keys}"
    _, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert (verdicts(report).get("proxy.forward_headers") is Verdict.NEEDS_YOU) is needs_you
    assert ("trusted_proxies" in (tmp_path / "ftl.yaml").read_text()) == (
        needs_you and "ssl: true" not in keys
    )


@pytest.mark.parametrize(
    ("keys", "user"), [("", "root"), ("ssh: {port: 22}\n", "root"), ("ssh: {user: app}\n", "app")]
)
def test_the_user_of_the_server_is_that_of_kamal(tmp_path: Path, keys: str, user: str) -> None:
    """Kamal's default is root, FTL's the user of this machine."""
    text = f"service: shop\nimage: shop\nservers: [192.0.2.1]\n{keys}"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert project.server.user == user
    assert verdicts(report)["ssh.user"] is Verdict.CHANGED


@pytest.mark.parametrize(
    ("hosts", "domain", "routes"),
    [
        ("['*.x.io', x.io]", "x.io", ["*.x.io", None]),
        ("['*.x.io']", "x.io", ["*.x.io"]),
        ("[a.x.io, '*.x.io']", "a.x.io", [None, "*.x.io"]),
    ],
)
def test_hosts_with_a_wildcard(tmp_path: Path, hosts: str, domain: str, routes: list[str | None]) -> None:
    """A wildcard was the project's domain, which is none."""
    text = f"service: shop\nimage: shop\nservers: [192.0.2.1]\nproxy: {{hosts: {hosts}, ssl: false}}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert project.project.domain == domain
    assert [route.host for route in project.services[0].routes] == routes
    assert not [row for row in report.rows if row.key.startswith("ftl.yaml:")]


@pytest.mark.parametrize(
    ("value", "text"),
    [("true", "need `-e NAME` ($FTL_ENV is not enough)"), ("false", "protected: false, as without it")],
)
def test_a_required_destination_is_protected(tmp_path: Path, value: str, text: str) -> None:
    """The row says what FTL asks for, which is not all that Kamal does."""
    written = f"{HEAD}servers: [192.0.2.1]\nproxy: {{host: a.io}}\nrequire_destination: {value}\n"
    project, report = taken(tmp_path, "deploy.yml", {"deploy.yml": written})
    assert project.protected == (value == "true")
    assert text in words(report, "require_destination")
    assert "confirmation" not in words(report, "require_destination")


@pytest.mark.parametrize(
    "text",
    [
        "servers: [192.0.2.1]\nasset_path: /rails/public/assets\n",
        "servers: {web: {hosts: [192.0.2.1], asset_path: '/rails/public/assets:z'}}\n",
    ],
)
def test_assets_of_the_old_release_are_gone_after_the_switch(tmp_path: Path, text: str) -> None:
    """The row says who notices, and has the lines that keep them."""
    _, report = taken(
        tmp_path, "deploy.yml", {"deploy.yml": HEAD + text, "Dockerfile": "FROM x\nUSER 1000:1000\n"}
    )
    row = next(row for row in report.rows if row.key.endswith("asset_path"))
    assert row.verdict is Verdict.NEEDS_YOU
    copied = "cp -a /rails/public/assets /assets && chown -R 1000 /rails/public/assets` before `USER` of Dockerfile"
    for words_of_row in ("gets 404", copied, "`volumes: [assets:/rails/public/assets]`", "of web, or a CDN"):
        assert words_of_row in row.text
    assert f"# TO DO {row.key}: a page" in (tmp_path / "ftl.yaml").read_text()


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("builder: {cache: {type: registry, image: c}}", "builder.cache", "`cache: docker.io/c`"),
        (
            "builder: {cache: {type: registry}}\nregistry: {server: ghcr.io}",
            "builder.cache",
            "ghcr.io/me/shop-build-cache",
        ),
        ("env: {clear: {A: b}, tags: {eu: {A: c}, us: {}}}", "env.tags", "what eu, us set"),
        ("proxy: {buffering: {requests: true}}", "proxy.buffering", "of any size"),
        ("proxy: {response_timeout: 9}", "proxy.response_timeout", "as long as the app takes"),
    ],
)
def test_a_row_says_what_there_is_instead(tmp_path: Path, text: str, key: str, said: str) -> None:
    """Not only that a key has no place."""
    head = "service: shop\nimage: me/shop\nservers: [192.0.2.1]\n"
    _, report = taken(tmp_path, "deploy.yml", {"deploy.yml": f"{head}{text}\n"})
    assert said in words(report, key)
