"""Apps behind the proxy, which ends TLS: they must know that a request came by HTTPS."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.unit.onboarding.apps import MANAGE, SETTINGS
from tests.unit.onboarding.odd_apps import using

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.unit.onboarding.conftest import Begin

DJANGO = {"manage.py": MANAGE, "shop/settings.py": SETTINGS, "requirements.txt": "django\n"}
FLASK = {"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)\n"}
TRUSTS = "ENV FORWARDED_ALLOW_IPS=*\n"


@pytest.mark.parametrize(
    ("files", "is_set"),
    [
        (DJANGO, True),
        ({**DJANGO, "requirements.txt": "django\nchannels\nuvicorn[standard]\n"}, True),
        ({**DJANGO, "requirements.txt": "django\ndaphne\n"}, False),
        (FLASK, True),
        ({**FLASK, "Procfile": "web: gunicorn app:app\n"}, True),
        ({"requirements.txt": "fastapi\n", "main.py": "app = FastAPI()\n"}, True),
        ({"requirements.txt": "gunicorn\n", "Procfile": "web: gunicorn site:app\n"}, True),
        ({"requirements.txt": "aiogram\n", "bot.py": ""}, False),
    ],
)
def test_servers_of_python_believe_the_proxy(begin: Begin, files: Mapping[str, str], is_set: bool) -> None:
    """Without it Django refuses each form (403, CSRF) on a server with TLS, and on a sandbox none."""
    start, _ = begin(files)
    assert (TRUSTS in start.files["Dockerfile"]) is is_set


def test_daphne_believes_the_proxy(begin: Begin) -> None:
    """By an option of its own."""
    start, _ = begin({**DJANGO, "requirements.txt": "django\ndaphne\n"})
    assert '["daphne", "--proxy-headers", ' in start.files["Dockerfile"]


@pytest.mark.parametrize(
    ("more", "is_set"),
    [
        ('CMD ["gunicorn", "shop.wsgi"]\n', True),
        ('CMD ["uvicorn", "shop.asgi:application"]\n', True),
        ('CMD ["gunicorn", "--forwarded-allow-ips", "*", "shop.wsgi"]\n', False),
        (f"{TRUSTS}CMD gunicorn shop.wsgi\n", False),
        ('CMD ["python", "manage.py", "runserver"]\n', False),
    ],
)
def test_a_dockerfile_without_it_gets_it_as_environment(begin: Begin, more: str, is_set: bool) -> None:
    """The Dockerfile is not changed."""
    _, project = begin({**DJANGO, "Dockerfile": f"FROM python\nWORKDIR /code\nCOPY . .\nEXPOSE 8000\n{more}"})
    assert (project.services[0].env.get("FORWARDED_ALLOW_IPS") == "*") is is_set


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({"bootstrap/app.php": "health: '/up'"}, "`$middleware->trustProxies(at: '*');`"),
        ({"bootstrap/app.php": "$middleware->trustProxies(at: '*');"}, ""),
        ({"app/Http/Middleware/TrustProxies.php": "protected $proxies;"}, "`protected $proxies = '*';`"),
        ({"app/Http/Middleware/TrustProxies.php": "protected $proxies = '*';"}, ""),
    ],
)
def test_laravel_is_told_by_its_code(begin: Begin, files: Mapping[str, str], word: str) -> None:
    """There is no variable for it."""
    required = {"php": "^8.3", "laravel/framework": "^12"}
    start, _ = begin({"composer.json": json.dumps({"require": required}), **files})
    told = [text for text in start.todo if "roxies" in text]
    assert len(told) == bool(word)
    assert all(word in text for text in told)


@pytest.mark.parametrize(
    ("code", "is_told"),
    [
        ("app.use(session({ cookie: { secure: true } }))", True),
        ("app.set('trust proxy', 1); app.use(session({ cookie: { secure: true } }))", False),
        ("app.use(session({ cookie: { secure: false } }))", False),
    ],
)
def test_secure_cookies_of_express(begin: Begin, code: str, is_told: bool) -> None:
    """express-session sends none where it believes that the request came by HTTP."""
    start, _ = begin({**using("express", "express-session", start="node a.js"), "a.js": code})
    assert any("trust proxy" in text for text in start.todo) is is_told
