"""Configuration: ftl.yaml and the files it names -> Project."""

from ftl.config.dump import dump
from ftl.config.loading import load, load_address
from ftl.config.models.project import (
    Build,
    BuildSecret,
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

__all__ = [
    "Build",
    "BuildSecret",
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
    "dump",
    "env_files",
    "load",
    "load_address",
    "read_variables",
]
