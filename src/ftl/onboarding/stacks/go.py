"""Go apps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, Evidence, Worker
from ftl.onboarding.names import project_name
from ftl.onboarding.stacks.health import found_health
from ftl.onboarding.stacks.ports import found_port, loopback
from ftl.onboarding.stacks.sqlite import NOTE, find_sqlite
from ftl.onboarding.templates import render

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

_NAMES = ("server", "web", "api", "app", "http", "service")
"""Usual names of the folder of a program that serves."""

_SERVES = re.compile(r"\bListenAndServe|\.Listen\(|\.Run\(\s*[\"':]|\"PORT\"|:80\d\d\b")

_WITH_C = frozenset({"github.com/mattn/go-sqlite3", "github.com/confluentinc/confluent-kafka-go/v2"})
"""Modules that are written in C in part."""

_PURE = 'CGO_ENABLED=0 go build -trimpath -ldflags="-s -w"'
_STATIC_C = (
    "CGO_ENABLED=1 go build -trimpath -tags netgo,osusergo,sqlite_omit_load_extension "
    "-ldflags='-s -w -linkmode external -extldflags \"-static\"'"
)
"""With the C of its modules inside: the final image has no library of C."""

_SQLITE = f"{NOTE}\nCOPY --from=build --chown=65532:65532 /out/data /data\nCOPY --from=build /out/links ./"

_ASSETS = ("templates", "static", "public", "views", "web", "assets", "migrations")


def go(folder: AppFolder) -> str | None:
    """Evidence of a Go module with a program."""
    if folder.has("go.mod") and folder.search(r"^package main\b", ".go"):
        return "go.mod and a package main"
    return None


def describe_go(folder: AppFolder, evidence: str) -> App:
    """A static program on an image without a shell."""
    version = re.search(r"^go (\d+\.\d+)", folder.read("go.mod"), re.MULTILINE)
    mains = _mains(folder)
    chosen = _server_of(folder, mains)
    others = [main for main in mains if main != chosen]
    package = _package(chosen)
    programs = {_name(folder, main): f"/app/bin/{_name(folder, main)}" for main in mains}
    program = programs[_name(folder, chosen)] if others else "/app/app"
    if not others:
        programs = dict.fromkeys(programs, program)
    port, reason = found_port(folder, 8080, ".go")
    reach = loopback(folder, ".go")
    assets = [name for name in _ASSETS if folder.has_folder(name) and not _is_embedded(folder, name)]
    todo = []
    workers = []
    for main in others:
        name = _name(folder, main)
        if re.search(r"worker|consumer|scheduler|queue", name):
            where = _package(main)
            workers.append(
                Worker(project_name(name), (programs[name],), f"package main in {where}", source=where)
            )
        else:
            use = (
                "as `hooks: {pre: ...}` if it migrates the database"
                if "migrat" in name
                else "where it is needed"
            )
            todo.append(f"{programs[name]} of {_package(main)} is in the image, too: write it {use}")
    todo += _sql_migrations(folder)
    modules = {
        line.split()[0]
        for line in re.findall(r"^[ \t]*(?:require )?(\S+/\S+ v\S+)", folder.read("go.mod"), re.M)
    }
    sqlite = find_sqlite(folder, modules)
    has_file = sqlite.is_known
    about_file = sqlite.todo(folder, "65532")
    text = render(
        "go.dockerfile",
        {
            "version": version[1] if version else "1",
            "locked": "go.mod go.sum" if folder.has("go.sum") else "go.mod",
            "package": " ".join([package, *map(_package, others)]),
            "output": "/out/bin/" if others else "/out/app",
            "target": "./bin" if others else "./app",
            "program": program,
            "compile": _STATIC_C if modules & _WITH_C else _PURE,
            "sqlite_build": sqlite.in_stage("/out") if has_file else "",
            "sqlite": _SQLITE if has_file else "",
            "assets": "\n".join(f"COPY {name} ./{name}" for name in assets),
            "port": str(port),
        },
    )
    text = text.replace("EXPOSE", f"ENV PORT={port}\nEXPOSE") if "PORT" in folder.variables else text
    return App(
        stack="Go",
        evidence=evidence,
        port=port,
        port_reason=reason,
        dockerfile=text,
        packages=frozenset(re.sub(r"/v\d+$", "", name) for name in modules),
        start=(program,),
        programs=programs,
        workers=tuple(workers),
        start_reason=f"package main in {package}",
        health=found_health(folder),
        facts=(Evidence("Go", version[1] if version else "1", "go.mod"),),
        volumes=sqlite.volumes,
        ignored=sqlite.ignored,
        data_file=sqlite.data_file,
        todo=(*todo, *about_file, *([reach] if reach else [])),
        remarks={"port": (reach,)} if reach else {},
        image_todo=(*todo, *about_file),
    )


def _sql_migrations(folder: AppFolder) -> list[str]:
    """A thing to do about files of a tool that migrates, whose program the image lacks."""
    for name in ("migrations", "db/migrations", "sql/migrations", "internal/migrations", "db/migration"):
        here = folder.path / name
        files = sorted(here.glob("*.sql"))[:1] if here.is_dir() else []
        if not files:
            continue
        by_migrate = files[0].name.endswith((".up.sql", ".down.sql"))
        is_goose = not by_migrate and "-- +goose" in folder.read(f"{name}/{files[0].name}")
        tool = "golang-migrate" if by_migrate else "goose" if is_goose else ""
        if tool and not folder.search(
            r"\bgoose\.(?:Up|UpContext|NewProvider)\(|golang-migrate/migrate", ".go"
        ):
            return [
                f"{name} is of {tool}, whose program the image lacks: let the app migrate when it starts, or build "
                f"{tool} in the Dockerfile, and write it as `hooks: {{pre: [...]}}`"
            ]
    return []


def _mains(folder: AppFolder) -> list[str]:
    """Folders of the programs; where one is at the top, the others are those below `cmd`."""
    found = sorted({name.rpartition("/")[0] for name, text in folder.sources.items() if _is_main(name, text)})
    if "" not in found:
        return found
    return [main for main in found if not main or main.startswith("cmd/")]


def _package(main: str) -> str:
    return f"./{main}" if main else "."


def _name(folder: AppFolder, main: str) -> str:
    """Name of a program as `go build` gives it: of its folder, at the top of the module."""
    module = re.search(r"^module\s+(\S+?)(?:/v\d+)?\s*$", folder.read("go.mod"), re.MULTILINE)
    return (main or (module[1] if module else "app")).rpartition("/")[2]


def _server_of(folder: AppFolder, mains: list[str]) -> str:
    """The program that serves: that at the top, unless one with a usual name listens and it does not."""
    usual = (*_NAMES, _name(folder, ""))

    def rank(main: str) -> tuple[bool, bool, bool, bool, str]:
        serves, is_usual = _serves(folder, main), _name(folder, main) in usual
        return not (serves and is_usual), main != "", not serves, not is_usual, main

    return min(mains, key=rank, default="")


def _serves(folder: AppFolder, main: str) -> bool:
    """Whether a program listens in its own folder."""
    return any(
        _SERVES.search(text)
        for name, text in folder.sources.items()
        if (name.startswith(f"{main}/") if main else "/" not in name)
    )


def _is_embedded(folder: AppFolder, name: str) -> bool:
    """Whether the program contains a folder of files, by a `//go:embed` of it or of something inside."""
    for file, text in folder.sources.items():
        parent = file.rpartition("/")[0]
        for line in re.findall(r"^//go:embed\s+(.+)$", text, re.MULTILINE) if file.endswith(".go") else ():
            paths = [f"{parent}/{part.removeprefix('all:')}".strip("/") for part in line.split()]
            if any(path == name or path.startswith(f"{name}/") for path in paths):
                return True
    return False


def _is_main(name: str, text: str) -> bool:
    if not name.endswith(".go") or re.search(r"^//(?:go:build| \+build)\s+ignore\b", text, re.MULTILINE):
        return False
    return bool(re.search(r"^package main\b", text, re.MULTILINE)) and "func main()" in text
