"""Request figures from the access log: the script that counts, and the parser."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from ftl.proxy.access import RequestFigures, parse_figures
from ftl.proxy.commands import request_figures
from ftl.proxy.names import ACCESS_LOG

if TYPE_CHECKING:
    from pathlib import Path


def line(
    service: str = "api",
    *,
    project: str = "shop",
    ago: float = 1,
    status: int = 200,
    seconds: float = 0.01,
    uri: str = "/",
) -> str:
    """An entry as Caddy 2.11 writes it with FTL's settings."""
    return (
        f'{{"ts":{time.time() - ago:f},"request":{{"remote_ip":"203.0.113.7","proto":"HTTP/1.1","method":"GET",'
        f'"host":"shop.test","uri":"{uri}"}},"duration":{seconds:f},"size":20,"status":{status},"ftl":"{project}/{service}"}}\n'
    )


def counted(folder: Path) -> dict[str, RequestFigures]:
    """Figures of the project `shop` in the last 10 seconds, from the log in a folder."""
    argv = request_figures("shop", 10)
    argv[argv.index(ACCESS_LOG)] = str(folder / "access.log")
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20)
    assert done.stderr == ""
    return parse_figures(done.stdout)


def test_requests_are_counted_by_service(tmp_path: Path) -> None:
    """Only the project's, and only the latest; the file before a rotation counts, too."""
    older = [line(seconds=number / 100) for number in range(50)]
    (tmp_path / "access-2026-01-01T00-00-00.000.log").write_text("".join(older))
    log = [line(seconds=number / 100) for number in range(50, 100)]
    log += [line("web", status=503), line("web", status=404), line("web", ago=15)]
    log += [line(project="shop2", status=500), line(project="other"), "cut by a rotat", "\n"]
    (tmp_path / "access.log").write_text("".join(log))
    found = counted(tmp_path)
    assert found.keys() == {"api", "web"}
    assert (found["api"].rate, found["api"].errors) == (10.0, 0.0)
    assert found["api"].p95 == pytest.approx(0.95, rel=0.1)
    assert (found["web"].rate, found["web"].errors) == (0.2, 0.5)
    assert found["web"].p95 == pytest.approx(0.01, rel=0.2)


def test_a_path_cannot_pass_for_another_field(tmp_path: Path) -> None:
    """A quote in it is escaped."""
    text = r"/\"status\":599,\"ftl\":\"shop/web\""
    (tmp_path / "access.log").write_text(line(uri=text) + line(project="other", uri=text))
    found = counted(tmp_path)
    assert found.keys() == {"api"}
    assert found["api"].errors == 0


def test_without_a_log_there_are_no_figures(tmp_path: Path) -> None:
    """As in a proxy that an earlier FTL configured."""
    assert counted(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "web", "web 0 1", "web 0 x 1", "web -1 1 1", "a web 0 1 1"])
def test_other_output_counts_as_nothing(text: str) -> None:
    """Whatever the container prints."""
    assert parse_figures(text) == parse_figures(f"10\n{text}") == {}


def test_the_figures_of_several_proxies_are_those_of_all_requests() -> None:
    """Also where a busy log goes back for a shorter time; a proxy that says nothing changes nothing."""
    both = parse_figures("10\nweb 0 8 90\nweb 1 40 10", "", "5\nweb 0 8 100\napi 0 8 10")
    assert (both["web"].rate, both["web"].errors) == (30.0, 0.05)
    assert both["web"].p95 == parse_figures("1\nweb 0 8 1")["web"].p95
    assert both["api"].rate == 2.0


def test_a_busy_log_is_read_for_a_shorter_time(tmp_path: Path) -> None:
    """Of more lines than are read, the rate is that of the time that these lines take."""
    (tmp_path / "access.log").write_text("".join(line(ago=9 - number / 1000) for number in range(8000)))
    assert counted(tmp_path)["api"].rate == pytest.approx(5000 / 6, rel=0.35)
