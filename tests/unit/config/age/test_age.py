"""Secrets in age files, with real keys of SSH and age, and the real pyrage."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

pyrage = pytest.importorskip("pyrage")

from ftl.config.age.age_file import AgeFile  # noqa: E402
from ftl.config.age.cipher import recipient_types  # noqa: E402
from ftl.config.loading import load  # noqa: E402
from ftl.config.project_files import ProjectFiles  # noqa: E402
from ftl.config.variables.sources import read_variables  # noqa: E402
from ftl.errors import ConfigError, FtlError, UsageError  # noqa: E402
from tests.unit.config.conftest import written  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

FILE = "secrets.yaml.age"
PROJECT = f"""\
project: {{name: shop}}
server: local
secrets:
  STRIPE: {{age: {FILE}}}
  MAIL: {{age: {FILE}, key: MAIL_KEY}}
services:
  - name: web
    image: web:1
    secrets: [STRIPE, MAIL]
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without keys; the working directory is a project in it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path


def ssh_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> str:
    """Make an SSH key; return its public half."""
    bits = ["-b", "2048"] if kind == "rsa" else []
    command = ["ssh-keygen", "-q", "-t", kind, *bits, "-N", passphrase, "-C", "me@laptop", "-f", str(path)]
    subprocess.run(command, check=True, timeout=60)
    return path.with_name(f"{path.name}.pub").read_text()


def age_file(home: Path, **variables: str) -> AgeFile:
    """The project's age file."""
    return AgeFile(home / "shop" / FILE, variables)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_new_file_is_encrypted_for_our_own_ssh_key(home: Path, kind: str) -> None:
    """Its public half is written beside the file, and the private half opens it."""
    public = ssh_key(home / ".ssh" / f"id_{kind}", kind)
    file = age_file(home)
    assert file.write("A: hunter2\n")
    assert file.read() == "A: hunter2\n"
    assert public.strip() in file.recipients_path.read_text().splitlines()
    encrypted = file.path.read_bytes()
    assert encrypted.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----")
    assert recipient_types(encrypted) == (f"ssh-{kind}",)


def test_a_change_behind_a_link_is_one_of_the_shared_file(home: Path) -> None:
    """The link stays a link: others who share the file read the new value."""
    ssh_key(home / ".ssh" / "id_ed25519")
    file = age_file(home)
    shared = home / "shared.age"
    file.write("A: old\n")
    file.path.rename(shared)
    file.path.symlink_to("../shared.age")
    file.write("A: new\n")
    assert file.path.is_symlink()
    assert file.path.read_bytes() == shared.read_bytes()
    assert file.read() == "A: new\n"


