"""Secrets that Kamal fetches from a vault, as commands of the vault's own tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.takeover.kamal.secrets.shell import simple_command
from ftl.onboarding.takeover.kamal.secrets.vaults import vault_source
from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.takeover.test_others import taken, verdicts

if TYPE_CHECKING:
    from pathlib import Path

OP = "kamal secrets fetch --adapter 1password --account acme --from Shop/prod"
AWS = "aws secretsmanager get-secret-value"
DOPPLER = "kamal secrets fetch -a doppler --from=shop/prd"


@pytest.mark.parametrize(
    ("fetch", "value", "command"),
    [
        (f"{OP} KEY DB/URL", "$(kamal secrets extract KEY $S)", "op read op://Shop/prod/KEY --account acme"),
        (
            f"{OP} KEY DB/URL",
            "$(kamal secrets extract URL ${S})",
            "op read op://Shop/prod/DB/URL --account acme",
        ),
        (OP, '$(kamal secrets extract KEY "$S")', "op read op://Shop/prod/KEY --account acme"),
        (
            "kamal secrets fetch -a 1password op://V/I",
            "$(kamal secrets extract I $S)",
            "op read op://V/I/password",
        ),
        (
            f"{DOPPLER} KEY",
            "$(kamal secrets extract KEY $S)",
            "doppler secrets get KEY --plain -p shop -c prd",
        ),
        (
            f"{OP} KEY",
            '$(kamal secrets extract "Shop/prod/KEY" $S)',
            "op read op://Shop/prod/KEY --account acme",
        ),
        (OP, "$(kamal secrets extract 'KEY' $S)", "op read op://Shop/prod/KEY --account acme"),
        (
            "kamal secrets fetch -a doppler KEY",
            "$(kamal secrets extract KEY $S)",
            "doppler secrets get KEY --plain",
        ),
        (
            "kamal secrets fetch --adapter lastpass --account a@b.c --from Shop KEY",
            "$(kamal secrets extract KEY $S)",
            "lpass show --password Shop/KEY",
        ),
        (
            "kamal secrets fetch --adapter bitwarden --account a@b.c KEY",
            "$(kamal secrets extract KEY $S)",
            "bw get password KEY",
        ),
        (
            "kamal secrets fetch --adapter gcp --account default --from shop KEY",
            "$(kamal secrets extract KEY $S)",
            "gcloud secrets versions access latest --secret=KEY --project=shop",
        ),
        (
            "kamal secrets fetch -a gcp --account 'me@x.y|svc@x.y' KEY/3 KEY",
            "$(kamal secrets extract KEY $S)",
            "gcloud secrets versions access latest --secret=KEY --account=me@x.y --impersonate-service-account=svc@x.y",
        ),
        (
            "kamal secrets fetch -a sops --from secrets.enc.yaml db/password key",
            "$(kamal secrets extract db/password $S)",
            'sops -d --extract ["db"]["password"] secrets.enc.yaml',
        ),
        (
            "kamal secrets fetch -a aws_secrets_manager --account prod --from shop KEY",
            "$(kamal secrets extract KEY $S)",
            f"{AWS} --secret-id shop/KEY --query SecretString --output text --profile prod",
        ),
        (f"{OP} KEY", "$(kamal secrets extract OTHER $S)", None),
        (f"{OP} KEY", "$(kamal secrets extract KEY $T)", None),
        (f"{OP} --new x KEY", "$(kamal secrets extract KEY $S)", None),
        (f"{OP} KEY 'open", "$(kamal secrets extract KEY $S)", None),
        ("kamal secrets fetch --adapter passbolt --from x KEY", "$(kamal secrets extract KEY $S)", None),
        (f"{OP} KEY", "$(kamal secrets extract KEY $S | tr a b)", None),
    ],
)
def test_a_secret_of_a_vault_is_one_command(fetch: str, value: str, command: str | None) -> None:
    """Without a shell; what is not understood whole is not guessed."""
    found = vault_source(value, {"S": f"$({fetch})"})
    assert found == ({"command": command.split()} if command is not None else None)


def test_a_value_of_a_secret_with_several_is_chosen_by_its_key() -> None:
    """Of a JSON object at AWS, of the lines of a project of Bitwarden's, of the fields of its item."""
    extract = "$(kamal secrets extract KEY $S)"
    aws = "$(kamal secrets fetch -a aws_secrets_manager shop/prod)"
    words = "aws secretsmanager get-secret-value --secret-id shop/prod --query SecretString --output text"
    assert vault_source(extract, {"S": aws}) == {"command": words.split(), "format": "json", "key": "KEY"}
    bws = "$(kamal secrets fetch --adapter bitwarden-sm some-id/all)"
    words = "bws secret list some-id -o env"
    assert vault_source(extract, {"S": bws}) == {"command": words.split(), "format": "dotenv", "key": "KEY"}
    assert vault_source(extract, {"S": "$(kamal secrets fetch --adapter bitwarden-sm some-id)"}) is None
    bw = "$(kamal secrets fetch --adapter bitwarden --account a --from 'my item' KEY)"
    script = "bw get item 'my item' | jq -er '.fields[] | select(.name == \"KEY\").value'"
    assert vault_source(extract, {"S": bw}) == {"command": ["sh", "-c", script]}


