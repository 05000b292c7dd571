"""Health checks by the routes in the code: one that looks like a check, else the start page.

A path counts only where it is that of a route: `searchParams.get("status")` is none. One that a router's prefix may
come before, or that may redirect to a login, is not sure: the check is of the port then, with the path in a comment.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.app import FoundHealthCheck

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.onboarding.folder import AppFolder

_CHECKS = (
    r"_?healthz?(?:/(?:live|ready|check)(?:ness|z)?)?|up|livez|readyz|liveness|readiness|ping|_health|health[_-]?check"
    r"|status|(?:__)?heartbeat(?:__)?"
)
_BEFORE_CHECKS = r"(?:(?:api|internal|v\d+)/){0,2}"
_QUOTE = "[\"'`]"
_DECORATED = (
    r"@(?:(?P<on>[\w.]+)\.)?(?:get|route|api_route|Get|All|Controller|GetMapping|RequestMapping)"
    rf"\(\s*(?:(?:path|value)\s*=\s*)?\{{?\s*{_QUOTE}(?P<path>PATH){_QUOTE}"
)
_CALLED = (
    r"(?:^|[;{}\[(),=]|\breturn\b|\bawait\b)[ \t]*(?:(?P<on>[\w$.]+)\.|\.|new )?(?P<call>get|all|route|any|use"
    r"|GET|Get|Any|Handle|HandleFunc|Route|add_url_rule|add_api_route|add_route|add_get)"
    rf"\(\s*{_QUOTE}(?:GET )?(?P<path>/PATH){_QUOTE}\s*(?:,|\)\s*\.\s*(?:get|all)\b)"
)
_OF_NODE = (
    _DECORATED,
    _CALLED,
    rf"(?P<on>\w+)\.route\(\s*\{{[^{{}}]*?\b(?:url|path)\s*:\s*{_QUOTE}(?P<path>/PATH){_QUOTE}",
    rf"\b(?:(?P<on>req(?:uest)?)\.url|(?<!location\.)pathname)\s*===?\s*{_QUOTE}(?P<path>/PATH){_QUOTE}",
)
_OF_JAVA = (_DECORATED,)
_PATTERNS = {
    "py": (
        _DECORATED,
        _CALLED,
        rf"\b(?:path|re_path|url)\(\s*r?{_QUOTE}\^?(?P<path>PATH)\$?{_QUOTE}\s*,",
        rf"\bself\.path\s*==\s*{_QUOTE}(?P<path>/PATH){_QUOTE}",
    ),
    **dict.fromkeys(("js", "mjs", "cjs", "ts"), _OF_NODE),
    "go": (_CALLED, rf"\bURL\.Path\s*==\s*{_QUOTE}(?P<path>/PATH){_QUOTE}"),
    "rb": (rf"^[ ]{{0,2}}get[ (]\s*{_QUOTE}(?P<path>PATH){_QUOTE}",),
    "php": (rf"\bRoute::(?:get|view|any)\(\s*{_QUOTE}(?P<path>PATH){_QUOTE}\s*,",),
    "java": _OF_JAVA,
    "kt": _OF_JAVA,
}
"""Ending of a source -> routes: decorators and tables take a name alone, calls want the slash and a handler."""


_Patterns = dict[str, tuple[re.Pattern[str], ...]]


def _compiled(path: str, *, slash: str) -> _Patterns:
    return {
        ending: tuple(
            re.compile(each.replace("/PATH", f"/{path}").replace("PATH", f"{slash}{path}"), re.MULTILINE)
            for each in patterns
        )
        for ending, patterns in _PATTERNS.items()
    }


_HEALTH = _compiled(rf"{_BEFORE_CHECKS}(?:{_CHECKS})/?", slash="/?")
_START = {
    ending: patterns
    for ending, patterns in _compiled("", slash="/").items()
    if ending in ("py", "go", "js", "mjs", "cjs", "ts")
}

_OF_CLIENTS = "axios client fetch got http https httpx ky request requests session $http"
_CLIENTS = frozenset(_OF_CLIENTS.split())
"""Receivers whose `get` is a request."""

_OF_APP = re.compile(r"(?:app|application|routers?|routes|server|fastify|mux|hono|elysia)$", re.IGNORECASE)
"""Receivers whose `get` is a route also where its value is used."""

_APPS = frozenset({"app", "application", "server", "fastify", "http", "mux", "web", "req", "request"})
"""Receivers that are the app itself: no router's prefix comes before its routes."""

_INNER = r"(?:[^()]|\([^()]*\))*?"
_PREFIXES = re.compile(
    rf"\b(?:include_router|APIRouter|Blueprint|register_blueprint)\({_INNER}\b(?:url_)?prefix\s*="
    rf"|\b(?:register|Router|Elysia)\({_INNER}\bprefix\s*:"
    rf"|\.(?:use|mount|Mount|Group|group|PathPrefix|Route|prefix)\(\s*{_QUOTE}/[\w-]"
    r"|\bRoute::prefix\(|^\s*(?:scope|namespace)\b",
    re.MULTILINE,
)
"""Routers below a path."""

