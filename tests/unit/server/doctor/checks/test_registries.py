"""What doctor makes of logins to registries."""

from __future__ import annotations

import pytest

from ftl.errors import TransferFailed
from ftl.image.registry.credentials import Credentials
from ftl.image.registry.keyring import RegistryLogin
from ftl.image.registry.names import HUB
from ftl.server.doctor.checks.registries import LoginAttempt, judge, judge_login

GHCR = RegistryLogin("ghcr.io", Credentials("ghcr.io", "me", "s3cret", "docker's config file"))
REFUSED = TransferFailed("shop could not log in", cause="401 Unauthorized", hint="`docker login ghcr.io`")


@pytest.mark.parametrize(
    ("attempt", "level", "words", "fix"),
    [
        (LoginAttempt("ghcr.io", "shop", login=GHCR), "ok", "accepts the login of me", None),
        (
            LoginAttempt("ghcr.io", "shop", login=GHCR, error=REFUSED),
            "problem",
            "401",
            "`docker login ghcr.io`",
        ),
        (
            LoginAttempt("ghcr.io", "shop", login=GHCR, timed_out=True),
            "warning",
            "no answer in time",
            "reach ghcr.io",
        ),
        (
            LoginAttempt("ghcr.io", "shop", True, RegistryLogin("ghcr.io")),
            "warning",
            "no login",
            "`docker login ghcr.io`",
        ),
        (LoginAttempt("ghcr.io", "shop", False, RegistryLogin("ghcr.io")), "ok", "public", None),
        (
            LoginAttempt("ghcr.io", "shop", login=RegistryLogin("ghcr.io"), is_private=True),
            "problem",
            "cannot pull",
            "docker login",
        ),
        (
            LoginAttempt(
                "ghcr.io", "shop", login=RegistryLogin("ghcr.io", error="no helper"), is_private=True
            ),
            "problem",
            "no helper",
            "login",
        ),
        (
            LoginAttempt("ghcr.io", "shop", True, RegistryLogin("ghcr.io", error="no helper")),
            "problem",
            "no helper",
            "login",
        ),
        (
            LoginAttempt("ghcr.io", "shop", False, RegistryLogin("ghcr.io", error="no helper")),
            "warning",
            "no helper",
            "login",
        ),
    ],
)
def test_a_login(attempt: LoginAttempt, level: str, words: str, fix: str | None) -> None:
    """Accepted, rejected, not tested, or missing; the latter matters more where images are pushed."""
    found = judge_login(attempt)
    assert (found.name, found.level) == ("ghcr.io", level)
    assert words in found.what
    assert "s3cret" not in str(found)
    assert (found.fix is None) if fix is None else (fix in (found.fix or ""))


def test_docker_hub_without_a_login() -> None:
    """There is no finding about Docker Hub without a login: its images are public."""
    assert judge([LoginAttempt(HUB, "shop", login=RegistryLogin(HUB))]) == []
    assert len(judge([LoginAttempt(HUB, "shop", True, RegistryLogin(HUB))])) == 1
    assert len(judge([LoginAttempt(HUB, "shop", login=RegistryLogin(HUB), is_private=True)])) == 1
