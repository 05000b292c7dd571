"""FTL as users install it: packages, recipes and one file; and a whole release."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lab import images
from lab.prepare import Tool, ensure
from tests.harness import ROOT
from tools.release.versions import Changelog

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def done(
    argv: tuple[str, ...], env: dict[str, str] | None = None, cwd: Path | None = None, *, seconds: int = 240
) -> str:
    """Output of a command that must succeed."""
    ended = subprocess.run(
        argv,
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
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


# --- recipes ---------------------------------------------------------------------------------


def sha256(path: Path) -> str:
    """Digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_recipes_name_the_source_and_the_locked_dependencies(built: Path) -> None:
    """Homebrew gets the digest of the source that was built, and of each dependency one that the lock has."""
    (source,) = built.glob("*.tar.gz")
    formula = (built / "homebrew" / "ftl-deploy.rb").read_text()
    own, *resources = re.findall(r'url "[^"]*/([^/"]+)"\n *sha256 "([0-9a-f]{64})"', formula)
    assert own == (source.name, sha256(source))
    locked = (ROOT / "requirements-dev.txt").read_text()
    assert [name for name, digest in resources if f"--hash=sha256:{digest}" not in locked] == []
    assert {"aiohttp", "click", "rich"} <= {name.rpartition("-")[0] for name, _ in resources}
    recipe = built / "aur" / "PKGBUILD"
    done(("bash", "-n", str(recipe)))
    assert f"sha256sums=({sha256(source)})" in recipe.read_text()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can enter; pytest's own are private, with as many above them as it has workers."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.nightly
def test_ruby_and_makepkg_accept_the_recipes(built: Path, open_folder: Path) -> None:
    """Ruby parses the formula; makepkg prints the .SRCINFO that we wrote, and verifies the source."""
    ensure((Tool("ruby", "ruby"), Tool("makepkg", "makepkg")))
    assert "Syntax OK" in done(("ruby", "-c", str(built / "homebrew" / "ftl-deploy.rb")))
    folder = shutil.copytree(built / "aur", open_folder / "aur")
    for source in built.glob("*.tar.gz"):
        shutil.copy(source, folder)
    user: tuple[str, ...] = ()
    if os.geteuid() == 0:  # makepkg refuses root
        user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        for path in (folder, *folder.iterdir()):
            os.chown(path, 65534, 65534)
    # Debian has no pacman, and nothing is installed here.
    env = {"PATH": os.environ["PATH"], "PACMAN": "true", "HOME": str(folder)}
    assert done((*user, "makepkg", "--printsrcinfo"), env, folder) == (folder / ".SRCINFO").read_text()
    done((*user, "makepkg", "--verifysource", "--nodeps"), env, folder)


# --- a release -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a release that was made in a clone of this repository; the clone is three folders above."""
    clone = tmp_path_factory.mktemp("release") / "ftl"
    done(("git", "clone", "--quiet", str(ROOT), str(clone)))
    version = Changelog.parse((clone / "CHANGELOG.md").read_text()).least()
    env = {**os.environ}
    for variable in ("GIT_AUTHOR", "GIT_COMMITTER"):
        env |= {f"{variable}_NAME": "Test", f"{variable}_EMAIL": "test@example.com"}
    done((sys.executable, "-m", "tools.release", str(version)), env, clone, seconds=1500)
    return clone / "dist" / str(version)


@pytest.fixture
def onefile(released: Path) -> Path:
    """The self-contained file of the release."""
    (file,) = released.glob("ftl-*-linux-*")
    return file


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_a_release_has_everything_and_can_be_built_again(released: Path, tmp_path: Path) -> None:
    """The sums fit; what the tag builds elsewhere, for a user with another umask, has the same sums."""
    clone, version = released.parent.parent, released.name
    sums = (released / "SHA256SUMS").read_text()
    done(("sha256sum", "--check", "--strict", "SHA256SUMS"), cwd=released)
    wheel, source = f"ftl_deploy-{version}-py3-none-any.whl", f"ftl_deploy-{version}.tar.gz"
    listed = {line.split("  ")[1] for line in sums.splitlines()}
    assert listed >= {wheel, source, "ftl-docs.zip", "homebrew/ftl-deploy.rb", "aur/PKGBUILD", "aur/.SRCINFO"}
    assert done(("git", "status", "--porcelain"), cwd=clone) == ""
    assert done(("git", "describe", "--exact-match"), cwd=clone) == f"v{version}\n"
    assert f'"ftl {version}"' in (clone / "man" / "ftl.1").read_text()

    other = tmp_path / "other"
    build = f"exec {sys.executable} -m tools.release.package dist"
    done(("sh", "-c", f"umask 077; git clone --quiet {clone} {other} && cd {other} && {build}"))
    for name in (wheel, source):
        assert f"{sha256(other / 'dist' / name)}  {name}\n" in sums


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_one_file_needs_no_python(onefile: Path, tmp_path: Path) -> None:
    """With a PATH that has a handful of programs it works as any FTL, with all extras, and says how it is upgraded."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "tail", "tar", "gzip", "mkdir", "mktemp", "mv", "rm", "ls", "find", "ssh"):
        program = shutil.which(name)
        assert program is not None
        (tools / name).symlink_to(program)
    said = works(onefile, {"PATH": str(tools), "HOME": str(tmp_path)}, tmp_path)
    project = tmp_path / "project"
    with (project / "ftl.yaml").open("a") as file:
        file.write("notify: ['tgram://123456789:abcdefg_hijklmnop/12315544']\n")
    done((str(onefile), "validate"), {"PATH": str(tools), "HOME": str(tmp_path)}, project)
    assert f"installed by file in {onefile}" in said
    assert "upgrade: replace this file with that of the new version" in said


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_one_files_children_have_no_library_of_its_own(onefile: Path, tmp_path: Path) -> None:
    """Ssh is started with the environment that the user has: a bundled OpenSSL would not fit it."""
    (tmp_path / "ssh").write_text(f"#!/bin/sh\nenv >>{tmp_path}/seen\nexit 255\n")
    (tmp_path / "ssh").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "LD_LIBRARY_PATH": "/mine"}
    done((str(onefile), "version", "--server", "deploy@server.invalid"), env)
    seen = (tmp_path / "seen").read_text()
    assert "LD_LIBRARY_PATH=/mine\n" in seen
    assert re.findall(r"^(?:_PYI|LD_LIBRARY_PATH_ORIG|FTL_ONEFILE).*", seen, re.MULTILINE) == []


@pytest.mark.nightly
@pytest.mark.engine
@pytest.mark.timeout(1800)
def test_one_file_runs_in_a_container_without_python(onefile: Path) -> None:
    """A bare Debian runs it: the newest, whose C library is not older than that of the machine which built it."""
    images.ensure("sid")
    script = (
        "! command -v python3 && mkdir /tmp/app && cd /tmp/app && touch index.html"
        " && ftl init --domain a.example.com --server b@c && ftl validate"
    )
    mount = f"{onefile}:/usr/local/bin/ftl:ro"
    done(("docker", "run", "--rm", "--network=none", "--volume", mount, "debian:sid", "sh", "-c", script))
