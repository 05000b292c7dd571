"""SQLite files of apps: on a volume where their path is known, else a thing to do."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.folder import AppFolder
from ftl.onboarding.stacks.sqlite import find_sqlite
from tests.unit.onboarding.conftest import put_files
from tests.unit.onboarding.dockerfile_faults import faults

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.unit.onboarding.conftest import Begin

FASTAPI = 'from fastapi import FastAPI\napp = FastAPI()\nengine = create_engine("sqlite:///database.db")\n'
PRISMA = 'datasource db {\n  provider = "sqlite"\n  url = %s\n}\n'


def node(**dependencies: str) -> str:
    """A package.json of a server."""
    used = {name.replace("_", "-"): version for name, version in dependencies.items()}
    return json.dumps({"scripts": {"start": "node a.js"}, "dependencies": {"express": "5", **used}})


APPS: Mapping[str, tuple[Mapping[str, str], str]] = {
    "fastapi": (
        {"requirements.txt": "fastapi\nuvicorn\nsqlmodel\n", "main.py": FASTAPI},
        "RUN mkdir -p /data && chown app /data && ln -sf /data/database.db database.db",
    ),
    "the name of the file": (
        {"requirements.txt": "fastapi\n", "main.py": 'sqlite_file_name = "x.db"\nurl = f"sqlite:///{sqlite_file_name}"\napp = FastAPI()\n'},
        "ln -sf /data/x.db x.db",
    ),
    "flask-sqlalchemy": (
        {"requirements.txt": "flask\nflask-sqlalchemy\n", "app.py": 'app = Flask(__name__)\napp.config["X"] = "sqlite:///shop.db"\n'},
        "RUN mkdir -p /data instance && chown app /data && ln -sf /data/shop.db instance/shop.db",
    ),
    "sqlite3 of python": (
        {"requirements.txt": "flask\n", "app.py": 'DB = "db/a.sqlite"\napp = Flask(__name__)\nc = sqlite3.connect(DB)\n'},
        "RUN mkdir -p /data db && chown app /data && ln -sf /data/a.sqlite db/a.sqlite",
    ),
    "go": (
        {"go.mod": "module x\n\ngo 1.24\n\nrequire modernc.org/sqlite v1.0.0\n", "main.go": 'package main\nfunc main() { sql.Open("sqlite", "data/app.db"); http.ListenAndServe(":8080", nil) }\n'},
        "RUN mkdir -p /out/data /out/links/data && ln -s /data/app.db /out/links/data/app.db",
    ),
    "gorm": (
        {"go.mod": "module x\n\ngo 1.24\n", "main.go": 'package main\nfunc main() { gorm.Open(sqlite.Open("app.db"), nil); http.ListenAndServe(":8080", nil) }\n'},
        "COPY --from=build --chown=65532:65532 /out/data /data\nCOPY --from=build /out/links ./",
    ),
    "better-sqlite3": (
        {"package.json": node(better_sqlite3="12"), "a.js": 'const db = new Database("./app.db")\napp.listen(3000)\n'},
        "RUN mkdir -p /data && chown node /data && ln -sf /data/app.db app.db\nUSER node",
    ),
    "a class of another name": (
        {"package.json": node(better_sqlite3="12"), "a.js": 'const Sqlite = require("better-sqlite3")\nconst db = new Sqlite("app.db")\napp.listen(3000)\n'},
        "RUN mkdir -p /data && chown node /data && ln -sf /data/app.db app.db\nUSER node",
    ),
    "without a class": (
        {"package.json": node(better_sqlite3="12"), "a.js": 'const db = require("better-sqlite3")("x.db")\napp.listen(3000)\n'},
        "RUN mkdir -p /data && chown node /data && ln -sf /data/x.db x.db\nUSER node",
    ),
    "below /data already": (
        {"requirements.txt": "fastapi\n", "main.py": FASTAPI.replace("///database", "////data/app")},
        "RUN mkdir -p /data && chown -R app /data\n",
    ),
    "in a folder below /data": (
        {"package.json": node(better_sqlite3="12"), "a.js": 'const db = new Database("/data/db/app.db")\napp.listen(3000)\n'},
        "RUN mkdir -p /data/db && chown -R node /data\nUSER node",
    ),
    "go below /data": (
        {"go.mod": "module x\n\ngo 1.24\n", "main.go": 'package main\nfunc main() { sql.Open("sqlite", "file:/data/a/app.db?x=1"); http.ListenAndServe(":8080", nil) }\n'},
        "RUN mkdir -p /out/data/a /out/links\n",
    ),
    "in the folder of the app": (
        {"requirements.txt": "fastapi\n", "main.py": FASTAPI.replace("///database", "////app/db/app")},
        "RUN mkdir -p /data db && chown app /data && ln -sf /data/app.db db/app.db",
    ),
    "prisma below /data": (
        {"package.json": node(prisma="6"), "a.js": "app.listen(3000)", "prisma/schema.prisma": PRISMA % '"file:/data/dev.db"'},
        "RUN mkdir -p /data && chown -R node /data\nUSER node",
    ),
    "prisma with a variable": (
        {"package.json": node(prisma="6"), "a.js": "app.listen(3000)", "prisma/schema.prisma": PRISMA % 'env("DATABASE_URL")'},
        "RUN mkdir -p /data && chown node /data\nUSER node",
    ),
    "prisma with a path": (
        {"package.json": node(prisma="6"), "a.js": "app.listen(3000)", "prisma/schema.prisma": PRISMA % '"file:./dev.db"'},
        "RUN mkdir -p /data prisma && chown node /data && ln -sf /data/dev.db prisma/dev.db",
    ),
    "next with prisma": (
        {"package.json": json.dumps({"scripts": {"build": "next build"}, "dependencies": {"next": "15", "prisma": "6"}}),
         "next.config.js": 'x = { output: "standalone" }', "prisma/schema.prisma": PRISMA % 'env("DATABASE_URL")'},
        "RUN mkdir -p /data && chown node /data\nUSER node",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("files", "line"), APPS.values(), ids=list(APPS))
def test_the_file_is_on_a_volume(begin: Begin, files: Mapping[str, str], line: str) -> None:
    """The app opens it where it did, and the user of the image may write it."""
    start, project = begin(files)
    assert line in start.files["Dockerfile"]
    assert faults(start.files["Dockerfile"]) == []
    web = project.services[0]
    assert web.volumes == ("data:/data",)
    if any('env("DATABASE_URL")' in text for text in files.values()):
        assert web.env["DATABASE_URL"] == "file:/data/app.db"
    assert not [text for text in start.todo if "SQLite" in text]


@pytest.mark.parametrize(
    ("name", "text", "path"),
    [
        ("a.py", 'create_engine("sqlite:///:memory:")', None),
        ("a.py", 'create_engine("sqlite://")', None),
        ("a.py", 'create_engine("sqlite:////var/lib/a.db")', ""),
        ("a.py", 'create_engine(f"sqlite:///{BASE / 1}.db")', ""),
        ("a.py", "sqlite3.connect(path_of())", ""),
        ("a.py", "sqlite3.connect(somewhere)", ""),
        ("a.py", 'sqlite3.connect("../a.db")', ""),
        ("a.js", 'new Database("a.db")', None),
        ("a.go", 'sql.Open("postgres", "data/app.db")', None),
        ("a.go", 'sql.Open("sqlite3", "file:a.db?cache=shared")', "a.db"),
    ],
)
def test_where_an_sqlite_file_is(tmp_path: Path, name: str, text: str, path: str | None) -> None:
    """None is no file, empty one that only the user knows."""
    found = find_sqlite(AppFolder(put_files(tmp_path, {name: text})), ())
    assert (found.path if found.source else None) == path


def test_a_file_that_only_the_user_knows_is_a_thing_to_do(begin: Begin) -> None:
    """Its data would go with each release, and it has no volume."""
    start, project = begin(
        {"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)\nsqlite3.connect(X)\n"}
    )
    assert project.services[0].volumes == ()
    assert any("app.py opens an SQLite file" in text for text in start.todo)


COMPUTED = {
    "join": ("a.js", 'const db = new Database(path.join(__dirname, "app.db"))'),
    "or": ("a.js", 'const db = new Database(process.env.DB || "x.db")'),
    "name": ("a.js", 'const file = process.env.DB ?? "x.db"\nconst db = new Database(file)'),
    "template": ("a.js", "const db = new Database(`${dir}/x.db`)"),
    "sum": ("a.js", 'const db = new Database("x" + number)'),
    "require": ("a.js", 'const db = require("better-sqlite3")(name())'),
    "class": ("a.ts", 'import Sqlite from "better-sqlite3"\nconst db = new Sqlite(name())'),
    "callback": ("a.js", "const db = new sqlite3.Database(file(), (error) => {})"),
    "node": ("a.mjs", 'import { DatabaseSync } from "node:sqlite"\nconst db = new DatabaseSync(name())'),
    "filename": ("a.ts", 'import sqlite3 from "sqlite3"\nopen({ filename: path.join(dir, "x.db") })'),
    "knex": ("a.js", 'knex({ client: "better-sqlite3", connection: { filename: name() } })'),
    "drizzle": ("a.ts", 'import { drizzle } from "drizzle-orm/better-sqlite3"\ndrizzle(process.env.DB)'),
    "go getenv": ("main.go", 'sql.Open("sqlite", os.Getenv("DB"))'),
    "go join": ("main.go", 'sql.Open("sqlite3", filepath.Join(dir, "x.db"))'),
    "go sum": ("main.go", 'sql.Open("sqlite3", "file:"+name)'),
    "gorm": ("main.go", "gorm.Open(sqlite.Open(cfg.Path), nil)"),
    "go driver": ("main.go", 'import _ "modernc.org/sqlite"\nfunc f() { sql.Open(driver, name) }'),
}


@pytest.mark.parametrize(("name", "text"), COMPUTED.values(), ids=list(COMPUTED))
def test_a_path_that_is_computed_is_a_thing_to_do(begin: Begin, name: str, text: str) -> None:
    """The data was gone with each release, without a word."""
    if name == "main.go":
        imported, _, rest = text.rpartition("\nfunc f() ")
        body = rest if imported else f"{{ {text} }}"
        text = f'package main\n{imported}\nfunc open() {body}\nfunc main() {{ http.ListenAndServe(":8080", nil) }}\n'
        files = {"go.mod": "module x\n\ngo 1.24\n", name: text}
    else:
        files = {"package.json": node(better_sqlite3="12"), "a.js": "", name: f"{text}\napp.listen(3000)\n"}
    start, project = begin(files)
    assert project.services[0].volumes == ()
    todo = next(todo for todo in start.todo if f"{name} opens an SQLite file" in todo)
    line = re.search(r"above `(USER \w+)` in the Dockerfile|`COPY (--from=build --chown=65532:65532)", todo)
    assert line is not None
    assert (line[1] or "AS build\n") in start.files["Dockerfile"]


@pytest.mark.parametrize(
    "text", ["new Database()", 'new Database(":memory:")', 'open({ filename: ":memory:" })']
)
def test_a_database_in_memory_is_none_of_them(begin: Begin, text: str) -> None:
    """Nothing of it is to be kept."""
    text = f'import Database from "better-sqlite3"\n{text}\napp.listen(3000)\n'
    start, project = begin({"package.json": node(better_sqlite3="12"), "a.js": text})
    assert project.services[0].volumes == ()
    assert not [todo for todo in start.todo if "SQLite" in todo]


@pytest.mark.parametrize("path", [":memory:", "test.db"])
def test_the_file_of_a_test_is_not_that_of_the_app(begin: Begin, path: str) -> None:
    """Neither a file nor a database in memory of a test says where the app's is."""
    main = 'package main\nimport _ "modernc.org/sqlite"\nfunc main() { sql.Open(driver, dsn); http.ListenAndServe(":8080", nil) }\n'
    test = f'package x\nfunc f() {{ sql.Open("sqlite", "{path}") }}\n'
    start, project = begin({"go.mod": "module x\n\ngo 1.24\n", "main.go": main, "b/a_test.go": test})
    assert project.services[0].volumes == ()
    assert any("main.go opens an SQLite file" in todo for todo in start.todo)


