"""Errors with hints, made from the messages that ssh prints when it fails.

The texts are OpenSSH's own (seen on 9.2, unchanged for many versions); it has one exit status, 255, for all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ftl.common.next_step import ftl, ftl_again
from ftl.config.values.addresses import is_example
from ftl.dataclass import dataclass
from ftl.errors import HostKeyChanged, LoginRefused, ServerError

if TYPE_CHECKING:
    from ftl.ssh.target import Resolved, Target


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to connect: the target, and the same with ssh's configuration applied."""

    target: Target
    resolved: Resolved

    @property
    def name(self) -> str:
        """The server as the user wrote it."""
        return self.target.host

    @property
    def login(self) -> str:
        """`user@host` for a command the user can type."""
        port = "" if self.resolved.port == "22" else f"-p {self.resolved.port} "
        return f"{port}{self.resolved.user}@{self.target.address}"


SESSION_REFUSED = "Session open refused by peer"
"""In ssh's message when the server allows no further session on a connection."""

Explained = tuple[str, str | None]  # the message and the hint
_Explain = Callable[["Attempt", "re.Match[str]"], Explained]


def _says(message: str, hint: str) -> _Explain:
    """_Explain by two templates; `{key}` is the file that ssh names."""

    def explain(attempt: Attempt, found: re.Match[str]) -> Explained:
        key = found[1] if found.re.groups else ""
        values = {"name": attempt.name, "port": attempt.resolved.port, "login": attempt.login, "key": key}
        return message.format(**values), hint.format(**values)

    return explain


def _unknown_name(attempt: Attempt, _found: re.Match[str]) -> Explained:
    looked_up = attempt.resolved.hostname or attempt.name
    also = "" if looked_up == attempt.name else f" (which ~/.ssh/config makes {looked_up})"
    hint = "check `server.host`, the name's DNS record, or the Host in ~/.ssh/config"
    if is_example(looked_up):
        how = "write your domain in ftl.yaml, or the server as `server.host`"
        hint = f"{looked_up} is a placeholder: {how}; {ftl_again('--server sandbox')} needs neither"
    return f"there is no host named {attempt.name}{also}", hint


def _open_to_all(_attempt: Attempt, match: re.Match[str]) -> Explained:
    if Path(match[1]).is_dir():  # what ssh asks for would lock the user out of that folder
        return f"the SSH key {match[1]} is a folder", "name the private key in it in `server.ssh_key`"
    return f"ssh does not use the key {match[1]}: others can read it", f"`chmod 600 {match[1]}`"


def _denied(attempt: Attempt, _found: re.Match[str]) -> Explained:
    user = attempt.resolved.user
    return f"{attempt.name} does not let {user} in", f"{_offered(attempt)}; `ssh {attempt.login}` must work"


def _offered(attempt: Attempt) -> str:
    if attempt.target.key is not None:
        return f"only the key {attempt.target.key} was offered"
    keys = [key for key in attempt.resolved.keys if Path(key).expanduser().is_file()]
    agent = "the agent's keys" if os.environ.get("SSH_AUTH_SOCK") else ""
    offered = ", ".join([*keys, *([agent] if agent else [])])
    return f"offered: {offered}" if offered else "no key was found in ~/.ssh and no agent runs"


_refused = _says(
    "{name} refuses connections on port {port}",
    "is its SSH server running, and is that its port (`server.port`)?",
)
_silent = _says(
    "{name} does not answer on port {port}",
    "is the machine up, is the address right, and does a firewall let SSH through?",
)
_unreachable = _says("there is no way to {name}", "check this machine's network, a VPN, and the address")
_too_many_keys = _says(
    "{name} gave up before the right key was tried",
    "the agent offers too many: name the right one in `server.ssh_key`",
)
_no_key = _says("the SSH key {key} cannot be read", "check `server.ssh_key`")
_broken_key = _says("the SSH key {key} cannot be used", "is it a complete private key?")
_unknown_key = _says(
    "the host key of {name} is not known, and ~/.ssh/config lets only known ones pass",
    "compare its fingerprint and accept it: `ssh {login}`",
)
_busy = _says(
    "{name} allows no further session on this connection",
    "raise `MaxSessions` in its /etc/ssh/sshd_config (10 is the usual value)",
)
_hung_up = _says(
    "{name} closed the connection before anybody could log in",
    "its SSH server may be starting, overloaded (MaxStartups), or banning this address (fail2ban)",
)
_no_common = _says(
    "this ssh and the one on {name} have no algorithm in common", "update the older of the two"
)
_configuration = _says(
    "ssh does not accept its configuration", "correct ~/.ssh/config; FTL needs OpenSSH 7.6 or newer"
)

