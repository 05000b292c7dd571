"""The one-file's launcher around a shell script, and the environment of its children."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from tools.release.frozen.program import restore
from tools.release.onefile import one_file

from tests.harness import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = '#!/bin/sh\necho "program of $FTL_ONEFILE: $*"\nexit 4\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A one-file whose program prints its arguments and ends with 4."""
    return written(tmp_path / "bin" / "ftl", PROGRAM)


def written(file: Path, program: str) -> Path:
    """A one-file of a program's text."""
    folder = file.parent / "program"
    (folder / "_internal").mkdir(parents=True, exist_ok=True)
    (folder / "ftl").write_text(program)
    (folder / "ftl").chmod(0o755)
    (folder / "_internal" / "data").write_text("data")
    file.write_bytes(one_file(folder))
    file.chmod(0o755)
    return file


def run(*argv: str | Path, cache: Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A run with a cache of its own."""
    environment = {"PATH": os.defpath, "XDG_CACHE_HOME": str(cache)}
    return subprocess.run(
        argv, env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )


def versions(cache: Path) -> list[str]:
    """Names of the unpacked versions, and of what was left behind."""
    return sorted(path.name for path in (cache / "ftl" / "onefile").iterdir())


def test_it_unpacks_once_and_becomes_the_program(file: Path, tmp_path: Path) -> None:
    """Arguments and exit code are the program's, which knows its file; the second run finds it unpacked."""
    cache = tmp_path / "cache"
    first = run("./ftl", "deploy", "a b", cache=cache, cwd=file.parent)
    assert (first.stdout, first.stderr, first.returncode) == (
        f"program of {file.parent}/./ftl: deploy a b\n",
        "",
        4,
    )
    (unpacked,) = (cache / "ftl" / "onefile").iterdir()
    inode = unpacked.stat().st_ino
    assert run(file, cache=cache).stdout == f"program of {file}: \n"
    assert [path.stat().st_ino for path in (cache / "ftl" / "onefile").iterdir()] == [inode]
    assert unpacked.stat().st_mode & 0o022 == 0


def test_the_same_program_is_the_same_file(file: Path, tmp_path: Path) -> None:
    """Times and owners of the folder do not change the file; the content changes its name in the cache."""
    again = written(tmp_path / "again" / "ftl", PROGRAM)
    assert again.read_bytes() == file.read_bytes()
    other = written(tmp_path / "other" / "ftl", PROGRAM + "\n")
    for each in (file, other):
        run(each, cache=tmp_path / "cache")
    assert len(versions(tmp_path / "cache")) == 2


def test_many_at_once_unpack_one(file: Path, tmp_path: Path) -> None:
    """Whoever is quicker wins, and each runs."""
    environment = {"PATH": os.defpath, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    started = [
        subprocess.Popen([file, str(number)], env=environment, stdout=subprocess.PIPE, text=True)
        for number in range(8)
    ]
    assert [process.communicate(timeout=60)[0] for process in started] == [
        f"program of {file}: {number}\n" for number in range(8)
    ]
    assert len(versions(tmp_path / "cache")) == 1


def test_the_version_before_stays_and_older_ones_go(file: Path, tmp_path: Path) -> None:
    """A command of the version before may still run."""
    folder = tmp_path / "cache" / "ftl" / "onefile"
    for age, name in enumerate(("0.0.3-c", "0.0.2-b", "0.0.1-a"), start=1):
        (folder / name).mkdir(parents=True)
        os.utime(folder / name, (1_700_000_000 - age,) * 2)
    run(file, cache=tmp_path / "cache")
    assert versions(tmp_path / "cache")[0] == "0.0.3-c"
    assert len(versions(tmp_path / "cache")) == 2


def test_half_a_file_is_an_error(file: Path, tmp_path: Path) -> None:
    """A download that broke off says so, and leaves nothing in the cache."""
    file.write_bytes(file.read_bytes()[:-40])
    ended = run(file, cache=tmp_path / "cache")
    assert ended.returncode == 1
    assert f"error: {file} cannot be unpacked: it is incomplete" in ended.stderr
    assert "fix: download it again" in ended.stderr
    assert versions(tmp_path / "cache") == []


def test_a_cache_that_cannot_be_written_is_an_error(file: Path, tmp_path: Path) -> None:
    """The message names the variable that helps."""
    (tmp_path / "cache").write_text("a file")
    ended = run(file, cache=tmp_path / "cache")
    assert ended.returncode == 1
    assert ended.stderr == (
        f"error: {tmp_path}/cache/ftl/onefile cannot be written, where FTL unpacks itself\n"
        "  fix: set XDG_CACHE_HOME to a folder that you can write to\n"
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"LD_LIBRARY_PATH": "/bundle"}, {}),
        ({"LD_LIBRARY_PATH": "/bundle", "LD_LIBRARY_PATH_ORIG": "/mine"}, {"LD_LIBRARY_PATH": "/mine"}),
        ({"_PYI_ARCHIVE_FILE": "x", "_PYI_PARENT_PROCESS_LEVEL": "1", "PATH": "/bin"}, {"PATH": "/bin"}),
    ],
)
def test_children_have_the_users_environment(given: dict[str, str], kept: dict[str, str]) -> None:
    """The bootloader's library path would make ssh load this program's OpenSSL."""
    restore(given)
    assert given == kept


def test_the_lock_has_every_dependency_and_extra() -> None:
    """`make lock` put all of pyproject.toml into the lock of releases, in the versions that the tests ran with."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    wanted = {Requirement(each).name.replace(".", "-") for each in [*project["dependencies"], *extras]}
    released = pins("requirements-release.txt")
    tested = pins("requirements-dev.txt")
    assert wanted - released.keys() == set()
    assert {name: released[name] for name in wanted} == {name: tested[name] for name in wanted}


def pins(lock: str) -> dict[str, str]:
    """Names and versions of a lock file."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE))
