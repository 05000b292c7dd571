"""The scripts that run on servers."""

from __future__ import annotations

import stat
import subprocess
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from ftl.server.setup import scripts
from ftl.server.setup.plan import steps

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "script", [scripts.as_root(), scripts.observe(), scripts.hand(), scripts.firewall().decode()], ids=len
)
def test_scripts_can_be_read_by_any_shell_and_passed_as_an_argument(script: str) -> None:
    """They parse, and are shorter than one argument may be (MAX_ARG_STRLEN, 128 KiB), with room for quotes."""
    subprocess.run(("sh", "-n"), input=script.encode(), check=True)
    assert len(script.replace("'", "'\"'\"'")) < 100_000


def test_every_step_is_one_that_the_server_knows() -> None:
    """The dispatcher names the verb of each, and there is a function of that name."""
    kinds = [
        kind for kind in vars(steps).values() if isinstance(kind, type) and issubclass(kind, steps.SetupStep)
    ]
    verbs = {kind.verb for kind in kinds if kind is not steps.SetupStep}
    script = scripts.hand()
    dispatched = next(line for line in script.splitlines() if line.strip().startswith("refresh |"))
    assert verbs <= set(dispatched.strip().rstrip(")").split(" | "))
    assert all(f"do_{verb}() {{" in script for verb in verbs)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (".ssh/authorized_keys", "/home/a&b/.ssh/authorized_keys"),
        ("/etc/ssh/keys/%u", "/etc/ssh/keys/me"),
        ("%h/keys/%u.pub", "/home/a&b/keys/me.pub"),
        ("/keys/%u/%U", "/keys/me/{uid}"),
        ("/keys/100%%u", "/keys/100%u"),
        ("/keys/%%%u%%", "/keys/%me%"),
        ("/a|b/%u\\1&/x", "/a|b/me\\1&/x"),
        ("/keys/*", "/keys/*"),
    ],
)
def test_where_sshd_looks_for_a_users_keys(file: str, expected: str) -> None:
    """Its tokens are replaced once each, and every other sign is what it is."""
    script = files(scripts).joinpath("keys_file.sh").read_text()
    stub = "id() { echo 1000; }\n"
    argv = ("sh", "-c", f'{script}{stub}keys_file "$@"', "sh", file, "me", "/home/a&b")
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert done.stdout == expected.format(uid=1000)


def test_what_a_name_brings_is_not_replaced_again() -> None:
    """A home folder with a percent sign in its name."""
    script = files(scripts).joinpath("keys_file.sh").read_text()
    argv = ("sh", "-c", f'{script}keys_file "$@"', "sh", "%h/%u", "me", "/home/%u")
    assert subprocess.run(argv, check=True, capture_output=True, text=True).stdout == "/home/%u/me"


@pytest.mark.parametrize(
    ("rules", "is_root"),
    [
        ("(ALL) NOPASSWD: ALL", True),
        ("(ALL : ALL) NOPASSWD: ALL", True),
        ("(root) NOPASSWD: ALL", True),
        ("(ALL : ALL) ALL|(ALL) NOPASSWD: ALL", True),
        ("(ALL) NOPASSWD: ALL|(root) NOPASSWD: /bin/systemctl restart app", True),
        ("(ALL) NOPASSWD: ALL|(ALL : ALL) ALL", False),
        ("(ALL : ALL) ALL", False),
        ("(root) NOPASSWD: /bin/systemctl restart app", False),
        ("(app) NOPASSWD: ALL", False),
        ("(ALL) NOPASSWD: ALL, !/bin/su", False),
        ("(ALL) NOPASSWD: /opt/ALL", False),
        ("", False),
    ],
)
def test_who_becomes_root_by_sudo(rules: str, is_root: bool) -> None:
    """Whoever may run anything without a password, by the last rule that fits; other rules make nobody root."""
    head = "Matching Defaults entries for me on shop:\n    env_reset\n\nUser me may run the following:\n"
    said = head + "".join(f"    {rule}\n" for rule in rules.split("|"))
    script = files(scripts).joinpath("sudo_rules.sh").read_text()
    done = subprocess.run(("sh", "-c", f"{script}make_root"), input=said, text=True, check=False)
    assert (done.returncode == 0) is is_root


def test_a_user_comes_through_the_folder_of_its_keys(tmp_path: Path) -> None:
    """A login reads the file as that user: a folder that we make outside the home folder is not for root alone."""
    stubs = "umask 022\ngetent() { echo me:x:1000:1000::/home/me:/bin/sh; }\nchown() { :; }\n"
    parts = "".join(files(scripts).joinpath(name).read_text() for name in ("keys_file.sh", "account.sh"))
    argv = (
        "sh",
        "-c",
        f'{parts}{stubs}do_key "$@"',
        "sh",
        "me",
        f"{tmp_path}/keys/%u",
        "ssh-ed25519 AAAA me",
    )
    subprocess.run(argv, check=True)
    assert (tmp_path / "keys/me").read_text() == "ssh-ed25519 AAAA me\n"
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "keys/me").stat().st_mode) == 0o600


UFW = """\
ufw() {
    echo "$*" >> "$calls"
    [ "$(wc -l < "$calls")" -gt "$busy" ]
}
sleep() { :; }
"""


