"""The way in which this FTL was installed, and the command that upgrades it."""

from __future__ import annotations

import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ftl.common.json_fields import parse_json
from ftl.dataclass import dataclass

PACKAGE = "ftl-deploy"


@dataclass(frozen=True, slots=True)
class InstalledProgram:
    """Method, place and next step of an installation.

    `method` is `uv tool`, `pipx`, `homebrew`, `file`, `checkout`, `venv` or `system`. `command` is an
    argument list, or empty where only a person can do it; `advice` is then a sentence.
    """

    method: str
    path: Path
    command: tuple[str, ...] = ()
    advice: str = ""

    @property
    def next_step(self) -> str:
        """The command as one types it, or the sentence."""
        return shlex.join(self.command) if self.command else self.advice


def this_installation() -> InstalledProgram:
    """Recognise the running FTL's installer by its files in the environment.

    uv writes `uv-receipt.toml` into the environment of a tool, pipx `pipx_metadata.json`; Homebrew's environments
    lie below `Cellar`; an editable installation has its folder in `direct_url.json` (PEP 610); PyInstaller sets
    `sys.frozen`.
    """
    if getattr(sys, "frozen", False):
        advice = "replace this file with that of the new version"
        return InstalledProgram("file", Path(sys.executable), advice=advice)
    return installation(
        Path(sys.prefix), editable_folder(direct_url_json()), in_environment=sys.prefix != sys.base_prefix
    )


def installation(prefix: Path, checkout: Path | None, *, in_environment: bool) -> InstalledProgram:
    """Recognise the installer of the environment `prefix`.

    `checkout` is the source of an editable installation.
    """
    if checkout is not None:
        return InstalledProgram("checkout", checkout, ("git", "-C", str(checkout), "pull"))
    if (prefix / "uv-receipt.toml").is_file():
        return InstalledProgram("uv tool", prefix, ("uv", "tool", "upgrade", PACKAGE))
    if (prefix / "pipx_metadata.json").is_file():
        return InstalledProgram("pipx", prefix, ("pipx", "upgrade", PACKAGE))
    if "Cellar" in prefix.parts:
        return InstalledProgram("homebrew", prefix, ("brew", "upgrade", PACKAGE))
    if in_environment:
        python = str(prefix / "bin" / "python")
        if any(prefix.glob("lib/python3*/site-packages/pip")):
            return InstalledProgram("venv", prefix, (python, "-m", "pip", "install", "--upgrade", PACKAGE))
        return InstalledProgram(
            "venv", prefix, ("uv", "pip", "install", "--python", python, "--upgrade", PACKAGE)
        )
    return InstalledProgram("system", prefix, advice="upgrade it with the package manager that installed it")


def direct_url_json() -> str | None:
    """URL of the package, as its installer recorded it (PEP 610's direct_url.json)."""
    try:
        return distribution(PACKAGE).read_text("direct_url.json")
    except PackageNotFoundError:
        return None


def editable_folder(direct_url: str | None) -> Path | None:
    """The folder of the source, if its URL says that the installation is editable."""
    try:
        fields = parse_json(direct_url or "null")
    except ValueError:
        return None
    if not isinstance(fields, dict) or not isinstance(url := fields.get("url"), str):
        return None
    details = fields.get("dir_info")
    if not isinstance(details, dict) or details.get("editable") is not True:
        return None
    return Path(unquote(urlsplit(url).path))
