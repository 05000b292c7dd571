"""The application of Flask or an ASGI framework: what a server is told of it."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.stacks.python.application import ASGI, FLASK, find_application

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.onboarding.conftest import Begin

DEFAULTS = "def create_app(settings: Settings | None = None, *, debug: bool = False) -> FastAPI:\n    ...\n"


@pytest.mark.parametrize(
    ("files", "target"),
    [
        ({"server.py": "import flask\napp = flask.Flask(__name__)\n"}, "server:app"),
        ({"shop.py": "from flask import Flask\napp: Flask = Flask(__name__)\n"}, "shop:app"),
        ({"shop.py": "from flask import Flask as F\nsite = F(__name__)\n"}, "shop:site"),
        ({"shop.py": "class Shop(flask.Flask):\n    pass\n\napp = Shop(__name__)\n"}, "shop:app"),
        ({"shop.py": "try:\n    app = Flask(__name__)\nexcept OSError:\n    raise\n"}, "shop:app"),
        ({"shop/__init__.py": "def create_app(config=None):\n    return Flask(__name__)\n"}, "shop:create_app"),
        ({"shop/__init__.py": "def create_app(*args, **more):\n    return Flask(__name__)\n"}, "shop:create_app"),
        ({"shop/__init__.py": "def create_app(name): ...\n", "wsgi.py": "app = create_app('live')\n"}, "wsgi:app"),
        ({"shop/__init__.py": "def create_app(): ...\n", "make_celery.py": "flask_app = create_app()\n"}, "shop:create_app"),
        ({"scripts/seed.py": "app = Flask(__name__)\n", "a/b/web.py": "app = Flask(__name__)\n"}, "a.b.web:app"),
        ({"conftest.py": "app = Flask(__name__)\n", "shop.py": "app = Flask(__name__)\n"}, "shop:app"),
        ({"manage.py": "app = create_app()\n", "wsgi.py": "app = create_app()\n"}, "wsgi:app"),
        ({"a.py": "if __name__ == '__main__':\n    app = Flask(__name__)\n"}, None),
        ({"a.py": "print 'Python 2'\napp = Flask(__name__)\n"}, "a:app"),
        ({"a.py": "type X = int\napp: Flask = flask.Flask(__name__)\n"}, "a:app"),
        ({"a.py": "app = Celery('x')\n# app = Flask(__name__)\n"}, None),
        ({"a.py": "def create_celery_app():\n    celery = Celery('x')\n    return celery\n\ndef create_app():\n    return Flask('x')\n"}, "a:create_app"),
        ({"a.py": "def create_api_app():\n    return Flask('x')\n\ndef create_app():\n    return Flask('x')\n"}, "a:create_app"),
        ({"a.py": "def make_worker_app() -> Celery: ...\nx = Flask\n"}, None),
        ({"a.py": "print 'Python 2'\ndef create_app(config='x', debug=(1, 2)):\n    return Flask('x')\n"}, "a:create_app"),
        ({"a.py": "(" * 2000 + "\napp = Flask(__name__)\n"}, "a:app"),
    ],
)  # fmt: skip
def test_the_application_of_flask(files: Mapping[str, str], target: str | None) -> None:
    """However it is written; a line that another start of the file runs, or a comment, is none."""
    found = find_application(files, FLASK)
    assert (found.target if found is not None else None) == target


@pytest.mark.parametrize(
    ("files", "target", "is_factory"),
    [
        ({"api/main.py": "import fastapi\napplication = fastapi.FastAPI(title='x')\n"}, "api.main:application", False),
        ({"src/api/main.py": DEFAULTS}, "api.main:create_app", True),
        ({"api/main.py": "def serve() -> 'FastAPI':\n    return FastAPI()\n"}, "api.main:serve", True),
        ({"api/main.py": "def serve() -> fastapi.FastAPI | None:\n    return fastapi.FastAPI()\n"}, "api.main:serve", True),
        ({"app/deps.py": "def current() -> FastAPI:\n    return held.get()\n", "app/main.py": "server = build()\n"}, None, False),
        ({"api/main.py": "def helper() -> int: ...\nx = FastAPI\n"}, None, False),
        ({"api/app.py": DEFAULTS, "main.py": "api = create_app()\n"}, "api.app:create_app", True),
        ({"api/app.py": DEFAULTS, "main.py": "app = create_app()\n"}, "main:app", False),
        ({"main.py": "inner = FastAPI()\napp = FastAPI()\napp.mount('/x', inner)\n"}, "main:app", False),
        ({"main.py": "api = FastAPI()\nasgi = socketio.ASGIApp(sio, other_asgi_app=api)\n"}, "main:asgi", False),
        ({"main.py": "app = FastAPI()\napp = CorrelationMiddleware(app)\n"}, "main:app", False),
        ({"main.py": "app = FastAPI()\ntasks = Broker(app)\n"}, "main:app", False),
    ],
)  # fmt: skip
def test_an_asgi_application(files: Mapping[str, str], target: str | None, is_factory: bool) -> None:
    """A function counts if a server can call it: all of its parameters have defaults."""
    found = find_application(files, ASGI)
    assert (found.target if found is not None else None) == target
    assert (found is not None and found.is_factory) is is_factory


def test_a_factory_that_needs_arguments_is_a_guess(begin: Begin) -> None:
    """A server cannot make them up; the comment says what to look at."""
    files = {"requirements.txt": "fastapi\n", "main.py": "def create_app(settings) -> FastAPI: ...\n"}
    start, _ = begin(files)
    assert "`def create_app` in main.py needs arguments.\nCMD [" in start.files["Dockerfile"]
    (fact,) = [fact for fact in start.facts if fact.subject == "start command"]
    assert not fact.sure


@pytest.mark.parametrize("line", ["import flask\n", "from flask import Flask\n"])
def test_an_app_without_a_list_of_packages(begin: Begin, line: str) -> None:
    """The import shows the framework, in either form."""
    start, _ = begin({"server.py": f"{line}app: flask.Flask = flask.Flask(__name__)\n"})
    assert '"server:app"]' in start.files["Dockerfile"]


def test_much_code_takes_little_time() -> None:
    """`ftl init` is to answer at once: what is beyond a bound is read by its lines alone."""
    body = "def view(request):\n    return {'a': [1, 2, 3], 'b': request.args.get('c')}\n\n" * 2000
    files = {f"module{number}.py": f"from flask import Flask\n{body}" for number in range(40)}
    files["zoo.py"] = "site: Flask = Flask(__name__)\n"
    begin = time.process_time()
    found = find_application(files, FLASK)
    assert found is not None
    assert found.target == "zoo:site"
    assert time.process_time() - begin < 2


def test_likely_files_are_read_first() -> None:
    """What many files before it in the alphabet say does not use up the bound."""
    files = {f"pkg/a{number}.py": f"import Flask\n{'x = 1' + chr(10)}" * 2000 for number in range(9)}
    found = find_application(
        {**files, "wsgi.py": "from flask import Flask as F\nsite = F(__name__)\n"}, FLASK
    )
    assert found is not None
    assert found.target == "wsgi:site"
