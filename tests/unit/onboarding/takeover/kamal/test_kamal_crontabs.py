"""`ftl init --from` with Kamal: crontabs of roles as jobs, and schedules of Ruby apps."""

# ruff: noqa: E501 -- lines of other tools' files

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.kamal.test_kamal import HEAD, words
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from ftl.config.models.project import Project
    from ftl.onboarding.takeover.report import TakeoverReport

OF_THE_DOCUMENTATION = 'bash -c "(env && cat config/crontab) | crontab - && cron -f"'
CRONTAB = """\
# Times are UTC
SHELL=/bin/bash
MAILTO=ops@example.com
PATH=/usr/local/bin:/usr/bin
RAILS_ENV=production
LOCALE="de"

15 3 * * *    bin/rails runner "CleanupJob.perform_now"
*/5 * * * mon-fri cd /rails && bin/rake reports:send[${REGION}] >> /proc/1/fd/1 2>&1
@daily python3 /rails/bin/nightly.py --day $(date +\\%F)
@reboot bin/warm
30 * * * * * bin/often
0 4 * * * mail -s x ops%Hello
0 0 31 2 * bin/never
"""


def with_crontab(
    folder: Path, crontab: str, command: str = OF_THE_DOCUMENTATION, **files: str
) -> tuple[Project, TakeoverReport]:
    """Take over a web role and a role with a crontab."""
    command = command.replace("'", "''")
    text = f"{HEAD}servers:\n  web: [a.io]\n  cron:\n    hosts: [a.io]\n    cmd: '{command}'\n"
    text += (
        "env: {clear: {RAILS_ENV: production, LOCALE: en}}\nproxy: {host: a.io, ssl: true, app_port: 3000}\n"
    )
    names = {name.replace("__", "/"): content for name, content in files.items()}
    return taken(folder, "config/deploy.yml", {"config/deploy.yml": text, "config/crontab": crontab, **names})


def test_a_role_of_cron_becomes_jobs(tmp_path: Path) -> None:
    """As Kamal's documentation has it: each line is a job of web, and no service runs cron."""
    project, report = with_crontab(tmp_path, CRONTAB)
    assert [service.name for service in project.services] == ["web"]
    assert [(job.name, job.service, job.schedule, job.command) for job in project.jobs] == [
        ("cleanup-job-perform-now", "web", "15 3 * * *", 'bin/rails runner "CleanupJob.perform_now"'),
        (
            "reports-send",
            "web",
            "*/5 * * * mon-fri",
            ("/bin/bash", "-c", "cd /rails && bin/rake reports:send[${REGION}] >> /proc/1/fd/1 2>&1"),
        ),
        (
            "nightly",
            "web",
            "0 0 * * *",
            ("/bin/bash", "-c", "python3 /rails/bin/nightly.py --day $(date +%F)"),
        ),
    ]
    assert "3 of the `jobs`" in words(report, "servers.cron")
    assert not [row for row in report.rows if row.key.startswith("ftl.yaml:")], report.rows


def test_each_line_of_a_crontab_has_a_row(tmp_path: Path) -> None:
    """What a job cannot be, or has otherwise, says what to do, and is in ftl.yaml, too."""
    _, report = with_crontab(tmp_path, CRONTAB)
    found = {
        key.partition(":")[2]: verdict
        for key, verdict in verdicts(report).items()
        if key.startswith("config/crontab:")
    }
    assert found == {
        "2": Verdict.CHANGED,
        "3": Verdict.NEEDS_YOU,
        "4": Verdict.LEFT_OUT,
        "5": Verdict.LEFT_OUT,
        "6": Verdict.NEEDS_YOU,
        **dict.fromkeys(("8", "9", "10"), Verdict.CHANGED),
        **dict.fromkeys(("11", "12", "13", "14"), Verdict.NEEDS_YOU),
    }
    assert "`notify`" in words(report, "config/crontab:3")
    assert "write LOCALE there" in words(report, "config/crontab:6")
    assert "hooks: {post: ...}" in words(report, "config/crontab:11")
    assert "once a minute at most" in words(report, "config/crontab:12")
    assert "`%` ends the command" in words(report, "config/crontab:13")
    assert "`0 0 31 2 *` never occurs" in words(report, "config/crontab:14")
    assert "# TO DO config/crontab:11: `@reboot` is not a time" in (tmp_path / "ftl.yaml").read_text()


