"""`ftl init` on apps of every stack."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pytest

from ftl.errors import FtlError, UsageError
from ftl.image.building.inputs.context import walk_context
from ftl.image.building.inputs.dockerfile import parse
from ftl.onboarding.app import exec_form
from ftl.onboarding.names import project_name
from ftl.onboarding.new_files import write
from ftl.onboarding.starter import StarterOptions, make_start
from ftl.onboarding.yaml_text import lines

from .apps import MANAGE, SETTINGS, package
from .conftest import put_files
from .odd_apps import ALL as CASES

if TYPE_CHECKING:
    from pathlib import Path

    from .apps import Case
    from .conftest import Begin


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_each_stack(begin: Begin, case: Case) -> None:
    """The files for an app load, and have its port, start command, check, hook, workers and databases."""
    start, project = begin(case.files)
    web = project.services[0]
    assert start.app.stack == case.stack
    assert web.port == case.port
    assert (web.health_check.path if web.health_check else None) == case.health
    assert (web.hooks.pre.remote if web.hooks.pre else None) == case.hook
    assert tuple(service.name for service in project.services[1:]) == case.workers
    assert tuple(dependency.name for dependency in project.dependencies) == case.dependencies
    assert set(case.env) <= set(web.env)
    dockerfile = start.files.get("Dockerfile", start.files.get("api/Dockerfile", ""))
    assert [text for text in case.dockerfile if text not in dockerfile] == []


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if "Dockerfile" not in case.files], ids=lambda case: case.stack
)
def test_dockerfiles_are_well_made(begin: Begin, case: Case) -> None:
    """No process runs as root or below a shell that keeps SIGTERM, and no placeholder of a template is left."""
    start, _ = begin(case.files)
    text = next(text for name, text in start.files.items() if name.endswith("Dockerfile"))
    final = parse(text).stages[-1]
    assert re.search(r"^CMD \[", text, re.MULTILINE)
    assert "USER " in text or ":nonroot" in final.base
    assert not re.search(r"@[a-z_]+@", text)
    assert "\n\n\n" not in text
    shell = re.search(r'CMD \["sh", "-c", "(.*)"\]', text)
    assert shell is None or "exec " in shell[1]
    copies = [line for line in text.splitlines() if line.startswith("COPY") and "--from" not in line]
    if len(copies) > 1 and len(parse(text).stages) > 1:
        assert not copies[0].startswith("COPY . "), "the lock file comes first"


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if "Dockerfile" not in case.files], ids=lambda case: case.stack
)
def test_all_that_a_dockerfile_copies_is_in_its_context(begin: Begin, tmp_path: Path, case: Case) -> None:
    """Each source of a COPY is a file of the app or of the start, and no line of .dockerignore excludes it."""
    _, project = begin(case.files)
    build = next(service.build for service in project.services if service.build is not None)
    folder = tmp_path / "shop" / build.context
    dockerfile = folder / "Dockerfile"
    sent = walk_context(folder, dockerfile).files
    for instruction in parse(dockerfile.read_text()).instructions:
        if instruction.keyword != "COPY" or any(flag.startswith("--from") for flag in instruction.flags):
            continue
        sources = instruction.arguments.split()[len(instruction.flags) : -1]
        for source in sources:
            wanted = source.removeprefix("./").rstrip("/")
            assert wanted == "." or any(
                fnmatch(path, wanted) or path.startswith(f"{wanted}/") for path in sent
            ), instruction.text


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Files that exist are kept as they are and named, and an ftl.yaml is an error."""
    put_files(tmp_path, {"index.html": "", "Caddyfile": "mine", ".dockerignore": "mine"})
    start = make_start(tmp_path)
    write(tmp_path, start.files, file="ftl.yaml")
    assert set(start.kept) == {"Caddyfile", ".dockerignore"}
    assert (tmp_path / "Caddyfile").read_text() == "mine"
    assert "add to .dockerignore, so that they are not in the image: .git .env ftl.yaml" in start.todo
    with pytest.raises(UsageError, match="already exists"):
        write(tmp_path, start.files, file="ftl.yaml")


def test_secrets_go_to_a_private_file_that_git_ignores(tmp_path: Path) -> None:
    """Passwords are made up, written to .env with mode 600, and kept out of git."""
    put_files(tmp_path, {"requirements.txt": "flask\npsycopg\n", "app.py": "app = Flask(__name__)"})
    write(tmp_path, make_start(tmp_path).files, file="ftl.yaml")
    assert re.search(r"^POSTGRES_PASSWORD=[0-9a-f]{32}$", (tmp_path / ".env").read_text(), re.MULTILINE)
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".gitignore").read_text().splitlines()[0] == ".env"


@pytest.mark.parametrize("line", ["x", ".env.*"])
def test_an_env_file_is_not_touched(tmp_path: Path, line: str) -> None:
    """What an existing .env and .gitignore lack is a thing to do, with the command for it."""
    files = {
        "requirements.txt": "flask\npsycopg\n",
        "app.py": "app = Flask(__name__)",
        ".env": "A=1\n",
        ".gitignore": line,
    }
    start = make_start(put_files(tmp_path, files))
    assert ".env" not in start.files
    assert (
        "add POSTGRES_PASSWORD to .env: `echo POSTGRES_PASSWORD=$(openssl rand -hex 16) >> .env`"
        in start.todo
    )
    assert any("add .env to .gitignore" in text for text in start.todo)


@pytest.mark.parametrize("line", [".env", "/.env", "/.env*"])
def test_a_gitignore_that_has_it(tmp_path: Path, line: str) -> None:
    """`rails new` writes `/.env*`."""
    files = {
        "requirements.txt": "flask\npsycopg\n",
        "app.py": "app = Flask(__name__)",
        ".gitignore": f"{line}\n",
    }
    assert not [text for text in make_start(put_files(tmp_path, files)).todo if ".gitignore" in text]


