"""Arguments through a login shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftl.errors import UsageError
from ftl.ssh.framing import process_id, strip_noise
from ftl.ssh.quoting import command_line, framed_line, kill, plain_line

if TYPE_CHECKING:
    from pathlib import Path

# What an argument of a Unix process can hold.
words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
argvs = st.lists(words, max_size=5)


@settings(max_examples=60, deadline=None)
@given(arguments=argvs)
def test_a_shell_splits_the_line_into_exactly_these_arguments(arguments: list[str]) -> None:
    """Whatever the arguments hold, a POSIX shell hands them to the program unchanged."""
    line = command_line(["printf", "%s\\0", *arguments])
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True)
    expected = arguments or [""]
    assert done.stdout.decode() == "".join(f"{word}\0" for word in expected)


@settings(max_examples=20, deadline=None)
@given(arguments=argvs)
def test_a_framed_command_runs_as_the_process_that_it_names(arguments: list[str]) -> None:
    """It gets the same arguments, and the process ID on its stderr is its own."""
    line = framed_line(
        ["sh", "-c", 'echo oops >&2; echo $$; printf "%s\\0" "$@"', "sh", *arguments], "boundary"
    )
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True)
    pid, stdout = process_id(done.stderr, "boundary"), strip_noise(done.stdout, "boundary")
    expected = arguments or [""]
    assert stdout == (f"{pid}\n" + "".join(f"{word}\0" for word in expected)).encode()
    assert strip_noise(done.stderr, "boundary") == b"oops\n"


@given(arguments=argvs)
def test_a_framed_line_has_nothing_that_a_login_shell_reads_in_single_quotes(arguments: list[str]) -> None:
    """Neither csh's `!` and newlines nor fish's doubled backslashes: two quoted words, whatever the arguments hold."""
    line = framed_line(["true", *arguments], "boundary")
    evaluates, script = line.removesuffix("'").rsplit(" '", 1)
    assert evaluates == """exec sh -c 'eval "$(printf "$0")"'"""
    assert not set(script) & set("'!\n\r")
    assert "\\\\" not in script


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "csh", "tcsh", "fish"])
def test_any_login_shell_passes_the_arguments(shell: str) -> None:
    """Also csh and tcsh, in which `!` and newlines cannot be quoted (R-9)."""
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    arguments = [
        "a!b",
        "!!",
        "two\nlines",
        'it\'s "$HOME" `id`',
        "\\n \\\\ %s %%",
        "é *?~{a,b}\t;&|",
        "",
        "z" * 30_000,
    ]
    line = framed_line(["sh", "-c", 'printf "%s\\0" "$@"', "sh", *arguments], "boundary")
    done = subprocess.run([shell, "-c", line], capture_output=True, check=False)
    assert strip_noise(done.stdout, "boundary") == "".join(f"{word}\0" for word in arguments).encode()


@pytest.mark.parametrize("shell", ["sh", "bash", "csh", "tcsh"])
def test_a_long_script_is_compressed_and_runs_as_it_is(shell: str) -> None:
    """It reads its own stdin, is the process that the line names, and has the same arguments."""
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    script = "cat\n" + "\n".join(f"printf '%s!\\n' \"$1\" {number}" for number in range(400))
    line = framed_line(["sh", "-c", script, "sh", "it's é"], "boundary")
    assert len(line) < len(script) / 2
    done = subprocess.run([shell, "-c", line], input=b"given\n", capture_output=True, check=True)
    expected = "given\n" + "".join(f"it's é!\n{number}!\n" for number in range(400))
    assert strip_noise(done.stdout, "boundary") == expected.encode()
    assert process_id(done.stderr, "boundary") is not None


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_compressed_script_that_does_not_arrive_whole_does_not_begin(shell: str, tmp_path: Path) -> None:
    """A server without gzip, or one whose gzip was killed: nothing runs, and the status says so."""
    (tmp_path / "gzip").write_text("#!/bin/sh\necho 'echo begun'\nexit 137\n")
    (tmp_path / "gzip").chmod(0o755)
    line = plain_line(["sh", "-c", "echo begun\n" * 400])
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([shell, "-c", line], capture_output=True, check=False, env=environ)
    assert (done.returncode, done.stdout) == (127, b"")


@pytest.mark.parametrize("first", ["if", "A=b", "~", "a b", "while"])
def test_the_first_word_is_a_program_and_nothing_of_the_shells(first: str) -> None:
    """Words that mean something to a shell at the beginning of a line are looked up as programs."""
    done = subprocess.run(["sh", "-c", command_line([first])], capture_output=True, check=False)
    assert done.returncode == 127


@pytest.mark.parametrize("argv", [[], ["a\0b"]])
def test_what_is_no_command_is_refused(argv: list[str]) -> None:
    """An empty command and a NUL byte are the caller's mistakes, said before anything runs."""
    with pytest.raises(UsageError):
        command_line(argv)
    with pytest.raises(UsageError):
        framed_line(argv, "boundary")


@pytest.mark.timeout(30)
def test_ending_a_command_ends_what_it_started() -> None:
    """The whole process group goes, as sshd gives every command one of its own."""
    with subprocess.Popen(
        ["sh", "-c", framed_line(["sh", "-c", "sleep 1000 & echo ready; wait"], "boundary")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        pid = process_id(process.stderr.readline() + process.stderr.readline(), "boundary")
        assert pid is not None
        while process.stdout.readline() != b"ready\n":
            pass
        subprocess.run(["sh", "-c", kill(pid)], check=True)
        assert process.stdout.read() == b""  # the sleep, which has it too, is gone
        assert process.wait() < 0
