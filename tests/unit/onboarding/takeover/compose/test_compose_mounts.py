"""`ftl init --from` with mounts of Compose: source, settings and data."""

# ruff: noqa: E501 -- Compose files, one a line

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ftl.image.building.inputs.dockerfile import parse
from ftl.onboarding.takeover.compose.keys.folders import has_copied
from ftl.onboarding.takeover.report import Verdict
from tests.unit.onboarding.conftest import put_files
from tests.unit.onboarding.takeover.compose.taking_over import service, taken, verdicts
from tests.unit.onboarding.takeover.compose.test_compose_projects import words

if TYPE_CHECKING:
    from pathlib import Path


def _close(folder: Path) -> None:
    """Make a folder that nobody may read; skip where this user reads every folder."""
    folder.mkdir(mode=0)
    if os.access(folder, os.R_OK):
        pytest.skip("root reads every folder")


def test_folders_with_data_become_volumes(tmp_path: Path) -> None:
    """A database keeps its data from the first deploy on, and services that share a folder share the volume."""
    text = """
services:
  web: {image: "acme/app:1", volumes: ["./public/system:/app/system", "./run:/app/run:ro", "./settings.toml:/s.toml"]}
  jobs: {image: "acme/app:1", volumes: ["./public/system/:/app/system"]}
  db: {image: "postgres:16", volumes: ["./data/pg:/var/lib/postgresql/data"]}
"""
    project, report = taken(tmp_path, text, more={"public/system/logo.png": "x"})
    assert [service(project, name).volumes for name in ("web", "jobs")] == [
        ("public-system:/app/system",)
    ] * 2
    assert project.dependencies[0].volumes == ("data-pg:/var/lib/postgresql/data",)
    found = verdicts(report)
    assert (found["services.web.volumes[0]"], found["services.db.volumes[0]"]) == (
        Verdict.NEEDS_YOU,
        Verdict.CHANGED,
    )
    assert "copy the files of ./public/system into it" in words(report, "services.web.volumes[0]")
    assert words(report, "services.web.volumes[2]").startswith("there is no file ./settings.toml")


def test_a_folder_that_a_database_keeps_to_itself_has_data(tmp_path: Path) -> None:
    """The data of a database in a container belongs to another user: it is there, and is to be copied."""
    _close(tmp_path / "pg")
    text = (
        "services: {web: {image: x}, db: {image: 'postgres:16', volumes: ['./pg:/var/lib/postgresql/data']}}"
    )
    _, report = taken(tmp_path, text)
    assert verdicts(report)["services.db.volumes[0]"] is Verdict.NEEDS_YOU


def test_what_is_below_a_closed_folder_is_there(tmp_path: Path) -> None:
    """A mount, or a secret, below a folder that may not be read is no error of ours: it needs the user."""
    _close(tmp_path / "closed")
    text = """
services:
  web: {build: ., secrets: [key], volumes: ["./closed/a.db:/a.db", "./closed/uploads:/u", "./closed/conf:/etc/web:ro"]}
secrets: {key: {file: ./closed/key}}
"""
    project, report = taken(tmp_path, text)
    assert service(project).volumes == ("closed-a.db:/a.db", "closed-uploads:/u")
    needed = [row.key for row in report.rows if row.verdict is Verdict.NEEDS_YOU]
    assert needed == [
        "services.web.volumes[0]",
        "services.web.volumes[1]",
        "services.web.volumes[2]",
        "secrets.key",
    ]


def test_a_volume_for_a_folder_is_not_the_one_of_that_name(tmp_path: Path) -> None:
    """A folder `./data` beside a volume `data` gets a name of its own."""
    text = "services: {web: {image: x, volumes: ['data:/a', './data:/b']}}\nvolumes: {data: }"
    project, _ = taken(tmp_path, text)
    assert service(project).volumes == ("data:/a", "data-folder:/b")


