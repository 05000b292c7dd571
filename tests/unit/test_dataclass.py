"""Dataclasses with one generated method: the same behaviour as the standard library's."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, field, replace

import pytest

from ftl.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Point:
    """A point."""

    x: int
    y: int = 0
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Point3(Point):
    """A point in space."""

    z: int = 0


@dataclass(frozen=True, slots=True)
class Empty:
    """No fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Checks itself, and prints itself."""

    count: int

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("negative")

    def __repr__(self) -> str:
        return "checked"


@dataclass(frozen=True, slots=True, eq=False)
class Handle:
    """Equal to itself alone."""

    number: int


def test_equality_is_by_class_and_compared_fields() -> None:
    """Equal fields make equal objects of one class; fields with compare=False do not count."""
    assert Point(1, 2, ("a",)) == Point(1, 2)
    assert Point(1, 2) != Point(2, 1)
    assert Point(1) != Point3(1)
    assert Point(1) != (1, 0)  # type: ignore[comparison-overlap]
    assert Empty() == Empty()
    assert Handle(1) != Handle(1)


def test_equal_objects_have_one_hash() -> None:
    """Objects are keys of mappings by their values."""
    assert {Point(1, 2, ("a",)): "first"}[Point(1, 2)] == "first"
    assert len({Empty(), Empty()}) == 1
    assert len({Handle(1), Handle(1)}) == 2


def test_fields_are_frozen() -> None:
    """No field can be set again or deleted, and none can be added."""
    point = Point(1)
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x
    with pytest.raises(AttributeError):
        point.w = 1  # type: ignore[attr-defined]
    assert point == Point(1)


def test_own_methods_stay() -> None:
    """A method that the class defines is not replaced, and `__post_init__` runs."""
    assert repr(Checked(count=1)) == "checked"
    with pytest.raises(ValueError, match="negative"):
        Checked(count=-1)


def test_the_tools_of_the_standard_library_work() -> None:
    """They show, replace, copy and convert as they do with the standard decorator."""
    point = Point3(1, 2, z=3)
    assert repr(point) == "Point3(x=1, y=2, z=3)"
    assert replace(point, x=5) == Point3(5, 2, z=3)
    assert dataclasses.asdict(point) == {"x": 1, "y": 2, "notes": (), "z": 3}
    assert copy.deepcopy(point) == pickle.loads(pickle.dumps(point)) == point
    assert (Point.__match_args__, hasattr(point, "__dict__")) == (("x", "y", "notes"), False)


def test_default_factories_and_wrong_arguments() -> None:
    """Each object has a list of its own, and a wrong call names the class, also if it is the first one."""

    @dataclass(frozen=True, slots=True)
    class Basket:
        owner: str
        items: list[str] = field(default_factory=list)

    with pytest.raises(
        TypeError, match=r"Basket.__init__\(\) missing 1 required positional argument: 'owner'"
    ):
        Basket()  # type: ignore[call-arg]
    assert Basket("ann").items is not Basket("ann").items
    assert Basket("ann", items=["x"]) == Basket("ann", ["x"])


def test_a_plain_subclass_inherits_the_initialiser() -> None:
    """It works whether or not an object of the dataclass was made before."""

    @dataclass(frozen=True, slots=True)
    class Base:
        x: int

    class Sub(Base):
        pass

    assert (Sub(1).x, Base(2).x, Sub(3).x) == (1, 2, 3)


def test_the_first_object_compiles_the_only_method() -> None:
    """Defining a frozen class compiles nothing, its first object `__init__` alone: so commands start quickly."""
    code = (
        "import dataclasses\n"
        "generated, create = [], dataclasses._create_fn\n"
        "dataclasses._create_fn = lambda name, *a, **k: generated.append(name) or create(name, *a, **k)\n"
        "from ftl.dataclass import dataclass\n"
        "@dataclass(frozen=True, slots=True)\n"
        "class A:\n    x: int\n"
        "print(*generated, 'defined')\n"
        "A(1), A(2)\n"
        "print(*generated)"
    )
    if not hasattr(dataclasses, "_create_fn"):
        pytest.skip("this Python generates methods in another way")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["defined", "__init__"]


def test_a_class_without_a_docstring_costs_no_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard decorator makes up a docstring, by parsing the signature of the class."""

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(inspect, "signature", refuse)

    @dataclass(frozen=True, slots=True)
    class Plain:
        x: int = 0

    assert Plain().x == 0
