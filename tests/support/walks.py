"""Readers of the documentation: what each has, and which commands of a page are left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

APP = {
    "Dockerfile": """\
FROM ftl-lab-busybox:latest
COPY python /bin/python
COPY www /app
WORKDIR /app
CMD ["httpd", "-f", "-v", "-p", "8000", "-h", "/app"]
""",
    "python": '#!/bin/sh\necho python "$@"\n',
    "www/index.html": "one\n",
    "ftl.yaml": """\
project: {name: shop, domain: shop.example.com}
services:
  - {name: web, build: ., port: 8000, routes: [/], stop_timeout: 1, drain_timeout: 1s}
  - {name: worker, build: ., command: [sleep, "100000"], stop_timeout: 0}
proxy: {tls: "off"}
""",
}
"""An app of two services. Its `python` is a stand-in for the reader's program: it prints its arguments."""

POSTGRES = """\
dependencies:
  - name: postgres
    image: postgres:16
    env: {POSTGRES_USER: shop, POSTGRES_DB: shop, POSTGRES_PASSWORD: "${POSTGRES_PASSWORD}"}
    volumes: ["data:/var/lib/postgresql/data"]
"""
HOOKS = "hooks: {pre: python manage.py migrate, post: {local: ./announce-release}}"
CACHE = """\
dependencies:
  - {name: cache, image: "ftl-lab-busybox:latest", command: [sleep, "100000"], volumes: ["cache:/data"]}
"""
PASSWORD = {".env": "POSTGRES_PASSWORD=s3cret\n"}

INSTALLS = (
    "it installs FTL from PyPI; tests/e2e/packaging/test_packages.py installs the package that was built"
)
BENCH = "it measures for minutes or hours, and is no part of using FTL"


