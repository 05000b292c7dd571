"""What sudo answers, and what goes to it."""

from __future__ import annotations

import pytest

from ftl.errors import ServerError
from ftl.server.setup.observe import sudo


@pytest.mark.parametrize(
    ("line", "message", "may_ask"),
    [
        ("ftl-root\tno-sudo\t", "there is no sudo", False),
        ("ftl-root\tpassword\tdeploy docker", "wants deploy's password", False),
        ("ftl-root\tpassword\tdeploy sudo", "wants deploy's password", True),
        ("ftl-root\trefused\tdeploy is not in the sudoers file.", "may not use sudo", False),
        ("ftl-root\trefused\tSorry, try again.", "does not take the password", False),
    ],
)
def test_why_we_are_not_root_is_said_with_a_next_step(line: str, message: str, may_ask: bool) -> None:
    """Each reason has its sentence; a password is asked for where there may be one."""
    found = sudo.read_result(["Welcome!", line, "more"])
    assert found is not None
    answer, taken = found
    assert taken == 2
    assert answer.may_ask is may_ask
    error = sudo.refusal(answer, user="deploy", server="shop")
    assert message in error.message
    assert error.hint


def test_a_password_is_one_line() -> None:
    """Otherwise its second line would be the script's input."""
    assert sudo.password_line("s3cret") == b"s3cret\n"
    with pytest.raises(ServerError):
        sudo.password_line("s3\ncret")
