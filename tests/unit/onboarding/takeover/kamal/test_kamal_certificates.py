"""Certificates of Kamal's proxy, which come from its secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.kamal.test_kamal import words
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "service: shop\nimage: acme/shop\nservers: [192.0.2.1]\n"
OWN = "ssl: {certificate_pem: CERT, private_key_pem: KEY}"
WEB = f"proxy: {{host: shop.test, {OWN}}}\n"
LINE = "proxy: {certificate: certs/fullchain.pem, key: certs/key.pem}"


def test_the_row_has_the_commands_and_the_line(tmp_path: Path) -> None:
    """A secret of the file is fetched by FTL, another one is a variable; the line waits as a comment."""
    files = {"config/deploy.yml": HEAD + WEB, ".kamal/secrets": "CERT=$(op read op://x/cert)\nKEY=$KEY\n"}
    project, report = taken(tmp_path, "config/deploy.yml", files)
    assert verdicts(report)["proxy.ssl"] is Verdict.NEEDS_YOU
    row = words(report, "proxy.ssl")
    assert "ftl secrets get CERT > certs/fullchain.pem && printf '%s\\n' \"$KEY\" > certs/key.pem" in row
    assert f"then write `{LINE}`" in row
    text = (tmp_path / "ftl.yaml").read_text()
    assert f"\n# {LINE}   # once both files exist\n" in text
    assert "# TO DO proxy.ssl: `mkdir" in text
    assert project.proxy.certificate is None
    (tmp_path / "x.yaml").write_text(text.replace(f"# {LINE}", LINE))
    assert taken(tmp_path, "x.yaml", {})[0].proxy.key == "certs/key.pem"


@pytest.mark.parametrize(
    ("whole", "own", "verdict"),
    [
        ("ssl: true", "ssl: true", Verdict.CHANGED),
        ("ssl: true", OWN, Verdict.NEEDS_YOU),
        (OWN, "ssl: true", Verdict.NEEDS_YOU),
        ("ssl: true", "ssl: false", Verdict.NEEDS_YOU),
        ("ssl: false", "ssl: false", Verdict.CHANGED),
    ],
)
def test_tls_is_the_same_for_all_hosts(tmp_path: Path, whole: str, own: str, verdict: Verdict) -> None:
    """What an accessory has for its host had no row."""
    text = f"{HEAD}proxy: {{host: shop.test, {whole}}}\n"
    text += (
        f"accessories: {{m: {{image: m, host: 192.0.2.1, proxy: {{host: m.test, app_port: 80, {own}}}}}}}\n"
    )
    _, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert verdicts(report)["accessories.m.proxy.ssl"] is verdict
