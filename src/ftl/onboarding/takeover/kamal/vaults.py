"""Kamal's `kamal secrets fetch` and `extract`, as commands of `op` and `doppler`. Pure."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

_FETCH = re.compile(r"\$\(kamal secrets fetch ([^$`|&;<>()]+)\)")
_EXTRACT = re.compile(
    r"\$\(kamal secrets extract [\"']?([^$`|&;<>()\"'\s]+)[\"']? [\"']?\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?[\"']?\)"
)


@dataclass(frozen=True, slots=True)
class _Fetch:
    """Values that a `kamal secrets fetch` reads.

    Attributes:
        start: Where its secrets are: "VAULT/ITEM", "PROJECT/CONFIG"; empty where each says it.
        names: The secrets; empty for all that are there.
    """

    adapter: str
    account: str
    start: str
    names: tuple[str, ...]

    def path_of(self, name: str) -> tuple[str, ...]:
        """Path of a secret that is extracted by its name, or by the end of its path.

        Empty where it is not fetched.
        """
        found = next((each for each in self.names if each == name or each.endswith(f"/{name}")), "")
        if self.names and not found:
            return ()
        path = f"{self.start}/{found or name}".strip("/").removeprefix("op://")
        return tuple(path.split("/"))


def vault_command(value: str, variables: Mapping[str, str]) -> list[str] | None:
    """Command that prints one secret of 1Password or Doppler; None for other values and vaults.

    Args:
        value: A line's value in `.kamal/secrets`: `$(kamal secrets extract NAME $SECRETS)`.
        variables: The values of all lines, with the one that fetches.
    """
    extract = _EXTRACT.fullmatch(value)
    fetch = _fetch(variables.get(extract[2], "")) if extract is not None else None
    path = fetch.path_of(extract[1]) if extract is not None and fetch is not None else ()
    if fetch is None or len(path) < 2:
        return None
    match fetch.adapter:
        case "1password" | "one_password":
            reference = "/".join(path if len(path) > 2 else (*path, "password"))
            account = ["--account", fetch.account] if fetch.account else []
            return ["op", "read", f"op://{reference}", *account]
        case "doppler" if len(path) == 3:
            project, config, name = path
            return ["doppler", "secrets", "get", name, "--plain", "-p", project, "-c", config]
    return None


def _fetch(value: str) -> _Fetch | None:
    match = _FETCH.fullmatch(value.strip("\"'"))
    try:
        words = shlex.split(match[1]) if match is not None else []
    except ValueError:
        return None
    options: dict[str, str] = {}
    names: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            names.append(word)
            continue
        option, equals, own = word.partition("=")
        options[option] = own if equals else next(rest, "")
    adapter = options.pop("--adapter", "") or options.pop("-a", "")
    account, start = options.pop("--account", ""), options.pop("--from", "")
    if not adapter or options:  # none, or one that is not known here
        return None
    return _Fetch(adapter, account, start, tuple(names))
