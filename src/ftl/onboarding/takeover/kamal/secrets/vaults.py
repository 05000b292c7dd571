"""Kamal's `kamal secrets fetch` and `extract`, as commands of the vaults' tools. Pure."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

_FETCH = re.compile(r"\$\(\s*kamal secrets fetch ((?:\"[^\"$`]*\"|'[^']*'|[^$`|&;<>()\"'])+)\)")
_EXTRACT = re.compile(
    r"\$\(\s*kamal secrets extract ([\"']?)([^$`|&;<>()\"']+)\1 [\"']?\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?[\"']?\s*\)"
)
_OPTIONS = {"-a": "--adapter"}
SIGN_IN = {
    "op": "`op signin` or OP_SERVICE_ACCOUNT_TOKEN",
    "bw": "BW_SESSION, which `bw unlock` prints",
    "bws": "BWS_ACCESS_TOKEN",
    "lpass": "`lpass login`",
    "doppler": "`doppler login` or DOPPLER_TOKEN",
    "aws": "`aws sso login` or its variables",
    "gcloud": "`gcloud auth login`",
}
"""Tool of a vault -> what it needs before a deploy, as it cannot ask; sops has its keys."""


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

    @property
    def paths(self) -> tuple[str, ...]:
        """The secrets with the place that all are in."""
        return tuple(f"{self.start}/{name}".strip("/").removeprefix("op://") for name in self.names)

    def path_of(self, name: str) -> tuple[str, ...]:
        """Path of a secret that is extracted by its path, or by the end of it.

        Empty where it is not fetched.
        """
        found = next((path for path in self.paths if path == name or path.endswith(f"/{name}")), "")
        if not self.names and self.start:
            found = f"{self.start}/{name}".removeprefix("op://")
        return tuple(found.split("/")) if found else ()

    def whole_of(self, name: str) -> tuple[str, str]:
        """The fetched secret that has a value of this name inside, and its key there; empty without one."""
        for path in self.paths:
            if name.startswith(f"{path}/") and name.count("/") == path.count("/") + 1:
                return path, name.rpartition("/")[2]
        return (self.paths[0], name) if len(self.paths) == 1 and "/" not in name else ("", "")


def vault_source(value: str, variables: Mapping[str, str]) -> dict[str, object] | None:
    """Source that prints one secret of a vault; None for other values and vaults.

    Args:
        value: A line's value in `.kamal/secrets`: `$(kamal secrets extract NAME $SECRETS)`.
        variables: The values of all lines, with the one that fetches.
    """
    extract = _EXTRACT.fullmatch(value)
    fetch = _fetch(variables.get(extract[3], "")) if extract is not None else None
    if extract is None or fetch is None:
        return None
    name = extract[2].strip()
    match fetch.adapter:
        case "aws_secrets_manager" | "aws_secretsmanager":
            return _aws(fetch, name)
        case "bitwarden-sm" | "bitwarden_secrets_manager":
            return _bitwarden_project(fetch, name)
        case _:
            command = _command(fetch, fetch.path_of(name), name)
            return {"command": command} if command is not None else None


def _command(fetch: _Fetch, path: tuple[str, ...], name: str) -> list[str] | None:
    match fetch.adapter, path:
        case ("1password" | "one_password", (_, _, *_)):
            reference = "/".join(path if len(path) > 2 else (*path, "password"))
            return ["op", "read", f"op://{reference}", *_option("--account", fetch.account)]
        case ("doppler", (project, config, secret)):
            return ["doppler", "secrets", "get", secret, "--plain", "-p", project, "-c", config]
        case ("doppler", (secret,)):
            return ["doppler", "secrets", "get", secret, "--plain"]
        case ("lastpass" | "last_pass", (_, *_)):
            return ["lpass", "show", "--password", "/".join(path)]
        case ("bitwarden", (item,)):
            return ["bw", "get", "password", item]
        case ("bitwarden", (item, field)) if not {*"'\"\\"} & {*item, *field}:
            chosen = f"jq -er '.fields[] | select(.name == \"{field}\").value'"
            return ["sh", "-c", f"bw get item {shlex.quote(item)} | {chosen}"]
        case ("gcp" | "gcp_secret_manager", (_, *_)) if len(path) <= 3:
            return _gcloud(fetch, path)
        case ("sops", _) if fetch.start and not {*"'\"\\"} & {*name}:
            inner = "".join(f'["{key}"]' for key in name.removeprefix(f"{fetch.start}/").split("/"))
            return ["sops", "-d", "--extract", inner, fetch.start]
    return None


def _gcloud(fetch: _Fetch, path: tuple[str, ...]) -> list[str]:
    """Secrets are SECRET, PROJECT/SECRET or PROJECT/SECRET/VERSION."""
    project, secret, version = (*(("default", *path) if len(path) == 1 else path), "latest")[:3]
    user, _, chain = fetch.account.partition("|")
    words = ["gcloud", "secrets", "versions", "access", version, f"--secret={secret}"]
    words += [f"--project={project}"] if project != "default" else []
    words += [f"--account={user}"] if user not in ("", "default") else []
    return words + ([f"--impersonate-service-account={chain}"] if chain else [])


def _aws(fetch: _Fetch, name: str) -> dict[str, object] | None:
    """A secret of plain text, or a value of one that is a JSON object, as Kamal names them."""
    whole, key = "/".join(fetch.path_of(name)) if fetch.names else "", ""
    if not whole:
        whole, key = fetch.whole_of(name)
    if not whole:
        return None
    command = ["aws", "secretsmanager", "get-secret-value", "--secret-id", whole, "--query", "SecretString"]
    command += ["--output", "text", *_option("--profile", fetch.account)]
    return {"command": command, **({"format": "json", "key": key} if key else {})}


def _bitwarden_project(fetch: _Fetch, name: str) -> dict[str, object] | None:
    """A secret by its key; one that is fetched by its ID has a key that only the vault knows."""
    if len(fetch.paths) != 1 or fetch.paths[0].rpartition("/")[2] != "all":
        return None
    project = fetch.paths[0].rpartition("/")[0]
    command = ["bws", "secret", "list", *([project] if project else []), "-o", "env"]
    return {"command": command, "format": "dotenv", "key": name}


def _option(name: str, value: str) -> list[str]:
    return [name, value] if value else []


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
        options[_OPTIONS.get(option, option)] = own if equals else next(rest, "")
    adapter = options.pop("--adapter", "")
    account, start = options.pop("--account", ""), options.pop("--from", "").rstrip("/")
    if not adapter or options:  # none, or one that is not known here
        return None
    return _Fetch(adapter, account, start, tuple(names))
