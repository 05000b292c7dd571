"""The script that takes certificates into a proxy, in a folder that stands for its volumes."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from ftl.proxy import commands

if TYPE_CHECKING:
    from pathlib import Path

HOST = "ca.example-dir/shop.example.com"

PROGRAM = """#!/bin/sh
echo "${0##*/} $*" >>"$LOG"
"""

SYNC = """#!/bin/sh
for file; do [ -e "$file" ] || { echo "sync: $file is missing" >>"$LOG"; exit 1; }; done
echo "sync $*" >>"$LOG"
"""

MV = """#!/bin/sh
echo "mv $*" >>"$LOG"
exec /bin/mv "$@"
"""


def packed_certificate() -> bytes:
    """An archive as "pack" makes it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for kind in ("crt", "key", "json"):
            info = tarfile.TarInfo(f"{HOST}/shop.example.com.{kind}")
            info.size = 4
            tar.addfile(info, io.BytesIO(f"{kind}\n".encode()))
    return packed.getvalue()


class Proxy:
    """A folder with the volumes of a proxy."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        for name, text in {"caddy": PROGRAM, "sync": SYNC, "mv": MV}.items():
            program = root / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(text)
            program.chmod(0o755)
        for folder in ("data/ftl", "config/ftl", "dev/shm"):
            (root / folder).mkdir(parents=True)
        (root / "config/ftl/caddy.json").write_text('["unix//dev/shm/shop-0123456789ab.sock"]')
        text = commands.adoption()["share"]
        for folder in ("/data", "/config", "/dev/shm"):
            text = text.replace(f"{folder}/", f"{root}{folder}/")
        # The listeners are named in the configuration, not used by the script.
        self.script = text.replace(f"unix/{root}/dev", "unix//dev")

    def take(self, *, fails: bool = False) -> int:
        """Take a certificate; Caddy may refuse it."""
        if fails:
            (self.root / "bin/caddy").write_text("#!/bin/sh\nexit 1\n")
        environment = {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "LOG": str(self.log)}
        argv = ["sh", "-c", self.script, "ftl", "take", "shop", "digest", "admin"]
        done = subprocess.run(
            argv, input=packed_certificate(), env=environment, capture_output=True, check=False
        )
        return done.returncode

    def bring(self, digest: str, content: bytes = b"") -> None:
        """Have a task of the Swarm bring certificates; the archive of `take` by default."""
        (self.root / "ftl-certificates").write_bytes(content or packed_certificate())
        script = self.script.replace(" /ftl-certificates ", f" {self.root}/ftl-certificates ")
        self._run(script, "hand", "shop", digest)

    def look(self) -> int:
        """Look for what was brought, as cron does."""
        return self._run(self.script, "handed", "shop", "-", "admin")

    def _run(self, script: str, *arguments: str) -> int:
        environment = {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "LOG": str(self.log)}
        argv = ["sh", "-c", script, "ftl", *arguments]
        return subprocess.run(argv, input=b"", env=environment, capture_output=True, check=False).returncode

    def left(self) -> list[str]:
        """The files in its data, by path."""
        data = self.root / "data"
        return sorted(str(file.relative_to(data)) for file in data.rglob("*") if file.is_file())


@pytest.fixture
def proxy(tmp_path: Path) -> Proxy:
    """A proxy without certificates."""
    return Proxy(tmp_path)


TAKEN = [
    f"caddy/certificates/{HOST}/shop.example.com.crt",
    f"caddy/certificates/{HOST}/shop.example.com.json",
    f"caddy/certificates/{HOST}/shop.example.com.key",
    "ftl/shared/.shop",
    "ftl/shared/shop.example.com.pem",
]


def test_what_is_taken_is_on_the_disk_before_it_is_renamed(proxy: Proxy) -> None:
    """A power cut leaves each file old or new; its folder is synced afterwards."""
    assert proxy.take() == 0
    assert proxy.left() == TAKEN
    assert (proxy.root / "data/ftl/shared/shop.example.com.pem").read_text() == "crt\nkey\n"
    assert (proxy.root / "data/ftl/shared/.shop").read_text() == "digest"
    data, storage = f"{proxy.root}/data", f"{proxy.root}/data/caddy/certificates/{HOST}"
    lines = proxy.log.read_text().splitlines()
    renamed = [number for number, line in enumerate(lines) if line.startswith("mv")][:-1]
    for number in renamed:
        source = lines[number].split()[2]
        assert lines[number - 1] == f"sync {source}"
    assert len(renamed) == 4
    after = lines[renamed[-1] + 1 :]
    assert after[:2] == [f"sync {storage}", f"sync {data}/ftl/shared"]
    assert after[2].startswith("caddy reload")
    assert not any("missing" in line for line in lines)


LOADED = """#!/bin/sh
[ "$1" = reload ] || exit 0
while [ "$1" != --config ]; do shift; done
cat "$2" >>"$LOG.loaded"
[ ! -e "$LOG.stored" ] || mv "$LOG.stored" "${LOG%/log}/config/ftl/caddy.json"
"""


def test_routes_that_are_stored_meanwhile_are_loaded_again(proxy: Proxy) -> None:
    """A deploy passes over a lock that is held for long: Caddy must not stay with the routes before it."""
    (proxy.root / "bin/caddy").write_text(LOADED)
    (proxy.root / "log.stored").write_text('["new", "unix//dev/shm/shop-0123456789ab.sock"]')
    assert proxy.take() == 0
    loaded = proxy.root / "log.loaded"
    first, second = (f'"unix//dev/shm/shop-digest{number}.sock"]' for number in (1, 2))
    assert loaded.read_text() == f'[{first}["new", {second}', (
        "connections end in order only with another name"
    )
    assert proxy.take() == 0
    assert loaded.read_text().count(first) == 2, "once where nothing is stored"


def test_nothing_is_unpacked_where_caddy_would_load_it(proxy: Proxy) -> None:
    """What a run that was killed has left goes, also of an earlier FTL; a refused certificate changes nothing."""
    for folder in (".ftl-taken-shop", "ftl/.taken-shop"):
        left = proxy.root / "data" / folder / "pem/old.pem"
        left.parent.mkdir(parents=True)
        left.write_text("old")
    assert proxy.take() == 0
    assert proxy.left() == TAKEN
    (validated,) = (line for line in proxy.log.read_text().splitlines() if "validate" in line)
    config = validated.rpartition(" ")[2]
    assert config.startswith(f"{proxy.root}/data/.ftl-taken-shop/")
    assert proxy.take(fails=True) == 1
    assert proxy.left() == TAKEN


def test_no_change_of_the_configuration_is_loaded_meanwhile(proxy: Proxy) -> None:
    """The proxy's lock is there while Caddy reads the certificates, and gone afterwards."""
    lock = proxy.root / "dev/shm/ftl-proxy"
    (proxy.root / "bin/caddy").write_text(f'#!/bin/sh\n[ ! -d {lock} ] || echo "locked $1" >>"$LOG"\n')
    assert proxy.take() == 0
    assert "locked reload" in proxy.log.read_text().splitlines()
    assert not lock.exists()


def test_what_a_task_of_the_swarm_has_brought_is_taken_once(proxy: Proxy) -> None:
    """Then it goes: the keys lie in one place. Newer certificates replace what was brought and not taken."""
    assert proxy.look() == 0
    assert proxy.left() == []
    proxy.bring("older", b"not an archive")
    proxy.bring("digest")
    assert proxy.left() == [".ftl-handed-shop/digest"]
    assert proxy.look() == 0
    assert (proxy.root / "data/ftl/shared/.shop").read_text() == "digest"
    assert set(proxy.left()) == {*TAKEN, ".ftl-handed-shop/digest"}
    reloads = proxy.log.read_text().count("caddy reload")
    assert proxy.look() == 0
    assert proxy.left() == TAKEN
    assert proxy.log.read_text().count("caddy reload") == reloads == 1


def test_a_server_without_a_proxy_keeps_no_keys(proxy: Proxy) -> None:
    """The task ends without an error: Swarm need not try again."""
    (proxy.root / "data/ftl").rmdir()
    proxy.bring("digest")
    assert proxy.left() == []
