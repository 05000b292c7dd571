"""The application of Flask or an ASGI framework: a variable, or a function that makes it."""

from __future__ import annotations

import ast
import posixpath
import re
from dataclasses import field
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

FLASK = frozenset({"Flask", "APIFlask"})
ASGI = frozenset({"FastAPI", "Starlette", "Litestar"})

_FACTORY = re.compile(r"(?:create|get|make|build)_(?:\w+_)?app(?:lication)?")
_WRAPPER = re.compile(r"(?:ASGI|WSGI)App|\w+Middleware")
"""Classes that an application is put into, whose object is one, too: `app = socketio.ASGIApp(sio, api)`."""
_APP_CLASS = re.compile(r"Any|\w*App(?:lication)?|\w+Middleware")
"""Classes of other libraries whose object a server takes, too: `connexion.AsyncApp`."""

_USUAL = ("app", "application")
_NAME = re.compile(r"\w+")
_USUAL_FACTORIES = ("create_app", "make_app")
_ASIDE = re.compile(r"(?:^|/)(?:scripts?|tools|examples?|docs?|demos?|bench(?:marks)?|migrations|alembic)/")
_OF_TESTS = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_test|conftest)\.py$")
_USUAL_FILES = ("wsgi", "asgi", "main", "app", "application", "server", "api", "run", "__init__")
_MAX_PARSED = 60_000
"""Characters of code that are parsed in all, so that a folder with much code has its answer at once, too."""


@dataclass(frozen=True, slots=True)
class Application:
    """A variable of a module that is an application, or a function that returns one.

    Attributes:
        is_open: It is a function that has to be told something: no server can call it.
        is_aside: Another program's: `flask_app = create_app()` of a worker.
    """

    file: str
    name: str
    written: str
    is_factory: bool = False
    is_open: bool = False
    is_aside: bool = False

    @property
    def target(self) -> str:
        """MODULE:NAME, as servers take it."""
        module = self.file.removesuffix(".py").removesuffix("/__init__").removeprefix("src/")
        return f"{module.replace('/', '.')}:{self.name}"

    @property
    def reason(self) -> str:
        """The line of code that shows it."""
        return f"`{self.written}` in {self.file}"

    @property
    def rank(self) -> tuple[object, ...]:
        """A key by which the one that a server should have comes first."""
        is_aside, *place = _likeliness(self.file)
        other = self.is_factory and self.name not in _USUAL_FACTORIES
        return self.is_open, self.is_aside or is_aside, self.is_factory, other, *place


def _likeliness(file: str) -> tuple[bool, int, int, str]:
    """A key by which files that are likely to have the application come first."""
    stem = posixpath.basename(file).removesuffix(".py")
    usual = _USUAL_FILES.index(stem) if stem in _USUAL_FILES else len(_USUAL_FILES)
    return _ASIDE.search(file) is not None, file.count("/"), usual, file


@dataclass(slots=True)
class _Module:
    """Names of one module that are, or make, an application.

    Attributes:
        classes: Names of the framework's classes, and of those that derive from them.
        factories: Functions that return an application -> whether they need arguments.
        found: Variables -> what they are made by.
    """

    classes: set[str]
    factories: dict[str, bool] = field(default_factory=dict)
    found: dict[str, str] = field(default_factory=dict)


def find_application(sources: Mapping[str, str], classes: frozenset[str]) -> Application | None:
    """The application that a server is for; None if no line shows one."""
    shown = re.compile(rf"\b(?:{'|'.join(sorted(classes))})\b|{_FACTORY.pattern}")
    left = _MAX_PARSED
    found: list[Application] = []
    for file, text in sorted(sources.items(), key=lambda each: _likeliness(each[0])):
        if not file.endswith(".py") or _OF_TESTS.search(file) or not shown.search(text):
            continue
        left -= len(text)
        module = _read(text, classes) if left >= 0 else _glance(text, classes)
        found += _applications(file, module)
    return min(found, key=lambda each: each.rank, default=None)


def _applications(file: str, module: _Module) -> Iterator[Application]:
    for name in sorted(module.found, key=lambda name: name not in _USUAL)[:1]:
        made_by = module.found[name]
        is_aside = name not in _USUAL and _FACTORY.fullmatch(made_by) is not None
        yield Application(file, name, f"{name} = {made_by}", is_aside=is_aside)
    for name, is_open in module.factories.items():
        yield Application(file, name, f"def {name}", is_factory=True, is_open=is_open)


