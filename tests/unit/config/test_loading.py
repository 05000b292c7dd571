"""Loading: unreadable files, exact places, files beside ftl.yaml, and random input."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ftl.common.files import MAX_BYTES
from ftl.config.loading import load
from ftl.config.models.project import Hook, Server
from ftl.config.project_files import ProjectFiles
from ftl.config.read.parts import BUILDS, Fetch
from ftl.config.variables.sources import read_variables
from ftl.errors import ConfigError, Problem

from .conftest import HEAD, SERVICE, load_file, written

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Load, Refuse

BASE = HEAD + SERVICE


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    """The problem names the file as the user would, and how to get one."""
    with pytest.raises(ConfigError) as caught:
        load_file(folder / "other.yaml", {})
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == ("other.yaml", 0)
    assert "ftl init" in (problem.hint or "")


@pytest.mark.parametrize(("asked", "done"), [("auto", "internal"), ("internal", "internal"), ("off", "off")])
def test_a_sandbox_asks_no_public_authority(folder: Path, asked: str, done: str) -> None:
    """There the proxy's own authority certifies; on any other server it is as the file says."""
    path = written(folder, BASE + f"proxy: {{tls: '{asked}'}}\n")
    sandbox = Server(host="127.0.0.1", port=2222, has_visitors=False)
    assert load_file(path, {}, server=sandbox).proxy.tls == done
    assert load_file(path, {}, server=Server(host="shop")).proxy.tls == asked


def test_a_long_value_is_told_by_its_beginning(folder: Path) -> None:
    """A document pasted where a name belongs does not fill the screen with the message."""
    (folder / "ftl.yaml").write_text(BASE.replace("shop", "Z" * 5000, 1))
    with pytest.raises(ConfigError) as caught:
        load_file(folder / "ftl.yaml", {})
    assert "ZZZ…`" in caught.value.message
    assert len(caught.value.message) < 300


def test_a_folder_is_no_file(folder: Path) -> None:
    """What cannot be read is refused with the system's reason."""
    with pytest.raises(ConfigError, match="directory"):
        load_file(folder, {})


@pytest.mark.parametrize(
    ("data", "line", "words"),
    [
        (b"project:\n  name: caf\xe9\n", 2, "UTF-8"),
        ("project: x".encode("utf-16"), 1, "UTF-8"),
        (b"a: " + b"x" * MAX_BYTES, 0, "larger"),
        (b"a: \x07\n", 1, "U+0007"),
        (b"- \x00\n", 1, "U+0000"),
        (b"project:\n  - {\n", 2, "not valid YAML"),
        (b"'\n", 1, "not valid YAML"),
        (b"a: %x\n", 1, "not valid YAML"),
        (b"a:\n  b: 1\n c: 2\n", 3, "not valid YAML"),
        (b"a: b: c\n", 1, "not valid YAML"),
        (b"project:\n  name: a\n\tdomain: b\n", 3, "tab"),
        (b"just text\n", 1, "mapping"),
        (b"", 1, "empty"),
        (b"---\n...\n", 1, "empty"),
        (b"~\n", 1, "empty"),
        (b"? [a, b]\n: c\n", 1, "single value"),
        (b"[" * 100_000, 1, "nested"),
        (b"- " * 100_000, 1, "nested"),
        (b"{a: " * 100_000, 1, "nested"),
    ],
)
def test_what_is_no_configuration_gets_a_sentence(
    data: bytes, line: int, words: str, refused: Refuse
) -> None:
    """Anything that is not a readable YAML mapping is refused with one plain sentence and its line."""
    problems = refused(data)
    assert problems[0].line == line
    assert any(words in problem.message for problem in problems)


def test_a_fault_behind_an_alias_is_told_once_where_it_is_written(refused: Refuse) -> None:
    """Two services that share a wrong value by an alias make one problem, at the anchor."""
    text = HEAD + "x-env: &env {A: '${GONE}'}\nservices:\n"
    text += "".join(f"  - {{name: {name}, build: ., env: *env}}\n" for name in ("one", "two"))
    (problem,) = refused(text)
    assert problem.line == 5


def test_what_stands_below_ignored_keys_is_not_filled_in(loaded: Load) -> None:
    """A variable in an x- key that nothing uses may be unset."""
    assert loaded(BASE + "x-later: ${GONE}\n").name == "shop"


