"""`notify`: its forms, its URLs, which no output quotes, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.config.dump import dump, sensitive_values
from ftl.config.loading import load_section
from ftl.config.models.notification import EVENTS
from ftl.config.models.project import Server
from ftl.config.notes import silent_event_notes
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.errors import ConfigError
from tests.unit.config.conftest import HEAD, SERVICE, load_file, written

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.config.conftest import Load, Refuse

HOOK = "https://hooks.example.com/T0/s3cr3t"


def test_a_text_is_the_url_and_gets_all_events_that_the_url_can_get(loaded: Load) -> None:
    """A server reaches no desktop of this machine."""
    project = loaded(f"{HEAD}{SERVICE}notify: ['{HOOK}', 'mailto://me:pass@example.com', 'gnome://x']\n")
    webhook, mail, desktop = project.notify
    assert (webhook.url, webhook.scheme, webhook.is_webhook) == (HOOK, "https", True)
    assert all(one.gets(event) for one in (webhook, mail) for event in EVENTS)
    assert [desktop.gets(event) for event in ("deploy", "job_failure")] == [True, False]


def test_events_choose(loaded: Load) -> None:
    """Whatever is not in the list is not sent."""
    (one,) = loaded(f"{HEAD}{SERVICE}notify: [{{url: '{HOOK}', events: [failure, certificate]}}]\n").notify
    assert [one.gets(event) for event in ("failure", "certificate", "deploy")] == [True, True, False]


def test_a_url_is_masked_wherever_it_is_written(loaded: Load) -> None:
    """Also one that is in the file itself, and in what Python prints of a value."""
    project = loaded(f"{HEAD}{SERVICE}notify: ['{HOOK}', '${{CHAT}}']\n", CHAT="slack://a/b/c")
    assert [one["url"] for one in dump(project, show_secrets=False)["notify"]] == ["********"] * 2
    assert [one["url"] for one in dump(project, show_secrets=True)["notify"]] == [HOOK, "slack://a/b/c"]
    assert "s3cr3t" not in repr(project.notify)
    assert [*sensitive_values(project)] == ["slack://a/b/c"]


@pytest.mark.parametrize(
    "url",
    [
        "hooks.example.com/T0/s3cr3t",
        "https://",
        "https:///s3cr3t",
        "slack:/s3cr3t",
        "https://a b",
        'https://a/"s3cr3t',
        "https://a:s3cr3t/b",
        "https://a:99999/s3cr3t",
        "https://[::1/s3cr3t",
        "https://me:s3cr3t@/b",
    ],
)
def test_what_is_not_a_url_is_refused_without_being_quoted(refused: Refuse, url: str) -> None:
    """Neither in the message nor as the line of the file."""
    (problem,) = refused(f"{HEAD}{SERVICE}notify:\n  - url: '{url}'\n")
    assert problem.message == "url: `********` is not a URL"
    assert problem.line == 12
    assert "s3cr3t" not in f"{problem.message} {problem.source} {problem.hint}"


@pytest.mark.parametrize("url", ["https://hooks.example.com/\u00e4", "https://h\u00f6ks.example.com/T0"])
def test_characters_that_curl_would_send_as_they_are_are_refused(refused: Refuse, url: str) -> None:
    """A server answers them with whatever it likes."""
    (problem,) = refused(f"{HEAD}{SERVICE}notify: ['{url}']\n")
    assert problem.message == "url: `********` has characters beyond ASCII"


@pytest.mark.parametrize(
    "section",
    [
        f"[{{url: '{HOOK}', event: deploy}}]",
        f"[{{url: '{HOOK}', events: deploy}}]",
        f"['{HOOK}', null]",
        f"{{url: '{HOOK}'}}",
        f"[{{url: '{HOOK}', events: [no]}}]",
    ],
)
def test_a_problem_beside_a_url_does_not_quote_their_line(refused: Refuse, section: str) -> None:
    """Its place is named."""
    (problem,) = refused(f"{HEAD}{SERVICE}notify: {section}\n")
    assert (problem.line, problem.source) == (11, "")
    assert "s3cr3t" not in f"{problem.message} {problem.hint}"


def test_a_url_of_a_variable_is_called_by_the_variable(refused: Refuse) -> None:
    """One that is in the file in part is masked whole."""
    (problem,) = refused(f"{HEAD}{SERVICE}notify: ['${{HOOK}}']\n", HOOK="s3cr3t")
    assert problem.message == "url: `${HOOK}` is not a URL"
    (problem,) = refused(f"{HEAD}{SERVICE}notify: ['s3cr3t/${{HOOK}}']\n", HOOK="abc")
    assert problem.message == "url: `********` is not a URL"
    assert problem.source == ""


def test_a_url_in_place_of_the_list_is_refused_without_being_quoted(refused: Refuse) -> None:
    """The hint has a variable in its place."""
    (problem,) = refused(f"{HEAD}{SERVICE}notify: {HOOK}\n")
    assert problem.message == "notify must be a list, not a single value"
    assert problem.hint == "write a list: `- ${NAME}`"
    assert problem.source == ""


@pytest.mark.parametrize(
    ("section", "message", "hint"),
    [
        (
            f"[{{url: '{HOOK}', events: [job_failed]}}]",
            "events: `job_failed` is not one of deploy, failure, rollback, job_failure, certificate",
            "did you mean job_failure?",
        ),
        (f"[{{url: '{HOOK}', events: []}}]", "events is empty", "leave it out for all events"),
        (
            "[{url: 'gnome://x', events: [job_failure]}]",
            "events: the server sends job_failure by itself, and gnome:// is of this machine",
            "leave this event out",
        ),
        (
            f"[{{url: '{HOOK}', image: apprise:1}}]",
            "image: the server posts to the webhook of this URL, without apprise",
            "leave it out",
        ),
        ("[{events: [deploy]}]", "`url` of notify[0] is missing", None),
    ],
)
def test_events_that_there_are_not_or_that_a_url_cannot_get_are_refused(
    refused: Refuse, section: str, message: str, hint: str | None
) -> None:
    """With what to write in their place."""
    (problem,) = refused(f"{HEAD}{SERVICE}notify: {section}\n")
    assert (problem.message, problem.hint) == (message, hint)


def test_a_chat_with_a_webhook_gets_all_events(loaded: Load) -> None:
    """The server posts to its webhook."""
    urls = "notify: ['tgram://12:ab/7', 'discord://1/ab', {url: 'slack://T0/B0/ab', events: [job_failure]}]\n"
    project = loaded(f"{HEAD}{SERVICE}{urls}")
    assert all(one.gets("job_failure") and not one.is_webhook for one in project.notify)


@pytest.mark.parametrize(
    ("section", "jobs", "missed"),
    [
        ("['gnome://x']", True, "job_failure and no certificate"),
        ("['gnome://x']", False, "certificate"),
        ("[{url: 'gnome://x', events: [deploy]}]", True, ""),
        ("['pover://user@token']", True, ""),
        (f"['{HOOK}']", True, ""),
        ("['${HOOK}']", True, ""),
    ],
)
def test_a_place_that_never_hears_of_the_server_is_noted(
    folder: Path, section: str, *, jobs: bool, missed: str
) -> None:
    """With its line, unless its events are chosen; a secret that is not fetched says nothing."""
    from ftl.config.loading import load

    job = "jobs: [{name: nightly, service: web, schedule: '0 4 * * *', command: a}]\n" if jobs else ""
    secrets = "secrets: {HOOK: {command: 'false'}}\n"
    path = written(folder, f"{HEAD}{SERVICE}{job}{secrets}notify: {section}\n")
    project = load(ProjectFiles(path, read_variables(folder, {})), fetch=None)
    found = [note for note in silent_event_notes(project) if "ftl.yaml:" in note]
    assert len(found) == bool(missed)
    assert all(
        f"notify: gnome:// is of this machine, and gets no {missed}, which the" in note for note in found
    )


def test_a_sandbox_sends_nothing(folder: Path) -> None:
    """Nobody waits for what somebody tries."""
    path = written(folder, f"{HEAD}{SERVICE}notify: ['{HOOK}']\n")
    sandbox = Server(host="127.0.0.1", has_visitors=False)
    assert (len(load_file(path).notify), load_file(path, server=sandbox).notify) == (1, ())


def test_a_secret_that_is_not_fetched_stands_for_a_url(folder: Path) -> None:
    """`ftl validate` fetches none, and says nothing about it."""
    from ftl.config.loading import load

    path = written(
        folder,
        f"{HEAD}{SERVICE}secrets: {{HOOK: {{command: 'false'}}}}\n"
        "notify: [{url: '${HOOK}', events: [certificate]}]\n",
    )
    project = load(ProjectFiles(path, read_variables(folder, {})), fetch=None)
    assert project.notify[0].url == "********"


def test_notify_alone_is_read_whatever_else_is_wrong(folder: Path) -> None:
    """And only its own secrets are fetched: a rollback waits for nothing else."""
    secrets = f"secrets: {{HOOK: {{command: 'echo {HOOK}'}}, OTHER: {{command: 'false'}}}}\n"
    path = written(
        folder,
        f"{HEAD}{SERVICE}    env: {{A: '${{NOT_SET}}', B: '${{OTHER}}'}}\n{secrets}notify: ['${{HOOK}}']\n",
    )
    (one,) = load_section(ProjectFiles(path, read_variables(folder, {})), "notify").notify
    assert one.url == HOOK


def test_a_secret_of_notify_that_cannot_be_fetched_is_a_problem(folder: Path) -> None:
    """With the name of the secret."""
    path = written(folder, f"{HEAD}{SERVICE}secrets: {{HOOK: {{command: 'false'}}}}\nnotify: ['${{HOOK}}']\n")
    with pytest.raises(ConfigError) as caught:
        load_section(ProjectFiles(path, read_variables(folder, {})), "notify")
    assert "the secret HOOK" in caught.value.problems[0].message
