"""`ftl init --from`: choose the converter by the file, make the files, and check the result."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.common.next_step import plain
from ftl.config.loading import load
from ftl.config.project_files import ProjectFiles
from ftl.config.variables.sources import read_variables
from ftl.config.yaml.locations import SourceFile, display_path
from ftl.config.yaml.parse import parse
from ftl.config.yaml.tree import MappingNode, SequenceNode
from ftl.dataclass import dataclass
from ftl.errors import ConfigError, UsageError
from ftl.onboarding.new_files import encoded, existing
from ftl.onboarding.takeover import platforms
from ftl.onboarding.takeover.compose import project as compose
from ftl.onboarding.takeover.dockerfiles import ignore_files, write_dockerfiles
from ftl.onboarding.takeover.draft import Draft, keep_routes_apart, text_of
from ftl.onboarding.takeover.fly import fly_toml
from ftl.onboarding.takeover.generated import make_up, report_clear_values
from ftl.onboarding.takeover.kamal import deploy_yml as kamal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.onboarding.takeover.report import TakeoverReport


KNOWN = (
    "a Compose file, Kamal's config/deploy.yml, a Procfile, app.json, fly.toml or a file of the original FTL"
)


@dataclass(frozen=True, slots=True)
class TakeoverResult:
    """The result: texts by file name, and the verdict on each key.

    Attributes:
        environment: One that a first deploy is of, where ftl.yaml alone is not meant for one.
    """

    files: Mapping[str, str]
    report: TakeoverReport
    environment: str = ""


def take_over(
    files: Sequence[Path], folder: Path, environment: Mapping[str, str], *, file: str = "ftl.yaml"
) -> TakeoverResult:
    """Convert Compose files (later ones over earlier), or one file of another tool.

    Raises:
        ConfigError: A file cannot be parsed.
        UsageError: It is no file that FTL knows, or cannot be read.
    """
    for path in files:
        if not path.is_file():
            raise UsageError(f"there is no file `{path}`", hint=f"--from takes {KNOWN}")
    variables = read_variables(folder, environment)
    draft = _draft(files, folder, variables)
    keep_routes_apart(draft)
    report_clear_values(draft)
    make_up(draft, folder, variables)
    write_dockerfiles(draft, folder)
    ignore_files(draft, folder)
    text = text_of(draft)
    _check(draft, text, folder, environment)
    others = {name: text for name, text in draft.files.items() if name != file}
    for name in existing(folder, others):
        del others[name]
        todo = "it exists, and is kept as it is: rename it, then `ftl init --from` again, to have this one"
        draft.report.todo(name, todo)
    return TakeoverResult({file: text_of(draft), **others}, draft.report, draft.environment)


def _draft(files: Sequence[Path], folder: Path, variables: Mapping[str, str]) -> Draft:
    first = files[0]
    if len(files) > 1:
        return compose.take_over(files, folder, variables)
    if first.suffix == ".toml":
        return fly_toml.fly(first, folder)
    if first.name == "app.json" or first.name.startswith("Procfile"):
        return platforms.heroku(first, folder, variables)
    if first.suffix in (".yml", ".yaml"):
        return _of_yaml(first, folder, variables)
    raise UsageError(f"`{first}` is not a file that FTL can take over", hint=f"--from takes {KNOWN}")


def _of_yaml(file: Path, folder: Path, variables: Mapping[str, str]) -> Draft:
    """Convert a file by what it has at its top: Kamal's has `service`, FTL's a list of services."""
    try:
        written = read_small_text(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be read", cause=error.strerror) from error
    if "<%" in written:
        return kamal.take_over(file, folder, variables)
    root, problems = parse(SourceFile(display_path(file), written))
    if isinstance(root, MappingNode) and root.get("service") is not None and root.get("services") is None:
        return kamal.take_over(file, folder, variables)
    if isinstance(root, MappingNode) and is_ftl_file(root):
        if problems:
            raise ConfigError(problems)
        return take_over_ftl_file(file, root, folder)
    if isinstance(root, MappingNode) and root.get("require_destination") is not None:
        destinations = sorted(file.parent.glob(f"{file.stem}.*{file.suffix}")) or [
            Path("config/deploy.NAME.yml")
        ]
        hint = f"its destinations say all: `ftl init --from {display_path(destinations[0])}` takes one over"
        raise UsageError(f"`{file}` of Kamal has no `service`", hint=hint)
    if isinstance(root, MappingNode) and not compose.is_compose(root):
        hint = f"--from takes {KNOWN}"
        if compose.is_version_1(root):
            hint = "in the first version of Compose the services had no section: write `services:` above them"
        raise UsageError(f"`{file}` is not a Compose file: it has no services", hint=hint)
    return compose.take_over([file], folder, variables)


def _check(draft: Draft, text: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Load the text of ftl.yaml before it is written; mistakes in it are put into the report for the user."""
    made = tuple(f"there is no file {name}" for name in draft.files)
    try:
        with tempfile.NamedTemporaryFile("wb", dir=folder, prefix=".ftl-", suffix=".yaml") as file:
            file.write(encoded(text))
            file.flush()
            variables = read_variables(folder, {**dict.fromkeys(draft.demanded, "1"), **environment})
            load(ProjectFiles(Path(file.name), variables), fetch=None)
    except ConfigError as error:
        for problem in error.problems:
            if not problem.message.endswith(made):
                hint = f": {plain(problem.hint)}" if problem.hint else ""
                draft.report.todo(f"ftl.yaml:{problem.line}", f"{problem.message}{hint}")
    except OSError:
        return  # a folder that cannot be written: with --dry-run that is no fault


_RENAMED = {"app_port": "port", "env_vars": "env", "envs": "env"}


def is_ftl_file(root: MappingNode) -> bool:
    """Whether a YAML file is one of FTL: its services are a list, and there is one."""
    services = root.get("services")
    return isinstance(services, SequenceNode) and bool(services.items)


def take_over_ftl_file(file: Path, root: MappingNode, folder: Path) -> Draft:
    """Take over the text as it is written, with the present names of keys."""
    draft = Draft(str(file), "")
    lines = root.location.file.text.split("\n")
    for key, entry in root.entries.items():
        draft.report.taken(key, "", entry.key)
    for section in ("services", "dependencies"):
        items = root.get(section)
        for item in items.items if isinstance(items, SequenceNode) else ():
            for key, entry in item.entries.items() if isinstance(item, MappingNode) else ():
                name, index, column = _RENAMED.get(key), entry.key.line - 1, entry.key.column - 1
                if name is not None and lines[index].startswith(key, column):
                    lines[index] = f"{lines[index][:column]}{name}{lines[index][column + len(key) :]}"
                    draft.report.changed(f"{section}.{key}", name, entry.key)
    if file.resolve().parent != folder.resolve():
        draft.report.todo("paths", f"relative paths start from ftl.yaml now: they started from {file.parent}")
    draft.written = "\n".join(lines)
    return draft
