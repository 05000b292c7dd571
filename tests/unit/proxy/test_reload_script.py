"""Reload of the proxy's configuration: the script, in a folder that stands for its volumes."""

from __future__ import annotations

import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

from ftl.proxy import commands
from tests.unit.proxy.test_share_script import MV, PROGRAM, SYNC

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = "{}", '{"certificate": "/data/ftl/certificates/a.crt", "key": "/data/ftl/certificates/a.key"}'


class Proxy:
    """A folder with the volumes of a proxy, to which a change was uploaded."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        for name, text in {"caddy": PROGRAM, "sync": SYNC, "mv": MV}.items():
            path = root / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        for folder in ("data/ftl/certificates", "config/ftl/sites", "config/ftl/next/1", "dev/shm"):
            (root / folder).mkdir(parents=True)
        self.config = root / "config/ftl"
        (self.config / "caddy.json").write_text(OLD)
        (self.config / "next/1/caddy.json").write_text(self.here(NEW))
        (self.config / "next/1/site.json").write_text("site")
        for name in ("a.crt", "a.key", "b.crt"):
            (root / "data/ftl/certificates" / name).write_text(name)

    def here(self, text: str) -> str:
        """A text with the folders of this proxy."""
        for folder in ("/data/", "/config/", "/dev/shm"):
            text = text.replace(folder, f"{self.root}{folder}")
        return text

    def reload(self) -> int:
        """Load the change."""
        digest = hashlib.sha256(OLD.encode()).hexdigest()
        script = self.here(commands.reload("1", digest, "shop")[2])
        environment = {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "LOG": str(self.log)}
        argv = ["sh", "-c", script, "ftl", "1", digest, "shop", "admin"]
        return subprocess.run(argv, env=environment, check=False).returncode

    def calls(self) -> list[str]:
        """What was called, without the folder."""
        return self.log.read_text().replace(f"{self.root}/", "/").splitlines()


def test_all_that_a_configuration_needs_is_on_the_disk_before_it_counts(tmp_path: Path) -> None:
    """Its certificates, too: with an empty one Caddy does not start after a power cut, and no site is served."""
    proxy = Proxy(tmp_path)
    assert proxy.reload() == 0
    calls = proxy.calls()
    kept = calls.index("mv -f next/1/caddy.json caddy.json")
    assert calls[0].startswith("caddy reload")
    assert calls[1:kept] == [
        "sync /data/ftl/certificates/a.crt /data/ftl/certificates",
        "sync /data/ftl/certificates/a.key /data/ftl/certificates",
        "sync next/1/caddy.json next/1/site.json copies/.shop",
    ]
    assert calls[-1] == "sync . sites copies"
    assert (proxy.config / "caddy.json").read_text() == proxy.here(NEW)
    assert (proxy.config / "sites/shop.json").read_text() == "site"


def test_a_configuration_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    """And its folder goes."""
    proxy = Proxy(tmp_path)
    (tmp_path / "bin/caddy").write_text("#!/bin/sh\nexit 1\n")
    assert proxy.reload() == 1
    assert (proxy.config / "caddy.json").read_text() == OLD
    assert [*(proxy.config / "next").iterdir()] == []


def test_a_configuration_that_came_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """Another project has passed over our lock, since Caddy took long: it gets that one's again, and we begin anew."""
    proxy = Proxy(tmp_path)
    (tmp_path / "bin/caddy").write_text(
        '#!/bin/sh\necho "caddy $*" >>"$LOG"\n[ "$5" = caddy.json ] || echo theirs >caddy.json\n'
    )
    assert proxy.reload() == commands.STALE
    assert (proxy.config / "caddy.json").read_text() == "theirs\n"
    assert not (proxy.config / "sites/shop.json").exists()
    assert [*(proxy.config / "copies").iterdir()] == []
    reloads = [call for call in proxy.calls() if call.startswith("caddy")]
    assert reloads == [
        "caddy reload --address admin --config next/1/caddy.json",
        "caddy reload --address admin --config caddy.json",
    ]


def test_only_one_change_loads_its_configuration_at_a_time(tmp_path: Path) -> None:
    """The lock is there while Caddy loads, and gone afterwards."""
    proxy = Proxy(tmp_path)
    lock = tmp_path / "dev/shm/ftl-proxy"
    (tmp_path / "bin/caddy").write_text(f'#!/bin/sh\n[ ! -d {lock} ] || echo locked >>"$LOG"\n')
    assert proxy.reload() == 0
    assert proxy.calls()[0] == "locked"
    assert not lock.exists()
