"""Rules of Traefik's routers as hosts and paths; any other rule is refused. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TOKEN = re.compile(r"\s*(?:(&&|\|\||!|\(|\))|([A-Za-z]+)\s*\(((?:`[^`]*`|\"[^\"]*\"|'[^']*'|[^`\"')])*)\))")
_QUOTED = re.compile(r"`([^`]*)`|\"([^\"]*)\"|'([^']*)'")
_MOST_CASES = 50


@dataclass(frozen=True, slots=True)
class RouterRule:
    """The meaning of a rule.

    Attributes:
        routes: Hosts with paths.
        hosts: All hosts in it, also where the rule cannot be taken over.
        refused: What of it FTL's proxy cannot do; then there are no routes.
    """

    routes: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ()
    refused: str = ""


class _RefusedRuleError(Exception):
    """A part of a rule that is no host and no path."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One of the ways in which a request can fit: each set is None where any value fits."""

    hosts: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None

    def together(self, other: _Case) -> _Case:
        """A request that fits both.

        Raises:
            _RefusedRuleError: Both name hosts, or paths.
        """
        if (self.hosts and other.hosts) or (self.paths and other.paths):
            raise _RefusedRuleError("two hosts or paths at once")
        return _Case(self.hosts or other.hosts, self.paths or other.paths)


def parse_rule(rule: str) -> RouterRule:
    """Read a rule: hosts and prefixes of paths, joined by `&&` and `||`."""
    hosts = tuple(
        host.strip()
        for group in re.findall(r"\bHost\(([^)]*)\)", rule)
        for quoted in _QUOTED.finditer(group)
        for host in [next((part for part in quoted.groups() if part), "")]
        if host.strip()
    )
    try:
        cases = _Parser(rule).whole()
    except _RefusedRuleError as error:
        return RouterRule((), hosts, str(error))
    routes = [(host, path) for case in cases for host in case.hosts or () for path in case.paths or ("/",)]
    if any(not case.hosts for case in cases):
        return RouterRule((), hosts, "a path at any host" if hosts else "no host")
    return RouterRule(tuple(dict.fromkeys(routes)), hosts)


