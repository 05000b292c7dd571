"""Node: its version for an app, and its package managers npm, pnpm, yarn of both kinds, bun."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder


DEFAULT_VERSION = "24"

_LONG_SUPPORTED = tuple(range(24, 2, -2))
_MAJORS = (
    *_LONG_SUPPORTED,
    *range(25, 40),
    *range(23, 3, -2),
)
"""Versions in the order in which one is taken that a range allows."""

_NAMES = {"krypton": "24", "jod": "22", "iron": "20", "hydrogen": "18"}
_PART = re.compile(r"(>=|<=|>|<|\^|~|=)?\s*v?(\d+)(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?")


def node_version(folder: AppFolder) -> tuple[str, str]:
    """The version of Node, and the file that names it."""
    for file, pattern in (
        (".nvmrc", r"v?(\d+)"),
        (".node-version", r"v?(\d+)"),
        (".tool-versions", r"(?m:^node(?:js)?\s+(\d+))"),
    ):
        text = folder.read(file).strip()
        if match := re.search(pattern, text) if file == ".tool-versions" else re.match(pattern, text):
            return match[1], file
        if (name := re.fullmatch(r"lts/(\w+)", text)) and name[1] in _NAMES:
            return _NAMES[name[1]], file
    data = folder.read_json("package.json")
    volta, engines = data.get("volta"), data.get("engines")
    if isinstance(volta, dict) and (match := re.match(r"\d+", str(volta.get("node", "")))):
        return match[0], "volta in package.json"
    wanted = str(engines.get("node", "")).strip() if isinstance(engines, dict) else ""
    if not wanted:
        return DEFAULT_VERSION, "default: no file names one"
    chosen = next((major for major in _MAJORS if allows(wanted, major)), None)
    if chosen is None:
        return DEFAULT_VERSION, f"default: no version is known that fits engines in package.json, {wanted}"
    if str(chosen) == DEFAULT_VERSION:
        return DEFAULT_VERSION, f"engines in package.json allows {wanted}"
    return str(chosen), "engines in package.json"


def allows(wanted: str, major: int) -> bool:
    """Whether a range of npm allows the newest version of a major one."""
    return any(_fits(part.strip(), major) for part in wanted.split("||"))


def _fits(part: str, major: int) -> bool:
    if part in ("", "*", "x", "latest", "node"):
        return True
    if between := re.fullmatch(r"v?(\d+)\S*\s+-\s+v?(\d+)\S*", part):
        return int(between[1]) <= major <= int(between[2])
    limits = list(_PART.finditer(part))
    return bool(limits) and all(_within(limit, major) for limit in limits)


def _within(limit: re.Match[str], major: int) -> bool:
    operator, number, has_minor = limit[1] or "=", int(limit[2]), (limit[3] or "").isdecimal()
    match operator:
        case ">=":
            return major >= number
        case ">":
            return major > number or (major == number and has_minor)
        case "<":
            return major < number
        case "<=":
            return major < number or (major == number and not has_minor)
    return major == number


_NODE_LINKER = re.compile(r"^nodeLinker:\s*[\"']?(?!pnp\b)\w", re.MULTILINE)
"""A setting of Yarn 2 and newer by which packages are in node_modules, where Node and the image look for them."""

_WITHOUT_LINKER = "ENV YARN_NODE_LINKER=node-modules YARN_ENABLE_GLOBAL_CACHE=true"
_OF_LOCK = re.compile(r"^__metadata:\n\s+version: (\d+)", re.MULTILINE)
_PLUG_N_PLAY = (".pnp.*", ".yarn/cache", ".yarn/unplugged", ".yarn/install-state.gz")
"""Files of Yarn's that are of this machine, or stand for node_modules."""


@dataclass(frozen=True, slots=True)
class Manager:
    """A package manager.

    Attributes:
        install: Command that installs what the lock file says, and nothing else.
        cache: Folder of its downloads.
        prune: Command that removes the packages of development.
        prepare: Lines before, for the image that lacks the manager.
        ignored: Lines of .dockerignore.
    """

    name: str
    lock: str
    install: str
    unlocked: str
    cache: str
    run: str
    prune: str
    prepare: str = ""
    ignored: tuple[str, ...] = ()


