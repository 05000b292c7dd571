"""Drawing of the findings of `ftl doctor`."""

from __future__ import annotations

from ftl.server.doctor import Finding
from ftl.ui.findings import draw
from ftl.ui.style import Style

PLAIN = Style()
FOUND = [
    Finding("here", "docker", "ok", "/usr/bin/docker, with buildx"),
    Finding("there", "port 5432", "warning", "can be reached from outside " * 4, "close it"),
    Finding("there", "docker", "problem", "me may not\x1b[2J use it", "`sudo usermod -aG docker me`, " * 3),
]


def test_groups_and_marks() -> None:
    """Each area has a heading, each finding a symbol and its fix below it."""
    findings = [*FOUND[:1], Finding("dns", "a.example", "problem", "leads nowhere", "`dig a.example`")]
    assert [PLAIN.line(*parts) for parts in draw(findings, width=80, is_unicode=True)] == [
        "This machine",
        "  ✓ docker: /usr/bin/docker, with buildx",
        "",
        "Domains",
        "  ✗ a.example: leads nowhere",
        "    fix: `dig a.example`",
    ]


def test_narrow_terminals() -> None:
    """Sentences are wrapped, but commands stay in one line, so that they can be copied."""
    lines = [PLAIN.line(*parts) for parts in draw(FOUND, width=40, is_unicode=False)]
    assert all(len(line) <= 40 for line in lines)
    assert sum("`sudo usermod -aG docker me`" in line for line in lines) == 3
    assert lines[1].startswith("  + docker")


def test_foreign_words_do_not_move_the_cursor() -> None:
    """Control characters of servers and programs are not printed; only FTL sets colours."""
    lines = draw(FOUND, width=80, is_unicode=True)
    assert not any("\x1b" in PLAIN.line(*parts) for parts in lines)
    assert any("\x1b[1;31m✗\x1b[0m" in Style(colour=True).line(*parts) for parts in lines)
