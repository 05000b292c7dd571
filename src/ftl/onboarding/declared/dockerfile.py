"""An app with a Dockerfile, and findings of its stack that hold for that image."""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.app import App, Evidence, FoundHealthCheck
from ftl.onboarding.names import project_name
from ftl.onboarding.stacks.health import found_health
from ftl.onboarding.stacks.node.processes import by_local_program
from ftl.onboarding.stacks.python.app import behind_proxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.image.building.inputs.image_settings import ImageSettings
    from ftl.onboarding.app import DataFile, Worker
    from ftl.onboarding.folder import AppFolder

_ASKED = re.compile(
    r"^HEALTHCHECK\b(?:.*\\\n)*.*?\b(?:curl|wget)\b.*?https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::(\d+))?(/[\w./-]*)?",
    re.MULTILINE,
)
"""A check of a Dockerfile that requests a path of the app: its port and path."""

_OF_ROOT = frozenset({"", "root", "0"})
_GIVES_AWAY = re.compile(r"\bchown\b|--chown=|\binstall\s.*-o\b")
_SHELLS_LACK = re.compile(r"distroless|^scratch$|cgr\.dev/chainguard/static")


@dataclass(frozen=True, slots=True)
class _Image:
    """The image of the Dockerfile that the app has."""

    settings: ImageSettings
    folder: AppFolder

    @property
    def user(self) -> str:
        """The user that the app runs as; empty for root."""
        user = self.settings.user
        if not user and self.settings.base.endswith(":nonroot"):
            return "65532"
        return "" if user in _OF_ROOT else user

    def here(self, path: str, top: str) -> str:
        """The place of a path below the app's folder in this image; empty if no line says so."""
        if path != top and not path.startswith(f"{top}/"):
            return path
        return (
            posixpath.normpath(f"{self.settings.folder}/{path[len(top) :]}") if self.settings.folder else ""
        )

    def makes(self, path: str) -> bool:
        """Whether a line of the Dockerfile makes a folder outside of the app's."""
        named = re.compile(rf"(?<![\w./-]){re.escape(path)}(?![\w.-])")
        steps = (step for step in self.settings.steps if step.keyword in ("RUN", "COPY", "ADD", "VOLUME"))
        return any(named.search(step.text) for step in steps)

    def owns(self, path: str) -> bool:
        """Whether the user may write into a folder: a volume gets its owner from the image's."""
        if not self.user:
            return True
        below = posixpath.relpath(path, self.settings.folder) if self.settings.folder else path
        exists = not below.startswith("..") and self.folder.has_folder(below)
        for step in self.settings.steps:
            if not _GIVES_AWAY.search(step.text):
                continue
            words = {word.strip("\"';").rstrip("/") for word in step.text.split()}
            is_below = exists and re.search(r"--chown=|\s-R\b", step.text)
            if is_below or {path, below, posixpath.dirname(path)} & words:
                return True
        return False

    def made(self, path: str, *, link: str = "") -> str:
        """The line of a Dockerfile by which the app can write into a folder."""
        if _SHELLS_LACK.search(self.settings.base):
            owner = f" --chown={self.user}:{self.user}" if self.user else ""
            return f"`COPY --from=STAGE{owner} /out{path} {path}` in its last stage, with that folder made in another"
        link = posixpath.join(self.settings.folder, link) if link else ""
        parent = posixpath.dirname(link) if posixpath.dirname(link) != self.settings.folder else ""
        folders = f"mkdir -p {path} {parent}".strip()
        owner = f" && chown {self.user} {path}" if self.user else ""
        line = (
            f"`RUN {folders}{owner}{f' && ln -sf {path}/{posixpath.basename(link)} {link}' if link else ''}`"
        )
        return (
            f"{line} above `USER {self.user}`"
            if self.settings.user and self.user
            else f"{line} below its last COPY"
        )


def with_dockerfile(folder: AppFolder, app: App | None) -> App:
    """The app of a Dockerfile, completed by the findings of its stack."""
    from ftl.image.building.inputs.image_settings import exposed_port, image_settings

    written = folder.read("Dockerfile")
    port = exposed_port(written)
    reason = "EXPOSE of the Dockerfile"
    asked = _ASKED.search(written)
    if port is None and asked and asked[1]:
        port, reason = int(asked[1]), "HEALTHCHECK of the Dockerfile"
    if app is None:
        app = App(stack="Dockerfile", evidence="Dockerfile", port=port or 8000, health=found_health(folder))
    if asked and asked[2] and asked[1] in (None, str(port)):
        app = replace(app, health=FoundHealthCheck(asked[2], "HEALTHCHECK of the Dockerfile"))
    if port is None and app.main is None:
        port, reason = (
            app.port or 8000,
            "the Dockerfile exposes no port: write the one that the app listens on",
        )
    image = _Image(image_settings(written), folder)
    other = other_tool(folder)
    todo = [f"{other} says how the app runs: `ftl init --from {other}` takes it over"] if other else []
    todo += [text for text in app.todo if text not in app.image_todo]
    remarks: list[str] = []
    volumes = dict(_volumes(app, image, remarks))
    if app.data_file is not None and not app.data_file.path:
        remarks.append(_unknown_file(app.data_file, image))
    todo += remarks
    return replace(
        app,
        dockerfile=None,
        files={},
        port=port,
        port_reason=reason,
        facts=(Evidence("image", "Dockerfile", "it exists and is used unchanged"),),
        start=(),
        hook=by_local_program(folder, app.hook, written) if isinstance(app.hook, str) else app.hook,
        workers=tuple(_workers(app, folder, written, todo)),
        env=_env(app, image),
        volumes=volumes,
        ignored=tuple(_ignored(app, written)),
        todo=tuple(todo),
        image_todo=(),
        remarks={
            **{key: texts for key, texts in app.remarks.items() if key == "port"},
            **({"volumes": tuple(remarks)} if remarks else {}),
        },
    )


