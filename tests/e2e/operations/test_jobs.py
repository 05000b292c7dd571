"""Jobs on a real server: its cron, its crontab, and a job that runs during a deploy."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.echo import add_echo
from tests.e2e.support.project import lab_project

if TYPE_CHECKING:
    from collections.abc import Callable

    from lab.servers import Server
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]


def test_jobs_live_through_deploys_and_rollbacks(ftl: Callable[..., Project], server: Server) -> None:
    """A running job ends in its old container; a server without cron is refused before the switch."""
    app = lab_project(ftl, server, env={"COLOUR": "blue"})
    slow = {
        "name": "slow",
        "service": "web",
        "command": ["sh", "-c", "until [ -e /go ]; do sleep 0.2; done; exit 4"],
        "schedule": "0 0 1 1 *",
    }
    say = {
        "name": "say",
        "service": "web",
        "command": ["sh", "-c", "echo $COLOUR; exit 3"],
        "schedule": "7 3 * * *",
    }
    app.config["jobs"] = [slow, say]
    app.deploy().ok()
    lines = [line for line in _crontab(server) if line.endswith(f"# ftl {app.name}")]
    assert [line.split(" sh ")[0] for line in lines] == ["7 3 * * *", "0 0 1 1 *"]
    assert "blue" not in "".join(lines)
    assert server.docker("inspect", "-f", "{{.State.Status}}", f"{app.name}.job.say") == "created"

    ran = app.run("jobs", "run", "say")
    assert (ran.exit_code, ran.stdout) == (3, "blue\n")
    server.docker("start", f"{app.name}.job.slow")
    refused = app.run("jobs", "run", "slow", "--json").result
    assert "is running" in refused["error"]["message"]

    old = server.docker("inspect", "-f", "{{.Id}}", f"{app.name}.job.slow")
    app.service()["env"] = {"COLOUR": "green"}
    app.config["jobs"] = [slow]
    app.deploy().ok()
    assert server.docker("inspect", "-f", "{{.State.Running}}", old) == "true"
    assert len([line for line in _crontab(server) if line.endswith(f"# ftl {app.name}")]) == 1
    server.docker("exec", old, "sh", "-c", ": >/go")
    while server.docker("inspect", "-f", "{{.State.Running}}", old) == "true":
        time.sleep(0.2)
    (listed,) = app.run("jobs", "--json").ok().result["jobs"]
    assert (listed["name"], listed["last"]["exit_code"], listed["running"]) == ("slow", 4, False)
    assert listed["next"].endswith("-01-01T00:00:00Z")
    assert app.run("status", "--json").ok().result["jobs"] == [listed]

    app.run("rollback", "--json").ok()
    ran = app.run("jobs", "run", "say")
    assert (ran.exit_code, ran.stdout) == (3, "blue\n")

    server.run("pkill", "-x", "cron")
    app.config["jobs"] = [slow, say, {**say, "name": "third"}]
    before = app.containers()
    failed = app.deploy()
    assert (failed.exit_code, "cannot run jobs" in failed.result["error"]["message"]) == (3, True)
    assert "`ftl setup`" in failed.result["error"]["hint"]
    assert app.containers() == before
    server.run("cron")


def test_deploys_leave_the_logs_of_the_last_runs(ftl: Callable[..., Project], server: Server) -> None:
    """Of a run in the container before the last one, too; a secret that it printed is masked where it is kept."""
    app = lab_project(ftl, server, env={"VERSION": "one"}, secrets=["TOKEN"])
    app.config["secrets"] = {"TOKEN": {"command": ["echo", "hunter2-hunter2"]}}
    words = "echo began with $VERSION; sleep 0.3; echo with $TOKEN >&2; [ $VERSION != one ]"
    nightly = {"name": "nightly", "service": "web", "schedule": "15 3 1 1 *"}
    app.config["jobs"] = [{**nightly, "command": ["sh", "-c", words]}]
    app.deploy().ok()
    assert app.run("jobs", "run", "nightly").exit_code == 1
    for version, status in (("two", 0), ("three", 0)):
        app.service()["env"] = {"VERSION": version}
        app.deploy().ok()
        assert app.run("jobs", "run", "nightly").exit_code == status
        assert "began with one" in app.run("logs", "--job", "nightly").ok().stdout
    app.service()["env"] = {"VERSION": "four"}
    app.deploy().ok()
    lines = app.run("logs", "--job", "nightly", "--json").ok().lines
    shown = [(line["release"], line["text"]) for line in lines if line["type"] == "log_line"]
    assert [text for _, text in shown] == [
        text for version in ("one", "two", "three") for text in (f"began with {version}", "with ********")
    ]
    assert [release for release, _ in shown] == ["r1", "r1", "r2", "r2", "r3", "r3"]
    copied = f"docker cp ftl-state:/ftl/.job-logs/{app.name}/nightly.jsonl - | tar -xOf -"
    stored = server.run("sh", "-c", copied).stdout.decode()
    assert ("began with one" in stored, "hunter2" in stored) == (True, False)
    (job,) = app.run("jobs", "--json").ok().result["jobs"]
    assert [run["exit_code"] for run in job["runs"]] == [0, 0, 1]
    del app.config["jobs"]
    app.deploy().ok()
    assert "began with three" in app.run("logs", "--job", "nightly").ok().stdout
    app.run("remove", "--yes").ok()
    assert server.run("sh", "-c", copied).stdout == b""


def test_a_crontab_that_was_lost_is_written_again(ftl: Callable[..., Project], server: Server) -> None:
    """By the next deploy, which changes nothing else: after `crontab -r`, and with an empty script."""
    app = lab_project(ftl, server)
    app.config["jobs"] = [{"name": "say", "service": "web", "command": ["true"], "schedule": "7 3 * * *"}]
    app.deploy().ok()

    def own() -> list[str]:
        return [line for line in _crontab(server) if line.endswith(f"# ftl {app.name}")]

    before = own()
    assert len(before) == 1
    for loss in ("crontab -r", ": > ~/.ftl/job.sh"):
        assert server.run("su", "ftl", "-c", loss).returncode == 0
        for view in ("status", "jobs"):
            (job,) = app.run(view, "--json").ok().result["jobs"]
            assert "does not start it: deploy again" in job["problem"], view
        assert "does not start it" in " ".join(app.run("doctor").stdout.split())
        outcome = app.deploy().ok()
        assert [one["step"] for one in outcome.events("step_finished")] == ["write_crontab"], loss
        assert (outcome.result["release"], own()) == ("r1", before)
        assert app.run("plan", "--json").ok().result["steps"] == []
        assert app.run("status", "--json").ok().result["jobs"][0]["problem"] is None
    assert app.containers() == [f"{app.name}-web-r1", f"{app.name}.job.say"]


@pytest.mark.nightly
def test_cron_runs_a_job_each_minute_and_never_twice(ftl: Callable[..., Project], server: Server) -> None:
    """Also in another time zone, with the lines of two users, and with a timeout."""
    app = lab_project(ftl, server)
    every = {"service": "web", "schedule": "* * * * *"}
    app.config["jobs"] = [
        {**every, "name": "utc", "command": "echo utc"},
        {**every, "name": "berlin", "command": "echo berlin", "timezone": "Europe/Berlin"},
        {**every, "name": "slow", "command": "sleep 50", "timeout": "2s"},
    ]
    app.deploy().ok()
    server.run(
        "sh", "-c", "mkdir -p /root/.ftl && cp ~ftl/.ftl/job.sh /root/.ftl/ && crontab -u ftl -l | crontab -"
    )
    time.sleep(60 - time.time() % 60 + 61)
    time.sleep(5)
    for name in ("utc", "berlin"):
        assert server.docker("logs", f"{app.name}.job.{name}").split() == [name, name]
    jobs = {job["name"]: job for job in app.run("jobs", "--json").ok().result["jobs"]}
    assert 2 <= jobs["slow"]["last"]["seconds"] < 15
    assert "timeout" in jobs["slow"]["problem"]
    assert jobs["utc"]["problem"] is None
    server.run("crontab", "-r")


def _crontab(server: Server) -> list[str]:
    return server.run("crontab", "-u", "ftl", "-l").stdout.decode().splitlines()


RECEIVER = b"""
import socket

