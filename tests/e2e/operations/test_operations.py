"""Operations after the deploy on a real server, under load without retries."""

from __future__ import annotations

import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from tests.e2e.support.project import DOCKERFILE, elsewhere, lab_project, visitors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lab.servers import Server
    from tests.harness import Project

pytestmark = [pytest.mark.server, pytest.mark.usefixtures("busybox", "proxy_image")]


def test_a_rollback_loses_no_request_and_needs_no_file(
    ftl: Callable[..., Project], server: Server, ssh_config: Path
) -> None:
    """From an empty folder it restores the image and env of r1, as r3; deploys stay on hold until that is ended."""
    app = lab_project(ftl, server, replicas=2, env={"COLOUR": "blue"})
    app.deploy().ok()
    app.version("second")
    app.service()["env"] = {"COLOUR": "green"}
    deployed = app.deploy().ok().result
    there, where = elsewhere(app, ssh_config)
    slow: list[tuple[int, str]] = []
    with visitors(app) as visit:
        pending = threading.Thread(target=lambda: slow.append(app.get("/cgi-bin/slow")))
        pending.start()
        hold = ("--hold", "-m", "two is slow")
        back = there.project.run("rollback", "--json", *where, *hold).ok().result
        pending.join()
    assert visit.failures == {}
    assert visit.seen == {"one", "second"}
    assert slow == [(200, "slow done")]
    assert (back["release"], back["rollback_of"], back["hold"]) == ("r3", "r1", "two is slow")
    assert back["services"]["web"]["bytes_sent"] == 0
    assert app.get() == (200, "one")
    assert app.containers() == [f"{app.name}-web-r3-1", f"{app.name}-web-r3-2"]
    assert server.docker("exec", f"{app.name}-web-r3-1", "sh", "-c", "echo $COLOUR") == "blue"
    print(f"rollback {back['seconds']} s of a deploy of {deployed['seconds']} s")

    refused = app.deploy()
    assert (refused.exit_code, "two is slow" in refused.result["error"]["message"]) == (2, True)
    listed = app.run("releases", "--json").ok().result["releases"]
    assert [(each["release"], each["outcome"], each["rollback_of"]) for each in listed] == [
        ("r3", "live", "r1"),
        ("r2", "replaced", None),
        ("r1", "replaced", None),
    ]
    assert all(each["kept"] for each in listed)
    entries = app.run("audit", "--json").ok().result["entries"]
    assert [(each["command"], each["release"], each["outcome"]) for each in entries] == [
        ("rollback r1 --hold -m 'two is slow'", "r3", "done"),
        ("deploy", "r2", "done"),
        ("deploy", "r1", "done"),
    ]
    assert app.deploy("--end-hold").ok().result["release"] == "r4"
    assert app.get() == (200, "second")


def test_a_rollback_sends_from_here_what_the_server_has_lost(
    ftl: Callable[..., Project], server: Server
) -> None:
    """The image of an earlier release was deleted there by hand; this machine has it still, and no git is needed."""
    app = lab_project(ftl, server)
    for version in ("one", "two"):
        app.version(version)
        app.deploy().ok()
    image = server.docker("images", "-q", f"{app.name}-web:r1")
    server.docker("rmi", "-f", image)
    back = app.run("rollback", "--json").ok()
    assert "send_images" in {event["step"] for event in back.events("step_finished")}
    assert app.get() == (200, "one")
    assert server.docker("images", "-q", "--no-trunc", f"{app.name}-web:r3")


