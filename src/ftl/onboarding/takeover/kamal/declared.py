"""Secrets of Kamal that ftl.yaml declares: computed values, and those without a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.onboarding.takeover.draft import text_of
from ftl.onboarding.takeover.nodes import entries, items, text
from ftl.onboarding.takeover.report import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ftl.onboarding.takeover.draft import Draft
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion
    from ftl.onboarding.takeover.kamal.files import ComputedValue


def secrets_of(draft: Draft) -> dict[str, object]:
    """The secrets that the draft declares so far."""
    secrets = draft.top.get("secrets")
    return secrets if isinstance(secrets, dict) else {}


def declare_computed(draft: Draft, computed: Sequence[ComputedValue], variables: Mapping[str, str]) -> None:
    """Declare values that are not set as secrets, which a deploy fetches."""
    written = text_of(draft)
    sources = {
        value.name: value.source
        for value in computed
        if value.name not in variables and f"${{{value.name}}}" in written
    }
    if sources:
        draft.top["secrets"] = {**secrets_of(draft), **sources}


def declare_asked(kamal: KamalConversion, elsewhere: frozenset[str]) -> None:
    """Declare secrets that nothing has: the file is valid, and a deploy refuses for now."""
    sources = {name: {"env": name} for name in kamal.asked}
    if sources:
        kamal.draft.top["secrets"] = {**secrets_of(kamal.draft), **sources}
    for name in kamal.asked.keys() & elsewhere:
        what = "each destination's file has its source; ftl.yaml alone, which Kamal does not deploy, takes it from .env"
        kamal.add(f"${{{name}}}", Verdict.CHANGED, what)
    for name in kamal.asked.keys() - kamal.sourced - kamal.texts.unset.keys():
        todo = "it is not set here, and no deploy starts without it: set it in .env or the environment"
        kamal.add(f"${{{name}}}", Verdict.NEEDS_YOU, todo)


def leave_registry_secrets(kamal: KamalConversion) -> None:
    """Declare no secret that only logs in to the registry, which FTL does not need."""
    registry = entries(kamal.root.get("registry"))
    names = {text(item) for key in ("username", "password") for item in items(registry.get(key))}
    written = text_of(kamal.draft)
    for name in names & secrets_of(kamal.draft).keys():
        if f"${{{name}}}" not in written and f"- {name}\n" not in written:
            kamal.draft.top["secrets"] = {
                other: source for other, source in secrets_of(kamal.draft).items() if other != name
            }
