"""How the findings about domains go by where the server is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ftl.config.models.server import Server
from ftl.errors import ServerError
from ftl.server.doctor.checks.dns import Domain, Lookup
from ftl.server.doctor.gather import ServerInspection
from ftl.server.doctor.report import DoctorRequest, _judge_domains

GONE = ServerError("it is stopped")


@pytest.mark.parametrize(
    ("server", "inspection", "missing"),
    [
        (Server(host="shop"), ServerInspection(resolved=("203.0.113.5",)), True),
        (Server(host="shop"), ServerInspection(error=GONE), True),
        (Server(host="shop"), ServerInspection(resolved=("127.0.0.1",)), False),
        (Server(host="shop", has_visitors=False), ServerInspection(error=GONE), False),
    ],
    ids=["reached", "unreachable", "a-port-of-this-machine", "a-sandbox-that-is-stopped"],
)
def test_a_record_is_missing_only_where_visitors_come(
    server: Server, inspection: ServerInspection, missing: bool
) -> None:
    """A domain that DNS does not know is no problem of a server that only this machine reaches."""
    domain = Domain("shop.example.com", Lookup(error="unknown"))
    request = DoctorRequest(None, server, Path())
    (found,) = _judge_domains(request, inspection, [domain], datetime.now(UTC))
    assert (found.level == "problem") is missing