def test_the_settings_of_a_tool_open_no_file(begin: Begin) -> None:
    """They do not run with the app, and libSQL may be a server."""
    files = {
        "package.json": node(**{"@libsql/client": "1"}),
        "drizzle.config.ts": 'x = { dialect: "sqlite" }',
    }
    start, _ = begin({**files, "a.js": "createClient({ url: process.env.TURSO_URL })\napp.listen(3000)\n"})
    assert not [todo for todo in start.todo if "SQLite" in todo]


def test_another_absolute_path_is_named_with_its_folder(begin: Begin) -> None:
    """The user chooses: a volume there, and its owner."""
    start, project = begin(
        {"requirements.txt": "fastapi\n", "main.py": FASTAPI.replace("///database", "////var/lib/shop/a")}
    )
    assert project.services[0].volumes == ()
    (todo,) = [todo for todo in start.todo if "main.py opens /var/lib/shop/a.db" in todo]
    assert "`volumes: [data:/var/lib/shop]`" in todo


def test_another_database_is_that_of_the_server(begin: Begin) -> None:
    """SQLite is the default for development then."""
    text = 'app = Flask(__name__)\nos.getenv("DATABASE_URL", "sqlite:///a.db")\n'
    start, project = begin({"requirements.txt": "flask\npsycopg\n", "app.py": text})
    assert project.services[0].volumes == ()
    assert "SQLite" not in start.files["Dockerfile"]


def test_a_file_with_data_is_not_in_the_image(begin: Begin) -> None:
    """It is excluded, and said to be copied by hand."""
    start, _ = begin({**APPS["fastapi"][0], "database.db": "x"})
    assert "\ndatabase.db*\n" in start.files[".dockerignore"]
    assert any("copy database.db into it" in text for text in start.todo)


def test_what_is_to_be_done_for_flask_names_the_user_and_the_place(begin: Begin) -> None:
    """The line is as it belongs into the Dockerfile that is written."""
    text = "import sqlite3\nfrom flask import Flask\napp = Flask(__name__)\nsqlite3.connect(path())\n"
    start, _ = begin({"requirements.txt": "flask\n", "app.py": text})
    todo = next(todo for todo in start.todo if "SQLite" in todo)
    assert "`RUN mkdir -p /data && chown app /data` above `USER app` in the Dockerfile" in todo
    assert "\nUSER app\n" in start.files["Dockerfile"]