def test_a_name_with_a_space_stays_one_argument() -> None:
    """Vaults and items have them."""
    variables = {"S": '$(kamal secrets fetch --adapter 1password --from "My Vault/the shop" KEY)'}
    source = vault_source("$(kamal secrets extract KEY $S)", variables)
    assert source == {"command": ["op", "read", "op://My Vault/the shop/KEY"]}


def test_the_line_that_fetches_is_taken_over_with_them(tmp_path: Path) -> None:
    """And nothing has to be set by hand; a vault that is not known is left to the user."""
    files = {
        "config/deploy.yml": "service: shop\nimage: shop\nservers: [192.0.2.1]\nenv: {secret: [KEY, OTHER]}\n",
        ".kamal/secrets": f"S=$({OP} KEY)\nKEY=$(kamal secrets extract KEY ${{S}})\n"
        "B=$(kamal secrets fetch -a passbolt OTHER)\nOTHER=$(kamal secrets extract OTHER $B)\n",
        "Dockerfile": "FROM scratch\n",
    }
    found = verdicts(taken(tmp_path, "config/deploy.yml", files)[1])
    found = {key: verdict for key, verdict in found.items() if key.startswith(".kamal")}
    assert found == {
        ".kamal/secrets: S": Verdict.CHANGED,
        ".kamal/secrets: KEY": Verdict.CHANGED,
        ".kamal/secrets: B": Verdict.LEFT_OUT,
        ".kamal/secrets: OTHER": Verdict.NEEDS_YOU,
    }


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("$(op read op://vault/item)", ["op", "read", "op://vault/item"]),
        ('$(op read "op://My vault/item|x")', ["op", "read", "op://My vault/item|x"]),
        ("$(cat 'config/master.key')", ["cat", "config/master.key"]),
        ('"$(bw get password x --session=a:b)"', ["bw", "get", "password", "x", "--session=a:b"]),
        ("$(sops -d x.yaml | yq .a)", []),
        ("$(cat a; cat b)", []),
        ("$(cat <x)", []),
        ("$(cat $HOME/x)", []),
        ("$(kamal secrets print)", []),
        ("$(op read 'open)", []),
        ("$(a) $(b)", []),
        ("plain", []),
    ],
)
def test_a_command_that_needs_no_shell(value: str, words: list[str]) -> None:
    """Its quotes are not a reason to leave it to the user."""
    assert simple_command(value) == words


def test_lines_with_export_and_quotes(tmp_path: Path) -> None:
    """They had no row, or had to be set by hand."""
    secrets = "export KEY=$(op read \"op://My vault/key\")\n  export  FILE=$(cat 'a key')\nexport LEFT=1\n"
    files = {
        "config/deploy.yml": "service: shop\nimage: shop\nservers: [192.0.2.1]\nenv: {secret: [KEY, FILE]}\n",
        ".kamal/secrets": secrets,
        "a key": "x",
    }
    project, report = taken(tmp_path, "config/deploy.yml", files)
    assert [(secret.name, secret.command, secret.file) for secret in project.secrets] == [
        ("KEY", ("op", "read", "op://My vault/key"), None),
        ("FILE", None, "a key"),
    ]
    assert verdicts(report)[".kamal/secrets: LEFT"] is Verdict.LEFT_OUT
