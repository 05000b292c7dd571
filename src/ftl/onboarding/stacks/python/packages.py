"""Requirements of a Python app, their installer and the version of Python."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object
from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.onboarding.folder import AppFolder

DEFAULT_VERSION = "3.13"


_REQUIREMENTS = (
    "requirements.txt",
    "requirements/production.txt",
    "requirements/prod.txt",
    "requirements/base.txt",
)


_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True, slots=True)
class Installer:
    """A way to install the app's packages into /venv.

    Attributes:
        files: What the image's layer of packages depends on: the lock file first.
    """

    name: str
    files: tuple[str, ...]
    text: str
    env: str = ""
    note: str = ""


_SERVERS_AND_CLIENTS = """
    gunicorn uvicorn hypercorn granian psycopg psycopg2 psycopg2-binary asyncpg pg8000 mysqlclient pymysql aiomysql
    redis django-redis celery pymongo motor
"""
_OF_SERVERS = frozenset(_SERVERS_AND_CLIENTS.split())
"""Servers, and clients of databases: packages of an extra for a server, and not for development."""


def packages(folder: AppFolder) -> frozenset[str]:
    """Names of the direct dependencies, normalised (PEP 503); also with extras: `a[b]`."""
    return frozenset(name for text in _declared(folder) for name in _names(text))


def _names(requirement: str) -> Iterator[str]:
    match = _NAME.match(requirement)
    if match is None:
        return
    name = re.sub(r"[-_.]+", "-", match[1]).lower()
    yield name
    extras = re.match(r"\s*\[([^\]]*)\]", requirement[match.end() :])
    for extra in extras[1].split(",") if extras else ():
        yield f"{name}[{extra.strip().lower()}]"


def _declared(folder: AppFolder) -> Iterator[str]:
    for file in dict.fromkeys(part for named in _REQUIREMENTS for part in _included(folder, named)):
        yield from folder.read(file).splitlines()
    if folder.has("pyproject.toml"):
        data = folder.read_toml("pyproject.toml")
        project, tool = as_object(data.get("project")), as_object(data.get("tool"))
        dependencies = project.get("dependencies")
        yield from map(str, dependencies if isinstance(dependencies, list) else ())
        for name, value in as_object(as_object(tool.get("poetry")).get("dependencies")).items():
            extras = value.get("extras") if isinstance(value, dict) else None
            yield f"{name}[{','.join(map(str, extras))}]" if isinstance(extras, list) else name
        for name in app_extras(folder):
            yield from map(str, _extras(folder)[name])
    if folder.has("Pipfile"):
        yield from as_object(folder.read_toml("Pipfile").get("packages"))


def app_extras(folder: AppFolder) -> tuple[str, ...]:
    """Extras of the app that have a server or a client of a database, which images need."""
    return tuple(
        name
        for name, requirements in _extras(folder).items()
        if any(part in _OF_SERVERS for text in requirements for part in _names(str(text)))
    )


def _extras(folder: AppFolder) -> dict[str, list[object]]:
    """Requirements by extra, without those of development."""
    data = folder.read_toml("pyproject.toml")
    found = {
        **as_object(as_object(data.get("project")).get("optional-dependencies")),
        **as_object(as_object(as_object(data.get("tool")).get("poetry")).get("extras")),
    }
    return {
        name: value
        for name, value in found.items()
        if isinstance(value, list) and not re.search(r"dev|test|doc|lint|typ|all", name)
    }


def python_version(folder: AppFolder) -> tuple[str, str]:
    """The version of Python, and the file that names it."""
    for file, pattern in (
        (".python-version", r"^(?:cpython-)?(3\.\d+)"),
        ("runtime.txt", r"python-(3\.\d+)"),
        (".tool-versions", r"^python (3\.\d+)"),
        ("Pipfile", r"^python_(?:full_)?version\s*=\s*[\"'](3\.\d+)"),
    ):
        if match := re.search(pattern, folder.read(file), re.MULTILINE):
            return match[1], file
    if match := re.search(
        r"^(?:requires-)?python\s*=\s*[\"'][~^>=]*\s*(3\.\d+)(.*)[\"']", folder.read("pyproject.toml"), re.M
    ):
        lowest = tuple(map(int, match[1].split(".")))
        default = tuple(map(int, DEFAULT_VERSION.split(".")))
        limited = re.search(r"<\s*(3\.\d+)", match[2])
        if limited or lowest >= default or "==" in match[0] or "~=" in match[0]:
            return match[1], "pyproject.toml"
        return DEFAULT_VERSION, f"pyproject.toml allows {match[1]} and newer"
    return DEFAULT_VERSION, "default: no file names one"


def choose_installer(folder: AppFolder, extra: str, assumed: str) -> Installer:
    """The installer by the lock files: pdm, uv, poetry, pipenv or pip.

    `extra` are packages that the image needs and the app does not name, `assumed` those where no file names any.
    """
    uv_cache = "RUN --mount=type=cache,target=/root/.cache/uv"
    pip_cache = "RUN --mount=type=cache,target=/root/.cache/pip"
    more = f"\n# {extra} is not among the dependencies: add it there, with a version.\n" if extra else ""
    declared = folder.read("pyproject.toml")  # often it has only settings of linters
    by_poetry = folder.has("poetry.lock") or "[tool.poetry.dependencies]" in declared
    by_uv = "[project]" in declared and not by_poetry and not folder.has(*_REQUIREMENTS)
    if folder.has("pdm.lock") and not folder.has("uv.lock"):
        text = f"""{pip_cache} pip install pdm
