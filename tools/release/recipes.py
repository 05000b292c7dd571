"""Recipes by which Homebrew and Arch Linux build FTL from its source distribution."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.markers import Marker
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Iterator

SYSTEMS = ("darwin", "linux")

ARCH_NAMES = {"pyyaml": "python-yaml"}
"""Packages of Arch that are not called `python-NAME`."""

LIBRARIES = {"pyyaml": "libyaml"}
"""Libraries that sources need to be built with all that their wheels have."""


@dataclass(frozen=True, slots=True)
class Source:
    """A source distribution: address, SHA-256, and the marker (PEP 508) that says where it is needed."""

    name: str
    url: str
    sha256: str
    marker: str

    def needed(self, python: str) -> bool:
        """Whether an installation for this Python has it, on any system that FTL runs on."""
        return not self.marker or any(
            Marker(self.marker).evaluate(environment(python, each)) for each in SYSTEMS
        )


@dataclass(frozen=True, slots=True)
class Package:
    """What a recipe says of FTL, from its metadata.

    Attributes:
        pythons: Minor versions of Python that it is tested with, newest last.
        requirements: Its dependencies, as PEP 508 writes them.
        sources: The sources of all that is installed with it, at locked versions.
    """

    name: str
    version: str
    summary: str
    license: str
    homepage: str
    source: Source
    pythons: tuple[str, ...]
    requires_python: str
    requirements: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    def python(self) -> str:
        """The newest Python, which Homebrew's formulae use and Arch has."""
        return max(self.pythons, key=lambda version: int(version.partition(".")[2]))

    @property
    def written(self) -> str:
        """The comment at the top of a recipe."""
        return f"Written by `make package` for {self.name} {self.version}, from its metadata and locked dependencies."


def environment(python: str, system: str) -> dict[str, str]:
    """Values for markers: a Python on a system."""
    return {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": system}


# --- Homebrew --------------------------------------------------------------------------------


def formula(package: Package) -> str:
    """The formula, for a tap."""
    return "\n".join(_formula(package)) + "\n"


def _formula(package: Package) -> Iterator[str]:
    sources = [source for source in package.sources if source.needed(package.python)]
    yield f"# {package.written}"
    yield f"class {''.join(word.capitalize() for word in package.name.split('-'))} < Formula"
    yield "  include Language::Python::Virtualenv\n"
    yield f'  desc "{package.summary}"'
    yield f'  homepage "{package.homepage}"'
    yield f'  url "{package.source.url}"'
    yield f'  sha256 "{package.source.sha256}"'
    yield f'  license "{package.license}"\n'
    for library in sorted({LIBRARIES[source.name] for source in sources if source.name in LIBRARIES}):
        yield f'  depends_on "{library}"'
    yield f'  depends_on "python@{package.python}"\n'
    for source in sources:
        yield f'  resource "{source.name}" do'
        yield f'    url "{source.url}"'
        yield f'    sha256 "{source.sha256}"'
        yield "  end\n"
    yield _FORMULA_END


_FORMULA_END = """\
  def install
    virtualenv_install_with_resources
    man1.install "man/ftl.1"
    generate_completions_from_executable(bin/"ftl", "completion", "script")
  end

  test do
    assert_equal "ftl #{version}", shell_output("#{bin}/ftl --version").strip
    (testpath/"index.html").write "hello"
    system bin/"ftl", "init", "--domain", "shop.example.com", "--server", "deploy@example.com"
    system bin/"ftl", "validate"
  end
end"""


# --- Arch Linux ------------------------------------------------------------------------------


def pkgbuild(package: Package) -> str:
    """The PKGBUILD, for the AUR."""
    lines = [f"# {package.written}"]
    for name, values in _fields(package).items():
        words = " ".join(shlex.quote(value) for value in values)
        lines.append(f"{name}={words}" if name in _SINGLE else f"{name}=({words})")
    return "\n".join(lines) + _PKGBUILD_END.replace("FOLDER", _folder(package))


def srcinfo(package: Package) -> str:
    """The .SRCINFO that belongs to it, as `makepkg --printsrcinfo` prints it."""
    base, *fields = _fields(package).items()
    lines = [f"pkgbase = {base[1][0]}"]
    order = {name: place for place, name in enumerate(_SRCINFO_ORDER)}
    for name, values in sorted(fields, key=lambda field: order[field[0]]):
        lines += [f"\t{name} = {value}" for value in values]
    return "\n".join([*lines, "", f"pkgname = {base[1][0]}", ""])


def _fields(package: Package) -> dict[str, tuple[str, ...]]:
    return {
        "pkgname": (package.name,),
        "pkgver": (package.version,),
        "pkgrel": ("1",),
        "pkgdesc": (package.summary,),
        "arch": ("any",),
        "url": (package.homepage,),
        "license": (package.license,),
        "depends": ("openssh", f"python{package.requires_python}", *_arch_requirements(package)),
        "makedepends": ("python-build", "python-hatchling", "python-installer"),
        "optdepends": (
            "docker: to build images, and for sandboxes",
            "docker-buildx: to build images",
            "python-pyrage: secrets in an age-encrypted file",
            "apprise: notifications by mail and chat services",
        ),
        "source": (package.source.url,),
        "sha256sums": (package.source.sha256,),
    }


_SINGLE = ("pkgname", "pkgver", "pkgrel", "pkgdesc", "url")
_SRCINFO_ORDER = (
    *("pkgdesc", "pkgver", "pkgrel", "url", "arch", "license", "makedepends", "depends", "optdepends"),
    *("source", "sha256sums"),
)


def _arch_requirements(package: Package) -> Iterator[str]:
    """The dependencies by Arch's names, as far as its Python needs them, each with its lower bound."""
    for text in package.requirements:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(environment(package.python, "linux")):
            yield ARCH_NAMES.get(requirement.name, f"python-{requirement.name}") + str(requirement.specifier)


def _folder(package: Package) -> str:
    """The folder in the source distribution, which names the version by a variable."""
    file = package.source.url.rpartition("/")[2]
    return re.sub(rf"-{re.escape(package.version)}\.tar\.gz$", "-$pkgver", file)


_PKGBUILD_END = """

build() {
  cd "FOLDER"
  python -m build --wheel --no-isolation
}

package() {
  cd "FOLDER"
  python -m installer --destdir="$pkgdir" dist/*.whl
  install -Dm644 LICENSE "$pkgdir/usr/share/licenses/$pkgname/LICENSE"

  local packages
  packages=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  _completion() {
    PYTHONPATH="$pkgdir$packages" python -m ftl completion script "$1" | install -Dm644 /dev/stdin "$pkgdir/$2"
  }
  _completion bash usr/share/bash-completion/completions/ftl
  _completion zsh usr/share/zsh/site-functions/_ftl
  _completion fish usr/share/fish/vendor_completions.d/ftl.fish
}
"""
