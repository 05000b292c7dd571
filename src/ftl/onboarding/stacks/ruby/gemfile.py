"""A Gemfile: gems, the version of Ruby, and values for the templates of Dockerfiles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.templates import apt_install

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

UNLOCKED = "run `bundle lock`, and keep Gemfile.lock in git: each build may get other gems"
"""A thing to do without a lock file."""

_LEFT_OUT = frozenset({"development", "test"})
"""BUNDLE_WITHOUT of the images."""

_GEM = re.compile(r"[ \t]*gem ['\"]([\w-]+)['\"]")
_IN_GROUPS = re.compile(r":?\bgroups?(?::|[ \t]*=>)[ \t]*(\[[^\]]*\]|:\w+|['\"]\w+)")
_BLOCK = re.compile(r"[ \t]*(?:(group|if|unless|case|begin)\b|.*\bdo\b[ \t]*(?:\|.*\|)?[ \t]*(?:#.*)?$)")


def gems(folder: AppFolder) -> frozenset[str]:
    """Names of the gems in the Gemfile."""
    return frozenset(re.findall(r"^[ \t]*gem ['\"]([\w-]+)['\"]", folder.read("Gemfile"), re.MULTILINE))


def production_gems(folder: AppFolder) -> frozenset[str]:
    """Names of the gems that the image has: not those for development and tests alone."""
    found: set[str] = set()
    blocks: list[list[str]] = []
    for line in folder.read("Gemfile").splitlines():
        own = _IN_GROUPS.search(line)
        if match := _GEM.match(line):
            groups = {name for block in blocks for name in block}
            groups |= set(re.findall(r"\w+", own[1])) if own else set()
            if not groups or groups - _LEFT_OUT:
                found.add(match[1])
        elif match := _BLOCK.match(line):
            blocks.append(re.findall(r"[:\"'](\w+)", line) if match[1] == "group" else [])
        elif blocks and re.match(r"[ \t]*end\b", line):
            blocks.pop()
    return frozenset(found)


def locked_version(folder: AppFolder, gem: str) -> tuple[int, ...]:
    """The version of a gem in the lock file; empty if that names none."""
    match = re.search(rf"^    {re.escape(gem)} \((\d+(?:\.\d+)*)", folder.read("Gemfile.lock"), re.MULTILINE)
    return tuple(map(int, match[1].split("."))) if match else ()


def is_locked(folder: AppFolder) -> bool:
    """Whether there is a lock file."""
    return folder.has("Gemfile.lock") is not None


def dockerfile_values(folder: AppFolder, run: str = "") -> dict[str, str]:
    """Values of a template: the version, Debian packages, and the files of bundler.

    `run` are other packages that the app needs when it runs.
    """
    used = gems(folder)
    needs = [("libpq-dev", "libpq5")] if "pg" in used else []
    needs += [("libmariadb-dev", "libmariadb3")] if "mysql2" in used else []
    needs += [("", "libsqlite3-0")] if "sqlite3" in used else []
    needs += [("", "libvips")] if used & {"image_processing", "ruby-vips"} else []
    built = ["build-essential git libyaml-dev pkg-config", *(package for package, _ in needs if package)]
    locked = is_locked(folder)
    files = ["Gemfile", *(["Gemfile.lock"] if locked else []), *_named_by_gemfile(folder)]
    return {
        "version": ruby_version(folder)[0],
        "system_run": apt_install(" ".join(filter(None, [run, *(package for _, package in needs)]))),
        "system_build": apt_install(" ".join(built)),
        "locked": " ".join(files),
        # Without a lock file bundler refuses to install for a deployment
        "deployment": "BUNDLE_DEPLOYMENT=1 " if locked else "",
    }


def ruby_version(folder: AppFolder) -> tuple[str, str]:
    """The version of Ruby, with the reason."""
    for file, pattern in (
        (".ruby-version", r"(?:ruby-)?(\d+\.\d+(?:\.\d+)?)"),
        ("Gemfile", r"^ruby ['\"](\d+\.\d+(?:\.\d+)?)"),
    ):
        if match := re.search(pattern, folder.read(file), re.MULTILINE):
            return match[1], file
    return "3.4", "default: no file names one"


def _named_by_gemfile(folder: AppFolder) -> list[str]:
    """The file with the version of Ruby, where the Gemfile reads it."""
    match = re.search(r"^ruby file: ['\"]([\w.-]+)['\"]", folder.read("Gemfile"), re.MULTILINE)
    return [match[1]] if match and folder.has(match[1]) else []
