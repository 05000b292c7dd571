"""Frozen dataclasses that are cheap to define: one generated method each, in place of six.

A command defines more than a hundred of them before it does anything. The standard decorator compiles six methods for
each frozen one, which took a quarter of the processor time of `ftl status`. Here only `__init__` is compiled, when the
first object of the class is made, and all classes share the others.
"""

from __future__ import annotations

import dataclasses
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from collections.abc import Callable

    # Type checkers see the standard decorator: this one differs in no way that they know of.
    from dataclasses import dataclass
else:

    def dataclass(
        *, frozen: bool = False, slots: bool = False, eq: bool = True, kw_only: bool = False
    ) -> Callable[[type], type]:
        """Do what `dataclasses.dataclass` does, for less where `frozen` and `slots`.

        An object is frozen once its fields have values: `__init__` sets them by plain assignments. `field(hash=...)`
        is ignored.
        """
        if not (frozen and slots):
            return dataclasses.dataclass(frozen=frozen, slots=slots, eq=eq, kw_only=kw_only)

        def define(plain: type) -> type:
            # Without one, the decorator makes up the signature, by inspect: 3 ms for the first class.
            plain.__doc__ = plain.__doc__ or plain.__name__
            namespace = dict(
                plain.__dict__
            )  # from the class itself the decorator takes default factories out
            made = dataclasses.dataclass(slots=True, init=False, eq=False, repr=False, kw_only=kw_only)(plain)
            for name, method in (_SHARED | _BY_VALUE if eq else _SHARED).items():
                if name not in namespace:
                    setattr(made, name, method)
            if "__init__" not in namespace:
                made.__init__ = _compiled_at_first_use(made, plain, namespace, kw_only=kw_only)
            return made

        return define


def _compiled_at_first_use(
    made: Any, plain: type, namespace: dict[str, Any], *, kw_only: bool
) -> Callable[..., None]:
    """An `__init__` that puts the standard decorator's in its place: compiling that takes 130 of 180 microseconds.

    Args:
        made: The dataclass.
        plain: The class that was decorated.
        namespace: Its attributes before that.
        kw_only: As for the decorator.
    """

    def compile_and_call(self: object, *args: Any, **values: Any) -> None:
        if made.__init__ is compile_and_call:
            copied = {
                name: each for name, each in namespace.items() if name not in ("__dict__", "__weakref__")
            }
            twin: Any = type(plain.__name__, plain.__bases__, copied)
            twin.__qualname__ = plain.__qualname__  # for messages about wrong arguments
            made.__init__ = dataclasses.dataclass(eq=False, repr=False, kw_only=kw_only)(twin).__init__
        made.__init__(self, *args, **values)

    return compile_and_call


def _set_once(self: object, name: str, value: object) -> None:
    """Set a field that has no value yet, as `__init__` does."""
    if hasattr(self, name):
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _never_delete(_self: object, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _describe(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in dataclasses.fields(self) if each.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _equal(self: Any, other: Any) -> object:
    if type(other) is not type(self):
        return NotImplemented
    kind: Any = type(self)
    values = _compared(kind)
    return values(self) == values(other)


def _hash(self: Any) -> int:
    kind: Any = type(self)
    return hash(_compared(kind)(self))


@cache
def _compared(kind: Any) -> Callable[[object], object]:
    """The function that takes the values of the fields by which two objects are compared."""
    names = [each.name for each in dataclasses.fields(kind) if each.compare]
    return attrgetter(*names) if names else lambda _: ()


_SHARED = {"__setattr__": _set_once, "__delattr__": _never_delete, "__repr__": _describe}
_BY_VALUE = {"__eq__": _equal, "__hash__": _hash}
