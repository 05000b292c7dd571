"""Long files: no pattern that reads one takes a time that grows with more than its length."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.starter import make_start

from .conftest import put_files

if TYPE_CHECKING:
    from pathlib import Path

LINES = 2000
FILLERS = {
    "nested": "    key:\n      other: value\n",
    "blank": "\n\n",
    "spaces": "  \t  \n \t\n",
    "words": "RUN a b \\\n  c = 'x' \\\n",
}
APPS = {
    "src/main/resources/application.yml": {
        "pom.xml": "<a>spring-boot</a><artifactId>spring-boot-starter-actuator</artifactId>"
    },
    "src/main/resources/application.properties": {"build.gradle": "org.springframework.boot:spring-boot"},
    "pom.xml": {},
    "go.mod": {"main.go": 'package main\nfunc main() { sql.Open("sqlite", name) }\n'},
    "main.go": {"go.mod": "module x\n\nrequire modernc.org/sqlite v1.0.0\n"},
    "requirements.txt": {"app.py": "app = Flask(__name__)\nsqlite3.connect(name)\n"},
    "app.py": {"requirements.txt": "flask\narq\n"},
    "settings.py": {"requirements.txt": "django\n", "manage.py": "django"},
    "a.js": {
        "package.json": json.dumps({"scripts": {"start": "node a.js"}, "dependencies": {"sqlite3": "5"}})
    },
    "prisma/schema.prisma": {"package.json": json.dumps({"scripts": {"start": "node a.js"}}), "a.js": ""},
    "build.gradle": {},
    "pyproject.toml": {"app.py": "app = FastAPI()\n"},
    "Pipfile": {"app.py": "app = Flask(__name__)\n"},
    "setup.py": {"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)\n"},
    "next.config.js": {
        "package.json": json.dumps({"scripts": {"build": "next build"}, "dependencies": {"next": "15"}})
    },
    "routes/console.php": {"artisan": "", "composer.json": '{"require": {"laravel/framework": "12"}}'},
    "config/puma.rb": {"Gemfile": "gem 'rails'\n", "config.ru": "", "config/application.rb": ""},
    "Gemfile": {"config.ru": "", "config/application.rb": ""},
    "Dockerfile": {},
    "Procfile": {"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)\n"},
    ".env": {"requirements.txt": "flask\n", "app.py": "app = Flask(__name__)\nos.environ['SECRET_KEY']\n"},
}
BEFORE = {
    "build.gradle": "org.springframework.boot:spring-boot\n",
    "pyproject.toml": '[project]\nname = "a"\ndependencies = ["fastapi"]\n',
    "Pipfile": '[packages]\nflask = "*"\n',
    "next.config.js": "x = { output: 'standalone' }\n",
    "routes/console.php": "<?php\nSchedule::command('a');\n",
    "config/puma.rb": 'port ENV.fetch("PORT") { 3000 }\n',
    "src/main/resources/application.yml": "management:\n  server:\n",
    "pom.xml": "<a>spring-boot</a>\n",
    "go.mod": "module x\n",
    "main.go": 'package main\nfunc main() { sql.Open("sqlite", name) }\n',
    "app.py": "app = Flask(__name__)\nclass A:\nsqlite3.connect(name)\n",
    "a.js": "new Database(name)\n",
    "requirements.txt": "flask\n",
    "Gemfile": "gem 'rails'\n",
    "Dockerfile": "FROM x\nHEALTHCHECK \\\n",
    "Procfile": "web: a\n",
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("filler", FILLERS.values(), ids=list(FILLERS))
@pytest.mark.parametrize("name", APPS)
def test_a_long_file_is_read_in_a_moment(tmp_path: Path, name: str, filler: str) -> None:
    """Here one that tries all ways to divide the lines does not end within a day."""
    if name.endswith(".toml") or name == "Pipfile":
        filler = "# " + filler.replace("\n", "\n# ", filler.count("\n") - 1)  # a file that can be read
    text = BEFORE.get(name, "") + filler * (LINES // 2)
    start = make_start(put_files(tmp_path, {**APPS[name], name: text}))
    assert start.files["ftl.yaml"]
