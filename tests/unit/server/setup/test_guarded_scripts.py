"""What a power cut leaves of setup: its swap file, firewall and hardening, in a folder."""

from __future__ import annotations

import base64
import shutil
import subprocess
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from ftl.common.files import content_digest
from ftl.common.programs import program
from ftl.server.setup import scripts

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("swap.sh", "sshd.sh", "guarded.sh")

STUBS = """
has_systemd() { false; }
note() { :; }
ftl_stub() { echo "$*" >> "$root/calls"; }
sshd() { :; }
reload_sshd() { ftl_stub reload; }
hardened() { ! [ -e "$root/overridden" ]; }
guard() { guarded=$1; touch "$state/$1.pending"; }
unguard() { rm -f "$state/$guarded.pending"; guarded=; }
blkid() { if grep -q signature "$root/swapfile"; then echo swap; fi; }
fallocate() { echo "${2}" > "$3"; }
mkswap() { [ ! -e "$root/cut" ] && echo signature >> "$1"; }
swapon() { [ ! -e "$root/no-swap" ] && ftl_stub swapon; }
swap_file=$root/swapfile fstab=$root/fstab drop_in=$root/drop-in
firewall_conf=$root/etc/firewall.conf firewall_script=$root/sbin/ftl-firewall
mkdir -p "$root/sbin" "$root/etc"
"""

FIREWALL = '#!/bin/sh\necho "$0" "$1" "${{FTL_FIREWALL_CONF-}}" {name} >> {root}/calls\n'


class Server:
    """A folder that stands for a server."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def state(self) -> Path:
        """What a reboot removes."""
        return self.root / "run"

    def run(self, script: str, *arguments: str) -> int:
        """Call functions of the root shell; its exit status."""
        self.state.mkdir(exist_ok=True)
        texts = [program("ftl.common", "scripts/replace_file.sh", "scripts/own_processes.sh"), _put()]
        texts += [files(scripts).joinpath(name).read_text() for name in PARTS]
        text = f"root={self.root} state={self.state}\n" + "\n".join(texts) + STUBS + script
        return subprocess.run(("sh", "-c", text, "sh", *arguments), check=False).returncode

    def calls(self) -> list[str]:
        """What was called since the last look, without the folder."""
        file = self.root / "calls"
        lines = file.read_text().replace(f"{self.root}/", "").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def reboot(self) -> None:
        """Lose what a reboot loses."""
        shutil.rmtree(self.state)

    def kept(self) -> dict[str, str]:
        """The files that outlive a reboot."""
        names = ("drop-in", "etc/firewall.conf", "sbin/ftl-firewall", "swapfile", "fstab")
        return {name: (self.root / name).read_text() for name in names if (self.root / name).exists()}


def _put() -> str:
    text = files(scripts).joinpath("root_shell.sh").read_text()
    return text[text.index("put() {") :]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server without swap, firewall and hardening."""
    (tmp_path / "fstab").write_text("UUID=1 / ext4 defaults 0 1")  # without a line break at its end
    return Server(tmp_path)


def encoded(text: str) -> str:
    """An argument of a step."""
    return base64.b64encode(text.encode()).decode()


# --- swap


FSTAB = "UUID=1 / ext4 defaults 0 1\n{root}/swapfile none swap sw 0 0\n"


def test_a_swap_file_gets_its_name_when_it_is_whole(server: Server) -> None:
    """A setup that was cut before has left another name, which the next one takes; fstab keeps its lines."""
    (server.root / "swapfile.ftl-new").write_text("half")
    assert server.run("do_add_swap 4096") == 0
    assert server.calls() == ["swapon"]
    assert server.kept() == {"swapfile": "4096\nsignature\n", "fstab": FSTAB.format(root=server.root)}
    assert not (server.root / "swapfile.ftl-new").exists()
    assert (server.root / "swapfile").stat().st_mode & 0o777 == 0o600


def test_a_swap_file_that_was_made_before_a_cut_is_adopted(server: Server) -> None:
    """It has a signature: only what is missing is done. Another file of this name is not touched."""
    (server.root / "swapfile").write_text("1\nsignature\n")
    assert server.run("do_add_swap 4096") == 0
    assert server.run("do_add_swap 4096") == 0
    assert server.kept() == {"swapfile": "1\nsignature\n", "fstab": FSTAB.format(root=server.root)}
    (server.root / "swapfile").write_text("photos")
    before = server.kept()
    assert server.run("do_add_swap 4096") == 1
    assert server.kept() == before


@pytest.mark.parametrize("fault", ["cut", "no-swap"])
def test_swap_that_cannot_be_made_leaves_nothing(fault: str, server: Server) -> None:
    """Neither the file nor its line in fstab."""
    (server.root / fault).touch()
    assert server.run("do_add_swap 4096") == 1
    assert "swap" not in "".join(server.kept().values())
    assert [path.name for path in server.root.glob("swapfile*")] == []


