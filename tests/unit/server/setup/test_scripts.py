"""The shell scripts that run on servers."""

from __future__ import annotations

import re
import stat
import subprocess
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from ftl.server.setup import scripts
from ftl.server.setup.plan import guarded, steps

if TYPE_CHECKING:
    from pathlib import Path


KINDS = {
    "disable_live_restore",
    "allow_peers_in_ufw",
    "add_swap",
    "allow_in_ufw",
    "apply_firewall",
    "authorise_key",
    "close_to_peers_in_ufw",
    "create_user",
    "enable_upgrades",
    "grant_sudo",
    "harden_ssh",
    "install_docker",
    "install_packages",
    "join_docker_group",
    "keep",
    "refresh_packages",
    "revert",
    "start_cron",
    "start_engine",
    "write_daemon_settings",
}


@pytest.mark.parametrize(
    "script",
    [scripts.as_root(), scripts.observe(), scripts.root_shell(), scripts.firewall().decode()],
    ids=len,
)
def test_scripts_parse_and_fit_into_an_argument(script: str) -> None:
    """With room for quotes below the limit of one argument (MAX_ARG_STRLEN, 128 KiB)."""
    subprocess.run(("sh", "-n"), input=script.encode(), check=True)
    assert len(script.replace("'", "'\"'\"'")) < 100_000


def test_every_step_has_a_shell_function() -> None:
    """And every function a step; kinds are a public contract, whatever the classes are called."""
    classes = [
        value
        for value in (vars(steps) | vars(guarded)).values()
        if isinstance(value, type) and issubclass(value, steps.SetupStep)
    ]
    kinds = {step.kind for step in classes if step is not steps.SetupStep}
    assert kinds == set(re.findall(r"^do_(\w+)\(\) \{", scripts.root_shell(), re.MULTILINE))
    assert kinds == KINDS


def test_steps_run_in_their_order(tmp_path: Path) -> None:
    """The shell reads each step's arguments line by line, and answers for each; an unknown step fails."""
    script = files(scripts).joinpath("run_steps.sh").read_text()
    functions = """
        exec 3>&1
        answer() { printf '%s\\n' "$1" >&3; }
        has() { command -v "$1" > /dev/null; }
        do_add() { echo "$# $2" >> "$calls"; }
        do_fail() { echo why; return 1; }
        do_revert() { echo reverted >> "$calls"; }
    """
    calls = tmp_path / "calls"
    stdin = "add\n2\none\ntwo words\nfail\n0\nunknown\n0\nadd\n1\n"
    argv = ("sh", "-c", f"{functions}calls={calls} log={tmp_path}/log\n{script}")
    done = subprocess.run(argv, input=stdin, check=True, capture_output=True, text=True)
    answers = ["ftl-ready", "done", "log\twhy", "failed", "log\tunknown step unknown", "failed"]
    assert done.stdout.splitlines() == answers
    assert calls.read_text().splitlines() == ["2 two words", "reverted"]


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
def test_the_path_of_a_user_s_authorized_keys(file: str, expected: str) -> None:
    """Each token is replaced once, and every other character is kept."""
    script = files(scripts).joinpath("keys_file.sh").read_text()
    stub = "id() { echo 1000; }\n"
    argv = ("sh", "-c", f'{script}{stub}keys_file "$@"', "sh", file, "me", "/home/a&b")
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert done.stdout == expected.format(uid=1000)


def test_inserted_text_is_not_expanded_again() -> None:
    """A home folder may have a percent sign in its name."""
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
def test_rules_that_allow_root_without_a_password(rules: str, is_root: bool) -> None:
    """Any command, by the last rule that matches; a rule for single commands is not enough."""
    head = "Matching Defaults entries for me on shop:\n    env_reset\n\nUser me may run the following:\n"
    output = head + "".join(f"    {rule}\n" for rule in rules.split("|"))
    script = files(scripts).joinpath("sudo_rules.sh").read_text()
    done = subprocess.run(("sh", "-c", f"{script}make_root"), input=output, text=True, check=False)
    assert (done.returncode == 0) is is_root