class _Parser:
    """Parses a rule; `&&` binds more closely than `||`."""

    def __init__(self, rule: str) -> None:
        self._tokens = list(_tokens(rule))
        self._at = 0

    def whole(self) -> list[_Case]:
        """All cases of the rule."""
        cases = self._either()
        if self._at < len(self._tokens):
            raise _RefusedRuleError("a form that is not known here")
        return cases

    def _take(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False

    def _either(self) -> list[_Case]:
        cases = self._both()
        while self._take("||"):
            cases += self._both()
        return cases

    def _both(self) -> list[_Case]:
        cases = self._one()
        while self._take("&&"):
            others = self._one()
            if len(cases) * len(others) > _MOST_CASES:
                raise _RefusedRuleError("too many cases")
            cases = [case.together(other) for case in cases for other in others]
        return cases

    def _one(self) -> list[_Case]:
        if self._take("!"):
            raise _RefusedRuleError("`!`")
        if self._take("("):
            cases = self._either()
            if not self._take(")"):
                raise _RefusedRuleError("a form that is not known here")
            return cases
        token = self._tokens[self._at] if self._at < len(self._tokens) else ""
        self._at += 1
        if isinstance(token, str):
            raise _RefusedRuleError("a form that is not known here")
        name, values = token
        if name not in ("host", "pathprefix"):
            raise _RefusedRuleError(f"`{_SHOWN.get(name, name)}`")
        if not values or not all(values):
            raise _RefusedRuleError("a variable that is not set")
        return [_Case(hosts=values) if name == "host" else _Case(paths=values)]


_SHOWN = {
    "path": "Path", "hostregexp": "HostRegexp", "header": "Header", "headers": "Headers", "method": "Method",
    "headerregexp": "HeaderRegexp", "headersregexp": "HeadersRegexp", "query": "Query", "clientip": "ClientIP",
    "pathregexp": "PathRegexp", "queryregexp": "QueryRegexp",
}  # fmt: skip


def _tokens(rule: str) -> Iterator[str | tuple[str, tuple[str, ...]]]:
    at = 0
    while at < len(rule.rstrip()):
        match = _TOKEN.match(rule, at)
        if match is None:
            raise _RefusedRuleError("a form that is not known here")
        at = match.end()
        if match[1]:
            yield match[1]
            continue
        values = tuple(
            part.strip()
            for quoted in _QUOTED.finditer(match[3])
            for part in [next((part for part in quoted.groups() if part is not None), "")]
        )
        yield (match[2].lower(), values)


_ROUTER = re.compile(r"traefik\.http\.routers\.[^.]+\.(priority|rulesyntax)", re.IGNORECASE)
_BALANCER = re.compile(r"traefik\.http\.services\.[^.]+\.loadbalancer\.(.+)", re.IGNORECASE)
_OTHER_PROTOCOL = re.compile(r"traefik\.(tcp|udp)\.", re.IGNORECASE)


def untaken(labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Labels of Traefik that routes have no equivalent of: a short name, and the advice."""
    for name, value in labels.items():
        balancer = _BALANCER.fullmatch(name)
        option = balancer[1].lower() if balancer else ""
        if other := _OTHER_PROTOCOL.match(name):
            yield other[1].lower(), "FTL's proxy has HTTP alone: publish the port with `forwards`"
        elif _ROUTER.fullmatch(name) and name.lower().endswith("priority"):
            yield (
                "priority",
                "FTL's proxy takes the longest path first: see that each request has the same route",
            )
        elif option == "server.scheme" and value.lower() != "http":
            todo = (
                "FTL's proxy speaks plain HTTP with containers (`protocol: h2c` for gRPC): let the app do so"
            )
            yield "scheme", todo
        elif option.startswith("sticky") and value.lower() != "false":
            yield "sticky", "FTL's proxy has none: each replica gets any request"
        elif option.startswith("healthcheck.") and option not in _OF_CHECK:
            yield option, "FTL's check is a GET at the service's port that a 2xx passes: see that it does"


_OF_CHECK = ("healthcheck.path", "healthcheck.interval", "healthcheck.timeout")


_MIDDLEWARES = re.compile(r"traefik\.http\.routers\.([^.]+)\.middlewares", re.IGNORECASE)
_CHAIN = re.compile(r"traefik\.http\.middlewares\.([^.]+)\.chain\.middlewares", re.IGNORECASE)
_STRIPPED = re.compile(
    r"traefik\.http\.middlewares\.([^.]+)\.stripprefix\.prefixes(?:\[\d+\])?", re.IGNORECASE
)


def stripped_prefixes(labels: Mapping[str, str]) -> dict[str, set[str]]:
    """Router -> prefixes that its middlewares take away, also those in chains."""
    used: dict[str, list[str]] = {}
    chains: dict[str, list[str]] = {}
    prefixes: dict[str, set[str]] = {}
    for name, value in labels.items():
        parts = [part.strip() for part in value.split(",") if part.strip()]
        if match := _MIDDLEWARES.fullmatch(name):
            used[match[1].lower()] = [part.partition("@")[0].lower() for part in parts]
        elif match := _CHAIN.fullmatch(name):
            chains[match[1].lower()] = [part.partition("@")[0].lower() for part in parts]
        elif match := _STRIPPED.fullmatch(name):
            prefixes.setdefault(match[1].lower(), set()).update(part.rstrip("/") or "/" for part in parts)
    found: dict[str, set[str]] = {}
    for router, names in used.items():
        inner = [*names, *(each for name in names for each in chains.get(name, ()))]
        found[router] = {prefix for name in inner for prefix in prefixes.get(name, ())}
    return found
