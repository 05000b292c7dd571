"""Uploads of a Django project: MEDIA_ROOT as a path in the image, on a volume."""

from __future__ import annotations

import ast
import posixpath
import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.onboarding.folder import AppFolder

_STORAGES = re.compile(r"\bstorages\.backends\b|cloudinary_storage|S3Boto3Storage|GoogleCloudStorage")
_TOPS = re.compile(r"BASE_DIR|ROOT_DIR|PROJECT_DIR|PROJECT_ROOT|PROJECT_PATH|BASE_PATH|ROOT_PATH|SITE_ROOT")
_PATHS = frozenset({"str", "Path", "join", "abspath", "normpath", "joinpath"})
_SAME = frozenset({"resolve", "absolute", "as_posix"})
_READERS = frozenset({"env", "config", "get", "getenv", "path"})
"""Readers of variables, whose default counts: nothing else is known."""

_MOST_DEEP = 8


@dataclass(frozen=True, slots=True)
class MediaFolder:
    """The folder of uploads.

    Attributes:
        path: Its path in the image; empty where the settings do not show it.
        url: Path below which pages link to them.
        file: The settings that name it.
    """

    path: str
    url: str
    file: str

    @property
    def volumes(self) -> dict[str, str]:
        """The volume for it, with the reason."""
        return {f"media:{self.path}": f"uploads, MEDIA_ROOT of {self.file}"} if self.path else {}

    @property
    def lines(self) -> list[str]:
        """Lines of a Dockerfile: the folder, which belongs to the user of the app."""
        if not self.path:
            return []
        return [
            "# Uploads are on a volume, which gets its owner from this folder.",
            f"RUN mkdir -p {self.path} && chown -R app {self.path}",
        ]

    def below(self, code: str) -> str:
        """Its path below the folder of manage.py; empty where it is elsewhere."""
        path = posixpath.relpath(self.path, posixpath.join("/app", code)) if self.path else ""
        return "" if path.startswith("..") else path

    def ignored(self, code: str) -> tuple[str, ...]:
        """Lines of .dockerignore: the uploads on this machine are no part of the image."""
        return (f"{path}/*",) if (path := self.below(code)) else ()

    def todo(self, folder: AppFolder, code: str) -> list[str]:
        """Questions for the user: who serves the files, and whether those here are wanted."""
        served = (
            "decide who serves the uploads, which Django does while DEBUG is on only: a view of the app, or a service "
            f"`{self.service}`"
        )
        if not self.path:
            how = "write `volumes: [media:PATH]`, and make PATH writable for the user of the image"
            return [f"uploads go to MEDIA_ROOT, which is gone with each release: {how}", served]
        path = self.below(code)
        if path and folder.has_folder(path) and any((folder.path / path).iterdir()):
            return [served, f"the volume media is empty at first: copy the files of {path} into it"]
        return [served]

    @property
    def service(self) -> str:
        """A service of ftl.yaml that serves the files."""
        return (
            "{name: media, image: 'caddy:2', command: caddy file-server --root /media --listen :8080, port: 8080, "
            f"volumes: ['media:/media'], routes: [{{path: {self.url}, strip_prefix: true}}]}}"
        )


def find_media(text: str, file: str, code: str) -> MediaFolder | None:
    """The folder by the text of settings; None without one, or if another host has the uploads.

    `code` is the folder of manage.py below that of the app; empty if they are the same.
    """
    assigned = _assigned(text)
    if "MEDIA_ROOT" not in assigned or _STORAGES.search(text):
        return None
    path = _text(assigned["MEDIA_ROOT"], assigned)
    link = _text(assigned["MEDIA_URL"], assigned) if "MEDIA_URL" in assigned else None
    url = "/" + (link if link and "://" not in link else "media").strip("/")
    if path == "":
        return None
    return MediaFolder(posixpath.normpath(posixpath.join("/app", code, path)) if path else "", url, file)


def _assigned(text: str) -> dict[str, ast.expr]:
    """Expressions by the names of the settings; the first one of a name is that of the module itself."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found.setdefault(name, value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                found.setdefault(name, value)
    return found


def _text(node: ast.expr, assigned: Mapping[str, ast.expr], depth: int = 0) -> str | None:
    """A text or path as the settings write it, from the folder of manage.py; None if it is computed."""
    if depth > _MOST_DEEP:
        return None

    def of(*nodes: ast.expr) -> list[str] | None:
        found = [_text(each, assigned, depth + 1) for each in nodes]
        return [each for each in found if each is not None] if None not in found else None

    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.Name(id=name) if _TOPS.fullmatch(name):
            return ""
        case ast.Name(id=name):
            return _text(assigned[name], assigned, depth + 1) if name in assigned else None
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _joined(of(left, right))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return "".join(parts).lstrip("/") if (parts := of(left, right)) is not None else None
        case ast.JoinedStr(values=values):
            inner = (each.value if isinstance(each, ast.FormattedValue) else each for each in values)
            return "".join(parts).lstrip("/") if (parts := of(*inner)) is not None else None
        case ast.Call(func=func, args=args, keywords=keywords):
            name = (
                func.attr
                if isinstance(func, ast.Attribute)
                else func.id
                if isinstance(func, ast.Name)
                else ""
            )
            default = next((one.value for one in keywords if one.arg == "default"), None)
            if name in _READERS:
                second = default or (args[1] if len(args) > 1 else None)
                return _text(second, assigned, depth + 1) if second is not None else None
            if name in _PATHS or _TOPS.fullmatch(name):
                return _joined(of(*args))
            return (
                _text(func.value, assigned, depth + 1)
                if name in _SAME and isinstance(func, ast.Attribute)
                else None
            )
    return None


def _joined(parts: list[str] | None) -> str | None:
    return posixpath.join("", *parts) if parts is not None else None
