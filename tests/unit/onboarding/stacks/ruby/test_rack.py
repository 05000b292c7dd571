"""Ruby without Rails: Sinatra and others on Rack, with and without a Procfile."""

# ruff: noqa: E501 -- files of apps, one a line

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.errors import UsageError
from ftl.onboarding.starter import make_start
from tests.unit.onboarding.apps import MANAGE, SETTINGS
from tests.unit.onboarding.conftest import put_files
from tests.unit.onboarding.dockerfile_faults import faults

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.unit.onboarding.conftest import Begin

SINATRA = 'ruby "3.3.4"\ngem "sinatra"\n'
RACK = {"config.ru": "run App\n", "Gemfile.lock": ""}
APP = "require 'sinatra'\nget '/health' do\n  'ok'\nend\n"


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({**RACK, "Gemfile": f'{SINATRA}gem "puma"\n'}, '["bundle", "exec", "puma", "-b", "tcp://0.0.0.0:3000"]'),
        ({**RACK, "Gemfile": f'{SINATRA}gem "puma"\n', "config/puma.rb": ""}, '["bundle", "exec", "puma", "-C", "config/puma.rb", "-b", "tcp://0.0.0.0:3000"]'),
        ({**RACK, "Gemfile": f'{SINATRA}gem "thin"\n'}, '["bundle", "exec", "thin", "start", "-a", "0.0.0.0", "-p", "3000"]'),
        ({**RACK, "Gemfile": SINATRA}, '["bundle", "exec", "rackup", "-o", "0.0.0.0", "-p", "3000"]'),
        ({"Gemfile": SINATRA, "app.rb": APP}, '["bundle", "exec", "ruby", "app.rb", "-e", "production", "-o", "0.0.0.0", "-p", "3000"]'),
        ({**RACK, "Gemfile": f'{SINATRA}gem "puma"\n', "Procfile": "web: bundle exec rackup -p $PORT\n"}, '["sh", "-c", "exec bundle exec rackup -p $PORT"]'),
        ({"Gemfile": 'gem "roda"\n', "Procfile": "web: bundle exec ruby server.rb\n"}, '["bundle", "exec", "ruby", "server.rb"]'),
    ],
)  # fmt: skip
def test_the_server_of_an_app_on_rack(begin: Begin, files: Mapping[str, str], command: str) -> None:
    """The one among its gems, or the command of the Procfile."""
    start, project = begin(files)
    text = start.files["Dockerfile"]
    assert f"CMD {command}\n" in text
    assert faults(text) == []
    assert project.services[0].port == 3000


def test_processes_databases_and_health_of_sinatra(begin: Begin) -> None:
    """As those of Rails, without what only Rails has."""
    gemfile = f'{SINATRA}gem "puma"\ngem "pg"\ngem "sidekiq"\ngem "sinatra-activerecord"\n'
    procfile = "web: bundle exec puma\nworker: bundle exec sidekiq -r ./app.rb\n"
    files = {**RACK, "Gemfile": gemfile, "Procfile": procfile, "app.rb": APP, "db/migrate/1.rb": ""}
    start, project = begin(files)
    web, worker = project.services
    assert web.health_check is not None
    assert web.health_check.path == "/health"
    assert web.hooks.pre is not None
    assert web.hooks.pre.remote == "bundle exec rake db:migrate"
    assert worker.command == ("bundle", "exec", "sidekiq", "-r", "./app.rb")
    assert [each.name for each in project.dependencies] == ["postgres", "redis"]
    text = start.files["Dockerfile"]
    assert "libpq5" in text
    assert "BUNDLE_DEPLOYMENT=1" in text
    assert "rails" not in text.lower()


def test_a_gemfile_for_tools_is_no_app(begin: Begin) -> None:
    """Capistrano beside a Django project: the Procfile is Python's."""
    files = {"manage.py": MANAGE, "shop/settings.py": SETTINGS, "requirements.txt": "django\n"}
    start, _ = begin({**files, "Gemfile": 'gem "capistrano"\n', "Procfile": "web: gunicorn shop.wsgi\n"})
    assert start.app.stack == "Django"


def test_a_procfile_over_an_unknown_stack_says_what_to_write(tmp_path: Path) -> None:
    """Its command belongs into the Dockerfile that somebody has to write."""
    put_files(tmp_path, {"mix.exs": "", "Procfile": "web: mix phx.server\nworker: mix jobs\n"})
    with pytest.raises(UsageError, match="no app in this folder") as caught:
        make_start(tmp_path)
    assert caught.value.hint is not None
    assert "write a Dockerfile" in caught.value.hint
    assert "`mix phx.server` of the Procfile as its CMD" in caught.value.hint
    assert "`ftl init --from Procfile` then takes the processes over" in caught.value.hint


def test_a_gem_alone_is_started_by_nothing(tmp_path: Path) -> None:
    """A worker's Procfile is enough, and neither file is none."""
    put_files(tmp_path, {"Gemfile": SINATRA})
    with pytest.raises(UsageError, match="no app in this folder"):
        make_start(tmp_path)
