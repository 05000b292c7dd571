"""`ftl init --from` with Kamal's aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.kamal.aliases import translated
from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.kamal.test_kamal import HEAD, words
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("alias", "command"),
    [
        ('app exec --interactive --reuse "bin/rails console"', "ftl exec web -- bin/rails console"),
        ("app exec -i --reuse bash", "ftl exec web -- bash"),
        ("app exec -r job --reuse bash", "ftl exec job -- bash"),
        ("app exec 'bin/rails db:version'", "ftl run web -- bin/rails db:version"),
        ("app exec -d staging --roles=web_two ls", "ftl -e staging run web_two -- ls"),
        ("app logs -f", "ftl logs -f web"),
        ("app logs --since 5m -n 100", "ftl logs -n 100 --since 5m web"),
        ("app logs -f --grep='a b' --grep-options=-i", "ftl logs -f --grep 'a b' web"),
        ("app logs -f -r web,job", "ftl logs -f web job"),
        ("app boot --roles=web,job,", "ftl restart web job"),
        ("app exec -r web,job --reuse ls", "ftl exec web -- ls` and `ftl exec job -- ls"),
        ("app logs -r 'job_*'", ""),
        ("accessory logs db -f", "ftl logs -f db"),
        ('accessory exec db -i --reuse "psql -U app"', "ftl exec db -- psql -U app"),
        ("details", "ftl status"),
        ("app boot", "ftl restart web"),
        ("accessory reboot redis", "ftl stop redis` and `ftl start redis"),
        ("deploy -d staging", "ftl -e staging deploy"),
        ("server exec uptime", ""),
        ("app exec 'x", ""),
        ("", ""),
    ],
)
def test_the_command_of_an_alias(alias: str, command: str) -> None:
    """What to type in its place."""
    assert translated(alias, "web") == command


def test_each_alias_has_a_row(tmp_path: Path) -> None:
    """With the primary role of the file."""
    aliases = "aliases: {console: app exec --reuse 'bin/rails c', uptime: server exec uptime}\n"
    text = f"{HEAD}servers: {{app: [a.io]}}\nprimary_role: app\n{aliases}"
    _, report = taken(tmp_path, "deploy.yml", {"deploy.yml": text})
    assert words(report, "aliases.console") == "`ftl exec app -- bin/rails c`"
    assert verdicts(report)["aliases.uptime"] is Verdict.LEFT_OUT


@pytest.mark.parametrize(
    ("alias", "jobs", "command"),
    [
        ("app logs -r cron", ("x",), "ftl logs --job x"),
        ("app logs -f --roles=cron", ("x", "y"), "ftl logs -f --job x --job y"),
        ("app logs -r web", ("x",), "ftl logs web"),
        ("app exec -r cron --reuse 'crontab -l'", ("x",), "ftl exec web -- crontab -l"),
        ("app boot -r cron", ("x",), ""),
        ("app logs -f -r web,cron", ("x",), "ftl logs -f web` and `ftl logs -f --job x"),
        ("app exec -r web,cron --reuse ls", ("x",), "ftl exec web -- ls"),
        ("app boot -r web,cron", ("x",), "ftl restart web"),
    ],
)
def test_an_alias_of_a_role_of_cron(alias: str, jobs: tuple[str, ...], command: str) -> None:
    """There is no such service: its jobs run in the release of another one."""
    assert translated(alias, "web", {"cron": ("web", jobs)}) == command