def test_a_rollback_builds_what_is_gone_from_its_commit(ftl: Callable[..., Project], server: Server) -> None:
    """With the build secrets of .env, without what is uncommitted; a release with uncommitted changes is refused."""
    app = lab_project(ftl, server)
    folder = app.project.folder

    def git(*argv: str) -> str:
        user = ("-c", "user.name=ann", "-c", "user.email=ann@example.com")
        done = subprocess.run(("git", *user, *argv), cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout

    def forget(release: str) -> None:
        """Neither the server nor this machine has its image any more."""
        image = f"{app.name}-web:{release}"
        server.docker("rmi", "-f", server.docker("images", "-q", image))
        here = subprocess.run(
            ("docker", "images", "-q", f"{app.name}-web"), capture_output=True, text=True, check=True
        )
        subprocess.run(("docker", "rmi", "-f", *here.stdout.split()), capture_output=True, check=False)

    git("init", "-q")
    recipe = f"{DOCKERFILE}RUN --mount=type=secret,id=TOKEN grep -q planted /run/secrets/TOKEN\n"
    app.project.write({".env": "TOKEN=planted\n", ".gitignore": ".env\n"})
    app.service()["build"] = {"context": "app", "secrets": ["TOKEN"]}
    for version in ("one", "two", "dirty", "four"):
        app.version(version, dockerfile=recipe)
        app.save()
        if version != "dirty":
            git("add", "-A")
            git("commit", "-q", "-m", version)
        app.deploy().ok()
    listed = app.run("releases", "--json").ok().result["releases"]
    assert [each["dirty"] for each in listed] == [False, True, False, False]
    for release in ("r1", "r3"):
        forget(release)
    refused = app.run("rollback", "r1", "--json")
    assert refused.exit_code == 2
    assert "`ftl rollback r1 --rebuild` builds it from commit" in refused.result["error"]["hint"]
    never = app.run("rollback", "r3", "--rebuild", "--json")
    assert never.exit_code == 2
    assert "it was deployed with uncommitted changes, which no commit has" in never.result["error"]["message"]
    assert app.get() == (200, "four")
    app.version("unfinished", dockerfile=recipe)
    back = app.run("rollback", "r1", "--rebuild", "--json").ok().result
    assert (back["release"], back["rollback_of"]) == ("r5", "r1")
    assert app.get() == (200, "one")
    label = server.docker("inspect", "-f", '{{index .Config.Labels "ftl.commit"}}', f"{app.name}-web:r5")
    assert label.strip() == git("rev-list", "HEAD").split()[-1]
    assert (folder / "app/www/index.html").read_text() == "unfinished"
    assert len(git("worktree", "list").splitlines()) == 1
    assert git("status", "--porcelain").split() == ["M", "app/www/index.html"]
    assert app.run("rollback", "--json").ok().result["rollback_of"] == "r4", "its own images are still there"


def test_a_rollback_asks_a_vault_only_for_fresh_secrets(ftl: Callable[..., Project], server: Server) -> None:
    """With --fresh-secrets the older release gets today's password; all plain env comes back as recorded.

    So does a secret in a file, which the app's user alone can read.
    """
    env = {"URL": "x://app:${TOKEN}@db", "COLOUR": "blue"}
    secret = {"name": "TOKEN", "file": "/run/secrets/token", "owner": "1234:1235"}
    app = lab_project(ftl, server, env=env, user="1234:1235", secrets=[secret])
    vault = app.project.folder / "vault"
    app.config["secrets"] = {"TOKEN": {"command": ["sh", "-c", "echo asked >> asked; cat vault"]}}
    vault.write_text("hunter-one")
    app.deploy().ok()
    vault.write_text("hunter-two")
    app.service()["env"] = {**env, "COLOUR": "green"}
    app.deploy().ok()
    asked = app.project.folder / "asked"
    asked.unlink()

    def environment(release: str) -> set[str]:
        lines = server.docker("exec", f"{app.name}-web-{release}", "env").splitlines()
        return {line for line in lines if line.startswith(("URL=", "COLOUR="))}

    def secret_file(release: str) -> str:
        show = 'stat -c "%a %u:%g" "$0" && cat "$0"'
        return server.docker("exec", f"{app.name}-web-{release}", "sh", "-c", show, "/run/secrets/token")

    assert secret_file("r2") == "400 1234:1235\nhunter-two"
    assert app.run("rollback", "--json").ok().result["release"] == "r3"
    assert not asked.exists(), "a rollback must not need the vault"
    assert environment("r3") == {"URL=x://app:hunter-one@db", "COLOUR=blue"}
    assert secret_file("r3") == "400 1234:1235\nhunter-one"
    fresh = app.run("rollback", "r1", "--fresh-secrets", "--json").ok()
    assert (fresh.result["release"], asked.read_text()) == ("r4", "asked\n")
    assert environment("r4") == {"URL=x://app:hunter-two@db", "COLOUR=blue"}
    assert secret_file("r4") == "400 1234:1235\nhunter-two"
    assert "hunter" not in fresh.stdout + fresh.stderr


def test_a_rollback_passes_over_releases_that_run_the_same(
    ftl: Callable[..., Project], server: Server
) -> None:
    """Two of them take one place of `keep_releases`, so the one before, and its image, is still there."""
    app = lab_project(ftl, server)
    app.config["keep_releases"] = 2
    app.deploy().ok()
    app.version("second")
    app.deploy().ok()
    for release in ("r3", "r4"):
        app.run("scale", "--json", "web=2").ok()
        assert app.deploy().ok().result["release"] == release
    kept = {each["release"]: each["kept"] for each in app.run("releases", "--json").ok().result["releases"]}
    assert kept == {"r4": True, "r3": True, "r2": True, "r1": True}
    assert app.run("prune", "--json").ok().result["tags"] == []
    back = app.run("rollback", "--json").ok()
    assert back.result["rollback_of"] == "r1"
    assert "r3 runs the same as r4" in [note["text"] for note in back.events("note")]
    assert app.get() == (200, "one")


def test_scaling_and_a_restart_lose_no_request(ftl: Callable[..., Project], server: Server) -> None:
    """From 1 to 3 and back the first container goes on; a restart replaces it; a deploy goes by the file's number."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    first = server.docker("inspect", "-f", "{{.Id}}", f"{app.name}-web-r1")
    slow: list[tuple[int, str]] = []
    with visitors(app, 8) as visit:
        assert app.run("scale", "--json", "web=3").ok().result["services"]["web"]["action"] == "scaled"
        assert app.containers() == [f"{app.name}-web-r1", f"{app.name}-web-r1-2", f"{app.name}-web-r1-3"]
        pending = [threading.Thread(target=lambda: slow.append(app.get("/cgi-bin/slow"))) for _ in range(6)]
        for each in pending:
            each.start()
        app.run("scale", "--json", "web=1").ok()
        for each in pending:
            each.join()
        assert app.containers() == [f"{app.name}-web-r1"]
        assert server.docker("inspect", "-f", "{{.Id}}", f"{app.name}-web-r1") == first
        app.run("scale", "--json", "web=2").ok()
        restarted = app.run("restart", "--json").ok().result
        assert (restarted["release"], app.containers(running=True)) == (
            "r1",
            [f"{app.name}-web-r1g2-1", f"{app.name}-web-r1g2-2"],
        )
        changed = app.deploy().ok()
        assert changed.result["services"]["web"]["action"] == "scaled"
        assert any("`ftl scale` had set web to 2" in note["text"] for note in changed.events("note"))
    assert visit.failures == {}
    assert slow == [(200, "slow done")] * 6
    assert app.containers() == [f"{app.name}-web-r1g2-1"]
    assert app.deploy().ok().result["changed"] is False


def test_maintenance_shows_a_page_and_lets_some_through(ftl: Callable[..., Project], server: Server) -> None:
    """By the options of the command; the audit has them, and a second call replaces what the first one said."""
    app = lab_project(ftl, server)
    app.deploy().ok()
    app.project.write({"sorry.html": "<h1>back at noon</h1>"})
    begun = app.run("maintenance", "on", "--page", "sorry.html", "--allow", "192.0.2.7", "--json").ok().result
    assert begun["maintenance"] is True
    assert app.get() == (503, "<h1>back at noon</h1>")
    app.run("maintenance", "on", "--allow", "192.0.2.7", "--allow", "0.0.0.0/0").ok()
    assert app.get() == (200, "one")
    app.run("maintenance", "off").ok()
    assert app.get() == (200, "one")
    commands = [each["command"] for each in app.run("audit", "--json").ok().result["entries"]]
    assert commands == [
        "maintenance off",
        "maintenance on --allow 192.0.2.7 --allow 0.0.0.0/0",
        "maintenance on --page sorry.html --allow 192.0.2.7",
        "deploy",
    ]