# --- the firewall


def apply(server: Server, name: str, then: str = "", *, seen: bytes | None = None) -> int:
    """Apply a firewall of this name, and let the confirmation come or not; `seen`: the file as it was read."""
    script = encoded(FIREWALL.format(name=name, root=server.root))
    if seen is None:
        seen = server.kept().get("etc/firewall.conf", "").encode()
    files = (encoded(f"conf {name}"), script, encoded("unit"))
    return server.run(f'do_apply_firewall "$@" && {then or ":"}', "45", *files, content_digest(seen))


def firewall(server: Server, name: str) -> dict[str, str]:
    """The files of a firewall that was kept."""
    script = FIREWALL.format(name=name, root=server.root)
    return {"etc/firewall.conf": f"conf {name}", "sbin/ftl-firewall": script}


def test_rules_that_were_not_confirmed_end_with_a_reboot(server: Server) -> None:
    """They are in force, and nothing that the unit reads at boot has changed: neither new nor replaced files."""
    assert apply(server, "one") == 0
    assert server.calls() == ["run/firewall/script apply run/firewall/conf one"]
    server.reboot()
    assert set(server.kept()) == {"fstab"}

    assert apply(server, "one", "do_keep") == 0
    assert firewall(server, "one").items() <= server.kept().items()
    before = server.kept()
    assert apply(server, "two") == 0
    server.reboot()
    assert server.kept() == before


def test_rules_are_reverted_to_those_that_were_kept(server: Server) -> None:
    """The first ones are removed; later ones give way to those in the files, which never changed."""
    assert apply(server, "one", "do_revert") == 0
    assert server.calls()[1:] == ["run/firewall/script remove run/firewall/conf one"]
    assert apply(server, "one", "do_keep") == 0
    server.calls()
    assert apply(server, "two", "do_revert") == 0
    assert server.calls() == [
        "run/firewall/script apply run/firewall/conf two",
        "sbin/ftl-firewall apply  one",
    ]
    assert [path.name for path in server.state.iterdir()] == []


def test_rules_that_cannot_be_stored_are_reverted(server: Server) -> None:
    """They would be in force until the next reboot alone, and nobody would know."""
    assert apply(server, "one", "do_keep") == 0
    server.calls()
    assert apply(server, "two", "replace_file() { return 1; }; do_keep") == 1
    assert server.calls()[-1] == "sbin/ftl-firewall apply  one"
    assert firewall(server, "one").items() <= server.kept().items()


def test_ports_that_somebody_has_added_meanwhile_are_kept(server: Server) -> None:
    """Nothing is put in force where the file is not as it was read; nor kept, where it changed after that."""
    assert apply(server, "one", "do_keep") == 0
    server.calls()
    conf = server.root / "etc/firewall.conf"
    conf.write_text("conf theirs")
    before = server.kept()
    assert apply(server, "two", seen=b"conf one") == 1
    assert (server.calls(), server.kept()) == ([], before)

    change = f"echo 'conf of a moment later' > {conf}"
    assert apply(server, "two", f"{change} && do_keep") == 1
    assert conf.read_text() == "conf of a moment later\n"
    assert server.calls()[-1] == "sbin/ftl-firewall apply  two"
    assert not (server.state / "firewall.pending").exists()


# --- sshd


def harden(server: Server, then: str = ":") -> int:
    """Harden sshd, and let the confirmation come or not."""
    return server.run(f'do_harden_ssh "$@" && {then}', "45", encoded("PermitRootLogin no\n"), "me")


@pytest.mark.parametrize("before", ["", "LogLevel VERBOSE\n"])
def test_hardening_that_was_not_confirmed_ends_with_a_reboot(server: Server, before: str) -> None:
    """The file that stays includes one that does not, which sshd ignores then; and has what it had."""
    if before:
        (server.root / "drop-in").write_text(before)
    assert harden(server) == 0
    include = f"Include {server.state}/sshd.conf\n"
    assert server.kept()["drop-in"] == include + before
    assert (server.state / "sshd.conf").read_text() == "PermitRootLogin no\n"
    server.reboot()
    assert harden(server) == 0
    assert server.kept()["drop-in"] == include + before, "one Include, not two"
    assert server.run("guarded=harden; do_keep") == 0
    assert server.kept()["drop-in"] == "PermitRootLogin no\n"


@pytest.mark.parametrize("before", ["", "LogLevel VERBOSE\n"])
def test_hardening_is_reverted(server: Server, before: str) -> None:
    """On request, and where another file overrides it."""
    if before:
        (server.root / "drop-in").write_text(before)
    kept = server.kept()
    assert harden(server, "do_revert") == 0
    assert server.kept() == kept
    (server.root / "overridden").touch()
    assert harden(server) == 1
    assert server.kept() == kept
