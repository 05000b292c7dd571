"""ftl.yaml -> Project."""

from ftl.config.dump import dump
from ftl.config.loading import load
from ftl.config.models.bindings import Forward, VolumeMount
from ftl.config.models.project import (
    Build,
    BuildSecret,
    Container,
    ContainerHealthCheck,
    Dependency,
    HealthCheck,
    Hook,
    Hooks,
    Project,
    ProjectInfo,
    Proxy,
    Redirect,
    Registry,
    Route,
    Server,
    Service,
    Ulimit,
)
from ftl.config.variables import variables

__all__ = [
    "Build",
    "BuildSecret",
    "Container",
    "ContainerHealthCheck",
    "Dependency",
    "Forward",
    "HealthCheck",
    "Hook",
    "Hooks",
    "Project",
    "ProjectInfo",
    "Proxy",
    "Redirect",
    "Registry",
    "Route",
    "Server",
    "Service",
    "Ulimit",
    "VolumeMount",
    "dump",
    "load",
    "variables",
]