MANAGERS = (
    Manager(
        "pnpm",
        "pnpm-lock.yaml",
        "pnpm install --frozen-lockfile",
        "pnpm install",
        "/pnpm/store",
        "pnpm run",
        "CI=true pnpm prune --prod --ignore-scripts",
        "ENV PNPM_HOME=/pnpm PATH=/pnpm:$PATH\nRUN corepack enable pnpm",
    ),
    Manager(
        "yarn",
        "yarn.lock",
        "yarn install --frozen-lockfile",
        "yarn install",
        "/usr/local/share/.cache/yarn",
        "yarn run",
        "yarn install --production --ignore-scripts --prefer-offline",
    ),
    Manager(
        "npm",
        "package-lock.json",
        "npm ci",
        "npm install",
        "/root/.npm",
        "npm run",
        "npm prune --omit=dev",
    ),
)


BUN = Manager(
    "bun",
    "bun.lock",
    "bun install --frozen-lockfile",
    "bun install",
    "/root/.bun/install/cache",
    "bun run",
    "rm -rf node_modules && bun install --frozen-lockfile --production --ignore-scripts",
    "RUN npm install --global bun",
)


def manager(folder: AppFolder) -> tuple[Manager, str | None]:
    """The package manager, and its lock file if there is one."""
    named = str(folder.read_json("package.json").get("packageManager", ""))
    for candidate in MANAGERS:
        if folder.has(candidate.lock):
            return _of_version(folder, candidate, named), candidate.lock
    for candidate in MANAGERS:
        if named.startswith(f"{candidate.name}@"):
            return _of_version(folder, candidate, named), None
    if lock := folder.has("bun.lock", "bun.lockb"):
        return BUN, lock
    return (BUN, None) if named.startswith("bun@") else (MANAGERS[-1], None)


_OF_PNPM = {"5": 7, "6": 8}
"""Version of pnpm's lock file -> the version of pnpm that writes it; of newer ones see below."""


def _of_lock_file(folder: AppFolder, candidate: Manager, named: str) -> Manager:
    """Take pnpm of the version that the lock file is for, where package.json names none: Corepack takes the newest.

    Lock files of 9 to 11 are the same. 11 ends where a package has a script that nobody has allowed, which apps of 10
    have not; only those of 11 say which are, as `allowBuilds`.
    """
    if named or "packageManager" in str(folder.read_json("package.json").get("devEngines", "")):
        return candidate
    lock = re.search(r"^lockfileVersion:\s*[\"']?(\d+)", folder.read(candidate.lock), re.MULTILINE)
    major = _OF_PNPM.get(lock[1], 10) if lock else 10
    if "allowBuilds:" in folder.read("pnpm-workspace.yaml"):
        major = 11
    engines = folder.read_json("package.json").get("engines")
    wanted = str(engines.get("pnpm", "")).strip() if isinstance(engines, dict) else ""
    if not allows(wanted, major):  # pnpm ends then
        major = next((each for each in (10, 9, 8, 7) if allows(wanted, each)), major)
    return replace(candidate, prepare=f"{candidate.prepare} && corepack install --global pnpm@{major}")


def _of_version(folder: AppFolder, candidate: Manager, named: str) -> Manager:
    """Yarn 2 and newer in place of the first, pnpm by its lock file; npm is never another one."""
    if candidate.name == "pnpm":
        return _of_lock_file(folder, candidate, named)
    if candidate.name != "yarn":
        return candidate
    lock = _OF_LOCK.search(folder.read("yarn.lock"))
    settings = folder.read(".yarnrc.yml")
    if not (folder.has(".yarnrc.yml") or lock or re.match(r"yarn@[2-9]", named)):
        return candidate
    chosen = re.search(r"yarn(?:@|-)(\d+)", f"{named} {_path(settings)}")
    major = int(chosen[1]) if chosen else _BY_LOCK.get(int(lock[1]), 4) if lock else 4
    lines = ["RUN corepack enable yarn"]
    if chosen is None:
        lines[0] += f" && corepack install --global yarn@{major}"
    if not _NODE_LINKER.search(settings):
        lines.append(_WITHOUT_LINKER)
    prune = "yarn workspaces focus --production"
    if major < _WITH_FOCUS and "plugin-workspace-tools" not in settings:
        prune = f"yarn plugin import workspace-tools && {prune}"
    return replace(
        candidate,
        install="yarn install --immutable",
        cache="/root/.yarn/berry/cache",
        prune=prune,
        prepare="\n".join(lines),
        ignored=_PLUG_N_PLAY,
    )


def _path(settings: str) -> str:
    match = re.search(r"^yarnPath:\s*(\S+)", settings, re.MULTILINE)
    return match[1] if match else ""


_BY_LOCK = {4: 2, 5: 3, 6: 3}
"""Version of a lock file -> the major version of Yarn that wrote it."""
_WITH_FOCUS = 4
"""The first major version that has `workspaces focus` without a plugin."""
