"""Dockerfiles of `ftl init` that a builder accepts, and that would fail all the same."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftl.errors import UsageError
from ftl.onboarding.folder import AppFolder
from ftl.onboarding.stacks.node.managers import allows, node_version
from ftl.onboarding.starter import make_start

from .apps import SETTINGS, package
from .conftest import put_files
from .dockerfile_faults import faults

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .conftest import Begin

MANAGE = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\nimport django\n'


def test_a_django_project_one_folder_below_its_packages(begin: Begin) -> None:
    """`django-admin startproject mysite` makes such a folder; its commands run there."""
    settings = 'WSGI_APPLICATION = "mysite.wsgi.application"\nSTATIC_ROOT = "s"\nALLOWED_HOSTS = ["*"]\n'
    settings += 'DATABASES = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}\n'
    files = {
        "requirements.txt": "django\ngunicorn\ncelery[redis]\n",
        "mysite/manage.py": MANAGE,
        "mysite/mysite/settings.py": settings,
        "mysite/mysite/celery.py": 'app = Celery("mysite")\n',
    }
    start, project = begin(files)
    web, worker = project.services
    assert (start.app.stack, web.port, worker.command) == (
        "Django", 8000, ("celery", "-A", "mysite", "worker", "--loglevel", "info"),
    )  # fmt: skip
    dockerfile = start.files["Dockerfile"]
    assert "COPY requirements.txt ./" in dockerfile
    assert (
        dockerfile.index("WORKDIR /app/mysite")
        < dockerfile.index("collectstatic")
        < dockerfile.index('"mysite.wsgi"')
    )
    assert "ln -sf /data/db.sqlite3 db.sqlite3" in dockerfile
    assert "\nmysite/db.sqlite3*\n" in start.files[".dockerignore"], (
        "a file of this machine would be in the link's place"
    )


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "x", "a/manage.py": MANAGE, "b/manage.py": MANAGE},
        {"requirements.txt": "x", "a/manage.py": "print()"},
    ],
)
def test_which_project_is_meant_is_not_guessed(tmp_path: Path, files: Mapping[str, str]) -> None:
    """Of two, and of other programs of this name, there is no Django project."""
    assert make_start(put_files(tmp_path, {**files, "main.py": ""})).app.stack == "Python"


def test_requirements_that_name_other_files(begin: Begin) -> None:
    """Each is copied to where the others look for it, and what it has is known."""
    files = {
        "requirements.txt": "-r requirements/base.txt\n-c constraints.txt\n",
        "requirements/base.txt": "-r ./common.txt\nfastapi\n-r ../outside.txt\n",
        "requirements/common.txt": "mysqlclient\n-r base.txt\n",
        "constraints.txt": "",
        "main.py": "app = FastAPI()\n",
    }
    start, project = begin(files)
    dockerfile = start.files["Dockerfile"]
    assert "COPY requirements.txt constraints.txt ./\nCOPY requirements/ ./requirements/\n" in dockerfile
    assert "libmariadb-dev" in dockerfile
    assert [dependency.name for dependency in project.dependencies] == ["mysql"]


@pytest.mark.parametrize("line", ["-e .", ".", "./lib", ".[web]"])
def test_requirements_that_are_the_app_itself(begin: Begin, line: str) -> None:
    """They are installed from its files, which are there first."""
    start, _ = begin({"requirements.txt": f"flask\n{line}\n", "app.py": "app = Flask(__name__)\n"})
    assert (
        "COPY . .\nRUN --mount=type=cache,target=/root/.cache/pip pip install -r" in start.files["Dockerfile"]
    )


@pytest.mark.parametrize(
    "files",
    [
        {
            "requirements.txt": "flask\ngit+https://github.com/a/b.git@main\n",
            "app.py": "app = Flask(__name__)\n",
        },
        {
            "pyproject.toml": '[project]\nname="a"\ndependencies=["flask", "b @ git+https://github.com/a/b"]\n',
            "app.py": "app = Flask(__name__)\n",
        },
        {
            "pyproject.toml": '[tool.poetry.dependencies]\nflask = "*"\nb = {git = "https://github.com/a/b"}\n',
            "app.py": "app = Flask(__name__)\n",
        },
        {"package.json": package({"start": "node a.js"}, express="5", b="github:a/b"), "a.js": ""},
        {
            "package.json": package({"start": "node a.js"}, express="5", b="git+https://github.com/a/b.git"),
            "a.js": "",
        },
    ],
)
def test_packages_of_repositories_need_git(begin: Begin, files: Mapping[str, str]) -> None:
    """Slim images have none."""
    text = begin(files)[0].files["Dockerfile"]
    assert faults(text) == []
    assert "--no-install-recommends git" in text.partition("\n\nFROM")[0]


@pytest.mark.parametrize(
    ("build", "files", "mode", "command"),
    [
        ("<artifactId>spring-boot-starter-parent</artifactId><version>3.5.1</version>", (), "-Djarmode=tools -jar /app.jar extract --layers", '["java", "-jar", "app.jar"]'),
        ("<artifactId>spring-boot-starter-parent</artifactId><version>3.2.0</version>", (), "-Djarmode=layertools -jar /app.jar extract", '["java", "org.springframework.boot.loader.launch.JarLauncher"]'),
        ("<artifactId>spring-boot-starter-parent</artifactId>\n<version>2.7.18</version>", (), "-Djarmode=layertools", '["java", "org.springframework.boot.loader.JarLauncher"]'),
        ("<artifactId>spring-boot-starter-parent</artifactId><version>2.1.0.RELEASE</version>", (), "cp /app.jar /layers/application/", '["java", "-jar", "app.jar"]'),
        ("id 'org.springframework.boot' version '3.1.4' // spring-boot", ("build.gradle",), "-Djarmode=layertools", '["java", "org.springframework.boot.loader.JarLauncher"]'),
        ('id("org.springframework.boot") version "3.3.0" // spring-boot', ("build.gradle.kts",), "-Djarmode=tools", '["java", "-jar", "app.jar"]'),
    ],
)  # fmt: skip
def test_the_tools_in_a_jar_are_those_of_its_version(
    begin: Begin, build: str, files: tuple[str, ...], mode: str, command: str
) -> None:
    """Spring Boot before 3.3 has no `tools`, before 2.4 no layers."""
    text = begin({(files or ("pom.xml",))[0]: f"<project>{build}</project>"})[0].files["Dockerfile"]
    assert mode in text
    assert f"CMD {command}\n" in text
    assert ("spring-boot-loader" in text) is (
        "/layers/application/" not in text.partition("FROM ")[2].partition("FROM")[0]
    )
    assert faults(text) == []


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"application.properties": "management.server.port=9001\n"}, None),
        ({"application.yml": "management:\n  server:\n    port: 9001\n"}, None),
        ({"application.yml": "management:\n  server.port: 9001\nname: @project.name@\n"}, None),
        ({"application.yml": "management: {server: {port: 9001}}\n"}, None),
        (
            {"application.yml": "a: {port: 9001}\nmanagement:\n  x: 1\nserver:\n  port: 8080\n"},
            "/actuator/health",
        ),
        (
            {
                "application.yml": "a: 1\n---\nspring.config.activate.on-profile: x\nmanagement.server.port: 9001\n"
            },
            "/actuator/health",
        ),
        ({"application.yml": "a: [\n"}, "/actuator/health"),
        ({"application.properties": "management.server.port=8080\n"}, "/actuator/health"),
        (
            {
                "application.properties": "server.servlet.context-path=/api\nmanagement.endpoints.web.base-path=/m\n"
            },
            "/api/m/health",
        ),
    ],
)
def test_the_actuator_at_a_port_of_its_own(begin: Begin, settings: dict[str, str], path: str | None) -> None:
    """Asked at the app's port, it answers 404 for ever."""
    files = {f"src/main/resources/{name}": text for name, text in settings.items()}
    _, project = begin(
        {"pom.xml": "<a>spring-boot</a><artifactId>spring-boot-starter-actuator</artifactId>", **files}
    )
    check = project.services[0].health_check
    assert (check.path if check else None) == path