RUN python -m venv /venv
COPY pyproject.toml pdm.lock ./
RUN --mount=type=cache,target=/root/.cache/pdm \\
    VIRTUAL_ENV=/venv pdm sync --prod --no-self --no-editable"""
        add = f"{more}{pip_cache} pip --python /venv/bin/python install {extra}" if extra else ""
        return Installer("pdm", ("pdm.lock",), _joined(text, add), "PDM_CHECK_UPDATE=0")
    if folder.has("uv.lock") or by_uv:
        locked = bool(folder.has("uv.lock"))
        flags = "--locked " if locked else ""
        options = "".join(f" --extra {name}" for name in app_extras(folder))
        is_workspace = "[tool.uv.workspace]" in declared
        rest = ""
        if is_workspace:  # the lock file is checked against the members, which come with the second COPY
            rest = "# The packages of the workspace.\nCOPY . .\n"
            rest += f"{uv_cache} uv sync {flags}--no-dev --no-editable{options}\n"
            flags = "--frozen " if locked else ""
        what = "--no-install-workspace" if is_workspace else "--no-install-project"
        files = "pyproject.toml uv.lock" if locked else "pyproject.toml"
        text = f"""{pip_cache} pip install uv
COPY {files} ./
{"" if locked else "# There is no lock file: `uv lock` makes builds repeatable."}
{uv_cache} \\
    uv sync {flags}--no-dev {what} --no-editable{options}"""
        add = rest + (f"{more}{uv_cache} uv pip install {extra}" if extra else "")
        env = "UV_PROJECT_ENVIRONMENT=/venv VIRTUAL_ENV=/venv "
        env += "UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never"
        return Installer("uv", ("uv.lock" if locked else "pyproject.toml",), _joined(text, add), env)
    venv = "RUN python -m venv /venv\n"
    if by_poetry:
        options = "".join(f" --extras {name}" for name in app_extras(folder))
        files = "pyproject.toml poetry.lock" if folder.has("poetry.lock") else "pyproject.toml"
        text = f"""{pip_cache} python -m venv /poetry && /poetry/bin/pip install poetry
{venv}COPY {files} ./
{"" if folder.has("poetry.lock") else "# There is no lock file: `poetry lock` makes builds repeatable."}
RUN --mount=type=cache,target=/root/.cache/pypoetry \\
    /poetry/bin/poetry install --only main --no-root --no-interaction{options}"""
        add = f"{more}{pip_cache} pip --python /venv/bin/python install {extra}" if extra else ""
        return Installer("poetry", (files.rpartition(" ")[2],), _joined(text, add), "VIRTUAL_ENV=/venv")
    if folder.has("Pipfile.lock") or (folder.has("Pipfile") and not folder.has(*_REQUIREMENTS)):
        locked = folder.has("Pipfile.lock") is not None
        text = f"""{pip_cache} pip install pipenv
{venv}COPY {"Pipfile Pipfile.lock" if locked else "Pipfile"} ./
{"" if locked else "# There is no lock file: `pipenv lock` makes builds repeatable."}
{pip_cache} VIRTUAL_ENV=/venv pipenv {"sync" if locked else "install"}"""
        add = f"{more}{pip_cache} pip --python /venv/bin/python install {extra}" if extra else ""
        return Installer("pipenv", ("Pipfile.lock" if locked else "Pipfile",), _joined(text, add))
    file = folder.has(*_REQUIREMENTS)
    if file is None:
        names = " ".join(filter(None, (f'"{assumed}"' if assumed else "", extra)))
        text = f"{venv}# There is no requirements.txt: write one, with versions, and copy it here first.\n"
        note = "there is no list of dependencies: the Dockerfile installs a minimum"
        return Installer("pip", (), f"{text}{pip_cache} pip install {names}", note=note)
    text = f"{venv}{_copies(folder, file)}\n{pip_cache} pip install -r {file}"
    add = f"{more}{pip_cache} pip install {extra}" if extra else ""
    return Installer("pip", (file,), _joined(text, add))


_OF_OWN_CODE = re.compile(r"^[ \t]*(?:-e\s+|--editable[ =])?\.(?:/|\[|\s*$)", re.MULTILINE)
"""A requirement that is the app itself, or a folder of it."""


def _copies(folder: AppFolder, file: str) -> str:
    """COPY of the files that the installation reads, each where the others look for it."""
    included = _included(folder, file)
    if any(_OF_OWN_CODE.search(folder.read(name)) for name in included):
        return "# The requirements name code of the app itself.\nCOPY . ."
    top = [name for name in included if "/" not in name]
    below = dict.fromkeys(name.rpartition("/")[0] for name in included if "/" in name)
    lines = [f"COPY {' '.join(top)} ./"] if top else []
    return "\n".join([*lines, *(f"COPY {name}/ ./{name}/" for name in below)])


def _included(folder: AppFolder, file: str, seen: tuple[str, ...] = ()) -> list[str]:
    """The file of requirements, and those it names with -r or -c, relative to itself; none if it is not there."""
    if not folder.has(file) or file in seen:
        return []
    named = re.findall(
        r"^[ \t]*(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)", folder.read(file), re.MULTILINE
    )
    paths = [posixpath.normpath(posixpath.join(posixpath.dirname(file), name)) for name in named]
    below = [
        part for path in paths if not path.startswith("..") for part in _included(folder, path, (*seen, file))
    ]
    return list(dict.fromkeys([file, *below]))


def needed_git(folder: AppFolder) -> list[str]:
    """Git, where a package is taken from a repository: slim images have none."""
    text = "\n".join([*_declared(folder), folder.read("pyproject.toml"), folder.read("Pipfile")])
    return ["git"] if re.search(r"\bgit\+|\bgit\s*=\s*[\"']", text) else []


def _joined(*parts: str) -> str:
    return "\n".join(line for part in parts for line in part.splitlines() if line)
