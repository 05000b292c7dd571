"""Programs of a Go module: the server, workers, and those that are called by hand."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.onboarding.odd_apps import MAIN, SERVES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.onboarding.conftest import Begin

INNER = SERVES.replace("package main", "package server")
MODULE = {"go.mod": "module example.com/shop/v2\n\ngo 1.24\n"}


@pytest.mark.parametrize(
    ("files", "built", "start", "services"),
    [
        ({"main.go": SERVES}, "-o /out/app .\n", "/app/app", ["web"]),
        (
            {"main.go": SERVES, "cmd/worker/main.go": MAIN, "cmd/migrate/main.go": MAIN},
            "-o /out/bin/ . ./cmd/migrate ./cmd/worker\n",
            "/app/bin/shop",
            ["web", "worker"],
        ),
        ({"main.go": MAIN, "cmd/worker/main.go": MAIN}, "-o /out/bin/ . ./cmd/worker\n", "/app/bin/shop", ["web", "worker"]),
        ({"main.go": MAIN, "cmd/server/main.go": SERVES}, "-o /out/bin/ ./cmd/server .\n", "/app/bin/server", ["web"]),
        ({"main.go": MAIN, "internal/server/a.go": INNER, "cmd/mock/main.go": SERVES}, "-o /out/bin/ . ./cmd/mock\n", "/app/bin/shop", ["web"]),
        ({"main.go": MAIN, "cmd/mock/main.go": SERVES, "cmd/web/main.go": SERVES}, "-o /out/bin/ ./cmd/web . ./cmd/mock\n", "/app/bin/web", ["web"]),
        ({"main.go": SERVES, "tools/worker/main.go": MAIN}, "-o /out/app .\n", "/app/app", ["web"]),
        ({"cmd/x/main.go": SERVES, "gen.go": f"//go:build ignore\n\n{MAIN}"}, "-o /out/app ./cmd/x\n", "/app/app", ["web"]),
    ],
)  # fmt: skip
def test_programs(
    begin: Begin, files: Mapping[str, str], built: str, start: str, services: list[str]
) -> None:
    """One at the top does not hide those below `cmd`: its workers were lost."""
    made, project = begin({**MODULE, **files})
    assert built in made.files["Dockerfile"]
    assert f'CMD ["{start}"]' in made.files["Dockerfile"]
    assert [service.name for service in project.services] == services
    migrate = [text for text in made.todo if "/app/bin/migrate" in text]
    assert len(migrate) == ("cmd/migrate/main.go" in files)