def test_a_wrong_value_from_a_variable_is_not_shown(refused: Refuse) -> None:
    """A message shows what the file says, not the variable's value: it may be a secret."""
    problems = refused(BASE.replace("8000", "${SECRET}") + "    env:\n      - ${SECRET}\n", SECRET="hunter2")
    assert len(problems) == 2
    assert "hunter2" not in str(problems)


@pytest.mark.timeout(10)
def test_a_file_that_is_a_fifo_is_refused(folder: Path) -> None:
    """So is ftl.yaml itself."""
    os.mkfifo(folder / "ftl.yaml")
    with pytest.raises(ConfigError, match="it is a FIFO"):
        load_file(folder / "ftl.yaml")


def test_a_tilde_is_the_home_folder_in_every_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch, loaded: Load
) -> None:
    """Paths are expanded where they are read, so that whatever uses them agrees."""
    monkeypatch.setenv("HOME", str(folder))
    (folder / "app.env").write_text("A=1\n")
    text = BASE.replace(
        "    build: .\n",
        "    build: {context: ~/src, secrets: ['id=a,src=~/a.txt', {id: b, file: ~/b.txt}]}\n    env_file: ~/app.env\n",
    )
    project = loaded(text + "proxy: {certificate: ~/c.pem, key: ~/k.pem}\nserver: {ssh_key: ~/.ssh/key}\n")
    build = project.services[0].build
    assert build is not None
    assert build.context == f"{folder}/src"
    assert [secret.file for secret in build.secrets] == [f"{folder}/a.txt", f"{folder}/b.txt"]
    assert project.services[0].env == {"A": "1"}
    assert (project.proxy.certificate, project.proxy.key) == (f"{folder}/c.pem", f"{folder}/k.pem")
    assert project.server.ssh_key == f"{folder}/.ssh/key"


def test_paths_start_from_the_folder_of_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is found from a folder below means the same files."""
    path = written(folder, HEAD + "services: [{name: web, build: ./src, env_file: shop.env}]\n")
    monkeypatch.chdir(folder / "src")
    assert load_file(path, {}).services[0].env == {"FROM_FILE": "yes"}


def test_the_file_is_named_from_where_the_user_stands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Problems name ../ftl.yaml from a folder below."""
    path = written(folder, HEAD)
    monkeypatch.chdir(folder / "src")
    with pytest.raises(ConfigError) as caught:
        load_file(path, {})
    assert caught.value.problems[0].file == os.path.join("..", "ftl.yaml")  # noqa: PTH118


@pytest.mark.parametrize("name", ["~nobody-at-all/x", "x" * 5000, "Dockerfile/x", "a/../b"])
def test_a_context_that_cannot_be_is_not_there(name: str, refused: Refuse) -> None:
    """Whatever the system thinks of a path, it is a folder or it is reported."""
    (problem,) = refused(HEAD + f"services: [{{name: web, build: {name}}}]\n")
    assert "there is no folder" in problem.message


def test_a_context_may_lie_above_the_file(folder: Path) -> None:
    """`build: ..` is a folder like any other."""
    path = folder / "src" / "ftl.yaml"
    path.write_text(HEAD + "services: [{name: web, build: ..}]\n")
    build = load_file(path, {}).services[0].build
    assert build is not None
    assert build.context == ".."


def test_another_server_takes_the_place_of_the_files(folder: Path) -> None:
    """With a server given, the file's is not used, and none has to be there."""
    path = written(folder, "project: {name: shop}\nserver: {port: 1}\nservices: [{name: web, build: .}]\n")
    other = Server(host="192.0.2.1", user="root")
    with pytest.raises(ConfigError, match="host"):
        load_file(path, {})
    assert load_file(path, {}, server=other).server == other


NAMES = st.from_regex(r"[A-Z_]{1,8}", fullmatch=True)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
YAMLISH = st.text(alphabet=st.sampled_from(list("abx:-[]{}&*!|>'\"#%@,?$ \n\t0<")), max_size=60)
LINES = st.lists(
    st.sampled_from(
        [*BASE.splitlines(), "    env: &a {A: 1}", "  <<: *a", "    hooks: [x]", "  - [", "    port: {}"]
    ),
    max_size=14,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(YAMLISH, LINES.map("\n".join), YAMLISH.map(lambda text: BASE + text), st.text(max_size=40)))