@pytest.mark.parametrize(
    ("busy", "asked"),
    [
        (0, ["allow 80/tcp", "allow 443/tcp"]),
        (1, ["allow 80/tcp", "reload", "allow 80/tcp", "allow 443/tcp"]),
        (3, ["allow 80/tcp", "reload", "reload", "reload", "allow 80/tcp", "allow 443/tcp"]),
        (99, ["allow 80/tcp", *["reload"] * 10]),
    ],
)
def test_what_ufw_left_half_done_is_put_in_force(tmp_path: Path, busy: int, asked: list[str]) -> None:
    """It fails while another program has the lock of iptables, and passes over a rule that is in its file by then."""
    calls = tmp_path / "calls"
    script = files(scripts).joinpath("guarded.sh").read_text()
    argv = ("sh", "-c", f'{script}{UFW}calls={calls} busy={busy}\ndo_ufw "$@"', "sh", "80/tcp", "443/tcp")
    done = subprocess.run(argv, check=False)
    assert calls.read_text().splitlines() == asked
    assert (done.returncode == 0) is (busy < len(asked))


def test_ufw_is_heard_when_the_lock_of_iptables_is_free_again(tmp_path: Path) -> None:
    """One that could not answer at once is not taken for one that is off."""
    calls = tmp_path / "calls"
    _, _, rest = scripts.observe().partition("ufw_says() {")
    body, _, _ = rest.partition("\n}\n")
    argv = ("sh", "-c", f"ufw_says() {{{body}\n}}\n{UFW}calls={calls} busy=2\nufw_says status")
    subprocess.run(argv, check=True)
    assert calls.read_text().splitlines() == ["status"] * 3


def test_the_firewall_leaves_ssh_to_the_rules_that_were_there(tmp_path: Path) -> None:
    """What is left comes back to them before anything of ours accepts or drops it; what is allowed is accepted."""
    conf = tmp_path / "firewall.conf"
    conf.write_text("input own\nleave 22/tcp\nallow 80/tcp\nallow 443/udp\nallow ; reboot\n")
    script, _, _ = scripts.firewall().decode().partition('case "${1-}" in')
    argv = ("sh", "-c", f"{script}conf={conf}\nrules iptables")
    rules = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    own = [rule for rule in rules if rule.startswith("-A FTL-INPUT")]
    assert own[1] == "-A FTL-INPUT -p tcp -m tcp --dport 22 -j RETURN"
    assert own[-3:] == [
        "-A FTL-INPUT -p tcp -m tcp --dport 80 -j ACCEPT",
        "-A FTL-INPUT -p udp -m udp --dport 443 -j ACCEPT",
        "-A FTL-INPUT -j DROP",
    ]
    assert sum("--dport 22" in rule for rule in rules) == 1
    assert sum("--ctorigdstport" in rule for rule in rules) == 3


# apt as the script calls it, and what it needs of the server: all of it harmless.
APT = r"""
state=$1 log=$1/log own_source=$1/source own_key=$1/key has_key=$2 update=$3 own=$4 candidate=$5 others_have_it=$6
printf '#!/bin/sh\necho "  Candidate: %s"\n' "$candidate" > "$state/apt-cache"
chmod +x "$state/apt-cache"
PATH=$state:$PATH
apt() {
    echo "$*" >> "$state/calls"
    case "$*" in
    update*) return "$update" ;;
    *docker-ce*) echo "$own" > "$log"; [ "$own" = fine ] ;;
    esac
}
fetch_key() { if [ "$has_key" = yes ]; then echo key > "$state/docker.asc"; fi; }
named_by_others() { [ "$others_have_it" = yes ]; }
note() { echo "$1" >> "$state/notes"; }
has_systemd() { :; }
do_docker https://mirror/linux/debian bookworm amd64 'zstd iptables' docker.io
"""
OFFLINE = "E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?"
BROKEN = "E: Sub-process /usr/bin/dpkg returned an error code (1)"


@pytest.mark.parametrize(
    ("has_key", "update", "own", "candidate", "others_have_it", "note", "installed"),
    [
        ("yes", "0", "fine", "(none)", "no", "Docker comes from https://mirror", "own"),
        ("no", "0", "fine", "(none)", "no", "cannot be reached", "docker.io"),
        ("yes", "100", "fine", "(none)", "no", "cannot be reached", "docker.io"),
        ("yes", "0", OFFLINE, "(none)", "no", "cannot be fetched", "docker.io"),
        ("yes", "0", BROKEN, "(none)", "no", "Docker comes from https://mirror", ""),
        ("yes", "0", "fine", "5:27.0", "yes", "known there already", "own"),
        ("yes", "0", OFFLINE, "5:27.0", "yes", "cannot be fetched", "docker.io"),
        ("yes", "0", BROKEN, "5:27.0", "yes", "known there already", ""),
        ("yes", "0", "fine", "(none)", "yes", "offers no docker-ce", "docker.io"),
    ],
    ids=(
        "new",
        "unreachable",
        "no lists",
        "no archives",
        "broken",
        "known",
        "known offline",
        "known broken",
        "idle",
    ),
)
def test_the_distribution_s_engine_comes_only_where_docker_s_own_did_not_arrive(
    tmp_path: Path,
    has_key: str,
    update: str,
    own: str,
    candidate: str,
    others_have_it: str,
    note: str,
    installed: str,
) -> None:
    """An installation that failed is an error, and a source of ours is left only where its packages were had."""
    script = "asked=no\n" + files(scripts).joinpath("packages.sh").read_text() + APT
    argv = ("sh", "-c", script, "sh", str(tmp_path), has_key, update, own, candidate, others_have_it)
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.stderr == ""
    assert (done.returncode == 0) is bool(installed)
    assert note in (tmp_path / "notes").read_text().splitlines()[-1]
    last = (tmp_path / "calls").read_text().splitlines()[-1]
    packages = "docker.io" if installed == "docker.io" else "docker-ce docker-ce-cli containerd.io"
    assert last == f"install --no-install-recommends {packages} zstd iptables"
    ours = candidate == "(none)" and others_have_it == "no"
    assert (tmp_path / "source").exists() is (ours and installed != "docker.io")
