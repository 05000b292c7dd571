"""Packages that load their parts when they are asked for: every name that they promise is there."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

PACKAGES = ["ftl.deploy", "ftl.image", "ftl.image.registry", "ftl.server.setup", "ftl.ssh"]


@pytest.mark.parametrize("package", PACKAGES)
def test_all_names_are_there(package: str) -> None:
    """A wrong module beside a name would be seen by the user of one command first."""
    module = import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None


@pytest.mark.parametrize("package", PACKAGES)
def test_other_names_are_not(package: str) -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = import_module(package).nothing


def test_setting_out_does_not_wait_for_the_event_loops_modules() -> None:
    """Ssh is started before they are loaded; one import too many would undo that, and nobody would notice."""
    program = "import sys; from ftl.ssh import setting_out; print(*{'asyncio', 'aiohttp', 'rich'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