listening = socket.socket()
listening.bind(("127.0.0.1", 8099))
listening.listen()
connection, _ = listening.accept()
request = b""
while not request.endswith(b"}"):
    request += connection.recv(4096) or exit()
connection.sendall(b"HTTP/1.1 204 No Content\\r\\nConnection: close\\r\\n\\r\\n")
with open("/tmp/posted", "wb") as file:
    file.write(request)
"""
"""Takes one POST, on the server itself, whose Python has no `http`."""


@pytest.mark.nightly
def test_the_server_posts_a_job_that_failed(ftl: Callable[..., Project], server: Server) -> None:
    """To a webhook that a deploy without a release wrote, and that is in no file of the deploy user."""
    app = lab_project(ftl, server)
    command = ["sh", "-c", "exit 3"]
    app.config["jobs"] = [{"name": "bad", "service": "web", "command": command, "schedule": "* * * * *"}]
    app.deploy().ok()
    app.config["notify"] = [{"url": "http://127.0.0.1:8099/s3cr3t", "events": ["job_failure"]}]
    server.run("rm", "-f", "/tmp/posted")
    server.write("/tmp/receiver.py", RECEIVER)
    server.run("sh", "-c", "timeout 120 python3 /tmp/receiver.py >/dev/null 2>&1 &")
    deployed = app.deploy().ok()
    assert (deployed.result["release"], deployed.result["changed"]) == ("r1", True)
    assert "s3cr3t" not in deployed.stdout
    assert not app.deploy().ok().result["changed"]
    posted = ""
    end = time.monotonic() + 75
    while not posted and time.monotonic() < end:
        time.sleep(0.5)
        posted = server.run("sh", "-c", "cat /tmp/posted 2>/dev/null; true").stdout.decode()
    head, _, body = posted.replace("\r", "").partition("\n\n")
    assert head.startswith("POST /s3cr3t ")
    assert json.loads(body)["text"].startswith(f"{app.name}: the job bad ended with status 3, on ")
    assert server.run("sh", "-c", "grep -rl s3cr3t ~ftl; true").stdout == b""


def test_a_job_that_was_pruned_is_posted(ftl: Callable[..., Project], server: Server) -> None:
    """By the webhook among the release records, whose container was pruned, too; the next deploy makes it again."""
    app = lab_project(ftl, server)
    app.config["jobs"] = [{"name": "say", "service": "web", "command": ["true"], "schedule": "7 3 * * *"}]
    app.config["notify"] = [{"url": "http://127.0.0.1:8099/s3cr3t", "events": ["job_failure"]}]
    app.deploy().ok()
    server.run("rm", "-f", "/tmp/posted")
    server.write("/tmp/receiver.py", RECEIVER)
    server.run("sh", "-c", "timeout 120 python3 /tmp/receiver.py >/dev/null 2>&1 &")
    server.docker("rm", f"{app.name}.job.say", "ftl-state")
    woken = server.run("su", "ftl", "-c", f'sh "$HOME/.ftl/job.sh" /var/run/docker.sock {app.name}.job.say')
    assert woken.returncode == 0
    posted = server.run("cat", "/tmp/posted").stdout.decode()
    assert f"{app.name}: the job say does not run: its container was removed" in posted
    (job,) = app.run("status", "--json").ok().result["jobs"]
    assert "its container is gone" in job["problem"]
    app.deploy().ok()
    assert app.run("status", "--json").ok().result["jobs"][0]["problem"] is None


def test_a_missing_folder_of_backups_is_not_created_a_second_time(
    ftl: Callable[..., Project], server: Server
) -> None:
    """Its disk is not mounted, and the job's container was pruned: the deploy ends before its hooks."""
    app = lab_project(ftl, server)
    add_echo(app)
    app.config["backups"] = [{"dependency": "cache", "schedule": "0 0 1 1 *", "path": "/srv/disk"}]
    app.deploy().ok()
    folder, job = f"/srv/disk/{app.name}", f"{app.name}.job.backup.cache"
    server.run("rm", "-r", folder)
    server.docker("rm", job)
    app.version("two")
    app.service()["hooks"] = {"pre": "echo migrated"}
    refused = app.run("deploy")
    assert (
        refused.exit_code,
        f"the folder of the backups of cache, {folder}, is missing" in refused.stderr,
    ) == (
        1,
        True,
    ), refused
    assert app.run("logs", "--hooks", "--no-prefix").ok().stdout == ""
    assert (app.get(), job in app.containers()) == ((200, "one"), False)
    assert server.run("test", "-e", folder, check=False).returncode == 1
    server.run("mkdir", "-p", folder)
    app.deploy().ok()
    assert (app.get(), job in app.containers()) == ((200, "two"), True)
