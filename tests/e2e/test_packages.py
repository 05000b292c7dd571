"""FTL as users install it: the wheel and the source distribution."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from lab.prepare import Tool, ensure
from tests.harness import ROOT

UV = str(Path(sys.executable).parent / "uv")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution, as `make package` builds them."""
    folder = tmp_path_factory.mktemp("built")
    done(("make", "package", f"DIST={folder}"), cwd=ROOT)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which installers keep everything below one new folder."""
    places = {
        "HOME": tmp_path / "home",
        "UV_TOOL_DIR": tmp_path / "tools",
        "UV_TOOL_BIN_DIR": tmp_path / "bin",
        "PIPX_HOME": tmp_path / "pipx",
        "PIPX_BIN_DIR": tmp_path / "bin",
        "PIPX_MAN_DIR": tmp_path / "man",
    }
    (tmp_path / "home").mkdir()
    ours = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    return {**ours, **{name: str(path) for name, path in places.items()}}


def done(argv: tuple[str, ...], env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Output of a command that must succeed."""
    ended = subprocess.run(
        argv,
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def works(ftl: Path, env: dict[str, str], folder: Path) -> str:
    """What `ftl upgrade` says of an installation that can also read and check a project."""
    project = folder / "project"
    project.mkdir()
    (project / "index.html").write_text("hello\n")
    done((str(ftl), "init", "--domain", "shop.example.com", "--server", "deploy@example.com"), env, project)
    done((str(ftl), "validate"), env, project)
    assert '"title"' in done((str(ftl), "config", "--schema"), env, project)
    return done((str(ftl), "upgrade"), env, project)


def test_the_packages_hold_the_program_and_its_manual(built: Path) -> None:
    """Every file of src/ftl that git knows is in both, and the manual page in the wheel."""
    listed = done(("git", "ls-files", "src/ftl"), cwd=ROOT).split()
    files = {path.removeprefix("src/") for path in listed if (ROOT / path).is_file()}
    (wheel,) = built.glob("*.whl")
    (source,) = built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    with tarfile.open(source) as archive:
        sources = {name.partition("/")[2].removeprefix("src/") for name in archive.getnames()}
    assert files - names == set()
    assert files - sources == set()
    assert [name for name in names if name.endswith("share/man/man1/ftl.1")] != []
    assert [name for name in names if name.startswith("tests/")] == []


def test_uv_installs_the_wheel_as_a_tool(built: Path, home: dict[str, str], tmp_path: Path) -> None:
    """`uv tool install` brings a working `ftl`, which knows how it is upgraded."""
    (wheel,) = built.glob("*.whl")
    done((UV, "tool", "install", "--python", sys.executable, str(wheel)), home)
    said = works(tmp_path / "bin" / "ftl", home, tmp_path)
    assert "upgrade: uv tool upgrade ftl-deploy" in said


@pytest.mark.nightly
def test_pipx_installs_the_source(built: Path, home: dict[str, str], tmp_path: Path) -> None:
    """`pipx install` builds the source distribution; its manual page is where `man` looks."""
    (source,) = built.glob("*.tar.gz")
    done((UV, "tool", "run", "pipx", "install", "--python", sys.executable, str(source)), home)
    said = works(tmp_path / "bin" / "ftl", home, tmp_path)
    assert "upgrade: pipx upgrade ftl-deploy" in said


def test_the_manual_page_is_well_formed(built: Path) -> None:
    """Roff finds no mistake in the page, and names the commands."""
    ensure((Tool("groff", "groff-base"),))
    ended = subprocess.run(
        ("groff", "-man", "-ww", "-Tutf8", str(ROOT / "man" / "ftl.1")),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ended.stderr == ""
    assert "ftl rollback" in ended.stdout
