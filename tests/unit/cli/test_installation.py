"""How FTL was installed, by what installers leave."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ftl.cli.installation import editable_folder, installation

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Cli


@pytest.mark.parametrize(
    ("file", "method", "next_step"),
    [
        ("uv-receipt.toml", "uv tool", "uv tool upgrade ftl-deploy"),
        ("pipx_metadata.json", "pipx", "pipx upgrade ftl-deploy"),
        (
            "lib/python3.12/site-packages/pip/__init__.py",
            "venv",
            "PREFIX/bin/python -m pip install --upgrade ftl-deploy",
        ),
        ("pyvenv.cfg", "venv", "uv pip install --python PREFIX/bin/python --upgrade ftl-deploy"),
    ],
)
def test_each_installer_upgrades_what_it_installed(
    tmp_path: Path, file: str, method: str, next_step: str
) -> None:
    """The receipt in the environment decides which command upgrades it."""
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).touch()
    found = installation(tmp_path, None, in_environment=True)
    assert (found.method, found.next_step) == (method, next_step.replace("PREFIX", str(tmp_path)))


def test_homebrew_and_the_system_upgrade_theirs(tmp_path: Path) -> None:
    """An environment below Cellar is Homebrew's; without an environment it is the system's package."""
    cellar = tmp_path / "Cellar" / "ftl-deploy" / "0.1.0" / "libexec"
    assert installation(cellar, None, in_environment=True).command == ("brew", "upgrade", "ftl-deploy")
    assert "package manager" in installation(tmp_path, None, in_environment=False).next_step


@pytest.mark.parametrize(
    ("origin", "folder"),
    [
        ('{"url": "file:///home/a%20b/ftl", "dir_info": {"editable": true}}', "/home/a b/ftl"),
        ('{"url": "file:///home/ftl", "dir_info": {}}', None),
        ('{"url": "file:///home/ftl.whl", "archive_info": {}}', None),
        ("[1]", None),
        ("{", None),
        (None, None),
    ],
)
def test_only_an_editable_installation_is_a_checkout(origin: str | None, folder: str | None) -> None:
    """PEP 610's record names the folder; anything else is none."""
    assert editable_folder(origin) == (Path(folder) if folder else None)


def test_a_checkout_is_pulled(tmp_path: Path) -> None:
    """A checkout is upgraded by git, whatever environment it is installed in."""
    (tmp_path / "uv-receipt.toml").touch()
    found = installation(tmp_path, Path("/home/a b/ftl"), in_environment=True)
    assert found.next_step == "git -C '/home/a b/ftl' pull"


def test_the_command_says_both(cli: Cli) -> None:
    """One line for how, one for the next step."""
    how, next_step = cli(["upgrade"]).out.splitlines()
    assert "installed by" in how
    assert next_step.startswith("upgrade: ")
