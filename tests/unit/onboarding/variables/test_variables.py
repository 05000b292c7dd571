"""Variables that the code of an app reads: written where .env has them, else a thing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.unit.onboarding.odd_apps import using

if TYPE_CHECKING:
    from tests.unit.onboarding.conftest import Begin

APP = {"requirements.txt": "flask\n", "app.py": "import os\nfrom flask import Flask\napp = Flask(__name__)\n"}


def test_a_variable_that_env_has_is_given_to_the_app(begin: Begin) -> None:
    """It was a comment: the app ended with a KeyError."""
    code = APP["app.py"] + 'os.environ["STRIPE_KEY"]\nos.environ["REGION"]\nos.getenv("LOG")\n'
    env = "STRIPE_KEY=sk_1\nexport REGION = eu\nLOG=1\n"
    start, project = begin({**APP, "app.py": code, ".env": env})
    assert project.services[0].env == {"STRIPE_KEY": "sk_1", "REGION": "eu"}
    assert not [text for text in start.todo if "STRIPE_KEY" in text]


def test_one_that_nothing_has_is_a_thing_to_do(begin: Begin) -> None:
    """What only may be read is a comment, as before."""
    code = APP["app.py"] + 'os.environ["STRIPE_KEY"]\nos.environ["REGION"] = "x"\nos.getenv("API_KEY")\n'
    start, project = begin({**APP, "app.py": code})
    assert project.services[0].env == {}
    assert any(
        text.startswith("set STRIPE_KEY in .env, and write `STRIPE_KEY: ${STRIPE_KEY}`")
        for text in start.todo
    )
    assert "# API_KEY: ${API_KEY}" in start.files["ftl.yaml"].replace("#   ", "# ")
    assert not [text for text in start.todo if "REGION" in text or "API_KEY" in text]


def test_values_of_this_machine_are_not_those_of_a_server(begin: Begin) -> None:
    """An address of a developer's machine leads to the container itself there."""
    code = APP["app.py"] + 'os.environ["SEARCH_URL"]\n'
    start, project = begin({**APP, "app.py": code, ".env": "SEARCH_URL=http://localhost:9200\n"})
    assert "SEARCH_URL" not in project.services[0].env
    assert any("set SEARCH_URL in .env" in text for text in start.todo)


def test_values_for_browsers_are_given_to_the_build(begin: Begin) -> None:
    """With .env they are arguments, and without it the site is built with undefined."""
    files = {
        **using(),
        "src/a.tsx": "import.meta.env.VITE_API + import.meta.env.VITE_KEY + import.meta.env.VITE_B",
    }
    files |= {".env": "VITE_API=https://a.example.com\n", ".env.production": "VITE_B=1\n"}
    start, project = begin(files)
    build = project.services[0].build
    assert build is not None
    assert build.args == {"VITE_API": "https://a.example.com"}
    assert [text for text in start.todo if text.startswith("set VITE_KEY in .env, and as `args` of `build`")]
    assert not [text for text in start.todo if "VITE_B" in text]


@pytest.mark.parametrize(
    "name",
    [
        "HOME",
        "PORT",
        "PATH",
        "USER",
        "PWD",
        "LANG",
        "TZ",
        "TMPDIR",
        "HOSTNAME",
        "SHELL",
        "DJANGO_SETTINGS_MODULE",
    ],
)
def test_what_the_image_or_the_system_sets_is_no_thing_to_do(begin: Begin, name: str) -> None:
    """A value of this machine in .env would be wrong there."""
    start, project = begin({**APP, "app.py": APP["app.py"] + f'os.environ["{name}"]\n'})
    assert not [text for text in start.todo if name in text]
    assert project.services[0].env == {}


def test_a_time_zone_that_env_has_is_given_to_the_app(begin: Begin) -> None:
    """It is of the app, and not of this machine."""
    code = APP["app.py"] + 'os.environ["TZ"]\nos.environ["HOME"]\n'
    _, project = begin({**APP, "app.py": code, ".env": "TZ=Asia/Tokyo\nHOME=/home/a\n"})
    assert project.services[0].env == {"TZ": "Asia/Tokyo"}


def test_the_port_that_the_code_demands_is_set(begin: Begin) -> None:
    """By the Dockerfile, as with a Procfile."""
    start, project = begin({**APP, "app.py": APP["app.py"] + 'os.environ["PORT"]\n'})
    assert (
        f"ENV PORT={project.services[0].port}\nEXPOSE {project.services[0].port}\nCMD"
        in start.files["Dockerfile"]
    )


@pytest.mark.parametrize(
    ("dockerfile", "env"), [("EXPOSE 7000\n", {"PORT": "7000"}), ("ENV PORT=7000\nEXPOSE 7000\n", {})]
)
def test_the_port_for_a_dockerfile_that_exists(begin: Begin, dockerfile: str, env: dict[str, str]) -> None:
    """ftl.yaml sets it unless the Dockerfile does."""
    files = {**APP, "app.py": APP["app.py"] + 'os.environ["PORT"]\n', "Dockerfile": f"FROM x\n{dockerfile}"}
    _, project = begin(files)
    assert project.services[0].env == env


def test_several_variables_are_named_in_one_sentence(begin: Begin) -> None:
    """With the files that read them."""
    one = {**APP, "app.py": APP["app.py"] + 'os.environ["REGION"]\nos.environ["STAGE"]\n'}
    assert any(text.endswith("in `env`: app.py needs them") for text in begin(one)[0].todo)
