"""Fuzz targets: functions that parse foreign bytes and may only raise FTL's own errors.

Each target takes bytes and returns when they were parsed, or refused by an error that users can read. Any other
exception is a crash.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import category

from ftl.cli.address import parse as parse_address
from ftl.common.proc_net import parse_listeners
from ftl.common.references import familiar
from ftl.common.user_files import read_json
from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.values.bindings import parse_forward, parse_volume
from ftl.config.variables.env_file import parse_env_file
from ftl.config.variables.sources import Variables
from ftl.config.yaml.locations import SourceFile
from ftl.engine import convert
from ftl.errors import FtlError
from ftl.image.building.diagnosis.secret_mounts import unused_secrets_note
from ftl.image.building.docker_cli.progress import PlainProgress, clean_line
from ftl.image.building.inputs import dockerfile
from ftl.image.building.inputs.dockerignore import DockerIgnore
from ftl.image.explain.history import parse_history as parse_image_history
from ftl.image.transfer.archive.tar import TarReader
from ftl.image.transfer.delta.layer_index import parse_layer_index
from ftl.image.transfer.delta.members import MemberScanner
from ftl.image.transfer.remote.capabilities import parse_probe
from ftl.locks.script_lines import LockAnswer
from ftl.proxy.site import Site
from ftl.proxy.tls.issuance import parse_log
from ftl.proxy.tls.x509 import read_pem
from ftl.releases import audit
from ftl.releases.file_copies import newest
from ftl.releases.record import ReleaseRecord
from ftl.releases.store import parse_history
from ftl.server.doctor import facts as doctor_facts
from ftl.server.setup.observe import public_keys, reader
from ftl.ssh import facts, framing
from ftl.ssh.failures import last_words
from ftl.ui.sanitize import escaped, printable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Target = Callable[[bytes], object]

CORPUS = Path(__file__).with_name("corpus")

_FOLDER = Path(tempfile.gettempdir())


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _json(data: bytes) -> dict[str, object]:
    """An object as engines send them; anything else is refused before it is converted."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _controls(character: str) -> bool:
    """Whether a terminal acts on a character instead of showing it."""
    if character in "\n\t":
        return False
    return (
        category(character) == "Cc"
        or character in "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )


def ftl_yaml(data: bytes) -> None:
    """ftl.yaml, from bytes to the checked project."""
    with tempfile.NamedTemporaryFile(dir=_FOLDER, suffix=".yaml") as file:
        file.write(data)
        file.flush()
        load(ProjectFiles(Path(file.name), Variables({})))


def env_file(data: bytes) -> None:
    """.env, by Compose's rules."""
    parse_env_file(SourceFile(".env", _text(data)), {"SET": "1"})


def dockerfile_text(data: bytes) -> None:
    """A Dockerfile and its base images."""
    parsed = dockerfile.parse(_text(data))
    for stage in parsed.stages:
        parsed.chain(stage.instructions[-1])
    unused_secrets_note("web", parsed, ("TOKEN",))


def dockerignore(data: bytes) -> None:
    """.dockerignore's patterns, matched against a few paths."""
    lines = _text(data).splitlines()
    for rules in (DockerIgnore(lines), DockerIgnore(lines, old_rules=True)):
        for path in (".env", "a/b/c.py", "node_modules/x", "Dockerfile"):
            rules.match(path, rules.top)
            rules.may_reinclude_below(path)


def build_output(data: bytes) -> None:
    """BuildKit's plain progress."""
    progress = PlainProgress("web", dockerfile.parse("FROM a\nRUN b\n"))
    for line in _text(data).splitlines():
        list(progress.feed(clean_line(line)))


def tar(data: bytes) -> None:
    """An archive of an engine."""

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 700):
            yield data[at : at + 700]

    async def read() -> None:
        reader = TarReader(chunks(), name="the archive")
        while await reader.next() is not None:
            async for _ in reader.body():
                pass

    asyncio.run(read())


