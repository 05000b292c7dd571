"""The variables of a project, from the process environment and .env, each with its place.

A source is a mapping of names to `Variable`s, which may look a value up only when it is used. Another source (secrets,
the .env of an environment) is another argument of `Variables`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ftl.common.files import read_small_text
from ftl.common.suggestions import closest_match
from ftl.config.variables.env_file import Variable, parse_env_file
from ftl.config.yaml.locations import Location, SourceFile, display_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ftl.errors import Problem

ENV_FILE = ".env"
EXAMPLE_FILE = ".env.example"

_SET_IT = f"set it in the environment or in {ENV_FILE} next to ftl.yaml"
_COPY_EXAMPLE = f"copy {EXAMPLE_FILE} to {ENV_FILE} and fill it in, or set it in the environment"


def env_files(environment: str) -> tuple[str, ...]:
    """Names of the files with variables, in the order of `read_variables`."""
    return (ENV_FILE, f"{ENV_FILE}.{environment}") if environment else (ENV_FILE,)


Source = Mapping[str, Variable]


class Variables(Mapping[str, str]):
    """Values by name, of several sources; the first that has a name wins.

    Attributes:
        problems: Problems of the files that the sources were read from.
    """

    def __init__(
        self,
        *sources: Source,
        problems: Sequence[Problem] = (),
        how_to_set: str = _SET_IT,
        read_again: Callable[[Mapping[str, str]], Variables] | None = None,
    ) -> None:
        self.problems = tuple(problems)
        self._sources = sources
        self._how_to_set = how_to_set
        self._read_again = read_again

    def __getitem__(self, name: str) -> str:
        return self.find(name).value

    def __contains__(self, name: object) -> bool:
        return any(name in source for source in self._sources)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for source in self._sources for name in source))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def above(self, source: Source) -> Variables:
        """Copy these variables with a source that wins over the others."""
        return Variables(source, *self._sources, problems=self.problems, how_to_set=self._how_to_set)

    def with_secrets(self, secrets: Mapping[str, str]) -> Variables:
        """Read the files again, with values of secrets for their `${...}`, and for no others."""
        return self if self._read_again is None or not secrets else self._read_again(secrets)

    def find(self, name: str) -> Variable:
        """The variable of this name, with its place.

        Raises:
            KeyError: It is not set.
        """
        for source in self._sources:
            if name in source:
                return source[name]
        raise KeyError(name)

    def in_file(self, name: str) -> Variable | None:
        """The variable of this name in a file, whatever the environment has."""
        found = (source[name] for source in self._sources if name in source)
        return next((variable for variable in found if variable.location is not None), None)

    @property
    def unresolved(self) -> dict[str, str]:
        """The unresolved texts of those that have secrets in them (`Variable.unresolved`)."""
        found = {name: self.find(name).unresolved for name in self}
        return {name: text for name, text in found.items() if text}

    def advice(self, name: str) -> str:
        """The hint for a variable that is not set: a similar name, and where to set it."""
        match = closest_match(name, tuple(self), 0.85)
        return f"did you mean `{match}`? Or {self._how_to_set}" if match else self._how_to_set


def read_variables(
    folder: Path,
    environment: Mapping[str, str],
    files: Sequence[str] = (ENV_FILE,),
    secrets: Mapping[str, str] | None = None,
) -> Variables:
    """Read the variables for an ftl.yaml in `folder`, and for its builds on this machine.

    The environment wins over the files, which may be missing; a later file wins over an earlier, and has its
    values for `${...}`. Over both, the files have the `secrets` of the project for them.
    """
    sources: list[Source] = []
    before: dict[str, Variable] = {}
    problems: list[Problem] = []
    for name in files:
        try:
            source, more = _read(folder / name, environment, before, secrets or {})
        except FileNotFoundError:
            continue
        sources.insert(0, source)
        before |= source
        problems += more
    copy_example = not sources and (folder / EXAMPLE_FILE).is_file()
    given = {name: Variable(value) for name, value in environment.items()}
    return Variables(
        given,
        *sources,
        problems=problems,
        how_to_set=_COPY_EXAMPLE if copy_example else _SET_IT,
        read_again=lambda secrets: read_variables(folder, environment, files, secrets),
    )


def variables_of(
    folder: Path,
    environment: Mapping[str, str],
    *,
    name: str,
    overlay: str,
    secrets: Mapping[str, str] | None = None,
) -> Variables:
    """Read the variables of an environment, `${FTL_ENV}`; `overlay` is the name of its files."""
    environ = {**environment, **({"FTL_ENV": name} if name else {})}
    return read_variables(folder, environ, env_files(overlay), secrets)


def _read(
    path: Path, environment: Mapping[str, str], before: Source, secrets: Mapping[str, str]
) -> tuple[Source, list[Problem]]:
    file = SourceFile(display_path(path), confidential=True)
    try:
        file = SourceFile(file.name, read_small_text(path), confidential=True)
    except FileNotFoundError:
        raise
    except OSError as error:
        return {}, [Location(file).problem(f"{file.name} cannot be read: {error.strerror}")]
    own, problems = parse_env_file(file, environment, overridden=environment, before=before, secrets=secrets)
    # Names that the environment wins over have its values here; that the file has them does not depend on it.
    written, _ = parse_env_file(file, {}, interpolated=False)
    overridden = {
        name: replace(variable, value=environment[name])
        for name, variable in written.items()
        if name in environment
    }
    return {**overridden, **own}, problems
