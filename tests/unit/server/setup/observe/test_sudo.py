"""Privilege escalation: sudo's answers and its password."""

from __future__ import annotations

import pytest

from ftl.errors import ServerError
from ftl.server.setup.observe import sudo


@pytest.mark.parametrize(
    ("line", "message", "should_ask"),
    [
        ("ftl-root\tno-sudo\t", "sudo is not installed", False),
        ("ftl-root\tpassword\tdeploy docker", "wants the password of deploy", False),
        ("ftl-root\tpassword\tdeploy sudo", "wants the password of deploy", True),
        ("ftl-root\trefused\tdeploy is not in the sudoers file.", "may not use sudo", False),
        ("ftl-root\trefused\tSorry, try again.", "does not accept the password", False),
    ],
)
def test_each_failure_of_sudo_has_an_error(line: str, message: str, should_ask: bool) -> None:
    """With a hint; a password is asked for only where the user may have one."""
    answer = sudo.read_result(["Welcome!", line, "more"])
    assert answer is not None
    result, taken = answer
    assert taken == 2
    assert result.should_ask is should_ask
    error = sudo.sudo_error(result, user="deploy", server="shop")
    assert message in error.message
    assert error.hint


def test_a_password_is_one_line() -> None:
    """A second line would become the script's input."""
    assert sudo.password_line("s3cret") == b"s3cret\n"
    with pytest.raises(ServerError):
        sudo.password_line("s3\ncret")
