"""What is remembered about a service's last build, to say what changed when the next one misses the cache.

Kept in the user's state folder, readable by them alone. Values of build args and texts of instructions may
hold secrets, so both are kept as salted hashes only.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ftl.image.json_files import read_json, state_file, write_json
from ftl.json_fields import as_object, as_str_map, as_strs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ftl.image.building.context import Context, ContextFile
    from ftl.image.building.dockerfile import Dockerfile, Instruction

_FORMAT = 1
_HASHED_FILE = 4 << 20
_HASHED_TOTAL = 64 << 20
"""A larger file, or one beyond this many bytes in all, is judged by size and time alone."""


@dataclass(frozen=True, slots=True)
class FileFingerprint:
    """A file as it was: `digest` is empty where it was not read."""

    size: int
    mtime_ns: int
    executable: bool
    digest: str = ""


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """A service's last build.

    Attributes:
        salt: Of all hashes in it.
        instructions: Hash of each instruction, in the Dockerfile's order.
        args: Name -> hash of value.
        bases: Base image -> its content id, where the engine had it.
        settings: What else a build depends on: target, platform.
        files: The context's files by path.
        seconds: Instruction's hash -> what it took when it was last carried out.
        content: The content id of the image.
    """

    salt: str = field(default_factory=lambda: secrets.token_hex(8))
    instructions: tuple[str, ...] = ()
    args: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, FileFingerprint] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    content: str = ""

    def hashed(self, text: str) -> str:
        """A text as this record keeps it."""
        return hashlib.blake2b(text.encode(), key=self.salt.encode(), digest_size=12).hexdigest()

    def key(self, instruction: Instruction) -> str:
        """An instruction as this record keeps it."""
        return self.hashed(f"{instruction.keyword} {instruction.body}")

    def taken(self, instruction: Instruction) -> float:
        """Seconds that an instruction took when it was last carried out; 0 where unknown."""
        return self.seconds.get(self.key(instruction), 0.0)


def record_path(root: Path, service: str) -> Path:
    """The file for one service of the project in `root`."""
    name = hashlib.blake2b(str(root.resolve()).encode(), digest_size=8).hexdigest()
    return state_file(f"builds/{name}-{service}.json")


def load_record(path: Path) -> BuildRecord | None:
    """The record in a file; None where there is none of this format."""
    raw = read_json(path)
    if raw.get("format") != _FORMAT:
        return None
    try:
        return _record(raw)
    except (KeyError, TypeError, ValueError, AttributeError):  # written by another version, or by hand
        return None


def _record(raw: Mapping[str, object]) -> BuildRecord:
    files = as_object(raw["files"])
    kept = {
        path: FileFingerprint(int(size), int(mtime), bool(executable), str(digest))
        for path, value in files.items()
        if isinstance(value, list)
        for size, mtime, executable, digest in [value]
    }
    return BuildRecord(
        salt=str(raw["salt"]),
        instructions=as_strs(raw["instructions"]),
        args=as_str_map(raw["args"]),
        bases=as_str_map(raw["bases"]),
        settings=as_str_map(raw["settings"]),
        files=kept,
        seconds={key: float(str(value)) for key, value in as_object(raw["seconds"]).items()},
        content=str(raw["content"]),
    )


def save_record(path: Path, record: BuildRecord) -> None:
    """Replace the record in a file."""
    files = {
        name: [file.size, file.mtime_ns, file.executable, file.digest] for name, file in record.files.items()
    }
    write_json(
        path,
        {
            "format": _FORMAT,
            "salt": record.salt,
            "instructions": list(record.instructions),
            "args": dict(record.args),
            "bases": dict(record.bases),
            "settings": dict(record.settings),
            "files": files,
            "seconds": dict(record.seconds),
            "content": record.content,
        },
    )


def next_record(
    last: BuildRecord | None,
    *,
    dockerfile: Dockerfile,
    args: Mapping[str, str],
    bases: Mapping[str, str],
    settings: Mapping[str, str],
    files: Mapping[str, FileFingerprint],
    seconds: Iterable[tuple[Instruction, float]],
    content: str,
) -> BuildRecord:
    """The record after a build; what a step took is carried on from the last one while it stays as it is."""
    blank = BuildRecord(salt=last.salt) if last is not None else BuildRecord()
    keys = tuple(blank.key(step) for step in dockerfile.instructions)
    taken = dict(last.seconds) if last is not None else {}
    taken |= {blank.key(step): spent for step, spent in seconds}
    return BuildRecord(
        salt=blank.salt,
        instructions=keys,
        args={name: blank.hashed(value) for name, value in args.items()},
        bases=bases,
        settings=settings,
        files=files,
        seconds={key: spent for key, spent in taken.items() if key in keys},
        content=content,
    )


def fingerprint_files(context: Context, last: BuildRecord | None) -> dict[str, FileFingerprint]:
    """The context's files as a record keeps them; only those are read whose size or time is new."""
    known = last.files if last is not None else {}
    budget = _HASHED_TOTAL
    kept: dict[str, FileFingerprint] = {}
    for path, file in context.files.items():
        before = known.get(path)
        if before is not None and (before.size, before.mtime_ns) == (file.size, file.mtime_ns):
            kept[path] = FileFingerprint(file.size, file.mtime_ns, _executable(file), before.digest)
            continue
        readable = file.size <= min(_HASHED_FILE, budget)
        digest = _digest(context.root / path, file) if readable else ""
        budget -= file.size if readable else 0
        kept[path] = FileFingerprint(file.size, file.mtime_ns, _executable(file), digest)
    return kept


def changed_paths(now: Mapping[str, FileFingerprint], before: Mapping[str, FileFingerprint]) -> list[str]:
    """Paths that were added, removed or changed, in order. A file that was only touched has not changed."""
    paths = {path for path in now.keys() | before.keys() if _differs(now.get(path), before.get(path))}
    return sorted(paths)


def _differs(now: FileFingerprint | None, before: FileFingerprint | None) -> bool:
    if now is None or before is None:
        return True
    if now.size != before.size or now.executable != before.executable:
        return True
    if now.digest and before.digest:
        return now.digest != before.digest
    return now.mtime_ns != before.mtime_ns


def _executable(file: ContextFile) -> bool:
    return bool(file.mode & stat.S_IXUSR)


def _digest(path: Path, file: ContextFile) -> str:
    """The hash of a file's content, of a link's target; empty where it cannot be read."""
    try:
        content = os.fsencode(path.readlink()) if stat.S_ISLNK(file.mode) else path.read_bytes()
    except OSError:
        return ""
    return hashlib.blake2b(content, digest_size=12).hexdigest()