def test_the_output_folder_of_an_exported_next_site(begin: Begin) -> None:
    """It is distDir, where there is one; of a standalone server, too, all is below it."""
    files = {"package.json": package({"build": "next build"}, next="14"), "yarn.lock": ""}
    config = "module.exports = { output: 'export', distDir: 'out2' }"
    assert (
        "COPY --from=build /app/out2 /srv"
        in begin({**files, "next.config.js": config})[0].files["Dockerfile"]
    )


def test_the_folder_of_a_standalone_next_server(begin: Begin) -> None:
    """It is below distDir, where there is one."""
    files = {"package.json": package({"build": "next build"}, next="14"), "yarn.lock": ""}
    text = begin({**files, "next.config.js": "x = { output: 'standalone', distDir: './build' }"})[0].files[
        "Dockerfile"
    ]
    assert "/app/build/standalone ./\n" in text
    assert "/app/build/static ./build/static" in text
    assert "target=/app/build/cache" in text


WORKSPACE = {
    "package.json": '{"name": "root"}',
    "pnpm-lock.yaml": "",
    "pnpm-workspace.yaml": "packages:\n  # all\n  - apps/*\n  - 'packages/*'\n",
    "apps/api/package.json": package({"start": "node a.js"}, express="4", db="workspace:*"),
    "tools/x/package.json": package({"start": "node a.js"}, express="4"),
}