def test_folders_of_settings_become_files(tmp_path: Path) -> None:
    """A folder of texts below /etc is one of `files`; one with a program, or with many files, is not."""
    text = "services: {web: {image: 'nginx:1', volumes: ['./conf:/etc/nginx', './bin:/etc/nginx/b', './many:/etc/nginx/m']}}"
    more = {
        "conf/a.yml": "a",
        "conf/sub/b.yml": "b",
        "bin/tool": "\x7fELF\x00",
        **{f"many/{number}": "" for number in range(101)},
    }
    project, report = taken(tmp_path, text, more=more)
    assert [file.path for file in service(project).files] == ["/etc/nginx/a.yml", "/etc/nginx/sub/b.yml"]
    assert {file.source for file in service(project).files} == {"conf/a.yml", "conf/sub/b.yml"}
    assert "source: conf\n" in (tmp_path / "ftl.yaml").read_text()
    assert service(project).volumes == ("bin:/etc/nginx/b", "many:/etc/nginx/m")
    assert verdicts(report)["services.web.volumes[0]"] is Verdict.CHANGED


@pytest.mark.parametrize(
    ("image", "mount", "becomes", "verdict"),
    [
        ("ghcr.io/wg-easy/wg-easy:15", "./set:/etc/wireguard", "volumes", Verdict.NEEDS_YOU),
        ("homeassistant/home-assistant", "./set:/config", "volumes", Verdict.NEEDS_YOU),
        ("lscr.io/linuxserver/nginx", "./set:/config", "volumes", Verdict.NEEDS_YOU),
        ("caddy:2", "./set:/config", "volumes", Verdict.NEEDS_YOU),
        ("acme/app", "./set:/etc/app:ro", "files", Verdict.CHANGED),
        ("postgres:16", "./set:/docker-entrypoint-initdb.d", "files", Verdict.CHANGED),
        ("grafana/grafana:11.0.0", "./set:/etc/grafana/provisioning", "files", Verdict.CHANGED),
        ("caddy:2-alpine", "./set:/etc/caddy", "files", Verdict.CHANGED),
        ("acme/app", "./set/a.json:/app/settings.json", "files", Verdict.NEEDS_YOU),
        ("acme/app", "./set/a.json:/app/settings.json:ro", "files", Verdict.CHANGED),
        ("prom/prometheus", "./set/a.json:/etc/prometheus/prometheus.yml", "files", Verdict.CHANGED),
        ("acme/app", "./run.sh:/run.sh", "files", Verdict.CHANGED),
    ],
)
def test_what_an_app_may_write_is_no_file_of_a_deploy(
    tmp_path: Path, image: str, mount: str, becomes: str, verdict: Verdict
) -> None:
    """Files are new at each deploy: a folder that its app may write is a volume, and of a single file it is said."""
    put_files(tmp_path, {"run.sh": "#!/bin/sh\n"})
    (tmp_path / "run.sh").chmod(0o755)
    text = f"services: {{app: {{image: x}}, web: {{image: '{image}', volumes: ['{mount}']}}}}"
    project, report = taken(tmp_path, text, more={"set/a.json": "{}"})
    every = [(one.volumes, one.files) for one in project.services]
    every += [(one.volumes, one.files) for one in project.dependencies]
    found = any(mounted for mounted, _ in every), any(files for _, files in every)
    assert found == (becomes == "volumes", becomes == "files")
    assert verdicts(report)["services.web.volumes[0]"] is verdict
    said = [row.text for row in report.rows if row.key == "services.web.volumes[0]"][-1]
    todo = "are lost at each deploy" if becomes == "files" else "copy the files of ./set into it"
    assert (todo in said) is (verdict is Verdict.NEEDS_YOU)


def test_mounts_of_source_and_of_data_are_told_apart(tmp_path: Path) -> None:
    """What an image is built from is in it; uploads below the same folder are not, nor are files beside the context."""
    text = """
services:
  web: {build: ./a, volumes: ["./a:/app", "./a/src:/app/src", "./a/uploads:/app/uploads", "./shared:/shared"]}
  node: {image: "node:22", working_dir: /app, volumes: [".:/app"]}
"""
    more = {
        "a/Dockerfile": "FROM scratch\nWORKDIR /app\nCOPY . .\n",
        "a/src/x": "",
        "a/uploads/y": "",
        "shared/z": "",
    }
    project, report = taken(tmp_path, text, more=more)
    assert service(project).volumes == ("a-uploads:/app/uploads", "shared:/shared")
    assert [verdicts(report)[f"services.web.volumes[{index}]"] for index in (0, 1)] == [Verdict.LEFT_OUT] * 2
    assert "the container runs the files of this folder" in words(report, "services.node.volumes[0]")


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ("{size: 64mb, mode: 0o1777}", "size=64m,mode=1777"),
        ("{size: 67108864, mode: 1023}", "size=67108864,mode=1777"),
        ("{size: 1gb, mode: 0700}", "size=1g,mode=700"),
        ("{size: 1.5MB}", "size=1572864"),
        ("{size: 512KiB, mode: '0755'}", "size=512k,mode=755"),
    ],
)
def test_settings_of_a_tmpfs_are_those_of_the_kernel(tmp_path: Path, settings: str, options: str) -> None:
    """It knows neither `mb` nor `0o`, and takes a mode to be octal."""
    mount = f"{{type: tmpfs, target: /tmp, tmpfs: {settings}}}"
    project, _ = taken(tmp_path, f"services: {{web: {{image: x, volumes: [{mount}]}}}}")
    assert service(project).tmpfs == (f"/tmp:{options}",)


