"""The scripts of the locks, on real files."""

from __future__ import annotations

import secrets
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from tests.unit.locks.real import has, lock_file, second_file, sh, take_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "the server (takes back the deploy of ann)"


@pytest.fixture
def key() -> Iterator[str]:
    """A key that no other test has."""
    made = secrets.token_hex(32)
    yield made
    lock_file(made).unlink(missing_ok=True)
    second_file(made).unlink(missing_ok=True)


def is_free(file: Path) -> bool:
    """Whether nobody has a file now; one that is not there is free."""
    return (
        not file.exists() or subprocess.run(["flock", "-n", str(file), "true"], check=False).returncode == 0
    )


@pytest.mark.parametrize("action", ["take", "look"])
def test_whoever_goes_on_without_ftl_is_named(key: str, action: str) -> None:
    """The deploy lock is free as soon as FTL is gone; what was begun is not over."""
    with has(key, "keep_lock", NAME):
        assert take_lock(key, action) == f"goes-on {NAME}"
    assert take_lock(key, action) == {"take": "mine", "look": "free"}[action]


@pytest.mark.parametrize("action", ["take", "look"])
def test_ftl_that_has_the_lock_is_named_before_what_it_has_begun(key: str, action: str) -> None:
    """A script keeps it while its FTL is there, too."""
    with has(key, "take_deploy_lock", "ann"), has(key, "keep_lock", NAME):
        assert take_lock(key, action) == "held ann"


def test_what_is_about_to_end_is_waited_for(key: str) -> None:
    """A script whose FTL has ended in order takes a moment for that."""
    with has(key, "keep_lock", NAME) as script:
        assert script.stdin is not None
        threading.Timer(0.6, script.stdin.close).start()
        assert take_lock(key) == "mine"


def test_who_waits_for_a_script_leaves_the_deploy_lock_free(key: str) -> None:
    """The script looks every five seconds whether its FTL still has it: nothing else shows a pulled cable."""
    file = lock_file(key)
    with has(key, "keep_lock", NAME):
        waiting = threading.Thread(target=take_lock, args=(key,))
        waiting.start()
        seen = 0
        while waiting.is_alive():
            assert is_free(file)
            seen += 1
        assert seen > 20


def test_a_script_that_begins_between_two_looks_is_seen(key: str) -> None:
    """Nobody has the deploy lock beside it, and nobody keeps it who was refused."""
    with has(key, "keep_lock", NAME):
        looked_before = (
            'look_at_lock() { answer=free; }; socket=""; take_deploy_lock "$1" bob; echo "$answer"'
        )
        assert sh(f"{looked_before}; [ ! -e /proc/$$/fd/5 ] || echo kept", key) == f"goes-on {NAME}"


def test_who_goes_on_gets_the_lock_back_past_those_who_wait(key: str) -> None:
    """They have looked, and let it go again."""
    with has(key, "keep_lock", NAME), has(key, "take_back_lock", NAME):
        assert take_lock(key) == f"held {NAME}"


def test_two_scripts_go_on_at_a_time(key: str) -> None:
    """One that loads a dump, and one that gives it its place."""
    with has(key, "keep_lock", "one"), has(key, "keep_lock", NAME):
        assert take_lock(key) == f"goes-on {NAME}"


def test_what_a_killed_script_has_begun_is_not_over(key: str) -> None:
    """`docker stop`, for one, has its descriptor until it ends."""
    sh(
        'socket=""; keep_lock "$1" "$2"; sleep 1 </dev/null >/dev/null 2>&1 & sleep 0.2; kill -9 $$',
        key,
        NAME,
    )
    assert take_lock(key, "look") == f"goes-on {NAME}"
    assert take_lock(key) == "mine"


def test_who_only_looks_makes_no_file(key: str) -> None:
    """A plan changes nothing."""
    assert take_lock(key, "look") == "free"
    assert not lock_file(key).exists()
    assert not second_file(key).exists()


@pytest.mark.parametrize("action", ["take", "look"])
@pytest.mark.parametrize("place", [lock_file, second_file])
def test_a_file_that_others_can_open_is_named(key: str, action: str, place: type) -> None:
    """In the place of either lock: nobody knows then whether something goes on."""
    file = place(key)
    file.touch()
    file.chmod(0o666)
    assert take_lock(key, action).startswith(f"foreign {file} regular empty file of ")


def test_a_file_that_was_removed_is_made_again(key: str) -> None:
    """systemd-tmpfiles removes old files from /tmp."""
    assert take_lock(key) == "mine"
    lock_file(key).unlink()
    assert take_lock(key) == "mine"
    assert lock_file(key).exists()


def test_a_lock_is_held_also_where_no_name_can_be_written(key: str) -> None:
    """On a full disk, or with a `dd` that lacks `nocreat`: nobody is named, and the lock is what counts."""
    taken = 'dd() { return 1; }; socket=; keep_lock "$1" ann && take_back_lock "$1" ann && echo taken'
    assert sh(taken, key) == "taken"