_PREFIX_OF_ALL = re.compile(
    rf"\bsetGlobalPrefix\(|\.basePath\(|\bi18n_patterns\(|\.route\(\s*{_QUOTE}/[\w-][^\"'`]*{_QUOTE}\s*,\s*\w+\s*\)"
    r"|^server\.servlet\.context-path|^\s*context-path:|^spring\.mvc\.servlet\.path",
    re.MULTILINE,
)
"""A path before all routes, wherever they are written."""

_GUARDED = re.compile(
    r"login|\bauth(?!or)|[a-z]Auth(?!or)|_auth\b|authenticat|authoriz|protect|permission|guard|redirect|current_user"
    r"|signed_?in|require(?:d|_user|_role|_admin|User|Role|Admin)",
    re.IGNORECASE,
)
_GUARDED_APP = re.compile(
    r"\.use\(\s*(?!\w*[rR]out)\w*(?:[aA]uth|[pP]rotect|[lL]ogin)\w*\s*[,)(]|\bLoginRequiredMiddleware\b|\bAPP_GUARD\b"
)
_OF_START = re.compile(r"(?:^|/)(?:index|home|main|root|pages?)\.\w+$")
"""Files of the start page's handler, where a separate router has it."""

_REDIRECTS = re.compile(r"\b(?:redirect|permanentRedirect|navigateTo|sendRedirect)\(|\bredirect\s*:")
_OF_PAGES = re.compile(
    r"(?:src/)?(?:hooks\.server|middleware(?:/[\w-]+\.global)?|server/middleware/[\w.-]+|app/root|app/routes/_index"
    r"|app/(?:\([^/]+\)/)*page|routes/\+(?:page|layout)\.server|pages/index)\.(?:[jt]sx?|vue)"
)
"""Files of frameworks in Node that may redirect the start page."""

_OF_ALL_PAGES = re.compile(r"(?:src/)?(?:middleware|proxy)\.[jt]s")
_LEADS_ELSEWHERE = re.compile(r"redirect|intl|i18n|locale|clerk|auth", re.IGNORECASE)
"""Words of a file that comes before all pages, where `/` leads elsewhere."""

_BEFORE_ALL = re.compile(r"before_request|before_action")
_LONGEST_LINE = 300
_HANDLER = 400
"""Characters of a handler that are looked at."""

_VERBS = "get|post|put|patch|delete|all|any|route|head|options|handle|handlefunc|mount|add_get|add_post"
_ENDS = (
    r"\n[ \t]*\n|;[ \t]*\S|\n[ \t]*@(?=[\w.]+\.(?:get|post|route)\()"
    rf"|(?:\n[ \t]*[\w$.]*|\))\.(?i:{_VERBS})\(\s*{_QUOTE}(?:[A-Z]+ )?/"
    r"|\n[ \t]*(?:(?:const |let |var )?\w+\s*:?=\s*)?[\w$.]+\.(?:[uU]se|With|[gG]roup)\("
)
"""The end of a handler at the latest: a blank line, another statement or the next route."""


def found_health(folder: AppFolder, *, start_page: bool = False) -> FoundHealthCheck:
    """Find a route that looks like a health check, else `/` if the code or the stack has it."""
    unsure: FoundHealthCheck | None = None
    for name, text, match in _routes(folder, _HEALTH):
        path = "/" + match["path"].removeprefix("/")
        doubt = _prefixed(folder, name, text, match) or _guarded(text, match)
        if not doubt:
            return FoundHealthCheck(path, f"a route in {name}")
        unsure = unsure or FoundHealthCheck(None, f"{path} of {name} is not sure, {doubt}", maybe=path)
    if unsure is not None:
        return unsure
    return rendered_start(folder) if start_page else _start_page(folder)


def rendered_start(folder: AppFolder, top: str = "") -> FoundHealthCheck:
    """The start page of a framework that renders pages, unless a file of it leads elsewhere."""
    path, doubt = top or "/", ""
    for name, text in folder.sources.items():
        is_before = _OF_ALL_PAGES.fullmatch(name) and _LEADS_ELSEWHERE.search(text)
        if is_before or (_OF_PAGES.fullmatch(name) and _REDIRECTS.search(text)):
            doubt = f"since {name} may redirect it"
            break
    if "@nuxtjs/i18n" in folder.read("package.json"):
        doubt = "since @nuxtjs/i18n may redirect it to a language"
    if doubt:
        return FoundHealthCheck(None, f"the start page is not sure, {doubt}", maybe=path)
    return FoundHealthCheck(path, "the start page")


def _start_page(folder: AppFolder) -> FoundHealthCheck:
    """The route `/`, unless it may lead to a login."""
    found = list(_routes(folder, _START))
    if not found:
        return FoundHealthCheck(None, "no route of the code looks like a health check")
    file = found[0][0]
    doubts = [_prefixed(folder, name, text, match) for name, text, match in found]
    if "" in doubts:
        file = found[doubts.index("")][0]
        doubts = [
            _guarded(text, match)
            for (name, text, match), prefixed in zip(found, doubts, strict=True)
            if not prefixed or _OF_START.search(name)
        ]
        doubts.append(_guards_all(folder))
    doubt = next(filter(None, doubts), "")
    if doubt:
        return FoundHealthCheck(None, f"/ of {file} is not sure, {doubt}", maybe="/")
    return FoundHealthCheck("/", f"the route / in {file}")


