"""Services of fly.toml: the port that gets requests, checks, and ports that are published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.common.json_fields import as_object, as_strs
from ftl.onboarding.names import project_name
from ftl.onboarding.takeover.draft import add_items
from ftl.onboarding.takeover.nodes import table_list
from ftl.onboarding.takeover.patience import seconds
from ftl.onboarding.takeover.report import UNKNOWN_KEY, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.onboarding.takeover.draft import Draft

_OF_SERVICE = {
    "force_https": (Verdict.CHANGED, "the proxy's: it redirects to HTTPS"),
    "auto_stop_machines": (Verdict.LEFT_OUT, "containers run all the time"),
    "auto_start_machines": (Verdict.LEFT_OUT, "containers run all the time"),
    "concurrency": (Verdict.LEFT_OUT, "all containers get requests, without a limit"),
    "min_machines_running": (Verdict.LEFT_OUT, "containers run all the time, one of each service"),
    "http_options": (Verdict.LEFT_OUT, "FTL's proxy decides"),
    "tls_options": (Verdict.LEFT_OUT, "FTL's proxy decides"),
    "proxy_proto_options": (Verdict.LEFT_OUT, "FTL's proxy says in X-Forwarded-For who the client is"),
    "machine_checks": (
        Verdict.NEEDS_YOU,
        "another container tests the new machine: let `health_check` do that, or a command of `hooks`",
    ),
    "script_checks": (Verdict.NEEDS_YOU, "write the command as `container.health_check`"),
}
"""Keys of a service that lead to no key of ftl.yaml."""

_OF_PORT = frozenset({"internal_port", "protocol", "processes", "ports"})
"""Keys that the row of the service itself is about."""

_CHECKS = ("checks", "http_checks", "tcp_checks")

_PROXY_PORTS = (80, 443)

_OF_CHECK = frozenset({"path", "type", "port", "interval", "timeout", "grace_period", "method", "protocol"})
"""Keys of a check that are taken over, or are FTL's default; intervals are FTL's, which asks each second."""

_EMPTY = "it is empty: Fly writes keys that are not used, too"

_MOST_PORTS = 100
"""Ports that are written one by one."""


def convert_services(
    draft: Draft, data: Mapping[str, object], processes: Mapping[str, str]
) -> dict[str, object]:
    """Give one port the proxy's requests, publish the others, and return the public service."""
    http = as_object(data.get("http_service"))
    services = {"http_service": http} if http else {}
    services |= {f"services[{number}]": item for number, item in enumerate(table_list(data.get("services")))}
    place = next((key for key, item in services.items() if item is http or _is_http(item)), "")
    public = services.get(place, {})
    named = public.get("processes")
    first = named[0] if isinstance(named, list) and named else None
    usual = "app" if "app" in processes else "web" if "web" in processes else next(iter(processes))
    web = draft.services[project_name(str(first if first in processes else usual))]
    if public:
        web |= {"port": public.get("internal_port") or 8080, "routes": [{"path": "/"}]}
        draft.report.changed(place, "port and routes")
    check = _checks(draft, data, public, place)
    if check and "port" in web:
        web["health_check"] = check
    for key, item in services.items():
        _report_keys(draft, key, item)
        if item is public:
            _public(draft, data, key, item, web)
    for key, item in services.items():
        if item is not public:
            _published(draft, key, item, web)
    return web


def _checks(
    draft: Draft, data: Mapping[str, object], public: Mapping[str, object], place: str
) -> dict[str, object]:
    """Report each check, and return the path of the first one that requests one, with the longest time to start."""
    found = ""
    graces: list[str] = []
    checks = [
        (f"{place}.{kind}[{number}]", item)
        for kind in _CHECKS
        for number, item in enumerate(table_list(public.get(kind)))
    ]
    checks += [
        (f"checks.{name}", item)
        for name, item in as_object(data.get("checks")).items()
        if isinstance(item, dict)
    ]
    for key, check in checks:
        path = check.get("path")
        if grace := _time(check.get("grace_period")):
            graces.append(grace)
            draft.report.changed(f"{key}.grace_period", "health_check.start_period")
        is_other = check.get("type", "http" if path else "tcp") != "http" or not path
        if is_other:
            draft.report.left_out(key, "a new container has to accept connections at its port anyway")
        elif found and path != found:
            todo = f"FTL has one check of a service, {found}: let that answer for {path}, too"
            draft.report.todo(key, todo)
        else:
            found = str(path)
            draft.report.changed(key, "health_check.path")
        for option in sorted(check.keys() - _OF_CHECK):
            _report_option(draft, f"{key}.{option}", option, check[option])
    times: dict[str, object] = (
        {"start_period": max(graces, key=lambda grace: seconds(grace) or 0)} if graces else {}
    )
    return {**({"path": found} if found else {}), **times}


def _report_option(draft: Draft, place: str, option: str, value: object) -> None:
    """Report a setting of a check that FTL's has not."""
    if _is_empty(value):
        draft.report.left_out(place, _EMPTY)
    elif option == "restart_limit":
        draft.report.left_out(
            place, "a container that ends is started again; one that does not answer is not"
        )
    else:
        draft.report.todo(place, "FTL's check sends a plain GET: see that it passes")


