"""ftl.yaml -> Project."""

from ftl.config.models import Build, Dependency, HealthCheck, Hook, Project, Proxy, Route, Server, Service

__all__ = ["Build", "Dependency", "HealthCheck", "Hook", "Project", "Proxy", "Route", "Server", "Service"]
