"""Entries of the access log, as Caddy 2.11 writes them with FTL's settings, and figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ftl.proxy.access import Access, Figures, figures, parse_access

LINE = (
    '{"ts":1764341000.25,"request":{"remote_ip":"203.0.113.7","proto":"HTTP/1.1","method":"GET","host":"shop.test",'
    '"uri":"/api/items"},"duration":0.012,"size":20,"status":200,"ftl":"shop/api"}'
)
ENTRY = Access(1764341000.25, "shop", "api", "203.0.113.7", "GET", "shop.test", "/api/items", 200, 0.012, 20)


def test_a_line_is_one_request() -> None:
    """Its time, who asked whom for what, and how it went."""
    assert parse_access([LINE]) == [ENTRY]


def test_a_request_without_a_route_has_no_service() -> None:
    """It was answered by the proxy itself."""
    assert parse_access([LINE.replace(',"ftl":"shop/api"', "")]) == [replace(ENTRY, project="", service="")]


@pytest.mark.parametrize(
    "line", ["", LINE[40:], LINE[:-9], "{}", "[]", '{"ts":"x"}', LINE.replace("200", "true")]
)
def test_a_line_that_is_none_is_passed_over(line: str) -> None:
    """Rotation may cut one, and another program may write there."""
    assert parse_access([line, LINE]) == [ENTRY]


def test_figures_are_of_one_project_and_the_last_seconds() -> None:
    """Rate, part of answers of 500 and more, and the time that 95 of 100 requests took at most."""
    now = ENTRY.time + 5
    entries = [replace(ENTRY, seconds=number / 100) for number in range(100)]
    entries += [
        replace(ENTRY, service="web", status=503),
        replace(ENTRY, service="web", status=404),
        replace(ENTRY, project="other", status=500),
        replace(ENTRY, time=now - 11),
        replace(ENTRY, time=now + 1),
    ]
    assert figures(entries, "shop", now=now, seconds=10) == {
        "api": Figures(rate=10.0, errors=0.0, p95=0.95),
        "web": Figures(rate=0.2, errors=0.5, p95=0.012),
    }
    assert figures([], "shop", now=now, seconds=10) == {}