def _time(value: object) -> str:
    """A duration as ftl.yaml has it; a number is milliseconds."""
    written = f"{value}ms" if isinstance(value, int) else str(value or "")
    return written if seconds(written) else ""


def _report_keys(draft: Draft, place: str, service: Mapping[str, object]) -> None:
    """Report the keys of a service without its port and checks; and processes that share it, of which one gets it."""
    for key, value in service.items():
        if key in _OF_PORT or key in _CHECKS:
            continue
        verdict, what = _OF_SERVICE.get(key, (Verdict.NEEDS_YOU, UNKNOWN_KEY))
        if verdict is Verdict.NEEDS_YOU and _is_empty(value):
            verdict, what = Verdict.LEFT_OUT, _EMPTY
        elif key == "force_https" and not value:
            verdict, what = Verdict.LEFT_OUT, "FTL's proxy redirects to HTTPS, unless it has no TLS"
        draft.report.add(f"{place}.{key}", verdict, what)
    if len(as_strs(service.get("processes"))) > 1:
        todo = "the first alone has it here: write `port` and `routes`, or `forwards`, of the others"
        draft.report.todo(f"{place}.processes", todo)


def _is_empty(value: object) -> bool:
    """Whether a value says nothing: Fly writes keys that are not used, too."""
    return value in ([], {}, "", False, 0)


def _public(
    draft: Draft, data: Mapping[str, object], place: str, public: Mapping[str, object], web: dict[str, object]
) -> None:
    """Make several machines of the service with HTTP replicas where they share no volume; report its other ports."""
    key, number = f"{place}.min_machines_running", public.get("min_machines_running")
    if isinstance(number, int) and number > 1:
        if data.get("mounts") or data.get("mount"):
            draft.report.left_out(key, "one container at a time has the volume")
        else:
            web["replicas"] = number
            draft.report.changed(key, "replicas")
    if any(number not in _PROXY_PORTS for number in _port_numbers(public)):
        todo = "the proxy has 80 and 443: for other ports write `forwards`; TLS is the app's own there"
        draft.report.todo(f"{place}.ports", todo)


def _is_http(service: Mapping[str, object]) -> bool:
    may_be = "http" in _handlers(service) or not table_list(service.get("ports"))
    return may_be and service.get("protocol", "tcp") == "tcp"


def _handlers(service: Mapping[str, object]) -> list[str]:
    return [handler for port in table_list(service.get("ports")) for handler in as_strs(port.get("handlers"))]


def _published(draft: Draft, key: str, service: Mapping[str, object], web: dict[str, object]) -> None:
    """Ports of a service that is not for HTTP: `forwards` of its process; report its checks."""
    for kind in _CHECKS:
        for number, _ in enumerate(table_list(service.get(kind))):
            todo = "FTL checks `port` alone: for this one write a command as `container.health_check`"
            draft.report.todo(f"{key}.{kind}[{number}]", todo)
    inner, protocol = service.get("internal_port"), str(service.get("protocol", "tcp"))
    suffix = "" if protocol == "tcp" else f"/{protocol}"
    named = as_strs(service.get("processes"))
    keys = draft.services.get(project_name(named[0])) if named else None
    keys = web if keys is None else keys
    ports = _port_numbers(service)
    if len(ports) > _MOST_PORTS:
        todo = f"{len(ports)} ports: write those that are used as `forwards`"
        draft.report.todo(key, todo)
        return
    own = [f"{port}:{inner}{suffix}" for port in ports if port not in _PROXY_PORTS]
    if inner is None or not own:
        is_http = "http" in _handlers(service)
        todo = "write `port` and `routes` of its process" if is_http else "write its ports as `forwards`"
        draft.report.todo(key, todo)
        return
    if "replicas" in keys:
        todo = f"replicas cannot share the server's ports: write `forwards: [{', '.join(own)}]` or `replicas`"
        draft.report.todo(key, todo)
        return
    add_items(keys, "forwards", *own)
    has_tls = any("tls" in handler for handler in _handlers(service))
    todos = ["TLS of Fly's handlers is the app's own now"] if has_tls else []
    if len(own) < len(ports):
        todos.append("80 and 443 are the proxy's: give it other ports")
    verdict = Verdict.NEEDS_YOU if todos else Verdict.CHANGED
    draft.report.add(key, verdict, "; ".join(("forwards", *todos)))


def _port_numbers(service: Mapping[str, object]) -> list[int]:
    return [number for port in table_list(service.get("ports")) for number in _numbers(port)]


def _numbers(port: Mapping[str, object]) -> list[int]:
    """The ports of one entry: one, or a range, all of which lead to the internal port."""
    first, last, single = port.get("start_port"), port.get("end_port"), port.get("port")
    if isinstance(first, int) and isinstance(last, int):
        return list(range(first, last + 1))
    return [single] if isinstance(single, int) else []
