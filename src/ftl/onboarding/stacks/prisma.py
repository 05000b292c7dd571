"""Prisma's datasource: the kind of database, and the variables with its address."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

_USUAL = "prisma/schema.prisma"
_CONFIGURATIONS = ("prisma.config.ts", "prisma.config.mts", "prisma.config.js", "prisma.config.mjs")
_BLOCK = re.compile(r"^datasource\s+\w+\s*\{([^}]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Datasource:
    """The datasource of a schema.

    Attributes:
        file: The file of the schema that has it.
        variables: Variables with the address: of the app, and of its migrations.
        url: The address, where it is written there.
    """

    file: str
    provider: str
    variables: tuple[str, ...] = ()
    url: str = ""

    @property
    def folder(self) -> str:
        """The folder of the schema, from which paths of SQLite start."""
        return posixpath.dirname(self.file)


def find_datasource(folder: AppFolder) -> Datasource | None:
    """The datasource of the app's schema; that of version 7 has its address in prisma.config.ts."""
    schemas = [_USUAL, *(name for name in folder.sources if name.endswith(".prisma"))]
    for file in dict.fromkeys(schemas):
        block = _BLOCK.search(folder.read(file))
        if block is None:
            continue
        written = re.sub(r"//.*", "", block[1])
        provider = re.search(r"\bprovider\s*=\s*\"(\w+)\"", written)
        # The shadow database is for `prisma migrate dev` alone, and Prisma refuses one at the same address
        named = re.findall(r"\b(?:url|directUrl)\s*=\s*env\(\s*\"(\w+)\"", written)
        url = re.search(r"\burl\s*=\s*\"([^\"]*)", written)
        variables = tuple(dict.fromkeys([*named, *_of_configuration(folder)]))
        return Datasource(file, provider[1] if provider else "", variables, url[1] if url else "")
    return None


def _of_configuration(folder: AppFolder) -> list[str]:
    text = folder.read(folder.has(*_CONFIGURATIONS) or "")
    block = re.search(r"\bdatasource\s*:\s*\{([^}]*)", text)
    pattern = r"\burl\s*:\s*(?:env(?:<[^>]*>)?\(\s*[\"'](\w+)|process\.env\.(\w+))"
    named = re.search(pattern, block[1]) if block else None
    return [name for name in named.groups() if name] if named else []