def _read(text: str, classes: Iterable[str]) -> _Module:
    """The names of a module by its syntax tree."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _glance(text, classes)  # of a newer or older Python, or a template
    module = _Module({*classes})
    for node in _statements(tree.body):
        match node:
            case ast.ImportFrom(names=names):
                module.classes |= {each.asname for each in names if each.name in classes and each.asname}
            case ast.ClassDef(name=name, bases=bases) if any(_last(base) in module.classes for base in bases):
                module.classes.add(name)
            case ast.FunctionDef(name=name) if _makes(node, module):
                module.factories[name] = _needs_arguments(node.args)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as value):
                _assign(module, name, value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call() as value):
                _assign(module, name, value)
    return module


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that importing a module runs: not those that only its own start does."""
    for node in body:
        match node:
            case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
                continue
            case ast.If() | ast.Try() | ast.With():
                yield from _statements(node.body)
                yield from _statements(getattr(node, "orelse", ()))
            case _:
                yield node


def _assign(module: _Module, name: str, value: ast.Call) -> None:
    made_by = _last(value.func)
    arguments = [*value.args, *(keyword.value for keyword in value.keywords)]
    inner = {_last(each.func if isinstance(each, ast.Call) else each) for each in arguments}
    wrapped = inner & (module.found.keys() | module.classes) if _WRAPPER.fullmatch(made_by) else set()
    if made_by in module.classes or made_by in module.factories or _FACTORY.fullmatch(made_by) or wrapped:
        for each in wrapped:
            module.found.pop(each, None)
        module.found.setdefault(name, made_by)


def _makes(function: ast.FunctionDef, module: _Module) -> bool:
    """Whether a function makes an application, by its name, or by its annotation and its body."""
    annotated = _annotated(function.returns) - {"None", "Optional", "Union"}
    if annotated and all(_is_another(name, module) for name in annotated):
        return False
    body = [each for statement in function.body for each in ast.walk(statement)]
    if function.name in _USUAL_FACTORIES:
        return True
    if _returns_another(body, module):
        return False
    makers = {_last(each.func) for each in body if isinstance(each, ast.Call)}
    is_made = not makers.isdisjoint({*module.classes, *module.factories})
    is_annotated = not annotated.isdisjoint(module.classes)
    return _FACTORY.fullmatch(function.name) is not None or (is_annotated and is_made)


def _annotated(returns: ast.expr | None) -> set[str]:
    """The names in the annotation of what a function returns."""
    if isinstance(returns, ast.Constant) and isinstance(returns.value, str):
        return set(re.findall(r"\w+", returns.value))
    return {_last(each) for each in ast.walk(returns)} - {""} if returns is not None else set()


def _returns_another(body: Iterable[ast.AST], module: _Module) -> bool:
    """Whether all that a function returns are objects of classes that are no application's."""
    made = {
        target.id: _last(each.value.func)
        for each in body
        if isinstance(each, ast.Assign) and isinstance(each.value, ast.Call)
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    values = [each.value for each in body if isinstance(each, ast.Return) and each.value is not None]
    returned = {
        _last(each.func) if isinstance(each, ast.Call) else made.get(_last(each), "") for each in values
    }
    return bool(returned) and all(_is_another(name, module) for name in returned)


def _is_another(name: str, module: _Module) -> bool:
    return name[:1].isupper() and name not in module.classes and _APP_CLASS.fullmatch(name) is None


def _needs_arguments(arguments: ast.arguments) -> bool:
    needed = len(arguments.posonlyargs) + len(arguments.args) > len(arguments.defaults)
    return needed or None in arguments.kw_defaults


def _last(node: ast.AST) -> str:
    """The last part of a name: `Flask` of `flask.Flask`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _glance(text: str, classes: Iterable[str]) -> _Module:
    """The names of a module by its lines alone."""
    made_by = rf"{'|'.join(sorted(classes))}|{_FACTORY.pattern}"
    variable = re.compile(rf"^(\w+)(?:\s*:[^=\n]+)?\s*=\s*(?:\w+\.)*({made_by})\(", re.MULTILINE)
    factory = re.compile(
        rf"^def ({_FACTORY.pattern})\(([^()]*(?:\([^()]*\)[^()]*)*)\)(?:\s*->\s*([^:\n]+))?\s*:", re.MULTILINE
    )
    factories = {
        match[1]: _is_open(match[2])
        for match in factory.finditer(text)
        if match[3] is None
        or any(name in classes or _APP_CLASS.fullmatch(name) for name in _NAME.findall(match[3]))
    }
    variables = {match[1]: match[2] for match in reversed([*variable.finditer(text)])}
    return _Module({*classes}, factories, variables)


def _is_open(parameters: str) -> bool:
    """Whether a function with these parameters needs arguments; so do those that cannot be parsed."""
    try:
        function = ast.parse(f"def f({parameters}): ...").body[0]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return True
    return not isinstance(function, ast.FunctionDef) or _needs_arguments(function.args)
