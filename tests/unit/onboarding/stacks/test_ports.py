"""Ports in the code, and apps that nobody reaches there."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.onboarding.odd_apps import using

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.unit.onboarding.conftest import Begin

REDIS = '&redis.Options{Addr: "localhost:6379"}'
MAIN = "package main\nfunc main() { %s }\n"


def go(code: str) -> dict[str, str]:
    """A program of Go."""
    return {"go.mod": "module x\n\ngo 1.24\n", "main.go": MAIN % code}


def node(code: str, package: str = "express") -> dict[str, str]:
    """A server of Node."""
    return {**using(package, start="node a.js"), "a.js": code}


@pytest.mark.parametrize(
    ("files", "port"),
    [
        (go('srv := &http.Server{Addr: ":9000", Handler: h}; srv.ListenAndServe()'), 9000),
        (go('addr := flag.String("addr", ":4000", "x"); http.ListenAndServe(*addr, nil)'), 4000),
        (go('r.Run("localhost:8081")'), 8081),
        (
            {
                **go("http.ListenAndServe(addr, nil)"),
                "main.go": 'package main\nconst addr = ":9100"\nfunc main() { http.ListenAndServe(addr, nil) }\n',
            },
            9100,
        ),
        (go(f'c := redis.NewClient({REDIS}); _ = c; http.ListenAndServe(":9001", nil)'), 9001),
        ({**go('s := http.Server{Addr: ":9002"}; s.ListenAndServe()'), "cache/redis.go": f"package cache\nvar O = {REDIS}\n"}, 9002),
        ({**go("serve()"), "cache.go": f"package main\nvar o = {REDIS}\n"}, 8080),
        (go('a := flag.String("addr", "db:5432", "x"); r.Run(":9003")'), 9003),
        (node("const PORT = 5000;\napp.listen(PORT, () => {});\n"), 5000),
        (node("const port: number = 5001\napp.listen(port)\n"), 5001),
        (node("const port = Number('5002')\nfastify.listen({ port, host: '0.0.0.0' })\n", "fastify"), 5002),
        (node("const port = process.env.PORT || 5003\napp.listen(port)\n"), 3000),
        (node("app.listen(config.port)\n"), 3000),
    ],
)  # fmt: skip
def test_ports(begin: Begin, files: Mapping[str, str], port: int) -> None:
    """Also behind a name, and in the settings of a server."""
    assert begin(files)[1].services[0].port == port


@pytest.mark.parametrize(
    ("files", "word"),
    [
        (go('r.Run("localhost:8080")'), 'leave the host out in `Run("localhost` of main.go'),
        (go('http.ListenAndServe("127.0.0.1:8080", nil)'), "leave the host out"),
        (go('s := http.Server{Addr: "localhost:8080"}; s.ListenAndServe()'), "leave the host out"),
        (go('http.ListenAndServe(":8080", nil)'), ""),
        (go(f'c := redis.NewClient({REDIS}); http.ListenAndServe(":8080", nil)'), ""),
        (go('c := queue.Start("localhost:6379"); http.ListenAndServe(":8080", nil)'), ""),
        (node("fastify.listen({ port: 3000 })", "fastify"), "write `host: '0.0.0.0'` in `.listen({ port: 3000 }` of a.js"),
        (node("fastify.listen({ port: 3000, host: '0.0.0.0' })", "fastify"), ""),
        (node("fastify.listen({ port: 3000, host: 'localhost' })", "fastify"), "write `host: '0.0.0.0'`"),
        (node("app.listen({ port: 3000 })", "koa"), ""),
        (node("app.listen(3000, '127.0.0.1')"), "write `host: '0.0.0.0'`"),
        (node("app.listen(3000, () => console.log('http://localhost:3000'))"), ""),
    ],
)  # fmt: skip
def test_the_loopback_address(begin: Begin, tmp_path: Path, files: Mapping[str, str], word: str) -> None:
    """The proxy and the check do not reach it: the first deploy failed."""
    start, _ = begin(files)
    told = [text for text in start.todo if "loopback" in text]
    assert len(told) == bool(word)
    assert all(text.startswith(word) for text in told)
    assert all(f"    # {text}\n" in (tmp_path / "shop" / "ftl.yaml").read_text() for text in told)
