"""Parts of ftl.yaml: the keys that a command reads, where it does not read all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Set

    from ftl.config.yaml.locations import KeyPath
    from ftl.config.yaml.tree import MappingNode


@dataclass(frozen=True, slots=True)
class Parts:
    """Keys of ftl.yaml with all that is below them: "server", "services.name".

    A key in no part is not read: its value may be wrong, and no variable in it has to be set. In the project it then
    has its default, or is empty; so whoever reads parts names every key that is used.

    Attributes:
        keys: Empty: the whole file.
    """

    keys: frozenset[str] = frozenset()

    @property
    def sections(self) -> frozenset[str]:
        """The keys at the top of the file that they are in."""
        return frozenset(key.partition(".")[0] for key in self.keys)

    def have(self, path: KeyPath) -> bool:
        """Whether a key is one of these, below one, or leads to one; list indexes do not count."""
        if not self.keys:
            return True
        name = ".".join(step for step in path if isinstance(step, str))
        return any(f"{name}.".startswith(f"{key}.") or key.startswith(f"{name}.") for key in self.keys)

    def without(self, key: str) -> Parts:
        """Copy the parts without one of the keys."""
        return Parts(self.keys - {key})

    def __or__(self, keys: Set[str]) -> Parts:
        """Copy the parts with more keys."""
        return Parts(self.keys | keys)

    def of(self, mapping: MappingNode, path: KeyPath, known: Collection[str]) -> MappingNode:
        """A section of the file without its other known keys.

        One that is not known may be meant for a key that is read, and is reported later.
        """
        others = [name for name in mapping.entries if name in known and not self.have((*path, name))]
        return mapping.replace(dict.fromkeys(others)) if others else mapping


WHOLE = Parts()


@dataclass(frozen=True, slots=True)
class Fetch:
    """The secrets that a command fetches: those that parts of ftl.yaml use.

    Attributes:
        names: Services, with their jobs, and dependencies that count; None: all.
        of_others: The keys of other services and dependencies that count, too.
    """

    parts: Parts = WHOLE
    names: frozenset[str] | None = None
    of_others: frozenset[str] = frozenset()

    @property
    def is_whole(self) -> bool:
        """Whether every use counts, also one that nothing but .env has."""
        return not self.parts.keys and self.names is None

    def of(self, section: str, name: str) -> Parts | None:
        """The parts of an item in a section that count; None: no part of it.

        `name` is its service or dependency; empty where that is not known: it counts then.
        """
        if self.names is not None and section.startswith("x-"):
            return None  # it counts where its aliases are
        if self.names is None or section not in _NAMED or not name or name in self.names:
            return self.parts
        return Parts(self.of_others) if self.of_others else None


_NAMED = ("services", "dependencies", "jobs")

ALL_SECRETS = Fetch()


def secrets_of(names: Collection[str]) -> Fetch:
    """The secrets for a deploy of these services and dependencies; without names, of all.

    The other dependencies with a `build` are built, too.
    """
    if not names:
        return ALL_SECRETS
    return Fetch(names=frozenset(names), of_others=frozenset({"dependencies.build", "dependencies.image"}))


ADDRESS = Parts(frozenset({"project.name", "server", "servers", "protected"}))
"""Parts for every command that reads the project from its servers, not from ftl.yaml."""

LOGINS = ADDRESS | {"registries", "services.image", "dependencies.image"}
"""Parts whose secrets `ftl setup` needs, for the registries."""

BUILDS = LOGINS | {"services.build", "services.path", "dependencies.build"}
"""Parts whose secrets a build needs: those of containers may be out of its reach, as in CI."""

NAMES = Parts(
    frozenset({"project.name", "services.name", "dependencies.name", "jobs.name", "backups.dependency"})
)
"""Parts for `ftl logs`."""

DEPENDENCIES = Parts(
    frozenset({"project.name", "dependencies.name", "dependencies.ports", "dependencies.on"})
)
"""Parts for `ftl tunnels`."""

IMAGES = Parts(frozenset({"project.name", "dependencies.name", "dependencies.image"}))
"""Parts for `ftl backup` that is to say which databases there are."""

UNITS = NAMES | {
    "project.domain",
    "proxy.tls",
    "services.port",
    "services.protocol",
    "services.replicas",
    "services.routes",
    "services.health_check",
    "dependencies.ports",
    "backups.path",
    *(
        f"{units}.container.health_check.{time}"  # its command is for the container's own engine
        for units in ("services", "dependencies")
        for time in ("interval", "timeout", "retries", "start_period")
    ),
}
"""Parts for `ftl status`: health checks of containers, and all printed settings."""

CHECKED = UNITS | {
    "project.email",
    "proxy",
    "services.image",
    "services.build.on",
    "services.forwards",
    "dependencies.image",
    "dependencies.build.on",
}
"""Parts for `ftl doctor`: all that it checks."""
