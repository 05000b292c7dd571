"""`ftl init --from` with Kamal's hooks."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.kamal.test_kamal import HEAD, words
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

DEPLOY = (
    HEAD
    + "servers: {job: {hosts: [192.0.2.1], cmd: work}, web: [192.0.2.1]}\nproxy: {host: a.io, ssl: true}\n"
)
SCRIPT = (
    '#!/bin/sh\necho "$KAMAL_VERSION $KAMAL_DESTINATION $KAMAL_SERVICE $KAMAL_HOSTS $KAMAL_COMMAND" > seen\n'
)


@pytest.mark.parametrize("folder", [".kamal/hooks", "my hooks"])
def test_hooks_of_a_deploy_run_with_their_variables(tmp_path: Path, folder: str) -> None:
    """Before and after the switch, on this machine, as the program that they are."""
    files = {f"{folder}/pre-deploy": SCRIPT, f"{folder}/post-deploy": SCRIPT, "config/deploy.staging.yml": ""}
    files["config/deploy.yml"] = f"{DEPLOY}hooks_path: {folder}\n"
    project, report = taken(tmp_path, "config/deploy.yml", files)
    job, web = project.services
    assert job.hooks.pre is None
    assert web.hooks.pre is not None
    assert web.hooks.post is not None
    assert web.hooks.pre.remote is None
    assert verdicts(report)[f"{folder}/pre-deploy"] is Verdict.CHANGED
    assert "hooks:" not in (tmp_path / "ftl.staging.yaml").read_text()
    (tmp_path / folder / "pre-deploy").chmod(0o755)
    env = {"FTL_COMMIT": "abc", "FTL_ENV": "staging", "FTL_PROJECT": "shop", "FTL_SERVER": "s"}
    env |= {"FTL_SERVICE": "web", "PATH": "/usr/bin:/bin"}
    assert isinstance(web.hooks.pre.local, str)
    subprocess.run(["/bin/sh", "-c", web.hooks.pre.local], env=env, cwd=tmp_path, check=True)
    assert (tmp_path / "seen").read_text() == "abc staging shop s deploy\n"


@pytest.mark.parametrize(
    ("hook", "verdict", "text"),
    [
        ("pre-connect", Verdict.LEFT_OUT, "~/.ssh/config"),
        ("pre-build", Verdict.LEFT_OUT, "`protected: true`"),
        ("post-proxy-reboot", Verdict.LEFT_OUT, "without a gap"),
        ("docker-setup", Verdict.NEEDS_YOU, "`ftl setup`"),
        ("pre-app-boot", Verdict.NEEDS_YOU, "`hooks: {pre: {local: ...}}`"),
    ],
)
def test_each_other_hook_has_a_row(tmp_path: Path, hook: str, verdict: Verdict, text: str) -> None:
    """What needs the user is a comment at the service, too."""
    _, report = taken(
        tmp_path, "config/deploy.yml", {"config/deploy.yml": DEPLOY, f".kamal/hooks/{hook}": ""}
    )
    row = f".kamal/hooks/{hook}"
    assert verdicts(report)[row] is verdict
    assert text in words(report, row)
    assert (f"TO DO {row}" in (tmp_path / "ftl.yaml").read_text()) == (verdict is Verdict.NEEDS_YOU)