def test_a_new_folder_for_keys_is_readable_for_its_user(tmp_path: Path) -> None:
    """Sshd reads the file as that user, so a folder outside the home folder is not for root only."""
    stubs = "umask 022\ngetent() { echo me:x:1000:1000::/home/me:/bin/sh; }\nchown() { :; }\n"
    parts = "".join(files(scripts).joinpath(name).read_text() for name in ("keys_file.sh", "account.sh"))
    argv = (
        "sh",
        "-c",
        f'{parts}{stubs}do_authorise_key "$@"',
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
    ("busy", "expected"),
    [
        (0, ["allow 80/tcp", "allow 443/tcp"]),
        (1, ["allow 80/tcp", "reload", "allow 80/tcp", "allow 443/tcp"]),
        (3, ["allow 80/tcp", "reload", "reload", "reload", "allow 80/tcp", "allow 443/tcp"]),
        (99, ["allow 80/tcp", *["reload"] * 10]),
    ],
)
def test_a_failed_ufw_is_retried_after_a_reload(tmp_path: Path, busy: int, expected: list[str]) -> None:
    """It fails while another program has the lock of iptables, and then skips a rule that is in its file."""
    calls = tmp_path / "calls"
    script = files(scripts).joinpath("guarded.sh").read_text()
    argv = (
        "sh",
        "-c",
        f'{script}{UFW}calls={calls} busy={busy}\ndo_allow_in_ufw "$@"',
        "sh",
        "80/tcp",
        "443/tcp",
    )
    done = subprocess.run(argv, check=False)
    succeeds = busy < len(expected)
    assert (done.returncode == 0) is succeeds
    called = calls.read_text().splitlines()  # a failure leaves a loop of reloads in the background
    assert (called if succeeds else called[: len(expected)]) == expected


def test_a_busy_ufw_is_asked_again(tmp_path: Path) -> None:
    """One that fails at first is not mistaken for one that is inactive."""
    calls = tmp_path / "calls"
    _, _, rest = scripts.observe().partition("retry_ufw() {")
    body, _, _ = rest.partition("\n}\n")
    argv = ("sh", "-c", f"retry_ufw() {{{body}\n}}\n{UFW}calls={calls} busy=2\nretry_ufw status")
    subprocess.run(argv, check=True)
    assert calls.read_text().splitlines() == ["status"] * 3


def test_the_firewall_leaves_ssh_to_other_rules(tmp_path: Path) -> None:
    """A port left to them returns before any of FTL's rules accepts or drops it; allowed ports are accepted."""
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


@pytest.mark.parametrize(
    ("state", "expected"),
    [("enabled", []), ("disabled", ["enable --now cron"])],
)
def test_a_running_cron_is_enabled_at_boot(tmp_path: Path, state: str, expected: list[str]) -> None:
    """One that nobody starts after a reboot runs no job then."""
    calls = tmp_path / "calls"
    script = files(scripts).joinpath("engine.sh").read_text()
    fakes = (
        "has_systemd() { :; }; cron_runs() { :; }\n"
        f'systemctl() {{ case $1 in is-enabled) echo {state} ;; *) echo "$*" >> {calls} ;; esac; }}\n'
    )
    subprocess.run(("sh", "-c", f"{script}\n{fakes}do_start_cron"), check=True)
    assert (calls.read_text().splitlines() if calls.exists() else []) == expected


# apt and what else the script calls, replaced by harmless functions.
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
added_by_others() { [ "$others_have_it" = yes ]; }
note() { echo "$1" >> "$state/notes"; }
has_systemd() { :; }
do_install_docker https://mirror/linux/debian bookworm amd64 'zstd iptables' docker.io
"""
OFFLINE = "E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?"
BROKEN = "E: Sub-process /usr/bin/dpkg returned an error code (1)"


@pytest.mark.parametrize(
    ("has_key", "update", "own", "candidate", "others_have_it", "note", "installed"),
    [
        ("yes", "0", "fine", "(none)", "no", "installing Docker from https://mirror", "own"),
        ("no", "0", "fine", "(none)", "no", "cannot be reached", "docker.io"),
        ("yes", "100", "fine", "(none)", "no", "cannot be reached", "docker.io"),
        ("yes", "0", OFFLINE, "(none)", "no", "cannot be fetched", "docker.io"),
        ("yes", "0", BROKEN, "(none)", "no", "installing Docker from https://mirror", ""),
        ("yes", "0", "fine", "5:27.0", "yes", "configured there already", "own"),
        ("yes", "0", OFFLINE, "5:27.0", "yes", "cannot be fetched", "docker.io"),
        ("yes", "0", BROKEN, "5:27.0", "yes", "configured there already", ""),
        ("yes", "0", "fine", "(none)", "yes", "has no docker-ce", "docker.io"),
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
def test_the_distribution_s_engine_is_the_fallback(
    tmp_path: Path,
    has_key: str,
    update: str,
    own: str,
    candidate: str,
    others_have_it: str,
    note: str,
    installed: str,
) -> None:
    """Only for a failed download: a failed installation is an error. The repository is kept only if it was used."""
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
