"""The scripts that run on servers."""

from __future__ import annotations

import subprocess
from importlib.resources import files

import pytest

from ftl.server.setup import scripts, steps


@pytest.mark.parametrize(
    "script", [scripts.as_root(), scripts.observe(), scripts.hand(), scripts.firewall().decode()], ids=len
)
def test_scripts_can_be_read_by_any_shell_and_passed_as_an_argument(script: str) -> None:
    """They parse, and are shorter than one argument may be (MAX_ARG_STRLEN, 128 KiB), with room for quotes."""
    subprocess.run(("sh", "-n"), input=script.encode(), check=True)
    assert len(script.replace("'", "'\"'\"'")) < 100_000


def test_every_step_is_one_that_the_server_knows() -> None:
    """The dispatcher names the verb of each, and there is a function of that name."""
    kinds = [kind for kind in vars(steps).values() if isinstance(kind, type) and issubclass(kind, steps.Step)]
    verbs = {kind.verb for kind in kinds if kind is not steps.Step}
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
