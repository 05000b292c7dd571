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


IN_NEW_IMAGE = "write `hooks.pre: python3 -m tickets.migrate`, which runs in a container of the new image"


@pytest.mark.parametrize(
    ("hook", "script", "todo"),
    [
        ("pre-deploy", '#!/bin/sh\nset -e\nkamal app exec "python3 -m tickets.migrate"\n', IN_NEW_IMAGE),
        (
            "pre-deploy",
            "bin/kamal app exec -p -d staging --reuse \\\n 'python3 -m tickets.migrate'\n",
            IN_NEW_IMAGE,
        ),
        (
            "pre-deploy",
            'kamal app exec -p -d "$KAMAL_DESTINATION" --version=$KAMAL_VERSION "python3 -m tickets.migrate"\n',
            IN_NEW_IMAGE,
        ),
        ("pre-deploy", 'kamal app exec "migrate $TO"\n', "its `kamal app exec` as `hooks.pre`"),
        ("pre-app-boot", "kamal app exec python3 -m tickets.migrate || exit 1\n", IN_NEW_IMAGE),
        ("post-deploy", "bundle exec kamal app exec 'bin/warm'\n", "write `hooks.post: bin/warm`"),
        (
            "pre-deploy",
            "#!/usr/bin/env ruby\nsystem('bin/kamal app exec bin/migrate')\n",
            "as `hooks.pre.local`",
        ),
        (
            "pre-deploy",
            "#!/usr/bin/env ruby\nexit(1) unless system('kamal', 'app', 'exec', 'm')\n",
            "`hooks.pre`",
        ),
        (
            "pre-deploy",
            'out=$(kamal app exec -d "$KAMAL_DESTINATION" m)\n',
            "its `kamal app exec` as `hooks.pre`",
        ),
        ("post-deploy", "kamal app exec one\nkamal prune all\n", "its `kamal app exec` as `hooks.post`"),
        ("post-deploy", 'echo "$(kamal version)"\n', "what else it does as `hooks.post.local`"),
    ],
)
def test_a_hook_that_runs_kamal_needs_you(tmp_path: Path, hook: str, script: str, todo: str) -> None:
    """It would act on the old server, where Kamal is installed; its migration is a hook in the new image."""
    row = f".kamal/hooks/{hook}"
    project, report = taken(tmp_path, "config/deploy.yml", {"config/deploy.yml": DEPLOY, row: script})
    assert verdicts(report)[row] is Verdict.NEEDS_YOU
    assert todo in words(report, row)
    assert all(service.hooks.pre is service.hooks.post is None for service in project.services)
    assert f"TO DO {row}" in (tmp_path / "ftl.yaml").read_text()


@pytest.mark.parametrize(
    "line", ["echo 'kamal deploys'", "# kamal app exec m", "cat .kamal/secrets", "docker restart kamal-proxy"]
)
def test_a_hook_that_only_names_kamal_runs(tmp_path: Path, line: str) -> None:
    """Its texts, comments, files and containers are no command."""
    files = {"config/deploy.yml": DEPLOY, ".kamal/hooks/pre-deploy": f"#!/bin/sh\n{line}\n"}
    _, report = taken(tmp_path, "config/deploy.yml", files)
    assert verdicts(report)[".kamal/hooks/pre-deploy"] is Verdict.CHANGED


def test_variables_that_hooks_of_ftl_do_not_have_need_you(tmp_path: Path) -> None:
    """Each has a row, and a comment at the service; the others of Kamal have values."""
    script = '#!/bin/sh\necho "$KAMAL_SERVICE_VERSION $KAMAL_SUBCOMMAND $KAMAL_RUNTIME $KAMAL_LOCK" > seen\n'
    row = ".kamal/hooks/post-deploy"
    project, report = taken(tmp_path, "config/deploy.yml", {"config/deploy.yml": DEPLOY, row: script})
    unknown = [each.key for each in report.rows if each.key.startswith(f"{row}: ")]
    assert unknown == [f"{row}: KAMAL_LOCK", f"{row}: KAMAL_RUNTIME"]
    assert "`ftl releases` has how long each deploy took" in words(report, f"{row}: KAMAL_RUNTIME")
    assert f"TO DO {row}: KAMAL_RUNTIME" in (tmp_path / "ftl.yaml").read_text()
    (tmp_path / row).chmod(0o755)
    post = project.services[1].hooks.post
    assert post is not None
    assert isinstance(post.local, str)
    env = {"FTL_COMMIT": "abc", "FTL_PROJECT": "shop", "PATH": "/usr/bin:/bin"}
    subprocess.run(["/bin/sh", "-c", post.local], env=env, cwd=tmp_path, check=True)
    assert (tmp_path / "seen").read_text().split() == ["shop@abc"]


@pytest.mark.parametrize(
    ("head", "is_named"),
    [("#!/bin/sh\nset -eu\n", True), ("#!/bin/bash -u\n\n", True), ("#!/bin/sh\nset -e\n", False)],
)
def test_a_variable_that_ends_a_strict_hook(tmp_path: Path, head: str, is_named: bool) -> None:
    """The row has the line to change."""
    script = f'{head}echo "deployed in $KAMAL_RUNTIME s"\n'
    _, report = taken(
        tmp_path, "config/deploy.yml", {"config/deploy.yml": DEPLOY, ".kamal/hooks/post-deploy": script}
    )
    row = words(report, ".kamal/hooks/post-deploy: KAMAL_RUNTIME")
    assert "so it is empty" in row
    assert ("`set -u` ends the hook there: write `${KAMAL_RUNTIME:-}` in line 3" in row) is is_named