@pytest.mark.parametrize(
    ("mode", "octal"),
    [
        ("0o400", "0400"),
        ("0o440", "0440"),
        ("0440", "0440"),
        ("256", "0400"),
        ("'0440'", "0440"),
        ("'440'", "0440"),
        ("odd", "0444"),
    ],
)
def test_permissions_of_a_secret(tmp_path: Path, mode: str, octal: str) -> None:
    """A file that one user may read is not readable by all."""
    text = f"services: {{web: {{image: x, secrets: [{{source: a, mode: {mode}}}]}}}}\nsecrets: {{a: {{file: conf.ini}}}}"
    project, _ = taken(tmp_path, text)
    assert [secret.mode for secret in service(project).secrets] == [octal]


def test_a_dockerfile_inside_a_compose_file_has_its_variables(tmp_path: Path) -> None:
    """Compose replaces them: `$$` is one sign, and `${V:-3}` is not the builder's."""
    inline = '"FROM alpine:${V:-3}\\nRUN echo $$HOME ${W}\\n"'
    text = f"services: {{web: {{build: {{dockerfile_inline: {inline}}}}}}}"
    taken(tmp_path, text, environment={"W": "w"})
    assert (tmp_path / "Dockerfile.web").read_text() == "FROM alpine:3\nRUN echo $HOME w\n"


@pytest.mark.parametrize("mount", ['"${NONE}:/data"', "{type: bind, source: '${NONE}', target: /data}"])
def test_a_mount_of_a_variable_without_a_value(tmp_path: Path, mount: str) -> None:
    """The row says that it is empty, and what to write."""
    project, report = taken(tmp_path, f"services: {{web: {{image: x, volumes: [{mount}]}}}}")
    assert service(project).volumes == ()
    (row,) = (row for row in report.rows if row.key == "services.web.volumes[0]")
    assert (row.verdict, "`web-data:/data`" in row.text) == (Verdict.NEEDS_YOU, True)


@pytest.mark.parametrize(
    ("lines", "copied"),
    [
        ("WORKDIR /app\nCOPY . .", True),
        ("WORKDIR /app\nCOPY package.json ./\nCOPY src ./src", True),
        ('WORKDIR /srv\nWORKDIR app\nCOPY ["src", "/app/src/"]', True),
        ("ADD . /app", True),
        ("", False),
        ("WORKDIR /code\nCOPY . .", False),
        ("WORKDIR /app\nCOPY other other", False),
        ("WORKDIR /app\nCOPY src/main.py .", None),
        ("WORKDIR $HOME\nCOPY . .", None),
        ("COPY . .", None),
        ("COPY --from=node:22 /app /app", None),
        ("COPY --from=node:22 /usr/bin /usr/bin", False),
    ],
)
def test_a_folder_in_the_image(lines: str, copied: bool | None) -> None:
    """COPY and ADD say whether a mount of development is in the image, too."""
    assert has_copied(parse(f"FROM x\n{lines}\n"), None, "src", "/app/src") is copied


@pytest.mark.parametrize(
    ("dockerfile", "volumes", "words"),
    [
        ("FROM x\nCMD npm run dev\n", "[.:/app]", "write `COPY . /app` into its Dockerfile"),
        (
            "FROM x\nCOPY . /app\n",
            "[./src:/code]",
            "`COPY src /code` into its Dockerfile; if they are data, write",
        ),
    ],
)
def test_a_folder_that_only_a_mount_brings(tmp_path: Path, dockerfile: str, volumes: str, words: str) -> None:
    """An image for development has no code: the app would not start on a server."""
    text = f"services: {{web: {{build: ., volumes: {volumes}}}}}"
    _, report = taken(tmp_path, text, more={"Dockerfile": dockerfile, "src/x": ""})
    (row,) = (row for row in report.rows if row.key == "services.web.volumes[0]")
    assert (row.verdict, words in row.text) == (Verdict.NEEDS_YOU, True)


