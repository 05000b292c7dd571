"""Rails: databases, the key, assets that Node builds, and what an image of it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.starter import make_start
from tests.unit.onboarding.apps import package
from tests.unit.onboarding.conftest import put_files
from tests.unit.onboarding.dockerfile_faults import faults

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.unit.onboarding.conftest import Begin

DEFAULT = """default: &default
  adapter: postgresql
  pool: <%= ENV.fetch("RAILS_MAX_THREADS") { 5 } %>
<% if ENV["X"] %>
<% end %>
development:
  <<: *default
  database: shop_development
production:
"""
SEVERAL = """  primary: &primary_production
    <<: *default
    database: shop_production
    username: shop
    password: <%= ENV["SHOP_DATABASE_PASSWORD"] %>
  cache:
    <<: *primary_production
    database: shop_production_cache
    migrations_paths: db/cache_migrate
  queue:
    <<: *primary_production
    database: shop_production_queue
"""
MAIN = "postgresql://postgres:p@postgres:5432/"


def app(databases: str, gem: str = "pg") -> dict[str, str]:
    """An app of Rails with this section of config/database.yml."""
    gems = f'gem "rails"\ngem "{gem}"\n'
    env = "POSTGRES_PASSWORD=p\nMYSQL_ROOT_PASSWORD=p\nSECRET_KEY_BASE=k\n"
    return {"Gemfile": gems, "Gemfile.lock": "", "config/database.yml": DEFAULT + databases, ".env": env}


@pytest.mark.parametrize(
    ("databases", "variables"),
    [
        ("  <<: *default\n  database: shop_production\n", {"DATABASE_URL": "postgres"}),
        (
            SEVERAL,
            {
                "DATABASE_URL": "postgres",
                "CACHE_DATABASE_URL": "shop_production_cache",
                "QUEUE_DATABASE_URL": "shop_production_queue",
            },
        ),
        (
            SEVERAL + "  primary_replica:\n    <<: *primary_production\n    replica: true\n",
            {
                "DATABASE_URL": "postgres",
                "CACHE_DATABASE_URL": "shop_production_cache",
                "QUEUE_DATABASE_URL": "shop_production_queue",
                "PRIMARY_REPLICA_DATABASE_URL": "postgres",
            },
        ),
        (
            "  primary: {<<: *default, database: a}\n  old: {<<: *default, database: b, database_tasks: false}\n",
            {"DATABASE_URL": "postgres"},
        ),
        (
            '  primary:\n    <<: *default\n    url: <%= ENV["MAIN_URL"] %>\n'
            '  cache:\n    <<: *default\n    url: <%= ENV.fetch("CACHE_DB") %>\n',
            {"MAIN_URL": "postgres", "CACHE_DB": "cache"},
        ),
        (
            '  main: {<<: *default, database: a}\n  jobs: {<<: *default, database: "<%= x %>"}\n',
            {"MAIN_DATABASE_URL": "postgres", "JOBS_DATABASE_URL": "jobs"},
        ),
        (
            "  primary: {<<: *default, database: a}\n  cable: {adapter: sqlite3, database: storage/cable.sqlite3}\n",
            {"DATABASE_URL": "postgres"},
        ),
    ],
)
def test_each_database_has_an_address(begin: Begin, databases: str, variables: dict[str, str]) -> None:
    """By the variable that Active Record reads for it; `db:prepare` creates those that are not there."""
    _, project = begin(app(databases))
    env = {name: value for name, value in project.services[0].env.items() if value.startswith("postgresql:")}
    assert env == {name: MAIN + database for name, database in variables.items()}


def test_databases_whose_host_is_a_variable(begin: Begin) -> None:
    """The app reads its own variables for all of them."""
    host = '    host: <%= ENV["DB_HOST"] %>\n'
    _, project = begin(app(SEVERAL.replace("    username: shop\n", host)))
    assert project.services[0].env["DB_HOST"] == "postgres"
    assert "CACHE_DATABASE_URL" not in project.services[0].env


def test_the_adapter_is_in_the_address(begin: Begin) -> None:
    """`mysql:` is that of mysql2 for Active Record."""
    databases = "  primary: {adapter: trilogy, database: a}\n  cache: {adapter: trilogy, database: b}\n"
    _, project = begin(app(databases, "trilogy"))
    env = project.services[0].env
    assert env["DATABASE_URL"] == "trilogy://root:p@mysql:3306/app"
    assert env["CACHE_DATABASE_URL"] == "trilogy://root:p@mysql:3306/b"


SQLITE = "default: &default\n  adapter: sqlite3\nproduction:\n"


@pytest.mark.parametrize(
    ("databases", "variables"),
    [
        (
            "  <<: *default\n  # database: path/to/it\n",
            {"DATABASE_URL": "sqlite3:storage/production.sqlite3"},
        ),
        ("  <<: *default\n  database: db/shop.sqlite3\n", {"DATABASE_URL": "sqlite3:storage/shop.sqlite3"}),
        ("  <<: *default\n  database: storage/production.sqlite3\n", {}),
        ("  <<: *default\n  database: /data/shop.sqlite3\n", {}),
        ('  <<: *default\n  database: <%= Rails.root.join("a") %>\n', {}),
        ('  <<: *default\n  database: <%= ENV.fetch("DATA", "db") %>/production.sqlite3\n', {}),
        (
            '  <<: *default\n  database: <%= ENV["SHOP_FILE"] %>\n',
            {"SHOP_FILE": "storage/production.sqlite3"},
        ),
        (
            '  <<: *default\n  url: <%= ENV["SHOP_URL"] %>\n',
            {"SHOP_URL": "sqlite3:storage/production.sqlite3"},
        ),
        (
            "  primary: {<<: *default}\n  cache: {<<: *default, database: db/cache.sqlite3}\n"
            "  queue: {<<: *default, database: storage/queue.sqlite3}\n",
            {
                "DATABASE_URL": "sqlite3:storage/production.sqlite3",
                "CACHE_DATABASE_URL": "sqlite3:storage/cache.sqlite3",
            },
        ),
    ],
)
def test_sqlite_files_are_on_the_volume(begin: Begin, databases: str, variables: dict[str, str]) -> None:
    """`rails new` of 7.2 names none for production; `db` is no volume."""
    files = app("", "sqlite3") | {"config/database.yml": SQLITE + databases}
    start, project = begin(files)
    env = dict(project.services[0].env)
    assert env.pop("SECRET_KEY_BASE")
    assert env == variables
    assert "- storage:/rails/storage" in start.files["ftl.yaml"]


@pytest.mark.parametrize(
    "database",
    ["", "  database: db/production.sqlite3\n", '  url: <%= ENV["DATABASE_URL"] %>\n'],
)
@pytest.mark.parametrize(
    "gems",
    ['gem "pg"\n', 'group :production do\n  gem "pg"\nend\n', 'gem "pg", group: :production\n'],
)
def test_a_server_in_place_of_sqlite(begin: Begin, gems: str, database: str) -> None:
    """`DATABASE_URL` is stronger than the adapter of the file, as an app for Heroku has it."""
    files = app("") | {"config/database.yml": SQLITE + "  <<: *default\n" + database}
    gemfile = 'gem "rails"\ngroup :development, :test do\n  gem "sqlite3"\nend\n' + gems
    _, project = begin(files | {"Gemfile": gemfile})
    assert project.services[0].env["DATABASE_URL"] == MAIN + "postgres"


@pytest.mark.parametrize(
    ("gems", "databases"),
    [
        ('group :development do\n  gem "pg"\nend\n', "  <<: *default\n"),
        ('gem "pg", groups: [:development, :test]\n', "  <<: *default\n"),
        ('gem "pg"\n', "  primary: {<<: *default}\n  old: {adapter: postgresql, database: a}\n"),
    ],
)
def test_sqlite_beside_a_server(begin: Begin, gems: str, databases: str) -> None:
    """A client that is not in the image, or is for another database, leaves the primary one where it is."""
    files = app("") | {"config/database.yml": SQLITE + databases}
    _, project = begin(files | {"Gemfile": f'gem "rails"\ngem "sqlite3"\n{gems}'})
    assert project.services[0].env["DATABASE_URL"] == "sqlite3:storage/production.sqlite3"


def test_a_variable_with_a_part_of_the_address(begin: Begin) -> None:
    """Its name is not that and the rest."""
    url = '  cache:\n    <<: *default\n    url: <%= ENV["BASE_URL"] %>/cache\n'
    _, project = begin(app("  primary: {<<: *default, database: a}\n" + url))
    assert {name for name in project.services[0].env if "URL" in name} == {
        "DATABASE_URL",
        "CACHE_DATABASE_URL",
    }


def test_the_key_of_the_credentials_of_production(begin: Begin) -> None:
    """Rails takes the credentials of the environment, where there are some."""
    keys = {"config/master.key": "abc", "config/credentials/production.key": "def\n"}
    credentials = {"config/credentials.yml.enc": "", "config/credentials/production.yml.enc": ""}
    start, _ = begin({"Gemfile": 'gem "rails"\n', **credentials, **keys})
    assert "RAILS_MASTER_KEY=def\n" in start.files[".env"]
    assert "config/credentials/*.key\n" in start.files[".dockerignore"]


@pytest.mark.parametrize("given", ["", "RAILS_MASTER_KEY=k\n"])
def test_a_key_that_is_not_here(tmp_path: Path, given: str) -> None:
    """In a fresh clone there is none: git has never had it."""
    files = {"Gemfile": 'gem "rails"\n', "config/credentials.yml.enc": "", ".env": given}
    todo = make_start(put_files(tmp_path, files)).todo
    assert any("RAILS_MASTER_KEY" in thing for thing in todo) == (not given)


@pytest.mark.parametrize(
    ("gem", "line"),
    [
        ("bootsnap", "RUN bundle exec bootsnap precompile --gemfile\nCOPY . .\n"),
        ("bootsnap", "COPY . .\nRUN bundle exec bootsnap precompile app/ lib/\n"),
        ("image_processing", " libvips\n"),
        ("ruby-vips", " libvips\n"),
    ],
)
def test_gems_that_an_image_is_made_for(tmp_path: Path, gem: str, line: str) -> None:
    """Compiled once, not by each new container; libraries that are loaded at the first request for a picture."""
    plain, text = (
        make_start(put_files(tmp_path / name, {"Gemfile": f'gem "rails"\n{more}'})).files["Dockerfile"]
        for name, more in (("plain", ""), ("more", f'gem "{gem}"\n'))
    )
    assert line in text
    assert line not in plain
    assert faults(text) == []


@pytest.mark.parametrize(
    ("gems", "locked", "compiles"),
    [
        ('gem "bootsnap"\n', "    bootsnap (1.4.9)\n", False),
        ('gem "bootsnap"\n', "    bootsnap (1.5.0)\n", True),
        ('gem "bootsnap"\n', "    bootsnap (1.18.4)\n", True),
        ('group :development do\n  gem "bootsnap"\nend\n', "    bootsnap (1.18.4)\n", False),
        ('gem "bootsnap", :group => :development\n', "    bootsnap (1.18.4)\n", False),
        ('group :test, "production" do\n  if true\n  end\n  gem "bootsnap"\nend\n', "", True),
        ('group :test do\nend\ngem "bootsnap", group: :production\n', "", True),
    ],
)
def test_bootsnap_compiles_where_it_can(tmp_path: Path, gems: str, locked: str, compiles: bool) -> None:
    """Its command came with 1.5, and a group that the image lacks has none."""
    files = {"Gemfile": 'gem "rails"\n' + gems, "Gemfile.lock": f"GEM\n  specs:\n{locked}"}
    text = make_start(put_files(tmp_path, files)).files["Dockerfile"]
    assert text.count("bootsnap precompile") == (2 if compiles else 0)


def test_the_cache_of_bootsnap_is_in_one_layer(begin: Begin) -> None:
    """`chown` behind the COPY would send its 30 MB with each release a second time.

    Puma of Rails up to 7.1 ends at its start where `tmp/pids` is missing.
    """
    text = begin({"Gemfile": 'gem "rails"\n', "Gemfile.lock": ""})[0].files["Dockerfile"]
    before, _, after = text.partition("COPY --from=build /rails /rails\n")
    assert "RUN mkdir -p tmp/pids && chown -R 1000 tmp\n" in before
    assert "RUN mkdir -p db log storage && chown -R rails db log storage\n" in after


def test_jemalloc_is_used(begin: Begin) -> None:
    """A library that is only installed does nothing."""
    text = begin({"Gemfile": 'gem "rails"\n', "Gemfile.lock": ""})[0].files["Dockerfile"]
    assert " libjemalloc2\n" in text
    assert "/libjemalloc.so.2 /usr/local/lib/libjemalloc.so\n" in text
    assert " LD_PRELOAD=/usr/local/lib/libjemalloc.so\n" in text


NODE = {"package.json": package({"build": "esbuild"}, esbuild="0.24")}
YARN = (
    "COPY --from=node:24-slim /opt/ /opt/\n",
    "COPY package.json yarn.lock ./\n",
    "yarn install --frozen-lockfile\n",
)


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        ({**NODE, "yarn.lock": ""}, YARN),
        ({**NODE, "package-lock.json": "{}"}, ("COPY package.json package-lock.json ./\n", "npm ci\n")),
        ({**NODE, "pnpm-lock.yaml": ""}, ("corepack enable pnpm", "pnpm install --frozen-lockfile\n")),
        ({**NODE, "bun.lock": ""}, ("npm install --global bun", "bun install --frozen-lockfile\n")),
        (
            {**NODE, "package-lock.json": "", ".node-version": "20.1.0"},
            ("COPY --from=node:20-slim /usr/local/bin/ /usr/local/bin/\n",),
        ),
    ],
)
@pytest.mark.parametrize("gem", ["jsbundling-rails", "cssbundling-rails", "vite_rails", "shakapacker"])
def test_packages_by_the_lock_file(
    begin: Begin, files: Mapping[str, str], lines: tuple[str, ...], gem: str
) -> None:
    """The app's own manager installs what the lock file says, before its other files are there."""
    gemfile = {"Gemfile": f'gem "rails"\ngem "sqlite3"\ngem "{gem}"\n', "Gemfile.lock": ""}
    text = begin({**gemfile, **files})[0].files["Dockerfile"]
    assert [line for line in lines if line not in text] == []
    before, _, after = text.partition("COPY . .\n")
    assert lines[-1].strip() in before
    assert "assets:precompile && rm -rf node_modules\n" in after
    assert "nodejs" not in text
    assert faults(text) == []


@pytest.mark.parametrize(
    "files",
    [
        {"Gemfile": 'gem "rails"\ngem "importmap-rails"\n', **NODE},
        {
            "Gemfile": 'gem "rails"\ngem "jsbundling-rails"\n',
            "config/application.rb": "config.api_only = true",
            **NODE,
        },
    ],
)
def test_an_app_that_node_builds_nothing_of(begin: Begin, files: Mapping[str, str]) -> None:
    """No Node is in its image."""
    assert "node" not in begin(files)[0].files["Dockerfile"].partition("COPY . .")[0]