def test_a_change_is_on_the_disk_before_the_command_ends(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content before it gets the name, and then the folder with the name."""
    ssh_key(home / ".ssh" / "id_ed25519")
    file = age_file(home)
    file.write("A: before\n")
    before, synced = file.read_encrypted(), []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(("folder" if is_folder else "file", file.read_encrypted() == before))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    file.write("A: after\n")
    assert synced == [("file", True), ("folder", False)]


def test_what_a_killed_process_left_goes_with_the_next_write(home: Path) -> None:
    """A half-written file beside ours, but neither one that is being written nor other files."""
    ssh_key(home / ".ssh" / "id_ed25519")
    file = age_file(home)
    stale, fresh, other = (
        file.path.with_name(name) for name in (f".{FILE}.0123abc_", f".{FILE}.0123abcd", f".{FILE}.swp")
    )
    for path in (stale, fresh, other):
        path.write_text("half a file")
    for path in (stale, other):
        os.utime(path, (1, 1))
    file.write("A: new\n")
    assert [path.exists() for path in (stale, fresh, other)] == [False, True, True]


def test_the_values_are_those_of_the_secrets_that_name_the_file(home: Path) -> None:
    """`key` is the name in the file; quotes, blocks and words that look like numbers are texts."""
    ssh_key(home / ".ssh" / "id_ed25519")
    age_file(home).write("STRIPE: 0123\nMAIL_KEY: |\n  first\n  second\nOTHER: 'x'\n")
    folder = home / "shop"
    made = load(ProjectFiles(written(folder, PROJECT), read_variables(folder, {})))
    assert made.services[0].env == {"STRIPE": "0123", "MAIL": "first\nsecond"}
    assert made.secret_values == made.services[0].env


def test_validation_opens_no_age_file(home: Path) -> None:
    """It needs neither the file nor a key."""
    folder = home / "shop"
    made = load(ProjectFiles(written(folder, PROJECT), read_variables(folder, {})), fetch=None)
    assert set(made.services[0].env) == {"STRIPE", "MAIL"}


@pytest.mark.parametrize("form", ["variable", "file"])
def test_an_age_identity_comes_from_a_variable_or_a_file(home: Path, form: str) -> None:
    """CI has the key in a variable; a file may have comments, as age-keygen writes it."""
    identity = pyrage.x25519.Identity.generate()
    (home / "key.txt").write_text(f"# public key: {identity.to_public()}\n{identity}\n")
    variables = {"FTL_AGE_KEY": str(identity)} if form == "variable" else {"FTL_AGE_KEY_FILE": "~/key.txt"}
    file = age_file(home, **variables)
    file.write("A: b\n")
    assert file.read() == "A: b\n"
    assert str(identity.to_public()) in file.recipients_path.read_text()


def test_each_recipient_opens_the_file(home: Path) -> None:
    """One with an SSH key, one with an age key: what one writes, the other reads."""
    ssh_key(home / ".ssh" / "id_ed25519")
    mine = age_file(home)
    mine.write("A: b\n")
    colleague = pyrage.x25519.Identity.generate()
    with mine.recipients_path.open("a") as recipients:
        recipients.write(f"\n# CI\n{colleague.to_public()}\n")
    mine.write("A: c\n")
    (home / ".ssh" / "id_ed25519").rename(home / "away")
    assert age_file(home, FTL_AGE_KEY=str(colleague)).read() == "A: c\n"


def test_a_file_that_no_key_opens_names_the_recipients_and_the_keys(home: Path) -> None:
    """The number of recipients, and each key that was tried, so that the missing one is seen."""
    ssh_key(home / ".ssh" / "id_ed25519")
    ssh_key(home / ".ssh" / "id_rsa", "rsa", passphrase="secret")
    others = [pyrage.x25519.Identity.generate().to_public() for _ in range(2)]
    (home / "shop" / FILE).write_bytes(pyrage.encrypt(b"A: b", others))
    with pytest.raises(ConfigError) as caught:
        load(ProjectFiles(written(home / "shop", PROJECT), read_variables(home / "shop", {})))
    message = caught.value.message
    assert "is encrypted for 2 recipients, and none of your keys opens it" in message
    assert "tried: ~/.ssh/id_ed25519; ~/.ssh/id_rsa, which has a passphrase" in message
    assert "ssh-keygen -p -N '' -f ~/.ssh/id_rsa.ftl" in (caught.value.hint or "")


def test_without_a_passphrase_the_hint_is_to_become_a_recipient(home: Path) -> None:
    """Somebody who can read the file has to encrypt it again."""
    (home / "shop" / FILE).write_bytes(
        pyrage.encrypt(b"A: b", [pyrage.x25519.Identity.generate().to_public()])
    )
    with pytest.raises(FtlError) as caught:
        age_file(home).read()
    assert "for 1 recipient, and none" in caught.value.message
    assert "tried: none: there is neither an SSH key nor an age key" in caught.value.message
    assert f"add your public key to {FILE}.recipients" in (caught.value.hint or "")


def test_a_key_with_a_passphrase_becomes_usable_by_the_hint(home: Path) -> None:
    """The commands of the hint, run as they are written, with the passphrase typed."""
    key = home / ".ssh" / "id_ed25519"
    public = ssh_key(key, passphrase="secret")
    recipient = pyrage.ssh.Recipient.from_str(public)
    (home / "shop" / FILE).write_bytes(pyrage.encrypt(b"A: b", [recipient]))
    with pytest.raises(FtlError) as caught:
        age_file(home).read()
    assert f"`export FTL_AGE_KEY_FILE=~/.ssh/{key.name}.ftl`" in (caught.value.hint or "")
    copy = key.with_name(f"{key.name}.ftl")
    copy.write_bytes(key.read_bytes())
    copy.chmod(0o600)
    change = ["ssh-keygen", "-q", "-p", "-P", "secret", "-N", "", "-f", str(copy)]
    subprocess.run(change, check=True, timeout=60, capture_output=True)
    assert age_file(home, FTL_AGE_KEY_FILE=f"~/.ssh/{copy.name}").read() == "A: b"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"A: b\n", "is not an age file"),
        (b"", "is not an age file"),
        (b"age-encryption.org/v1\n-> scrypt bBjlhJVYZeE4aqUdmtRHfw 15\nZV\n--- m\n", "with a passphrase"),
    ],
)
def test_another_file_is_refused(home: Path, content: bytes, words: str) -> None:
    """A plain file is not taken for a decrypted one."""
    (home / "shop" / FILE).write_bytes(content)
    with pytest.raises(FtlError, match=words):
        age_file(home).read()


def test_a_cut_file_is_refused(home: Path) -> None:
    """No part of what it had is used."""
    ssh_key(home / ".ssh" / "id_ed25519")
    recipient = pyrage.ssh.Recipient.from_str((home / ".ssh" / "id_ed25519.pub").read_text())
    whole = pyrage.encrypt(b"A: b\n" * 50, [recipient])
    (home / "shop" / FILE).write_bytes(whole[:-20])
    with pytest.raises(FtlError, match="it is damaged"):
        age_file(home).read()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ssh-dss AAAA me", "is not ssh-ed25519"),
        ("age1xyz", "is not a valid public key"),
        ("ssh-ed25519 AAAA", "is not a valid public key"),
    ],
)
def test_a_wrong_recipient_is_reported_at_its_line(home: Path, line: str, words: str) -> None:
    """And the age file stays as it was."""
    ssh_key(home / ".ssh" / "id_ed25519")
    file = age_file(home)
    file.write("A: b\n")
    before = file.path.read_bytes()
    with file.recipients_path.open("a") as recipients:
        recipients.write(f"{line}\n")
    with pytest.raises(ConfigError) as caught:
        file.write("A: c\n")
    (problem,) = caught.value.problems
    assert problem.line == 3
    assert words in problem.message
    assert file.path.read_bytes() == before


def test_nobody_locks_themselves_out(home: Path) -> None:
    """A write that none of our keys could open again is refused."""
    ssh_key(home / ".ssh" / "id_ed25519")
    file = age_file(home)
    file.write("A: b\n")
    file.recipients_path.write_text(f"{pyrage.x25519.Identity.generate().to_public()}\n")
    with pytest.raises(FtlError, match="none of your keys is in"):
        file.write("A: c\n")
    assert file.read() == "A: b\n"


def test_a_file_without_recipients_is_not_encrypted_anew(home: Path) -> None:
    """The recipients of an age file cannot be read from it, and must not become fewer."""
    ssh_key(home / ".ssh" / "id_ed25519")
    file = age_file(home)
    file.write("A: b\n")
    file.recipients_path.unlink()
    with pytest.raises(ConfigError, match="the file does not exist"):
        file.write("A: c\n")


def test_two_changes_at_once_do_not_lose_one(home: Path) -> None:
    """The second says that the first is there."""
    with (
        age_file(home).locked(),
        pytest.raises(FtlError, match=r"another `ftl secrets` is changing"),
        age_file(home).locked(),
    ):
        pass


def test_without_pyrage_the_install_command_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra of the package."""
    ssh_key(home / ".ssh" / "id_ed25519")
    file = age_file(home)
    file.write("A: b\n")
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(UsageError) as caught:
        file.read()
    assert caught.value.hint == "install it: `uv tool install 'ftl-deploy[age]'`"