def test_settings_beside_the_code_are_files(tmp_path: Path) -> None:
    """The context has the folder, and its image has it elsewhere: another program reads it at its own path."""
    more = {"Dockerfile": "FROM nginx:1\nCOPY . /srv\n", "nginx/site.conf": "server {}\n"}
    project, _ = taken(
        tmp_path, "services: {web: {build: ., volumes: ['./nginx:/etc/nginx/conf.d:ro']}}", more=more
    )
    assert [file.path for file in service(project).files] == ["/etc/nginx/conf.d/site.conf"]


@pytest.mark.parametrize(
    ("ignored", "word"),
    [("src\n", ".dockerignore excludes them"), ("s*\n!src\n", ""), ("src/*\n!src/a.py\n", "")],
)
def test_a_folder_that_dockerignore_excludes(tmp_path: Path, ignored: str, word: str) -> None:
    """No image has its files, whatever COPY says."""
    text = "services: {web: {build: ., volumes: ['./src:/app/src']}}"
    more = {"Dockerfile": "FROM x\nWORKDIR /app\nCOPY . .\n", ".dockerignore": ignored, "src/a.py": ""}
    _, report = taken(tmp_path, text, more=more)
    row = next(row for row in report.rows if row.key == "services.web.volumes[0]")
    assert row.verdict is (Verdict.NEEDS_YOU if word else Verdict.LEFT_OUT)
    assert word in row.text


def test_commands_for_folders_with_spaces(tmp_path: Path) -> None:
    """What is to be copied parses."""
    text = "services: {web: {build: ., volumes: ['./my src:/app/my src', './my app/data:/var/lib/data']}}"
    more = {"Dockerfile": "FROM x\nCOPY a /a\n", "my src/a.py": "", "my app/data/a": ""}
    _, report = taken(tmp_path, text, more=more)
    source, data = (row.text for row in report.rows if row.key.startswith("services.web.volumes"))
    assert '`COPY ["my src", "/app/my src"]`' in source
    assert "the volume `my-src:/app/my src`" in source
    assert "tar -C './my app/data' -c ." in data


def test_a_mount_with_a_variable_that_is_not_set_needs_you(tmp_path: Path) -> None:
    """`$WHERE/data` mounted the server's /data, as in Compose, and no row said so."""
    text = """
services:
  web: {image: x, volumes: ["${WHERE}/data:/data", {type: bind, source: $WHERE/more, target: /more}, "${A:-/srv}:/srv"]}
"""
    project, report = taken(tmp_path, text)
    assert service(project).volumes == ("/data:/data", "/more:/more", "/srv:/srv")
    found = verdicts(report)
    assert [found[f"services.web.volumes[{number}]"] for number in range(3)] == [
        Verdict.NEEDS_YOU,
        Verdict.NEEDS_YOU,
        Verdict.TAKEN,
    ]
    assert words(report, "services.web.volumes[0]").startswith("WHERE is not set, and so it mounts /data")


def test_a_volume_that_is_only_read_needs_no_recreate(tmp_path: Path) -> None:
    """Nginx with the files of another service had a short outage in each deploy."""
    text = "services: {a: {image: x, volumes: ['files:/v:ro']}, b: {image: x, volumes: ['files:/v']}}\n"
    project, _ = taken(tmp_path, text)
    assert [service(project, name).recreate for name in ("a", "b")] == [False, True]


def test_a_template_of_swarm_needs_you(tmp_path: Path) -> None:
    """`{{ env "X" }}` was in the container as it is written."""
    text = """
services: {web: {image: x, configs: [one, two]}}
configs: {one: {file: ./conf.ini, template_driver: golang}, two: {file: ./conf.ini}}
"""
    project, report = taken(tmp_path, text)
    assert len(service(project).files) == 2
    found = verdicts(report)
    assert (found["services.web.configs[0]"], found["services.web.configs[1]"]) == (
        Verdict.NEEDS_YOU,
        Verdict.CHANGED,
    )
