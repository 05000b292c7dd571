"""`ftl backup` and `ftl restore`, before anybody connects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Cli


@pytest.mark.parametrize(
    "words", [["restore", "postgres", "nowhere"], ["backup"]], ids=lambda words: words[0]
)
def test_no_backup_and_no_restore_asks_a_vault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, words: list[str]
) -> None:
    """One needs them when it is down; they take no value from it."""
    (tmp_path / "ftl.yaml").write_text(
        "project: {name: shop, domain: shop.test}\nserver: {host: 192.0.2.1, user: root}\n"
        "secrets: {P: {command: [sh, -c, 'echo x | tee asked']}}\n"
        "services: [{name: web, image: web, port: 80, secrets: [P]}]\n"
        "dependencies: [{name: postgres, image: 'postgres:16', env: {POSTGRES_PASSWORD: '${P}'}}]\n"
    )
    monkeypatch.chdir(tmp_path)
    outcome = cli(words)
    assert ("nowhere cannot be read" in outcome.err) or ("name the dependency" in outcome.err), outcome
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    ("dependencies", "hint"),
    [
        (
            "[postgres:16, memcached:1, {name: events, image: 'timescale/timescaledb:2'}, {name: own, image: me/db}]",
            "`ftl backup postgres`, `ftl backup events`, `ftl backup own`; `ftl backup --list`",
        ),
        ("[memcached:1]", "shop has no database; `ftl backup --list`"),
    ],
)
def test_a_backup_without_a_name_lists_what_can_be_backed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, dependencies: str, hint: str
) -> None:
    """Databases with a tool for dumps, and images that FTL does not know."""
    (tmp_path / "ftl.yaml").write_text(
        "project: {name: shop, domain: shop.test}\nservices: [{name: web, image: web, port: 80}]\n"
        f"dependencies: {dependencies}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POSTGRES_PASSWORD", "x")
    outcome = cli(["backup"])
    assert outcome.code == 2
    assert f"hint: {hint}" in outcome.err
