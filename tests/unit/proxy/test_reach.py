"""The way from a proxy to containers, with programs that stand for the network."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl.engine.values import ExecResult
from ftl.errors import FtlError
from ftl.proxy.commands import reach
from ftl.proxy.reach import Reach, read_reach

if TYPE_CHECKING:
    from pathlib import Path

NSLOOKUP = """#!/bin/sh
[ "$1 $2 $3" = "-type=a r5-web 127.0.0.11" ] || exit 2
echo looked >>"$ROOT/looks"
printf 'Server:\\t\\t127.0.0.11\\nAddress:\\t127.0.0.11:53\\n\\n'
[ -s "$ROOT/names" ] || { echo "** server can't find r5-web: NXDOMAIN"; exit 1; }
echo "Non-authoritative answer:"
while read -r address; do printf 'Name:\\tr5-web\\nAddress: %s\\n' "$address"; done <"$ROOT/names"
[ -e "$ROOT/later" ] && mv "$ROOT/later" "$ROOT/names"
exit 0
"""

OLD_NSLOOKUP = """#!/bin/sh
printf 'Server:    127.0.0.11\\nAddress 1: 127.0.0.11\\n\\nName:      r5-web\\nAddress 1: 10.0.0.5 web.net\\n'
"""

NC = """#!/bin/sh
[ "$1 $2 $5 $6" = "-w 2 -e true" ] || exit 2
grep -qx "$3:$4" "$ROOT/accepting"
"""


def attempt(
    root: Path, *, names: str = "", accepting: str = "", later: str = "", seconds: int = 0, addresses: int = 2
) -> subprocess.CompletedProcess[bytes]:
    """Run the script where the alias has these addresses, and what is at these accepts connections."""
    programs = root / "bin"
    programs.mkdir(exist_ok=True)
    for name, text in {"nslookup": NSLOOKUP, "nc": NC}.items():
        program = programs / name
        if not program.exists():
            program.write_text(text)
            program.chmod(0o755)
    (root / "names").write_text("".join(f"{name}\n" for name in names.split()))
    (root / "accepting").write_text("".join(f"{place}\n" for place in accepting.split()))
    if later:
        (root / "later").write_text("".join(f"{name}\n" for name in later.split()))
    environment = {**os.environ, "ROOT": str(root), "PATH": f"{programs}:{os.environ['PATH']}"}
    argv = reach("r5-web", 8000, addresses, seconds)
    return subprocess.run(argv, env=environment, capture_output=True, check=False, timeout=30)


ADMIN = "127.0.0.1:2019"
BOTH = f"{ADMIN} 10.0.0.5:8000 10.0.0.6:8000"


@pytest.mark.parametrize(
    ("names", "accepting", "missed"),
    [
        ("10.0.0.5 10.0.0.6", BOTH, None),
        ("10.0.0.4 10.0.0.5 10.0.0.6", f"{BOTH} 10.0.0.4:8000", None),
        ("", BOTH, Reach(0, 2)),
        ("10.0.0.5", BOTH, Reach(1, 2)),
        ("10.0.0.5 10.0.0.6", f"{ADMIN} 10.0.0.5:8000 10.0.0.6:8001", Reach(2, 2, ("10.0.0.6",))),
        ("10.0.0.5", ADMIN, Reach(1, 2, ("10.0.0.5",))),
        # No nc that could tell: Caddy itself does not answer either.
        ("", "", None),
    ],
)
def test_a_name_needs_all_addresses_and_each_has_to_accept(
    tmp_path: Path, names: str, accepting: str, missed: Reach | None
) -> None:
    """What is missing is told; a proxy whose image lacks the programs is not held against the deploy."""
    done = attempt(tmp_path, names=names, accepting=accepting)
    assert read_reach(ExecResult(done.returncode, done.stdout, done.stderr), 2) == missed


def test_a_name_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    """Servers tell each other of new tasks within seconds."""
    done = attempt(tmp_path, names="10.0.0.5", later="10.0.0.5 10.0.0.6", accepting=BOTH, seconds=10)
    assert done.returncode == 0
    assert (tmp_path / "looks").read_text().count("looked") == 2


def test_addresses_are_read_as_an_older_busybox_prints_them(tmp_path: Path) -> None:
    """With a number, and the name behind."""
    program = tmp_path / "bin" / "nslookup"
    program.parent.mkdir()
    program.write_text(OLD_NSLOOKUP)
    program.chmod(0o755)
    assert attempt(tmp_path, accepting=BOTH, addresses=1).returncode == 0


def test_a_script_that_did_not_run_is_an_error() -> None:
    """Its words are the cause."""
    with pytest.raises(FtlError) as caught:
        read_reach(ExecResult(127, b"", b"sh: not found"), 1)
    assert caught.value.cause == "sh: not found"
