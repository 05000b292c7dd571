"""Packages that load their parts when they are asked for: every name that they promise is there."""

from __future__ import annotations

from importlib import import_module

import pytest

PACKAGES = ["ftl.deploy", "ftl.image", "ftl.image.registry", "ftl.server.setup"]


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