PASSWORD_AND_DATA = 'env: {POSTGRES_PASSWORD: s3cret}, volumes: ["data:/var/lib/postgresql/data"]'


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a file: every `old` becomes `new`; without `old` it is the whole file."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Walk:
    """A reader of a page, who types its commands from the first to the last.

    Attributes:
        files: Files that the reader has, by path; those that the page names are added.
        before: Commands that the reader has run before.
        edits: Command -> what the reader changes before it, as the page says.
        replaced: Words of the page -> what the reader has in their place.
        skipped: Command -> why nobody runs it here; "*" is all of the page.
        alternatives: Commands of which a reader needs one: each of them begins without an ftl.yaml.
        watched: Commands that go on until the reader ends them by Ctrl-C.
        codes: Command -> its exit code where the page is about a failure.
        rest: What the reader's ftl.yaml has beside the part that the page shows.
        servers: Hosts of the page that are the reader's own; without any, one sandbox is all of them.

    A command that stands on its page again is `COMMAND (2)` in `edits`, `codes` and `skipped`.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    edits: Mapping[str, tuple[Edit, ...]] = field(default_factory=dict)
    replaced: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    alternatives: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    codes: Mapping[str, int] = field(default_factory=dict)
    rest: str = ""
    servers: tuple[str, ...] = ()

    def reason(self, command: str) -> str:
        """Why a command is not run; empty if it is."""
        return self.skipped.get(command) or self.skipped.get("*", "")


def with_postgres() -> dict[str, str]:
    """The app with a database."""
    return {**APP, **PASSWORD, "ftl.yaml": APP["ftl.yaml"] + POSTGRES}


NEW_PAGE = (Edit("www/index.html", "one", "two"),)
"""A change of the app, so that a deploy has something to do."""

FOREIGN = {
    "config/deploy.yml": "service: shop\nimage: me/shop\nservers: [203.0.113.5]\nbuilder: {arch: amd64}\n",
    "fly.toml": 'app = "shop"\n[http_service]\ninternal_port = 8000\n',
    "Procfile": "web: ./server\n",
    "compose.yaml": "services: {web: {image: nginx, ports: ['80:80']}}\n",
    "old/ftl.yaml": APP["ftl.yaml"],
}
"""Files of other tools that the page about `ftl init` takes over."""

GIT = "git init -q . && git add -A && git -c user.name=Ana -c user.email=ana@example.com commit -qm one"

SSH_KEY = "test -e ~/.ssh/id_ed25519 || ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519"

WALKS: dict[str, Walk] = {
    "README.md": Walk(
        files={**with_postgres(), ".env": "", "ftl.staging.yaml": "project: {domain: staging.example.com}\n"},
        edits={"ftl deploy": NEW_PAGE},
        skipped={
            "uv tool install ftl-deploy": INSTALLS,
            "make demo": "tests/e2e/deploy/test_shop.py deploys the same app",
            "make test-fast": "it runs this test",
            "make test": "it runs this test",
        },
        watched=("ftl status --watch", "ftl logs -f web"),
    ),
    "docs/tutorial.md": Walk(
        skipped={"uv tool install ftl-deploy": INSTALLS},
        edits={
            "ftl validate (2)": (Edit("ftl.yaml", "port: 8000", "prot: 8000"),),
            "ftl sandbox up": (Edit("ftl.yaml", "prot: 8000", "port: 8000"),),
            "ftl deploy --server sandbox (2)": (Edit("app.py", "Hello from", "Good morning from"),),
            "ftl deploy --server sandbox (4)": (
                Edit("app.py", "import os\n", 'raise SystemExit("no greeter")\nimport os\n'),
            ),
            "ftl status --server sandbox": (Edit("app.py", 'raise SystemExit("no greeter")\n', ""),),
        },
        codes={"ftl validate (2)": 2, "ftl deploy --server sandbox (4)": 1},
        replaced={"python:3.12-slim": "python-base"},
        watched=("while curl -sS http://127.0.0.1:32829/; do sleep 0.2; done",),
    ),
    "docs/how-to/backups.md": Walk(
        files={
            **with_postgres(),
            "ftl.yaml": with_postgres()["ftl.yaml"]
            + 'backups: [{dependency: postgres, schedule: "15 3 * * *", keep: 14}]\n',
        },
        before=(SSH_KEY, "ftl deploy", "ftl jobs run backup.postgres"),
        replaced={
            "restore postgres before-2.0.dump": "restore --yes postgres before-2.0.dump",
            "--from-server postgres-20260131-031500.dump": "--from-server latest --yes",
        },
    ),
    "docs/how-to/build-images.md": Walk(files=APP),
    "docs/how-to/ci.md": Walk(files=APP),
    "docs/how-to/completion.md": Walk(),
    "docs/how-to/doctor.md": Walk(files=APP, before=("ftl deploy",)),
    "docs/how-to/environments.md": Walk(
        files=APP,
        replaced={
            "server: staging-server\n": "server: shop.example.com\n",
            'image: "elasticsearch:8"': 'image: "ftl-lab-busybox:latest", command: [sleep, "100000"]',
        },
    ),
    "docs/how-to/existing-server.md": Walk(files=APP, replaced={"deploy@": ""}),
    "docs/how-to/from-compose.md": Walk(
        files={
            "Dockerfile": "FROM scratch\n",
            "compose.yaml": "services: {web: {build: ., ports: ['80:8000']}}\n",
            "compose.prod.yaml": "services: {web: {restart: always}}\n",
        },
        alternatives=("ftl init --from compose.yaml --from compose.prod.yaml",),
    ),
    "docs/how-to/jobs.md": Walk(
        files={
            **APP,
            "ftl.yaml": APP["ftl.yaml"]
            + 'jobs: [{name: nightly, service: web, command: python manage.py cleanup, schedule: "15 3 * * *"}]\n',
        },
        before=("ftl deploy",),
    ),
    "docs/how-to/look-inside.md": Walk(
        files={**with_postgres(), "fix.sql": "SELECT 1;\n"},
        before=("ftl deploy",),
        replaced={"--release r12": "--release r1"},
        watched=("ftl logs web -f", "ftl logs --proxy -f"),
    ),
    "docs/how-to/migrations.md": Walk(
        files={
            **APP,
            "announce-release": '#!/bin/sh\ntest -n "$FTL_RELEASE"\n',
            "ftl.yaml": APP["ftl.yaml"].replace("routes: [/],", f"routes: [/], {HOOKS},"),
        },
    ),
    "docs/how-to/notifications.md": Walk(skipped={"uv tool install 'ftl-deploy[notify]'": INSTALLS}),
    "docs/how-to/previews.md": Walk(files=APP, before=("ftl deploy",)),
    "docs/how-to/registries.md": Walk(
        skipped={
            "ftl setup --store-credentials": "tests/e2e/registries/test_registries.py stores them for real registries"
        }
    ),
    "docs/how-to/restart-and-scale.md": Walk(
        files={
            **APP,
            "maintenance.html": "<h1>Back soon</h1>\n",
            "ftl.yaml": APP["ftl.yaml"] + CACHE,
        },
        before=("ftl deploy",),
        replaced={"ftl remove": "ftl remove --yes"},
        codes={"ftl remove --volumes --backups": 2},  # nothing is left
    ),
    "docs/how-to/roll-back.md": Walk(
        files={**APP, "ftl.yaml": f"{APP['ftl.yaml']}keep_releases: 20\n"},
        before=(f"{GIT} && ftl deploy", "echo two > www/index.html; ftl deploy"),
        edits={"ftl deploy --watch 5m": (Edit("www/index.html", "two", "three"),)},
        replaced={"deploy@": "", "r12": "r1", "r14": "r2", "--watch 5m": "--watch 30s"},
    ),
    "docs/how-to/secrets.md": Walk(
        files={**APP, "value": "sk_live\n"},
        before=("git init -q .", SSH_KEY),
        replaced={"ftl secrets set STRIPE_KEY": "ftl secrets set STRIPE_KEY < value"},
        skipped={"uv tool install 'ftl-deploy[age]'": INSTALLS},
    ),
    "docs/how-to/set-up-a-server.md": Walk(files=APP, rest=APP["ftl.yaml"], servers=("shop.example.com",)),
    "docs/how-to/several-apps.md": Walk(
        files={
            f"{name}/{file}": text.replace("shop", name)
            for name in ("blog", "shop")
            for file, text in APP.items()
        },
    ),
    "docs/how-to/several-servers.md": Walk(
        files={**APP, "python": "#!/bin/sh\nexec sleep 100000\n"},
        rest='project: {name: shop, domain: shop.example.com}\nproxy: {tls: "off"}\n',
        servers=("a.example.com", "b.example.com", "c.example.com"),
        replaced={
            "on: a.example.com}": f"on: a.example.com, {PASSWORD_AND_DATA}}}",
            "sudo reboot": "sudo true",  # the test takes its power away, and gives it back
        },
    ),
    "docs/how-to/start.md": Walk(
        files={"shop/index.html": "<h1>Shop</h1>\n"},
        alternatives=tuple(f"ftl init --from {file}" for file in FOREIGN),
        edits={f"ftl init --from {file}": (Edit(file, "", text),) for file, text in FOREIGN.items()},
        skipped={"ftl init (2)": "test_init_finds_what_the_page_shows has the app of that table"},
    ),
    "docs/how-to/tls.md": Walk(files=APP, before=("ftl deploy",)),
    "docs/how-to/workers.md": Walk(files=APP, before=("ftl deploy",), watched=("ftl logs -f worker",)),
    "docs/performance.md": Walk(skipped={"*": BENCH}),
    "docs/reliability.md": Walk(skipped={"*": BENCH}),
}
"""Page -> its reader. A page without commands has none."""
