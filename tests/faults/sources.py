"""Files of the projects of a fault-test world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCKERFILE = """\
FROM ftl-lab-busybox:latest
RUN --mount=type=secret,id=TOKEN :
COPY www /www
CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]
"""

REGISTRY_USER = "me"


class Sources:
    """Files of projects on one server.

    Args:
        name: Name of the project under test.
        server: The section `server` of their ftl.yaml.
        registry: Host of a registry with the image of one more service, or None.
    """

    def __init__(self, name: str, server: Mapping[str, object], registry: str | None) -> None:
        self._name = name
        self._server = server
        self._registry = registry

    def version(self, number: int, secrets: Mapping[str, str]) -> dict[str, Any]:
        """A version of the project under test; `secrets` are the values of its .env."""
        services: list[dict[str, object]] = [
            self.service(
                "web", routes=["/"], replicas=2, hooks={"pre": "sleep 0.3"}, env={"PASSWORD": "${PASSWORD}"}
            ),
            self.service("web-x", routes=["/x"]),
            {
                "name": "worker",
                "build": {"context": "app", "secrets": ["TOKEN"]},
                "command": "sleep 100000",
                "stop_timeout": 1,
            },
            self.service("solo", recreate=True),
        ]
        config = self.files(self._name, f"v{number}", services)
        if self._registry is not None:
            image = f"{self._registry}/team/side:v{number % 2}"
            services.append({"name": "side", "image": image, "command": "sleep 100000", "stop_timeout": 1})
            config["ftl.yaml"]["registries"] = [
                {"server": self._registry, "username": REGISTRY_USER, "password": "${LOGIN}"}
            ]
        config["ftl.yaml"]["dependencies"] = [
            {
                "name": "db",
                "image": f"ftl-lab-{self._name}-db:1",
                "volumes": ["data:/data"],
                "env": {"VERSION": f"v{number}"},  # each deploy replaces it
            }
        ]
        config["ftl.yaml"]["jobs"] = [
            {"name": "tick", "service": "worker", "command": ["sleep", "2"], "schedule": "0 0 1 1 *"}
        ]
        env = "".join(f"{key}={_quoted(value)}\n" for key, value in secrets.items())
        return {**config, ".env": env}

    def service(self, name: str, *, secret: bool = True, **more: object) -> dict[str, object]:
        """A service of ftl.yaml that answers HTTP."""
        build = {"context": "app", "secrets": ["TOKEN"]} if secret else "app"
        fixed = {"build": build, "port": 8000, "stop_timeout": 1, "drain_timeout": "3s"}
        return {"name": name, **fixed, **more}

    def files(self, name: str, version: str, services: list[dict[str, object]]) -> dict[str, Any]:
        """Files of a project whose pages say its version."""
        config = {
            "project": {"name": name, "domain": f"{name}.example.com"},
            "server": self._server,
            "services": services,
            "proxy": {"tls": "off"},
        }
        pages = {f"app/www/{path}index.html": version for path in ("", "x/")}
        return {"ftl.yaml": config, "app/Dockerfile": DOCKERFILE, **pages}


def with_backups(files: Mapping[str, Any]) -> dict[str, Any]:
    """Files of a project, with a Redis that the server backs up once a year."""
    more = {
        "dependencies": [{"name": "cache", "image": "ftl-lab-redis:latest", "volumes": ["cache:/data"]}],
        "backups": [{"dependency": "cache", "schedule": "0 0 1 1 *"}],
    }
    return {**files, "ftl.yaml": {**files["ftl.yaml"], **more}}


def _quoted(secret: str) -> str:
    """A planted secret as .env has it in double quotes."""
    escaped = secret.replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