def test_answers_are_used(begin: Begin) -> None:
    """The domain and the server that were asked for are in the file."""
    _, project = begin({"index.html": ""}, StarterOptions("Shop.example.org".lower(), "deploy@203.0.113.7"))
    assert project.project.domain == "shop.example.org"
    assert (project.server.host, project.server.user) == ("203.0.113.7", "deploy")


def test_unsure_values_have_a_comment_at_their_line(tmp_path: Path) -> None:
    """Versions and ports that no file names are marked where they are used."""
    files = {"package.json": package({"start": "node ."}, express="4"), "index.js": ""}
    start = make_start(put_files(tmp_path, files))
    assert re.search(r"port: 3000 +# nothing in the code names one", start.files["ftl.yaml"])
    assert start.files["Dockerfile"].startswith("# Node 24 is assumed")


def test_django_with_sqlite_keeps_its_data(begin: Begin) -> None:
    """The SQLite file of a new project is on a volume, and what its settings refuse is said."""
    settings = "# using Django 5.2.1\nDEBUG = True\nALLOWED_HOSTS = []\n"
    settings += "'django.db.backends.sqlite3' BASE_DIR / 'db.sqlite3'"
    start, project = begin({"manage.py": MANAGE, "shop/settings.py": settings})
    assert project.services[0].volumes == ("data:/data",)
    assert project.services[0].health_check is None
    assert '"django~=5.2.0" gunicorn' in start.files["Dockerfile"]
    assert [text.partition(" ")[0] for text in start.todo] == ["set", "set", "add", "DEBUG"]


@pytest.mark.parametrize(
    ("files", "message", "hint"),
    [
        ({}, "this folder is empty", "write a Dockerfile"),
        ({"README.md": ""}, "there is no app in this folder", "write a Dockerfile"),
        ({"compose.yaml": ""}, "there is no app in this folder", "`ftl init --from compose.yaml`"),
        ({"package.json": "{,"}, r"package.json is not valid JSON \(line 1\)", "correct it"),
        ({"package.json": "[]"}, "package.json is not a JSON object", "begin with {"),
        ({"pyproject.toml": "= 1"}, "pyproject.toml is not valid TOML", "correct it"),
        (
            {"manage.py": MANAGE, "shop/settings.py": SETTINGS, "package.json": package(express="4")},
            r"there are 2 apps in this folder: Django \(manage.py\) and Node server",
            "write a Dockerfile for each",
        ),
        (
            {
                "api/requirements.txt": "fastapi",
                "web/package.json": package({"build": "vite build"}, vite="7"),
            },
            r"there are 2 apps below this folder: api \(FastAPI\), web \(built site\)",
            "`cd api && ftl init`",
        ),
        (
            {"package.json": '{"workspaces": ["apps/*"]}', "apps/web/package.json": package(next="15")},
            r"this folder is a monorepo, with apps/web \(Next.js\)",
            "dockerfile: apps/web/Dockerfile",
        ),
        (
            {"package.json": package(next="15"), "nx.json": "{}", "apps/till/project.json": "{}"},
            r"this folder is a monorepo, with apps/till \(project.json\)",
            "dockerfile: apps/till/Dockerfile",
        ),
    ],
    ids=lambda value: "" if isinstance(value, dict) else None,
)
def test_bad_input(tmp_path: Path, files: dict[str, str], message: str, hint: str) -> None:
    """A folder that cannot be taken gets a sentence and a next step."""
    with pytest.raises(FtlError, match=message) as caught:
        make_start(put_files(tmp_path, files))
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("node server.js", ("node", "server.js")),
        ("a 'b c'", ("a", "b c")),
        ("serve -p $PORT", ("sh", "-c", "exec serve -p $PORT")),
        ("build && serve", ("sh", "-c", "build && exec serve")),
        ("A=1 serve", ("sh", "-c", "exec env A=1 serve")),
        ("a | b", ("sh", "-c", "a | b")),
        ("exec a $B", ("sh", "-c", "exec a $B")),
    ],
)
def test_exec_form(line: str, command: tuple[str, ...]) -> None:
    """A command line needs a shell only for what a shell does, and the shell is replaced by the program."""
    assert exec_form(line) == command


@pytest.mark.parametrize(
    ("folder", "name"),
    [("shop", "shop"), ("My Shop", "my-shop"), ("_x_", "x"), ("ø", "app"), ("a" * 80, "a" * 63)],
)
def test_the_project_is_named_after_the_folder(folder: str, name: str) -> None:
    """Any folder's name makes a valid project name."""
    assert project_name(folder) == name


HARD_TEXTS = [
    "",
    " a",
    "null",
    "~",
    "yes",
    "1.10",
    "\u2028",
    "a\nb",
    "a\\b",
    "${A:-b}",
    "a: b",
    "a:",
    "a #b",
    "[a",
    "{a",
]
HARD_TEXTS += ["- x", "#c", "*a", "&a", "!x", '"', "'", "@x", "?", "|", "> x", "%a", "`a", "a,b", "]"]


@pytest.mark.parametrize("text", HARD_TEXTS)
def test_texts_survive(tmp_path: Path, text: str) -> None:
    """A text in YAML that FTL writes is read as the same text."""
    import yaml

    written = "\n".join(lines({"a": {"k": text, "l": [text], "f": (text, "x")}, text or "e": 1}))
    loaded = yaml.load(written, Loader=yaml.BaseLoader)
    assert loaded["a"] == {"k": text, "l": [text], "f": [text, "x"]} or text in ("null", "~")
    assert (text or "e") in loaded
