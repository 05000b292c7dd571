"""What doctor finds about what runs in a cluster."""

from __future__ import annotations

from ftl.server.doctor.checks.running import judge_dependencies


def test_a_dependency_that_runs_twice_is_a_problem() -> None:
    """It is named with its servers, and with what to do."""
    (found,) = judge_dependencies("shop", {"a": ("cache", "db"), "b": ("db",), "c": ()})
    assert (found.level, found.what) == ("problem", "db runs on a and b, and all of them answer to its name")
    assert "`docker rm -f shop-db`" in (found.fix or "")
