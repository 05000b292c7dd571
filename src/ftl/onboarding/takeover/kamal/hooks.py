"""Kamal's hooks, which run on this machine: local hooks of the service that gets requests."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from ftl.onboarding.takeover.report import Verdict
from ftl.onboarding.yaml_text import literal

if TYPE_CHECKING:
    from ftl.onboarding.takeover.kamal.beside import KamalFiles
    from ftl.onboarding.takeover.kamal.conversion import KamalConversion

_TAKEN = {"pre-deploy": "pre", "post-deploy": "post"}

_LEFT_OUT = {
    "pre-connect": "FTL connects as ssh does: what must come before belongs into ~/.ssh/config, as `ProxyCommand`",
    "pre-build": "FTL builds this folder, and needs no pushed commit; `protected: true` refuses what is not committed",
    **dict.fromkeys(("pre-proxy-reboot", "post-proxy-reboot"), "FTL replaces its proxy without a gap"),
}
_NEEDS_YOU = {
    "docker-setup": "`ftl setup` installs Docker: run by hand on the server what the hook does beyond that",
}
_OTHER = "FTL has no such hook: write what it does as `hooks: {pre: {local: ...}}` or `post` of a service"

_VARIABLES = {
    "KAMAL_COMMAND": "deploy", "KAMAL_DESTINATION": '"$FTL_ENV"', "KAMAL_HOSTS": '"$FTL_SERVER"',
    "KAMAL_PERFORMER": '"$(git config user.email || whoami)"', "KAMAL_RECORDED_AT": '"$(date -u +%Y-%m-%dT%H:%M:%SZ)"',
    "KAMAL_ROLES": '"$FTL_SERVICE"', "KAMAL_SERVICE": '"$FTL_PROJECT"', "KAMAL_VERSION": '"$FTL_COMMIT"',
}  # fmt: skip
"""Variables of Kamal's hooks, by those of FTL's local ones."""


def convert_hooks(kamal: KamalConversion, beside: KamalFiles) -> None:
    """Run the hooks of a deploy as those of the first service with routes; tell of the others."""
    folder = beside.top / beside.hooks
    services = kamal.draft.services
    web = next((name for name, keys in services.items() if "routes" in keys), next(iter(services)))
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        name, row = path.name, f"{beside.hooks}/{path.name}"
        if name.endswith(".sample"):
            continue
        if own := _TAKEN.get(name):
            program = literal(shlex.quote(os.path.relpath(path, kamal.base.resolve())))
            given = " ".join(f"{variable}={value}" for variable, value in _VARIABLES.items())
            hooks = services[web].setdefault("hooks", {})
            assert isinstance(hooks, dict)
            hooks[own] = {"local": f"{given} {program if '/' in program else f'./{program}'}"}
            what = f"hooks.{own}.local of {web}, with Kamal's variables: it runs in each deploy that changes {web}"
            kamal.draft.report.add(row, Verdict.CHANGED, what)
        elif name in _LEFT_OUT:
            kamal.draft.report.add(row, Verdict.LEFT_OUT, _LEFT_OUT[name])
        else:
            kamal.draft.report.add(row, Verdict.NEEDS_YOU, _NEEDS_YOU.get(name, _OTHER))
            kamal.draft.note(web, f"{row}: {_NEEDS_YOU.get(name, _OTHER)}")
