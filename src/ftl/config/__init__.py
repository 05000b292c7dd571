"""Configuration: ftl.yaml and the files it names -> Project."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ftl.config.loading import load, load_address
    from ftl.config.models.project import (
        Build,
        BuildSecret,
        ClusterServer,
        ContainerHealthCheck,
        ContainerOptions,
        Dependency,
        HealthCheck,
        Hook,
        Hooks,
        Job,
        Project,
        ProjectInfo,
        Proxy,
        Redirect,
        Registry,
        Route,
        Secret,
        Server,
        Service,
        UlimitOption,
    )
    from ftl.config.values.bindings import Forward, VolumeMount
    from ftl.config.variables.sources import Variables, env_files, read_variables

_MODULE_OF_NAME = {
    "load": "loading",
    "load_address": "loading",
    "Forward": "values.bindings",
    "VolumeMount": "values.bindings",
    "Variables": "variables.sources",
    "env_files": "variables.sources",
    "read_variables": "variables.sources",
}
"""Exported name -> module, for those that are not of `models.project`."""

__all__ = [
    "Build",
    "BuildSecret",
    "ClusterServer",
    "ContainerHealthCheck",
    "ContainerOptions",
    "Dependency",
    "Forward",
    "HealthCheck",
    "Hook",
    "Hooks",
    "Job",
    "Project",
    "ProjectInfo",
    "Proxy",
    "Redirect",
    "Registry",
    "Route",
    "Secret",
    "Server",
    "Service",
    "UlimitOption",
    "Variables",
    "VolumeMount",
    "env_files",
    "load",
    "load_address",
    "read_variables",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Import the module of a name when the name is asked for: loading all of them takes 70 ms."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_MODULE_OF_NAME.get(name, 'models.project')}"), name)
