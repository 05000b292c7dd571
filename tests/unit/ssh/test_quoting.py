"""Arguments through a login shell."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftl.errors import UsageError
from ftl.ssh.quoting import command_line, kill, split_pid, with_pid

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
def test_a_command_with_its_pid_runs_as_that_process(arguments: list[str]) -> None:
    """It gets the same arguments, and the process ID on its stderr is its own."""
    line = with_pid(["sh", "-c", 'echo oops >&2; echo $$; printf "%s\\0" "$@"', "sh", *arguments])
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True)
    pid, stderr = split_pid(done.stderr)
    expected = arguments or [""]
    assert done.stdout.decode() == f"{pid}\n" + "".join(f"{word}\0" for word in expected)
    assert stderr == b"oops\n"


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
        with_pid(argv)


def test_a_login_scripts_chatter_does_not_hide_the_process() -> None:
    """What a login script prints on stderr before the command stays in it."""
    assert split_pid(b"welcome\nftl-pid 42\nrest\n") == ("42", b"welcome\nrest\n")
    assert split_pid(b"welcome\n") == (None, b"welcome\n")


@pytest.mark.timeout(30)
def test_ending_a_command_ends_what_it_started() -> None:
    """The whole process group goes, as sshd gives every command one of its own."""
    with subprocess.Popen(
        ["sh", "-c", with_pid(["sh", "-c", "sleep 1000 & echo ready; wait"])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        pid, _rest = split_pid(process.stderr.readline())
        assert pid is not None
        process.stdout.readline()
        subprocess.run(["sh", "-c", kill(pid)], check=True)
        assert process.stdout.read() == b""  # the sleep, which has it too, is gone
        assert process.wait() < 0
