"""What the scripts find out about sshd: what it does, and what it has not read."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from ftl.common.programs import program
from ftl.server.setup import scripts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# `sshd -T -C ...`: the settings of a user, and those that a Match asks for.
SSHD = """
has_systemd() { false; }
sshd() { echo "$3" >> "$root/asked"; user=${3#user=}; cat "$root/all" "$root/of-${user%%,*}" 2> /dev/null || :; }
sshd_config=$root/sshd_config drop_in=$root/conf.d/00-ftl.conf
"""
CLOSED = "permitrootlogin no\npasswordauthentication no\nkbdinteractiveauthentication no\n"


class Sshd:
    """A folder that stands for a server with an SSH server."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "conf.d").mkdir()
        self.settings(f"{CLOSED}port 22\npidfile {root}/sshd.pid\n")
        for name in ("sshd_config", "conf.d/50-cloud-init.conf", "conf.d/00-ftl.conf", "conf.d/notes.txt"):
            (root / name).touch()

    def settings(self, text: str, user: str = "") -> None:
        """Have these settings, or of a user these, too."""
        (self.root / (f"of-{user}" if user else "all")).write_text(text)

    def run(self, script: str, *, connection: str = "192.0.2.9 50000 192.0.2.1 22") -> tuple[int, list[str]]:
        """Call functions of the scripts; the status, and the lines of output, without the folder."""
        parts = "".join(files(scripts).joinpath(name).read_text() for name in ("sshd.sh", "guarded.sh"))
        text = program("ftl.common", "scripts/own_processes.sh") + parts
        argv = (
            "sh",
            "-c",
            f"root={self.root} state={self.root}/run connection=$1\n{text}{SSHD}{script}",
            "sh",
        )
        done = subprocess.run((*argv, connection), check=False, capture_output=True, text=True)
        assert done.stderr == ""
        return done.returncode, done.stdout.replace(f"{self.root}/", "").splitlines()


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    """A server whose sshd runs, and has read all of its files."""
    server = Sshd(tmp_path)
    shutil.copy(shutil.which("sleep") or "", tmp_path / "sshd")
    with subprocess.Popen((str(tmp_path / "sshd"), "60")) as process:
        time.sleep(0.05)  # a tick of the file system's clock
        (tmp_path / "sshd.pid").write_text(f"{process.pid}\n")
        yield server
        process.kill()


def test_a_file_that_sshd_has_not_read_is_found(sshd: Sshd) -> None:
    """Also one that got an old time, and one that was removed, by its folder; not what sshd never reads."""
    assert sshd.run("sshd_unread") == (0, [])
    time.sleep(0.05)
    (sshd.root / "conf.d/notes.txt").write_text("new")
    assert sshd.run("sshd_unread") == (0, [])
    os.utime(sshd.root / "conf.d/50-cloud-init.conf", (1, 1))
    (sshd.root / "sshd_config").write_text("Port 2222")
    assert sshd.run("sshd_unread | sort") == (0, ["conf.d/50-cloud-init.conf", "sshd_config"])
    (sshd.root / "conf.d/50-cloud-init.conf").unlink()
    (sshd.root / "conf.d/00-ftl.conf").write_text("ours")
    assert sshd.run("sshd_unread | sort") == (0, ["conf.d", "conf.d/00-ftl.conf", "sshd_config"])
    assert sshd.run("sshd_unread_of_others") == (0, ["sshd_config"])
    (sshd.root / "sshd.pid").touch()  # it has read them
    assert sshd.run("sshd_unread") == (0, [])


# A clock that was set back by a minute: what was changed just now is in its future.
CLOCK_SET_BACK = """
find() {
    for word; do
        if [ "$word" = now ]; then word='1 minute ago'; fi
        shift
        set -- "$@" "$word"
    done
    command find "$@"
}
"""


def test_a_change_in_the_future_is_not_one_that_sshd_has_to_read(sshd: Sshd) -> None:
    """No reload would be later than that, so that nobody could ever harden the server."""
    time.sleep(0.05)
    (sshd.root / "sshd_config").write_text("Port 2222")
    assert sshd.run("sshd_unread") == (0, ["sshd_config"])
    assert sshd.run(f"{CLOCK_SET_BACK}sshd_unread") == (0, [])


@pytest.mark.parametrize("pid_file", [None, "1\n", "", "no number\n"])
def test_without_the_pid_of_a_running_sshd_nobody_knows(pid_file: str | None, sshd: Sshd) -> None:
    """One that is started for each connection has none, or that of an earlier one."""
    file = sshd.root / "sshd.pid"
    if pid_file is None:
        file.unlink()
    else:
        file.write_text(pid_file)
    os.utime(sshd.root / "sshd_config")
    assert sshd.run("sshd_unread") == (0, [])


def test_what_sshd_has_not_read_is_not_put_in_force(sshd: Sshd) -> None:
    """The reload that hardening needs would do so, and no revert takes it back."""
    time.sleep(0.05)
    (sshd.root / "sshd_config").write_text("Port 2222")
    calls = "put() { echo put; }; reload_sshd() { echo reload; }\n"
    status, lines = sshd.run(f"{calls}do_harden_ssh 45 settings me")
    assert (status, lines) == (1, ["sshd has not read sshd_config since it was changed"])


def test_a_match_is_asked_for_where_we_come_from(sshd: Sshd) -> None:
    """With the port and the address, too: where a Match asks for what is not given, sshd prints nothing."""
    sshd.run("sshd_settings me", connection="2001:db8::9 50000 2001:db8::1 2222")
    sshd.run("sshd_settings me", connection="")
    assert (sshd.root / "asked").read_text().splitlines() == [
        "user=me,host=2001:db8::9,addr=2001:db8::9,laddr=2001:db8::1,lport=2222",
        "user=me,host=127.0.0.1,addr=127.0.0.1,laddr=127.0.0.1,lport=22",
    ]


@pytest.mark.parametrize(
    ("text", "user", "expected"),
    [
        (CLOSED, "", ""),
        (f"{CLOSED}challengeresponseauthentication no\n", "", ""),
        (CLOSED.replace("rootlogin no", "rootlogin prohibit-password"), "", '"permitrootlogin no"'),
        (
            CLOSED.replace("passwordauthentication no", "passwordauthentication yes"),
            "",
            '"passwordauthentication no"',
        ),
        (
            CLOSED.replace("interactiveauthentication no", "interactiveauthentication yes"),
            "",
            '"kbdinteractive',
        ),
        ("challengeresponseauthentication yes\n", "me", '"challengeresponseauthentication no"'),
        ("passwordauthentication yes\n", "me", '"passwordauthentication no"'),
    ],
)
def test_settings_that_another_file_overrides_are_found(
    text: str, user: str, expected: str, sshd: Sshd
) -> None:
    """Each that lets in by a password, for root and for the deploy user."""
    sshd.settings(CLOSED + "port 22\n")
    sshd.settings(text if user else f"{text}port 22\n", user)
    status, lines = sshd.run("hardened me")
    assert status == (1 if expected else 0)
    assert [line.startswith(expected) and "is not in effect" in line for line in lines] == [True] * bool(
        expected
    )


def test_sshd_stays_on_the_port_that_let_us_in(sshd: Sshd) -> None:
    """Where its files say another, as after a file was removed, the reload would end that."""
    assert sshd.run("hardened me")[0] == 0
    status, lines = sshd.run("hardened me", connection="192.0.2.9 50000 192.0.2.1 2222")
    assert (status, len(lines)) == (1, 1)
    assert "port 2222 no more" in lines[0]


@pytest.mark.parametrize(
    ("address", "stays"),
    [
        ("10.0.0.1:2222", True),
        ("[2001:db8::1]:2222", True),
        ("10.0.0.1:2222 rdomain blue", True),
        ("10.0.0.1:22222", False),
        ("[2001:db8::2222]:22", False),
    ],
)
def test_sshd_stays_where_an_address_names_the_port(address: str, stays: bool, sshd: Sshd) -> None:
    """`sshd -T` prints `port 22` beside `ListenAddress 10.0.0.1:2222`."""
    sshd.settings(f"{CLOSED}port 22\nlistenaddress {address}\n")
    status, _ = sshd.run("hardened me", connection="192.0.2.9 50000 192.0.2.1 2222")
    assert (status == 0) is stays


@pytest.mark.parametrize(
    ("arguments", "stays"),
    [
        (["-D", "-p", "2222"], True),
        (["-Dp2222"], True),
        (["-o", "Port=2222"], True),
        (["-oport 2222"], True),
        (["-D", "-o", "ListenAddress=10.0.0.1:2222"], True),
        # The title that sshd gives itself.
        (["sshd: /usr/sbin/sshd -D -p 2222 [listener] 0 of 10-100 startups"], True),
        (["sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"], False),
        (["-D", "-o", "PermitRootLogin=no", "-f", "/etc/ssh/sshd_config"], False),
    ],
)
def test_sshd_stays_on_the_port_of_its_arguments(arguments: list[str], stays: bool, sshd: Sshd) -> None:
    """SSHD_OPTS="-p 2222": `sshd -T` does not know that, and a reload does not end it."""
    (sshd.root / "other").mkdir()  # the first one runs: its file is busy
    shell = shutil.copy(shutil.which("bash") or "", sshd.root / "other/sshd")
    argv = (str(shell), "-c", "read -r _", *arguments)
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        (sshd.root / "sshd.pid").write_text(f"{process.pid}\n")
        status, _ = sshd.run("hardened me", connection="192.0.2.9 50000 192.0.2.1 2222")
        process.kill()
    assert (status == 0) is stays


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PasswordAuthentication yes\n", []),
        ("Match User backup\n  PasswordAuthentication no\n", []),
        ("Match User backup\n  PasswordAuthentication yes\n", ["Match User backup"]),
        (
            'match address 10.0.0.0/8\n\tkbdinteractiveauthentication="yes" # why\n',
            ["match address 10.0.0.0/8"],
        ),
        ("Match User root\nPermitRootLogin prohibit-password\nX11Forwarding yes\n", ["Match User root"]),
        (
            "Match Group a\n#PasswordAuthentication yes\nMatch Group b\n PasswordAuthentication yes\n",
            ["Match Group b"],
        ),
    ],
)
def test_blocks_that_let_passwords_in_are_found(text: str, expected: list[str], sshd: Sshd) -> None:
    """Each once, with its file."""
    (sshd.root / "conf.d/50-cloud-init.conf").write_text(text)
    lines = [f"conf.d/50-cloud-init.conf: {line}" for line in expected]
    assert sshd.run("sshd_exceptions") == (0, lines)
