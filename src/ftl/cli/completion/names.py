"""Names that a key press completes: those in ftl.yaml, and those that were seen before.

Nothing here may take long: a key press waits for it. So ftl.yaml is parsed and not checked, and releases and servers
are those that a command on this machine has seen.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # like typing's, without importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import yaml

    Finder = Callable[["ProjectNames"], Iterable[str]]

BACKUP_JOB = "backup."
"""`ftl.config.models.backup.JOB_PREFIX`, whose import takes longer than a key press may."""


class ProjectNames:
    """Names of the things of a project, as far as its ftl.yaml can be read."""

    def __init__(self, file: str) -> None:
        self.file = file

    def names(self, *sections: str, key: str = "name") -> list[str]:
        """Names of the items of lists at the top of the file, also of short forms (`postgres:16`)."""
        # Not by ftl.config: its models take longer to import than a key press may last.
        import yaml

        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        root = yaml.compose(self._content(), Loader=loader)
        lists = [_value(root, section) for section in sections]
        items = [item for each in lists if isinstance(each, yaml.SequenceNode) for item in each.value]
        found = [_value(item, key) if isinstance(item, yaml.MappingNode) else item for item in items]
        return [
            name.value.rpartition("/")[2].partition(":")[0]
            for name in found
            if isinstance(name, yaml.ScalarNode)
        ]

    def project(self) -> str:
        """The project's name."""
        import re

        match = re.search(
            r"^project:\s*(?:#.*)?\n(?:[ \t].*\n)*?[ \t]+name:[ \t]*[\"']?([a-z0-9_-]+)",
            self._content().decode(),
            re.M,
        )
        return match[1] if match else ""

    def _content(self) -> bytes:
        from ftl.common.files import read_small_file

        return read_small_file(self.file)

    def environments(self) -> list[str]:
        """Names of environments: of files ftl.NAME.yaml, and of previews that were seen."""
        import re

        folder = os.path.dirname(self.file) or "."  # noqa: PTH120
        matches = [re.fullmatch(r"ftl\.([A-Za-z0-9_-]+)\.yaml", name) for name in os.listdir(folder)]  # noqa: PTH208
        return [
            *sorted(match[1] for match in matches if match and match[1] != "preview"),
            *(f"preview/{name}" for name in self.seen("previews")),
        ]

    def seen(self, kind: str) -> list[str]:
        """Releases, previews or servers that earlier commands have seen."""
        from ftl.cli.completion.seen import seen

        return seen(kind if kind == "servers" else f"{kind}:{self.project()}")

    def releases(self) -> list[str]:
        """Releases that earlier commands have seen."""
        return self.seen("releases")

    def servers(self) -> list[str]:
        """Servers: the sandbox, this machine, and those that earlier commands have used."""
        return ["sandbox", "local", *self.seen("servers")]

    def sandboxes(self) -> list[str]:
        """Sandboxes that there are on this machine."""
        from ftl.server.sandbox.home import Home

        home = Home.of()
        return sorted({home.name, *home.others()})


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    import yaml

    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for name, value in pairs if name.value == key), None)


def _listed(*sections: str) -> Finder:
    return lambda things: things.names(*sections)


services = _listed("services")
services_and_dependencies = _listed("services", "dependencies")
dependencies = _listed("dependencies")


def jobs(things: ProjectNames) -> Iterable[str]:
    """Jobs, and those that make backups."""
    backups = things.names("backups", key="dependency")
    return [*things.names("jobs"), *(f"{BACKUP_JOB}{name}" for name in backups)]


def scales(things: ProjectNames) -> Iterable[str]:
    """Services, for their numbers."""
    return [f"{name}=" for name in things.names("services")]


ARGUMENTS: dict[str, Finder] = {
    "backup": dependencies,
    "build": services,
    "deploy": services,
    "exec": services_and_dependencies,
    "logs": services_and_dependencies,
    "plan": services,
    "restart": services,
    "restore": dependencies,
    "rollback": ProjectNames.releases,
    "run": services,
    "scale": scales,
    "start": services,
    "stop": services,
    "tunnels": dependencies,
}
"""Command -> values of its first argument; the others are left to click."""

SEVERAL = frozenset({"build", "deploy", "logs", "plan", "restart", "scale", "start", "stop", "tunnels"})
"""Commands that take several of them."""

GLOBAL_OPTIONS: dict[str, Finder] = {
    "env": ProjectNames.environments,
    "server": ProjectNames.servers,
}
"""Global option -> its values; that of the other one is a file."""