def test_any_text_is_loaded_or_refused_with_places(folder: Path, text: str) -> None:
    """Whatever is in the file, the only error is a ConfigError whose places exist."""
    data = text.encode("utf-8", "replace")
    problems: tuple[Problem, ...] = ()
    try:
        load_file(written(folder, data), {})
    except ConfigError as error:
        problems = error.problems
    lines = len(data.decode().splitlines()) + 1
    assert all(0 <= problem.line <= lines for problem in problems)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_loaded_or_refused(folder: Path, data: bytes) -> None:
    """Bytes that are no text are refused like any other mistake."""
    with pytest.raises(ConfigError):
        load_file(written(folder, data), {})


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_]{1,8}", fullmatch=True),
        st.text(st.characters(codec="utf-8", exclude_characters="\0")),
    )
)
def test_env_values_are_exactly_what_the_variables_hold(folder: Path, values: dict[str, str]) -> None:
    """A variable's value reaches env unchanged, whatever YAML or dollar signs are in it."""
    lines = "".join(f"      {name}: ${{{name}}}\n" for name in values)
    project = load_file(written(folder, BASE + f"    env:\n{lines}"), values)
    assert project.services[0].env == values


def test_a_misspelt_image_is_one_problem(folder: Path, refused: Refuse) -> None:
    """A service without image and build is built from `.`, but not if a key is meant for one of them."""
    (folder / "Dockerfile").unlink()
    (problem,) = refused(HEAD + "services: [{name: web, imge: redis}]\n")
    assert "`imge` is not a key" in problem.message
    (problem,) = refused(HEAD + "services: [{name: web}]\n")
    assert "there is no file Dockerfile" in problem.message
    assert "`image: NAME`" in (problem.hint or "")


@pytest.mark.parametrize(
    ("text", "hook"),
    [
        ('pre: ["/app", "migrate"]', Hook(remote=("/app", "migrate"))),
        ("pre: {local: [make, check], remote: ./migrate}", Hook(local=("make", "check"), remote="./migrate")),
        ("pre: |\n          # don't stop\n          ./migrate", Hook(remote="# don't stop\n./migrate\n")),
    ],
)
def test_a_hook_is_a_text_for_a_shell_or_a_list_without_one(loaded: Load, text: str, hook: Hook) -> None:
    """A text is left to the shell: it may have an apostrophe in a comment."""
    assert loaded(HEAD + SERVICE + f"    hooks:\n      {text}\n").services[0].hooks.pre == hook


def test_a_build_fetches_no_secret_that_only_a_container_gets(folder: Path) -> None:
    """In CI the vault of production may be out of reach; what builds and registries use is asked for."""
    names = ("ARGUMENT", "FILE", "NPM", "PASSWORD", "TAG", "OF_ENV")
    secrets = "".join(f"  {name}: {{command: [echo, {name.lower()}]}}\n" for name in names)
    unreachable = "".join(
        f"  {name}: {{command: [/nowhere]}}\n" for name in ("TOKEN", "POSTGRES_PASSWORD", "RUN")
    )
    (folder / ".env").write_text("BASE=${OF_ENV}\n")
    (folder / "web.env").write_text("KEY=${RUN}\n")
    service = (
        "  - name: web\n    image: 'a.example/web:${TAG}'\n    secrets: [TOKEN]\n    env_file: web.env\n"
        "    build: {args: {A: '${ARGUMENT}', B: '${BASE}'}, secrets: [FILE, 'id=npm,env=NPM']}\n"
    )
    registry = "registries: [{server: a.example, username: me, password: '${PASSWORD}'}]\n"
    text = (
        f"{HEAD}secrets:\n{secrets}{unreachable}{registry}dependencies: ['postgres:16']\nservices:\n{service}"
    )
    files = ProjectFiles(written(folder, text), read_variables(folder, {"PATH": "/usr/bin:/bin"}))
    made = load(files, fetch=Fetch(BUILDS))
    assert dict(made.secret_values) == {name: name.lower() for name in names}
    assert made.secret_users["RUN"] == ("web",)
    with pytest.raises(ConfigError):
        load(files)