# Searched in this order: ssh often prints several of these, the real cause before its consequences.
_TABLE: tuple[tuple[str, _Explain], ...] = (
    (r"Bad owner or permissions on|[Bb]ad configuration option|unsupported option", _configuration),
    (r"Could not resolve hostname|Name or service not known|nodename nor servname", _unknown_name),
    (r"key is known for .* and you have requested strict checking", _unknown_key),
    (r"Host key verification failed", _unknown_key),
    (r"Too many authentication failures", _too_many_keys),
    (r"Identity file (.+?) not accessible", _no_key),
    (r"Permissions \d+ for '(.+?)' are too open", _open_to_all),
    (r'Load key "(.+?)": (?!.*(?:incorrect passphrase))', _broken_key),
    (r"Permission denied", _denied),
    (SESSION_REFUSED, _busy),
    (r"no matching .* found", _no_common),
    (r"Connection refused", _refused),
    (r"timed out|Connection to .* port \d+ timed out", _silent),
    (r"No route to host|Network is (?:unreachable|down)|Host is down", _unreachable),
    (r"kex_exchange_identification|Connection (?:closed|reset) by", _hung_up),
)

_NOT_RUNNING = (_refused, _silent, _unreachable, _hung_up)
"""Answers of a server on this machine that is stopped."""

_CHANGED = r"REMOTE HOST IDENTIFICATION HAS CHANGED"
_OFFENDING = r"Offending .*key in (.+):\d+"
_NOISE = r"^(?:Warning: Permanently added|Pseudo-terminal will not|@+|\s*$)"


def failure(attempt: Attempt, output: str) -> ServerError:
    """The error for an ssh that could not connect.

    `output` is what it printed on stderr.
    """
    if re.search(_CHANGED, output):
        return _changed(attempt, output)
    for pattern, explain in _TABLE:
        match = re.search(pattern, output)
        if match is not None:
            message, hint = explain(attempt, match)
            if explain in _NOT_RUNNING and attempt.target.known_hosts is not None:
                message, hint = "the sandbox does not answer", f"{ftl('sandbox up')} starts it again"
            kind = LoginRefused if explain in (_denied, _too_many_keys) else ServerError
            return kind(message, cause=_line_of(output, match), hint=hint)
    return ServerError(
        f"cannot connect to {attempt.name}", cause=last_words(output), hint=f"`ssh {attempt.login}` must work"
    )


def runs_nothing(name: str, output: bytes) -> ServerError:
    """The error for a login that runs no command of ours: a forced command, or nologin."""
    return ServerError(
        f"{name} does not run commands as it should", cause=last_words(output.decode(errors="replace"))
    )


def prints_too_much(name: str, limit: int) -> ServerError:
    """The error for a login, or a command, that prints without end."""
    return ServerError(
        f"{name} has printed more than {limit >> 20} MB",
        hint="does a login print without end, by ~/.bashrc or ~/.ssh/rc there?",
    )


def last_words(output: str) -> str | None:
    """The last line that says something."""
    lines = [line.strip() for line in output.splitlines() if not re.match(_NOISE, line)]
    return lines[-1] if lines else None


def _line_of(output: str, match: re.Match[str]) -> str:
    start = output.rfind("\n", 0, match.start()) + 1
    end = output.find("\n", match.end())
    return output[start : end if end >= 0 else len(output)].strip()


def _changed(attempt: Attempt, output: str) -> HostKeyChanged:
    offending = re.search(_OFFENDING, output)
    port = attempt.resolved.port
    host = attempt.resolved.hostname or attempt.target.address
    entry = host if port == "22" else f"[{host}]:{port}"
    file = f"-f '{offending[1]}' " if offending else ""
    return HostKeyChanged(
        f"{attempt.name} shows another host key than the one known for it",
        cause=f"the known one is in {offending[1]}"
        if offending
        else "REMOTE HOST IDENTIFICATION HAS CHANGED",
        hint=f"if the server was reinstalled: `ssh-keygen {file}-R '{entry}'`; if not, somebody may be listening in",
    )