@pytest.mark.parametrize(
    "files",
    [
        WORKSPACE,
        {**WORKSPACE, "pnpm-workspace.yaml": "", "package.json": '{"workspaces": ["./apps/*"]}'},
        {**WORKSPACE, "pnpm-workspace.yaml": "", "package.json": '{"workspaces": {"packages": ["apps/*"]}}'},
        {
            "pyproject.toml": "[tool.uv.workspace]\n",
            "uv.lock": "",
            "apps/api/pyproject.toml": '[project]\nname = "a"\ndependencies = ["fastapi"]\n[tool.uv.sources]\nb = { workspace = true }\n',
        },
    ],
)
def test_a_package_of_a_workspace_is_built_from_its_top(tmp_path: Path, files: Mapping[str, str]) -> None:
    """Its lock file and the packages beside it are above: `npm install` would fail."""
    put_files(tmp_path, files)
    with pytest.raises(UsageError, match=r"this folder is a package of the monorepo in \.\./\.\.") as caught:
        make_start(tmp_path / "apps/api")
    assert "dockerfile: apps/api/Dockerfile" in (caught.value.hint or "")


def test_another_folder_below_a_workspace_is_an_app_of_its_own(tmp_path: Path) -> None:
    """And so is one with a lock file, or a Dockerfile of its own."""
    put_files(tmp_path, {**WORKSPACE, "tools/x/a.js": ""})
    assert make_start(tmp_path / "tools/x").app.stack == "Express"
    put_files(tmp_path, {"apps/api/package-lock.json": "{}"})
    assert make_start(tmp_path / "apps/api").app.stack == "Express"


@pytest.mark.parametrize(
    ("used", "start", "more"),
    [
        (
            "channels\ndaphne\n",
            ["daphne", "--proxy-headers", "-b", "0.0.0.0", "-p", "8000", "config.asgi:app"],
            None,
        ),
        (
            "channels\n",
            ["uvicorn", "--host", "0.0.0.0", "--port", "8000", "config.asgi:app"],
            '"uvicorn[standard]"',
        ),
        (
            "channels\nuvicorn\n",
            ["uvicorn", "--host", "0.0.0.0", "--port", "8000", "config.asgi:app"],
            "websockets",
        ),
        (
            "channels\nuvicorn[standard]\n",
            ["uvicorn", "--host", "0.0.0.0", "--port", "8000", "config.asgi:app"],
            None,
        ),
    ],
)
def test_an_app_of_channels_can_websockets(
    begin: Begin, used: str, start: list[str], more: str | None
) -> None:
    """Uvicorn alone has no part for them, and daphne is a server itself."""
    files = {
        "requirements.txt": f"django\n{used}",
        "manage.py": MANAGE.replace("mysite", "config"),
        "config/settings.py": SETTINGS + 'ASGI_APPLICATION = "config.asgi.app"\n',
    }
    text = begin(files)[0].files["Dockerfile"]
    assert f"CMD {json.dumps(start)}\n" in text
    assert (f"pip install {more}\n" in text) if more else ("is not among" not in text)