def _env(app: App, image: _Image) -> dict[str, tuple[str, str]]:
    """The environment that the stack needs, with paths of this image."""
    env = {name: (image.here(value, app.top) or value, why) for name, (value, why) in app.env.items()}
    written = "\n".join(step.text for step in image.settings.steps)
    servers = re.findall(r"\b(?:gunicorn|uvicorn)\b", written)
    if behind_proxy(app.packages, *servers) and "forwarded" not in written.lower():
        env["FORWARDED_ALLOW_IPS"] = (
            "*",
            "gunicorn and uvicorn believe the proxy that a request came by HTTPS",
        )
    return env


def _volumes(app: App, image: _Image, remarks: list[str]) -> Iterator[tuple[str, str]]:
    """Volumes at their places in this image; a remark for each that needs a line of the Dockerfile."""
    taken = set()
    for volume, reason in app.volumes.items():
        name, _, path = volume.partition(":")
        file = app.data_file
        if path == "/data" and file is not None and file.path and not image.makes(path):
            parent = _own_folder(image, file)
            if not parent:
                remarks.append(
                    f"{file.path} of {file.source} is gone with each release: write "
                    f"{image.made(path, link=file.path)} into the Dockerfile, and `volumes: [{volume}]` here"
                )
                continue
            place = parent
        else:
            place = image.here(path, app.top)
        if not place:
            remarks.append(
                f"{reason}: gone with each release without `volumes: [{name}:PATH]`, with its place in the image"
            )
            continue
        taken.add(place)
        why = f"{reason}, by WORKDIR of the Dockerfile" if place != path else reason
        if not image.owns(place):
            remarks.append(
                f"the user {image.user} of the Dockerfile must be the owner of {place}: {image.made(place)}"
            )
        yield f"{name}:{place}", why
    names = {volume.partition(":")[0] for volume in app.volumes}
    for path in image.settings.volumes:
        name = project_name(posixpath.basename(path.rstrip("/")))
        if path.startswith("/") and path.rstrip("/") not in taken and name not in names:
            names.add(name)
            yield f"{name}:{path}", "VOLUME of the Dockerfile"


def _own_folder(image: _Image, file: DataFile) -> str:
    """The folder of a file in the image, where it has nothing else that a volume would hide."""
    parent = posixpath.dirname(file.path)
    here = image.folder.path / parent
    others = [path for path in here.iterdir() if not path.name.startswith(".")] if here.is_dir() else []
    is_alone = all(path.name.startswith(posixpath.basename(file.path)) for path in others)
    return f"{image.settings.folder}/{parent}" if parent and is_alone and image.settings.folder else ""


def _unknown_file(file: DataFile, image: _Image) -> str:
    """A remark about an SQLite file whose place only the user knows, or which is outside of the volumes."""
    if file.folder:
        what = f"{file.source} opens an SQLite file in {file.folder}"
        place, how = file.folder, f"write `volumes: [data:{file.folder}]` here"
    else:
        what, place = f"{file.source} opens an SQLite file", "/data"
        how = "let it be below /data, with `volumes: [data:/data]` here"
    made = "" if image.owns(place) else f", and {image.made(place)} in the Dockerfile"
    return f"{what} that is gone with each release: {how}{made}"


def _workers(app: App, folder: AppFolder, written: str, todo: list[str]) -> Iterator[Worker]:
    """Workers whose programs the image has."""
    for worker in app.workers:
        has_program = worker.source in written and f"{posixpath.dirname(worker.command[0])}/" in written
        if worker.source and not has_program:
            todo.append(
                f"{worker.source} looks like another process than the server: build it in the Dockerfile, and add a "
                f"service `{worker.name}` with the same `build` and `command: [PATH]`"
            )
            continue
        program, *arguments = worker.command
        yield replace(worker, command=(*by_local_program(folder, program, written).split(), *arguments))


def _ignored(app: App, written: str) -> Iterator[str]:
    """Lines of .dockerignore, without those for files that the Dockerfile copies from the context."""
    from ftl.image.building.inputs.dockerfile import parse

    sources = [
        word.removeprefix("./").strip("\"',[]")
        for step in parse(written).instructions
        if step.keyword in ("COPY", "ADD") and not any(flag.startswith("--from") for flag in step.flags)
        for word in step.arguments.split()[len(step.flags) : -1]
    ]
    for line in app.ignored:
        if not any(
            source == line or source.startswith(f"{line}/") or fnmatch(source, line) for source in sources
        ):
            yield line


def other_tool(folder: AppFolder) -> str | None:
    """A file of another tool that says how the app runs."""
    return folder.has(
        "compose.yaml",
        "compose.yml",
        "docker-compose.yml",
        "docker-compose.yaml",
        "config/deploy.yml",
        "fly.toml",
    )
