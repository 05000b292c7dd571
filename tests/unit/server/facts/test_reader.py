"""Facts that scripts print about a server."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftl.server.facts.reader import FactLines, FreeSpace, df_space, facts_script


def printed(call: str) -> FactLines:
    """The facts that a call of facts.sh's functions prints on this machine."""
    done = subprocess.run(("sh", "-c", facts_script() + call), check=True, capture_output=True, text=True)
    assert done.stderr == ""
    return FactLines(done.stdout)


def test_this_machine_s_facts_are_read() -> None:
    """The system, its memory and its disk, by the script that runs on servers."""
    facts = printed("machine_facts /")
    assert facts.os_release()["ID"]
    assert facts.memory()["MemTotal"] > facts.memory()["MemAvailable"] > 0
    disk = facts.disk()
    assert disk is not None
    assert 0 <= disk.share <= 1


def test_a_file_s_content_is_read() -> None:
    """With its line breaks; a file that does not exist is no fact."""
    facts = printed("file passwd /etc/passwd; file none /nonexistent")
    assert "root:x:0:0" in facts.blob_lines("passwd")[0]
    assert facts.blob("none") is None


def test_chatter_is_skipped_and_names_repeat() -> None:
    """A login script may print lines without a tab before the facts."""
    facts = FactLines("Welcome!\nport\t1\nport\t2\nempty\t\n")
    assert (facts.all("port"), facts.first("port"), facts.first("other")) == (["1", "2"], "1", "")
    assert "empty" in facts
    assert "Welcome!" not in facts


def test_a_value_cannot_pass_for_another_fact() -> None:
    """Only a line feed ends a line: a form feed in a value does not."""
    assert "sudoer" not in FactLines("system\tx\x0csudoer\tyes")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("/dev/vda1 40000000 30000000 8000000 79% /", FreeSpace(38_000_000, 8_000_000)),
        ("df: /nonexistent: No such file or directory", None),
        ("", None),
    ],
)
def test_a_row_of_df_is_read(row: str, expected: FreeSpace | None) -> None:
    """Space reserved for root counts neither as total nor as free."""
    assert df_space(row, 1) == expected


@given(st.text())
def test_any_output_is_read(output: str) -> None:
    """Reading never fails, whatever a server prints."""
    facts = FactLines(output)
    facts.os_release(), facts.memory(), facts.disk(), facts.sockets("tcp")