@pytest.mark.parametrize(
    ("command", "dockerfile"),
    [
        (
            "supercronic -passthrough-logs /rails/config/crontab",
            "FROM x\nWORKDIR /rails\nCOPY --from=build /rails /rails\n",
        ),
        ("crontab config/crontab && exec crond -f -l 2", "FROM x\n"),
        (
            'bash -c "cron && tail -f /var/log/cron.log"',
            "FROM x\nCOPY config/crontab /etc/cron.d/shop\nRUN chmod 644 /etc/cron.d/shop && crontab /etc/cron.d/shop\n",
        ),
        ("cron -f", "FROM x\nWORKDIR /app\nADD . .\nRUN crontab config/crontab\n"),
        ("crond -f", "FROM x\nCOPY config/crontab /etc/crontabs/root\n"),
        (
            "sh -c 'printenv >> /etc/environment; cron -f >> /proc/1/fd/1 2>&1'",
            "FROM x\nCOPY ./config/crontab /var/spool/cron/crontabs/root\n",
        ),
    ],
)
def test_where_a_crontab_is(tmp_path: Path, command: str, dockerfile: str) -> None:
    """The command names it, by its path in the image, too; or the Dockerfile puts it where cron looks."""
    project, _ = with_crontab(tmp_path, "0 1 * * * bin/x\n", command, Dockerfile=dockerfile)
    assert [(service.name, [job.name for job in project.jobs]) for service in project.services] == [
        ("web", ["x"])
    ]


def test_users_of_a_crontab_of_the_system(tmp_path: Path) -> None:
    """A job runs as the user of its service: that needs somebody only where it is another one."""
    dockerfile = "FROM x\nCOPY config/crontab /etc/cron.d/shop\nUSER app\n"
    project, report = with_crontab(
        tmp_path, "0 1 * * * app bin/x -y\n0 2 * * *\troot\tbin/z\n", "cron -f", Dockerfile=dockerfile
    )
    assert [job.command for job in project.jobs] == ["bin/x -y", "bin/z"]
    found = verdicts(report)
    assert (found["config/crontab:1"], found["config/crontab:2"]) == (Verdict.CHANGED, Verdict.NEEDS_YOU)
    assert "see that it need not be root" in words(report, "config/crontab:2")


@pytest.mark.parametrize(
    ("command", "crontab"),
    [
        (OF_THE_DOCUMENTATION, "@reboot bin/x\n"),
        (OF_THE_DOCUMENTATION.replace("config/crontab", "config/other"), "0 1 * * * bin/x\n"),
        ('bash -c "cat config/crontab | crontab - && cron && bundle exec sidekiq"', "0 1 * * * bin/x\n"),
        ("bash -c 'bundle exec whenever --update-crontab && cron -f'", "0 1 * * * bin/x\n"),
        ("supercronic ../../etc/crontab", "0 1 * * * bin/x\n"),
    ],
)
def test_a_role_that_stays_a_service(tmp_path: Path, command: str, crontab: str) -> None:
    """No line is a job, the file is not found, or the role does more than to run cron."""
    project, report = with_crontab(tmp_path, crontab, command)
    assert [service.name for service in project.services] == ["web", "cron"]
    assert project.jobs == ()
    assert "as `jobs` of the project" in words(report, "servers.cron")


def test_settings_of_a_role_of_cron(tmp_path: Path) -> None:
    """A job has those of its service: of one that has the env of the role, if there is one."""
    text = """
servers:
  web: [a.io]
  job: {hosts: [a.io], cmd: bin/jobs, env: {clear: {QUEUE: all}}}
  cron:
    hosts: [c.io]
    cmd: [bash, -c, "(env && cat config/crontab) | crontab - && cron -f"]
    env: {clear: {QUEUE: all, TZ: Europe/Berlin}}
    options: {memory: 1g}
env: {clear: {TZ: Europe/Berlin}}
"""
    files = {
        "config/deploy.yml": HEAD + text,
        "config/crontab": "0 1 * * * bin/x\nCRON_TZ=UTC\n0 2 * * * bin/x\n",
    }
    project, report = taken(tmp_path, "config/deploy.yml", files)
    assert [(job.name, job.service, job.timezone) for job in project.jobs] == [
        ("x", "job", "Europe/Berlin"),
        ("x-2", "job", "UTC"),
    ]
    found = verdicts(report)
    assert (found["servers.cron.env"], found["servers.cron.options"]) == (Verdict.LEFT_OUT, Verdict.NEEDS_YOU)
    assert "c.io ran nothing else" in words(report, "servers.cron")
    assert (project.servers, project.server.host) == ((), "a.io")
    other = files["config/deploy.yml"].replace("QUEUE: all, TZ", "QUEUE: none, TZ")
    project, report = taken(tmp_path, "config/deploy.yml", {**files, "config/deploy.yml": other})
    assert {job.service for job in project.jobs} == {"web"}
    assert verdicts(report)["servers.cron.env"] is Verdict.NEEDS_YOU
    assert "write QUEUE there" in words(report, "servers.cron.env")