def redirects(text: str) -> bool:
    """Whether code may answer with a redirect, or demand a login."""
    return _GUARDED.search(text) is not None


def _routes(folder: AppFolder, patterns: _Patterns) -> Iterator[tuple[str, str, re.Match[str]]]:
    """Routes of the code, with their files and those files' texts."""
    for name, text in folder.sources.items():
        for pattern in patterns.get(name.rpartition(".")[2], ()):
            for match in pattern.finditer(text):
                if not _is_request(text, match) and len(_line(text, match)) < _LONGEST_LINE:
                    yield name, text, match


def _is_request(text: str, match: re.Match[str]) -> bool:
    """Whether a call asks another server: by the object that it is called on, also in a chain on one line."""
    if match.groupdict().get("call") not in ("get", "all"):
        return False
    receiver = _receiver(match)
    if match[0].startswith(("=", "return", "await")):
        return _OF_APP.search(receiver) is None
    if receiver or not match[0].startswith(")"):
        return receiver in _CLIENTS
    before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    return not _CLIENTS.isdisjoint(re.findall(r"[\w$]+", before))


def _receiver(match: re.Match[str]) -> str:
    """The last part of the object on which a route is defined; empty if there is none."""
    return (match.groupdict().get("on") or "").rpartition(".")[2]


def _line(text: str, match: re.Match[str]) -> str:
    return text[text.rfind("\n", 0, match.start()) + 1 : (text.find("\n", match.end()) + 1) or len(text)]


def _prefixed(folder: AppFolder, name: str, text: str, match: re.Match[str]) -> str:
    """The reason why a path may have another one before it; empty if it has none."""
    if match.groupdict().get("call") == "use" and match["path"] != "/":
        return "since it is where a router begins"
    if place := folder.search(_PREFIX_OF_ALL.pattern):
        return f"since {place[0]} puts a path before it"
    if name.endswith(".py") and match[0].startswith(("path", "re_path", "url")):
        return _included(folder, name)
    if match[0].startswith("@") and not match.groupdict().get("on"):
        return _of_class(text, match)
    if _receiver(match) not in _APPS and (place := folder.search(_PREFIXES.pattern)):
        return f"since {place[0]} puts routers below a path"
    return ""


def _included(folder: AppFolder, name: str) -> str:
    """The reason why a route of Django's may be below another path: it is not in the first module."""
    root = folder.search(rf"^ROOT_URLCONF\s*=\s*{_QUOTE}([\w.]+)")
    module = name.removesuffix(".py").replace("/", ".")
    if root is None or f".{module}".endswith(f".{root[1][1]}"):
        return ""
    included = folder.search(
        rf"{_QUOTE}\^?([^\"'`]*){_QUOTE}\s*,\s*include\(\s*\(?\s*{_QUOTE}{re.escape(module)}{_QUOTE}"
    )
    if included is not None and not included[1][1]:
        return ""
    return f"since {root[1][1]} may include it below a path"


def _of_class(text: str, match: re.Match[str]) -> str:
    """The reason why the path of an annotation is a part: a class and its methods have one each."""
    if match[0].startswith("@Controller"):
        methods = text[match.end() :].partition("@Controller")[0]
        return "" if re.search(r"@Get\(\s*\)", methods) else "since its methods have paths"
    classes = list(re.finditer(r"@(?:Controller|RequestMapping)\(\s*([^)\s]?)", text[: match.start()]))
    return "since its class has a path" if classes and classes[-1][1] else ""


def _guarded(text: str, match: re.Match[str]) -> str:
    """The reason why a route may not answer with 2xx: it wants a login, or redirects."""
    begin = text.rfind("\n", 0, match.start()) + 1
    while begin and text[:begin].rstrip().rpartition("\n")[2].lstrip().startswith("@"):
        begin = text.rfind("\n", 0, begin - 1) + 1
    indentation = re.match(r"[ \t]*", _line(text, match))
    closed = rf"\n(?:{indentation[0] if indentation else ''})?\}}"
    rest = text[match.end() : match.end() + _HANDLER]
    handler = re.split(rf"{_ENDS}|{closed}", rest, maxsplit=1)[0]
    first = handler.partition("\n")[0]
    if match[0][:1] != "@" and re.search(r"\)\s*[;,]?\s*$", first):
        handler = first  # the whole call is on one line
    return (
        "since it may redirect, or want a login" if redirects(text[begin : match.start()] + handler) else ""
    )


def _guards_all(folder: AppFolder) -> str:
    """The reason why no route may answer without a login."""
    for name, text in folder.sources.items():
        if _GUARDED_APP.search(text):
            return f"since {name} may want a login for all pages"
        hook = _BEFORE_ALL.search(text)
        if hook and redirects(text[hook.end() : hook.end() + _HANDLER]):
            return f"since {name} may want a login for all pages"
    return ""
