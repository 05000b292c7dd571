"""Generator of docs/architecture.svg: the packages of src/ftl, by the linter's layers."""

from __future__ import annotations

import tomllib
from pathlib import Path
from xml.sax.saxutils import escape

_ROOT = Path(__file__).resolve().parent.parent
FILE = _ROOT / "docs" / "architecture.svg"

_WORDS = {
    "cli": "one file per command: read options, call one function, choose the exit code",
    "ui": "events → terminal, plain lines or JSON lines",
    "operations": "after a deploy: rollback, exec, logs, status, ...",
    "deploy": "observe → plan → apply",
    "server": "setup, doctor, cluster",
    "onboarding": "init, imports",
    "tunnels": "local ports that lead to dependencies",
    "health": "probe, wait",
    "host": "session",
    "notifications": "",
    "releases": "records",
    "image": "build, transfer, registries",
    "proxy": "routes, switch, drain, TLS",
    "locks": "who may change what",
    "ssh": "OpenSSH: connection, commands, forwards",
    "engine": "the Docker Engine API, local or forwarded",
    "config": "ftl.yaml → Project",
    "child": "", "databases": "", "execution": "", "spawn": "",
    "aio": "", "common": "", "events": "", "errors": "", "dataclass": "",
}  # fmt: skip
"""Name of a package or module -> its description. A name that is missing here is an error."""

_LEFT, _WIDTH, _ROW, _GAP = 70, 730, 40, 10
_LEAVES = "config"
"""From this layer down, what every package may use."""


def page() -> str:
    """The picture. Layers of single modules without a description share a row.

    Raises:
        KeyError: A package has no description in this module.
    """
    rows = _rows()
    height = 16 + len(rows) * (_ROW + _GAP) + 6
    shade = "#ffffff"
    boxes = []
    for number, names in enumerate(rows):
        shade = "#f1f1ee" if _LEAVES in names else shade
        boxes += _boxes(names, 16 + number * (_ROW + _GAP), shade)
    label = "The packages of src/ftl, from cli at the top to the leaves at the bottom. Imports go down only."
    bottom = height - 16
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 {height}" width="820" height="{height}" '
            f'role="img" aria-label="{label}">',
            "<style>",
            "  text { font-family: Helvetica, Arial, sans-serif; fill: #1f2328; font-size: 14px }",
            "  .n { font-weight: bold }",
            "  .t { fill: #57606a; font-size: 13px }",
            "</style>",
            f'<rect width="820" height="{height}" fill="#ffffff"/>',
            f'<line x1="48" y1="20" x2="48" y2="{bottom - 10}" stroke="#57606a" stroke-width="2"/>',
            f'<path d="M41 {bottom - 14} L48 {bottom} L55 {bottom - 14} Z" fill="#57606a"/>',
            f'<text class="t" transform="translate(34 {height // 2}) rotate(-90)" text-anchor="middle">'
            "imports go down only, never up and never sideways</text>",
            *boxes,
            "</svg>",
            "",
        ]
    )


def _rows() -> list[list[str]]:
    """The names in each row, from the layers contract of the whole program."""
    contracts = tomllib.loads((_ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each.get("containers") == ["ftl"])
    rows: list[list[str]] = []
    for layer in layers:
        names = [name.strip() for name in layer.split("|")]
        if names == ["__main__"]:
            continue
        is_described = any(_WORDS[name] for name in names)
        if is_described or not rows or any(_WORDS[name] for name in rows[-1]):
            rows.append(names)
        else:
            rows[-1] += names
    return rows


def _boxes(names: list[str], top: int, shade: str) -> list[str]:
    """The boxes of a row: one each for described names, one for all others."""
    texts = [(name, _WORDS[name]) for name in names]
    if not any(words for _, words in texts):
        texts = [(", ".join(names), "")]
    width = (_WIDTH - _GAP * (len(texts) - 1)) / len(texts)
    drawn = []
    for number, (name, words) in enumerate(texts):
        left = _LEFT + number * (width + _GAP)
        fill = "#dbe9fb" if name == "deploy" else shade
        more = f'<tspan class="t" dx="10">{escape(words)}</tspan>' if words else ""
        drawn += [
            f'<rect x="{left:g}" y="{top}" width="{width:g}" height="{_ROW}" rx="5" fill="{fill}" stroke="#57606a"/>',
            f'<text x="{left + 12:g}" y="{top + 25}"><tspan class="n">{name}</tspan>{more}</text>',
        ]
    return drawn