def test_a_destination_may_have_another_crontab(tmp_path: Path) -> None:
    """Its jobs are in the file of its environment."""
    text = f"{HEAD}servers: {{web: [a.io], cron: {{hosts: [a.io], cmd: supercronic config/crontab}}}}\n"
    files = {
        "config/deploy.yml": text,
        "config/deploy.staging.yml": "servers: {cron: {cmd: supercronic config/crontab.staging}}\n",
        "config/deploy.bare.yml": "servers: {cron: {cmd: bin/idle}}\n",
        "config/crontab": "0 1 * * * bin/x\n0 2 * * * bin/y\n",
        "config/crontab.staging": "0 3 * * * bin/x\n0 4 * * * bin/z\n",
    }
    taken(tmp_path, "config/deploy.yml", files)
    variables = read_variables(tmp_path, {})
    jobs = {
        name: [
            (job.name, job.schedule)
            for job in load(ProjectFiles(tmp_path / "ftl.yaml", variables, name), fetch=None).jobs
        ]
        for name in ("staging", "bare")
    }
    assert jobs == {"staging": [("x", "0 3 * * *"), ("z", "0 4 * * *")], "bare": []}


def test_schedules_of_ruby(tmp_path: Path) -> None:
    """Whenever's lines have to be written, Solid Queue's tasks only where nothing runs it."""
    text = HEAD + "servers: [a.io]\nproxy: {host: a.io, ssl: true}\n"
    files = {
        "config/deploy.yml": text,
        "config/schedule.rb": 'every 1.day, at: "4:30 am" do\n  rake "x"\nend\n',
        "config/recurring.yml": "production:\n  clean:\n    class: CleanJob\n    schedule: every hour\n",
    }
    _, report = taken(tmp_path, "config/deploy.yml", files)
    found = verdicts(report)
    assert [found[name] for name in ("config/schedule.rb", "config/recurring.yml")] == [Verdict.NEEDS_YOU] * 2
    assert "`bundle exec whenever` prints its lines" in words(report, "config/schedule.rb")
    assert "service: web" in words(report, "config/recurring.yml")
    for more in ("env: {clear: {SOLID_QUEUE_IN_PUMA: true}}\n", "env: {}\n"):
        roles = (
            text
            if "PUMA" in more
            else text.replace("[a.io]", "{web: [a.io], job: {hosts: [a.io], cmd: bin/jobs}}")
        )
        _, report = taken(tmp_path, "config/deploy.yml", {**files, "config/deploy.yml": roles + more})
        assert verdicts(report)["config/recurring.yml"] is Verdict.CHANGED
    quiet = {
        "config/deploy.yml": text,
        "config/schedule.rb": "# every 1.day\n",
        "config/recurring.yml": "# production:\n",
    }
    _, report = taken(tmp_path, "config/deploy.yml", {**files, **quiet})
    assert not {"config/schedule.rb", "config/recurring.yml"} & verdicts(report).keys()


def test_aliases_of_a_role_of_cron(tmp_path: Path) -> None:
    """They name the job, and the service in whose release it runs."""
    text = f"{HEAD}servers: {{web: [a.io], cron: {{hosts: [a.io], cmd: supercronic config/crontab}}}}\n"
    text += "aliases: {cronlog: app logs -r cron, shell: app exec -r cron bash}\n"
    files = {"config/deploy.yml": text, "config/crontab": "BASH_ENV=/container.env\n0 1 * * * bin/x\n"}
    _, report = taken(tmp_path, "config/deploy.yml", files)
    assert words(report, "aliases.cronlog") == "`ftl logs --job x`"
    assert words(report, "aliases.shell") == "`ftl run web -- bash`"
    assert verdicts(report)["config/crontab:1"] is Verdict.LEFT_OUT


def test_comments_of_a_service_are_not_those_of_its_namesake(tmp_path: Path) -> None:
    """A job may have the name of a service."""
    project, _ = with_crontab(tmp_path, "@reboot bin/warm\n0 1 * * * bin/web\n")
    assert [job.name for job in project.jobs] == ["web"]
    assert (tmp_path / "ftl.yaml").read_text().count("# TO DO config/crontab:1:") == 1
