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
        demanded_by_build: Variables without which prisma.config.ts ends, also where only the client is generated.
    """

    file: str
    provider: str
    variables: tuple[str, ...] = ()
    url: str = ""
    demanded_by_build: tuple[str, ...] = ()

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
        demanded, read = _of_configuration(folder)
        variables = tuple(dict.fromkeys([*named, *demanded, *read]))
        kind = provider[1] if provider else ""
        return Datasource(file, kind, variables, url[1] if url else "", tuple(demanded))
    return None


def _of_configuration(folder: AppFolder) -> tuple[list[str], list[str]]:
    """Variables with the address in Prisma's configuration: those that it demands, and others."""
    text = folder.read(folder.has(*_CONFIGURATIONS) or "")
    block = re.search(r"\bdatasource\s*:\s*\{([^}]*)", text)
    inner = block[1] if block else ""
    return (
        re.findall(r"\burl\s*:\s*env(?:<[^>]*>)?\(\s*[\"'](\w+)", inner),
        re.findall(r"\burl\s*:\s*process\.env\.(\w+)", inner),
    )