@pytest.mark.parametrize(
    ("wanted", "version"),
    [
        (">=18 <21", "20"), (">=22", "24"), ("^18.17", "18"), ("20.x", "20"), ("20.11.0", "20"), ("18 || 20", "20"),
        ("16 - 18", "18"), (">=25", "25"), ("<18", "16"), ("*", "24"), ("~22.3", "22"), (">20 <24", "22"), ("odd", "24"),
        ("10.x", "10"), ("^8 || ^9", "8"), ("4", "4"), (">=9 <10", "9"), (">=4 <8", "6"),
    ],
)  # fmt: skip
def test_a_range_of_versions_of_node(tmp_path: Path, wanted: str, version: str) -> None:
    """The newest one with long support that the range allows."""
    put_files(tmp_path, {"package.json": json.dumps({"engines": {"node": wanted}})})
    assert node_version(AppFolder(tmp_path))[0] == version
    assert wanted == "odd" or allows(wanted, int(version))


@pytest.mark.parametrize(
    ("files", "version", "reason"),
    [
        ({"package.json": '{"volta": {"node": "20.11.0"}}'}, "20", "volta in package.json"),
        ({".tool-versions": "python 3.12\nnodejs 22.1.0\n", "package.json": "{}"}, "22", ".tool-versions"),
        ({".nvmrc": "lts/iron\n", "package.json": "{}"}, "20", ".nvmrc"),
    ],
)
def test_files_that_name_a_version_of_node(
    tmp_path: Path, files: Mapping[str, str], version: str, reason: str
) -> None:
    """Each tool has its own."""
    assert node_version(AppFolder(put_files(tmp_path, files))) == (version, reason)


def test_an_app_that_nothing_starts(begin: Begin, tmp_path: Path) -> None:
    """A container without a command is no result: a script, or a Procfile, says it."""
    files = {
        "package.json": package({"dev": "tsx watch src/index.ts"}, express="4"),
        "src/index.ts": "app.listen(3000)",
    }
    with pytest.raises(UsageError, match="nothing says how this app is started") as caught:
        make_start(put_files(tmp_path / "a", files))
    assert "`start` script" in (caught.value.hint or "")
    start, _ = begin({**files, "Procfile": "web: tsx src/index.ts\n"})
    assert 'CMD ["tsx", "src/index.ts"]\n' in start.files["Dockerfile"]
    assert faults(start.files["Dockerfile"]) == []


def test_a_program_in_python_that_nothing_names(begin: Begin, tmp_path: Path) -> None:
    """`python main.py` of a folder without main.py ends at once."""
    files = {"requirements.txt": "requests\n", "tool.py": ""}
    with pytest.raises(UsageError, match="nothing says how this app is started") as caught:
        make_start(put_files(tmp_path / "a", files))
    assert "main.py" in (caught.value.hint or "")
    start, _ = begin({**files, "Procfile": "worker: python tool.py\n"})
    assert 'CMD ["python", "tool.py"]\n' in start.files["Dockerfile"]


@pytest.mark.parametrize("wanted", ["0.12", "^3", ">50", "odd"])
def test_a_range_that_nothing_fits_is_said(tmp_path: Path, wanted: str) -> None:
    """The version is not of package.json then, and the Dockerfile says that it is assumed."""
    engines = json.dumps({"engines": {"node": wanted}, "scripts": {"start": "node a.js"}})
    start = make_start(put_files(tmp_path, {"package.json": engines, "a.js": ""}))
    fact = next(fact for fact in start.facts if fact.subject == "Node")
    assert (fact.value, fact.sure) == ("24", False)
    first = start.files["Dockerfile"].splitlines()[0]
    assert first == f"# Node 24 is assumed: no version is known that fits engines in package.json, {wanted}."
