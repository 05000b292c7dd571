"""Arguments and messages of single commands."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ftl.cli.commands.setup import parse_port, parse_repository, parse_size
from ftl.cli.commands.status import describe_live
from ftl.cli.commands.tunnels import parse_choice
from ftl.cli.options import parse_time
from ftl.cli.views.tables import age_since
from ftl.errors import UsageError
from ftl.operations.views.logs.kinds import nothing_logged
from ftl.operations.views.logs.query import LogQuery
from ftl.operations.views.status import LiveRelease
from ftl.tunnels.tunnels import PortChoice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Cli

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10m", "2026-01-31T11:50:00Z"),
        ("1h30m", "2026-01-31T10:30:00Z"),
        ("500ms", "2026-01-31T11:59:59.500000Z"),
        ("2d", "2026-01-29T12:00:00Z"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00Z"),
    ],
)
def test_since(text: str, expected: str) -> None:
    """--since takes a duration before the server's present, or a time in any zone."""
    query = LogQuery("shop", ("web",), since=parse_time(text))
    assert query.at(NOW).first == expected


def test_the_live_release_in_one_line() -> None:
    """With what its record has."""
    live = LiveRelease("r12", "2026-01-31T09:00:00Z", "ann@laptop", "0123abcdef-dirty", "Fix the cart")
    assert describe_live(live, now=NOW) == (
        "r12 went live 3 h ago, by ann@laptop, from 0123abc-dirty Fix the cart"
    )
    bare = LiveRelease("r1", "2026-01-31T12:00:00Z", "", None, "")
    assert describe_live(bare, now=NOW) == "r1 went live now"


@pytest.mark.parametrize("text", ["", "10", "m", "1.2.3s", "yesterday", "-5m", "99999999999d", "2000000d"])
def test_since_refuses_the_rest(text: str) -> None:
    """An invalid time is a usage error."""
    with pytest.raises(UsageError):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgres=15432", PortChoice("postgres", 15432)),
        ("rabbitmq:15672=25672", PortChoice("rabbitmq", 25672, 15672)),
    ],
)
def test_port_choices(text: str, expected: PortChoice) -> None:
    """-p sets the local port of a dependency, or of one of its ports."""
    assert parse_choice(text) == expected


@pytest.mark.parametrize("text", ["postgres", "=1", "a=b", "a:b=1", "a=123456"])
def test_port_choices_refuse_the_rest(text: str) -> None:
    """An invalid value of -p is a usage error."""
    with pytest.raises(UsageError):
        parse_choice(text)


@pytest.mark.parametrize(
    ("started", "expected"),
    [("2026-01-31T11:59:26.123456789Z", "34 s"), ("2026-01-28T12:00:00Z", "3 days"), ("", "-")],
)
def test_how_long_something_runs(started: str, expected: str) -> None:
    """A timestamp of the engine is shown as an age."""
    assert age_since(started, now=NOW) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("5432", (5432, "tcp")), ("53/udp", (53, "udp")), ("65535/tcp", (65535, "tcp"))]
)
def test_ports_to_keep_open(text: str, expected: tuple[int, str]) -> None:
    """--allow takes a port with a protocol, TCP by default."""
    assert parse_port(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("2G", 2 << 30), ("512m", 512 << 20), ("1GiB", 1 << 30)])
def test_sizes_of_swap(text: str, expected: int) -> None:
    """--swap takes a size in common units."""
    assert parse_size(text) == expected


def test_a_mirror_is_named_by_its_url() -> None:
    """--docker-repository takes a URL with a port and a path."""
    assert parse_repository("http://mirror:8080/docker/linux") == "http://mirror:8080/docker/linux"


@pytest.mark.parametrize(
    ("read", "text"),
    [
        *((parse_port, text) for text in ("", "0", "65536", "80/sctp", "http", "80 443")),
        *((parse_size, text) for text in ("", "0G", "10", "1T", "-1G")),
        *(
            (parse_repository, text)
            for text in ("ftp://x", "https://", "https://x y", "https://x\ndeb http://y")
        ),
    ],
)
def test_setup_refuses_the_rest(read: Callable[[str], object], text: str) -> None:
    """An invalid port, size or URL is a usage error."""
    with pytest.raises(UsageError):
        read(text)


def test_a_mirror_s_password_does_not_belong_into_its_url() -> None:
    """A password in the mirror's URL is refused: all users of the server could read it."""
    with pytest.raises(UsageError) as caught:
        parse_repository("https://me:s3cret@mirror.example.com/linux")
    assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"
    assert "auth.conf.d" in (caught.value.hint or "")


@pytest.mark.parametrize("arguments", [["--name", "tried", "status"], ["status", "--name", "tried"]])
def test_a_sandbox_is_named_before_or_after_the_subcommand(
    cli: Cli, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ftl sandbox --name x status` is `ftl sandbox status --name x`."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    outcome = cli(["sandbox", *arguments, "--json"])
    assert (outcome.result["name"], outcome.result["state"]) == ("tried", "absent")


def test_the_name_after_the_subcommand_wins(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name after the subcommand wins over the one before it, and both over $FTL_SANDBOX."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("FTL_SANDBOX", "third")
    outcome = cli(["sandbox", "--name", "first", "status", "--name", "second", "--json"])
    assert outcome.result["name"] == "second"
    assert cli(["sandbox", "--name", "first", "status", "--json"]).result["name"] == "first"
    assert cli(["sandbox", "status", "--json"]).result["name"] == "third"


@pytest.mark.parametrize(
    ("since", "words"),
    [(None, "web, db: nothing logged yet"), ("10m", "web, db: nothing logged since 10m")],
)
def test_silent_services(since: str | None, words: str) -> None:
    """`ftl logs` reports that an app has logged nothing."""
    assert nothing_logged(["web", "db"], since) == words


@pytest.mark.parametrize("detach", [[], ["-d"]])
def test_a_time_to_live_has_at_least_a_second(cli: Cli, detach: list[str]) -> None:
    """Less was none: a detached command ran for ever, another one was stopped at once."""
    target = ["--server", "127.0.0.1:1", "run", "--project", "shop"]
    outcome = cli([*target, *detach, "--ttl", "400ms", "web", "--", "true"])
    assert outcome.code == 2
    assert "--ttl: `400ms` is shorter than 1 second" in outcome.err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--page", "gone.html"], "--page: `gone.html` cannot be read: No such file or directory"),
        (["--allow", "office"], "--allow: `office` "),
        (["--allow", "198.51.100.7", "--allow", "198.51.100.0/99"], "--allow: `198.51.100.0/99` "),
    ],
)
def test_a_page_or_an_address_of_maintenance_that_is_wrong(cli: Cli, words: list[str], error: str) -> None:
    """Nothing is asked of the server then."""
    target = ["--server", "127.0.0.1:1", "maintenance", "on", "--project", "shop"]
    outcome = cli([*target, *words])
    assert (outcome.code, error in outcome.err) == (2, True), outcome.err
