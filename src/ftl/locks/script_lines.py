"""Lines that the scripts of a lock read and print: who has it, and who keeps it alone."""

from __future__ import annotations

from ftl.dataclass import dataclass

SHOWN = 160
"""Characters of a holder's name, or of the server's reason, that are shown."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Holder of a lock.

    Attributes:
        goes_on: It is a script of the server, whose FTL is gone.
    """

    name: str
    goes_on: bool = False

    @property
    def state(self) -> str:
        """Words that say so, after the name of the project."""
        return f"is still being changed by {self.name}" if self.goes_on else f"has been locked by {self.name}"


@dataclass(frozen=True, slots=True)
class ScriptLock:
    """First lines of the input of a script of the server that keeps a lock.

    Attributes:
        key: That of the deploy lock, which we have; empty: the script keeps none.
        holder: Its name for others who want the lock.
    """

    key: str = ""
    holder: str = ""

    @property
    def lines(self) -> bytes:
        """The first lines of its input: every local user can read the arguments of a process."""
        return f"{self.key}\n{shown(self.holder)}\n".encode()


NO_LOCK = ScriptLock()


@dataclass(frozen=True, slots=True)
class LockAnswer:
    """The lock script's answer.

    "mine", "free", "held HOLDER", "goes-on HOLDER", "foreign FILE DESCRIPTION" or "failed REASON".
    """

    word: str
    text: str

    @classmethod
    def parse(cls, line: bytes) -> LockAnswer:
        """Read the script's first line."""
        word, _, text = line.decode("utf-8", "replace").strip().partition(" ")
        return cls(word, shown(text))

    @property
    def holder(self) -> Holder | None:
        """The holder, where it names one."""
        if self.word not in ("held", "goes-on"):
            return None
        return Holder(self.text or "someone", goes_on=self.word == "goes-on")


def shown(text: str) -> str:
    """One bounded line without control characters.

    A server's users write it, and others' terminals show it.
    """
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return words if len(words) <= SHOWN else f"{words[: SHOWN - 3]}..."
