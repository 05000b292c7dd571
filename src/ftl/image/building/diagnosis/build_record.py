"""Record of a service's last build, which the next build is compared with.

It is stored in the user's state folder, readable by them alone. Values of build args and texts of instructions may
contain secrets, so both are stored as salted hashes only.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object, as_str_map, as_strs
from ftl.common.user_files import read_json, state_file, write_json
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ftl.image.building.inputs.context import Context, ContextFile
    from ftl.image.building.inputs.dockerfile import Dockerfile, Instruction

_FORMAT = 1
_MAX_HASHED_FILE = 4 << 20
_MAX_HASHED_TOTAL = 64 << 20
"""A larger file, or one beyond this total, is compared by size and time alone."""


@dataclass(frozen=True, slots=True)
class FileFingerprint:
    """State of a file, for comparison; `digest` is empty if the file was not read."""

    size: int
    mtime_ns: int
    executable: bool
    digest: str = ""


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """A service's last build.

    Attributes:
        instructions: Hash of each instruction, in the Dockerfile's order.
        args: Name -> hash of the value.
        bases: Base image -> its content id, if the engine had it.
        settings: Other inputs: builder, target, platform.
        seconds: Hash of an instruction -> its duration when last executed.
    """

    salt: str = field(default_factory=lambda: secrets.token_hex(8))
    instructions: tuple[str, ...] = ()
    args: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, FileFingerprint] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    content: str = ""

    def hash_text(self, text: str) -> str:
        """Hash a text with this record's salt."""
        return hashlib.blake2b(text.encode(), key=self.salt.encode(), digest_size=12).hexdigest()

    def hash_instruction(self, instruction: Instruction) -> str:
        """Hash an instruction with this record's salt."""
        return self.hash_text(f"{instruction.keyword} {instruction.body}")

    def duration(self, instruction: Instruction) -> float:
        """Seconds that an instruction took when last executed; 0 if unknown."""
        return self.seconds.get(self.hash_instruction(instruction), 0.0)


@dataclass(frozen=True, slots=True)
class CurrentBuild:
    """Inputs of this build that the cache depends on."""

    dockerfile: Dockerfile
    args: Mapping[str, str]
    bases: Mapping[str, str]
    settings: Mapping[str, str]
    files: Mapping[str, FileFingerprint]
    no_cache: bool = False


def record_path(root: Path, service: str) -> Path:
    """Path of the record for one service of the project in `root`."""
    name = hashlib.blake2b(str(root.resolve()).encode(), digest_size=8).hexdigest()
    return state_file(f"builds/{name}-{service}.json")


def load_record(path: Path) -> BuildRecord | None:
    """Load a record; None if there is none of this format."""
    raw = read_json(path)
    if raw.get("format") != _FORMAT:
        return None
    try:
        return _record(raw)
    except (KeyError, TypeError, ValueError, AttributeError):  # written by another version, or by hand
        return None


def _record(raw: Mapping[str, object]) -> BuildRecord:
    files = {
        path: FileFingerprint(int(size), int(mtime), bool(executable), str(digest))
        for path, value in as_object(raw["files"]).items()
        if isinstance(value, list)
        for size, mtime, executable, digest in [value]
    }
    return BuildRecord(
        salt=str(raw["salt"]),
        instructions=as_strs(raw["instructions"]),
        args=as_str_map(raw["args"]),
        bases=as_str_map(raw["bases"]),
        settings=as_str_map(raw["settings"]),
        files=files,
        seconds={key: float(str(value)) for key, value in as_object(raw["seconds"]).items()},
        content=str(raw["content"]),
    )


def save_record(path: Path, record: BuildRecord) -> None:
    """Replace the record at `path`."""
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
    last: BuildRecord | None, build: CurrentBuild, seconds: Iterable[tuple[Instruction, float]], content: str
) -> BuildRecord:
    """Make the record of a build, with durations of unchanged instructions from the last one."""
    blank = BuildRecord(salt=last.salt) if last is not None else BuildRecord()
    hashes = tuple(blank.hash_instruction(step) for step in build.dockerfile.instructions)
    durations = dict(last.seconds) if last is not None else {}
    durations |= {blank.hash_instruction(step): duration for step, duration in seconds}
    return BuildRecord(
        salt=blank.salt,
        instructions=hashes,
        args={name: blank.hash_text(value) for name, value in build.args.items()},
        bases=build.bases,
        settings=build.settings,
        files=build.files,
        seconds={key: duration for key, duration in durations.items() if key in hashes},
        content=content,
    )


def fingerprint_files(context: Context, last: BuildRecord | None) -> dict[str, FileFingerprint]:
    """Fingerprint the files of a context, reading only those whose size or time changed."""
    previous = last.files if last is not None else {}
    budget = _MAX_HASHED_TOTAL
    fingerprints: dict[str, FileFingerprint] = {}
    for path, file in context.files.items():
        before = previous.get(path)
        if before is not None and (before.size, before.mtime_ns) == (file.size, file.mtime_ns):
            fingerprints[path] = FileFingerprint(file.size, file.mtime_ns, _executable(file), before.digest)
            continue
        is_hashed = file.size <= min(_MAX_HASHED_FILE, budget)
        digest = _digest(context.root / path, file) if is_hashed else ""
        budget -= file.size if is_hashed else 0
        fingerprints[path] = FileFingerprint(file.size, file.mtime_ns, _executable(file), digest)
    return fingerprints


def changed_paths(now: Mapping[str, FileFingerprint], before: Mapping[str, FileFingerprint]) -> list[str]:
    """Sorted paths of files that were added, removed or changed; a touched file has not changed."""
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
    """Hash of a file's content or a link's target; empty if it cannot be read."""
    try:
        content = os.fsencode(path.readlink()) if stat.S_ISLNK(file.mode) else path.read_bytes()
    except OSError:
        return ""
    return hashlib.blake2b(content, digest_size=12).hexdigest()