def layer_members(data: bytes) -> None:
    """Members of a layer's tar."""
    scanner = MemberScanner()
    for at in range(0, len(data), 700):
        scanner.feed(data[at : at + 700])


def layer_index(data: bytes) -> None:
    """A server's index of a cached layer."""
    parse_layer_index(data, 1 << 20)


def engine_json(data: bytes) -> None:
    """Objects of the Engine API."""
    value = _json(data)
    for function in (
        convert.usage,
        convert.listed_image,
        convert.inspected_image,
        convert.listed_container,
        convert.inspected_container,
        convert.network,
        convert.volume,
    ):
        function(value)
    convert.engine_info(value, "1.41")


def site(data: bytes) -> None:
    """A project's site in the proxy's volume; ValueError is how it is refused."""
    try:
        Site.from_json(data)
    except ValueError:
        return


def release_record(data: bytes) -> None:
    """A release record, and the same bytes as each of a project's files on its server."""
    record = ReleaseRecord.from_json(data)
    if record is not None:
        assert record.number >= 0
    names = ("r1.json", "history.jsonl", "hold.json", audit.FILE)
    found = parse_history("shop", newest({f"shop/{name}": data for name in names}))
    assert all(record.number for record in found.records)
    audit.with_releases(found.audit, found.records)
    assert all(isinstance(entry.host, str) for entry in found.audit)


def history(data: bytes) -> None:
    """Lines of `docker history`."""
    parse_image_history(_text(data).splitlines())


def server_facts(data: bytes) -> None:
    """Output of the fact scripts and of login scripts before it."""
    text = _text(data)
    parse_probe(text)
    doctor_facts.read(text, asked_at=0.0, answered=1.0)
    for line in text.splitlines():
        facts.read(line)
        LockAnswer.parse(line.encode())
        public_keys.parse(line)
    list(parse_listeners(text))
    framing.strip_noise(data, "boundary")
    framing.process_id(data, "boundary")
    last_words(text)


def setup_facts(data: bytes) -> None:
    """Output of setup's observe.sh."""
    reader.read(_text(data), name="server")


def caddy_log(data: bytes) -> None:
    """Lines of Caddy's log."""
    parse_log(_text(data).splitlines())


def certificate(data: bytes) -> None:
    """A PEM certificate; ValueError is how it is refused."""
    try:
        read_pem(_text(data))
    except ValueError:
        return


def words(data: bytes) -> None:
    """Short texts of the command line and of ftl.yaml; text on its way to a terminal."""
    text = _text(data)
    for function in (parse_address, parse_volume, parse_forward):
        try:
            function(text)
        except (ValueError, FtlError):
            continue
    familiar(text)
    for shown in (escaped(text), printable(text)):
        assert not any(_controls(character) for character in shown), shown


def json_file(data: bytes) -> None:
    """A small JSON file of this machine: docker's configuration, caches."""
    with tempfile.NamedTemporaryFile(dir=_FOLDER, suffix=".json") as file:
        file.write(data)
        file.flush()
        read_json(Path(file.name))


TARGETS: dict[str, Target] = {
    function.__name__: function
    for function in (
        ftl_yaml,
        env_file,
        dockerfile_text,
        dockerignore,
        build_output,
        tar,
        layer_members,
        layer_index,
        engine_json,
        site,
        release_record,
        history,
        server_facts,
        setup_facts,
        caddy_log,
        certificate,
        words,
        json_file,
    )
}


def run(name: str, data: bytes) -> None:
    """Run a target; FTL's own errors are its answer."""
    try:
        TARGETS[name](data)
    except FtlError:
        return


def corpus(name: str) -> list[bytes]:
    """Inputs of a target that are kept in the repository, crashes of the past among them."""
    folder = CORPUS / name
    return [path.read_bytes() for path in sorted(folder.iterdir())]
