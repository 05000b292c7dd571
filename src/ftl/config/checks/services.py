"""Services: a port for requests, commands of hooks, files and secrets of builds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ftl.config.checks.context import label
from ftl.config.values.cli_variables import is_cli_variable

if TYPE_CHECKING:
    from ftl.config.checks.context import Checks
    from ftl.config.models.project import Dependency, Service
    from ftl.config.models.service import BuildSecret
    from ftl.config.yaml.locations import KeyPath

_MAX_ARGUMENT = 128 * 1024
"""Bytes from which on Linux refuses an argument or a variable of a program (execve(2), MAX_ARG_STRLEN)."""


def service(checks: Checks, service: Service, path: KeyPath) -> None:
    """A built image has no digest, requests have a port, and a hook has a command."""
    if service.build is not None and service.image is not None and "@" in service.image:
        hint = "write a tag: the built image gets its own digest"
        checks.report((*path, "image"), "image has a digest, but build makes a new image", hint)
    if checks.is_missing(*path, "port"):
        needs = "routes" if service.routes else "a health_check" if service.health_check else None
        if needs is not None:
            message = f"{label(service)} has {needs} but no port"
            checks.report(path, message, "write `port`, the port that the app listens on")
    if service.recreate and service.replicas > 1:
        message = (
            f"{label(service)} has {service.replicas} replicas, but `recreate: true`: it never runs twice"
        )
        hint = "remove `recreate` if they may use their data at the same time; else remove `replicas`"
        checks.report((*path, "replicas"), message, hint)
    _protocol(checks, service, path)
    for name in ("pre", "post"):
        hook = (*path, "hooks", name)
        if checks.is_missing(*hook, "local") and checks.is_missing(*hook, "remote"):
            checks.report(hook, f"{name} has neither local nor remote")


def _protocol(checks: Checks, service: Service, path: KeyPath) -> None:
    """Only the proxy has routes, and only HTTP/1.1 has a path that can be probed."""
    protocol, location = service.protocol, checks.location(*path, "protocol")
    if protocol != "http" and checks.is_missing(*path, "port"):
        checks.report(location, f"{label(service)} has a protocol but no port", "write `port`")
    if protocol == "tcp" and service.routes:
        message = f"{label(service)} has routes, but its protocol is tcp"
        hint = "take `routes` away; `forwards` publishes a port of the server for clients outside"
        checks.report((*path, "routes"), message, hint)
    if protocol != "http" and service.health_check is not None and service.health_check.path is not None:
        message = f"{label(service)} has a health_check path, but its protocol is {protocol}"
        hint = "leave the path out: the port must accept connections; `container.health_check` runs a command"
        checks.report((*path, "health_check"), message, hint)


def build(checks: Checks, item: Service | Dependency, path: KeyPath) -> None:
    """Files and secrets of a build exist; an image for several platforms has a registry."""
    build = item.build
    if build is None:
        return
    if build.platforms and not item.image:
        message = "build has platforms, but there is no image: only a registry gets several"
        hint = "write the registry's reference as `image`, or leave `platforms` out: the server's is built"
        checks.report((*path, "platforms"), message, hint)
    context = os.path.join(checks.reader.folder, build.context)  # noqa: PTH118
    file = os.path.join(context, build.dockerfile)  # noqa: PTH118
    if not os.path.isdir(context):  # noqa: PTH112 -- pathlib's raises for a name that is too long
        message = f"context: there is no folder {build.context}"
        hint = "it is the folder with the Dockerfile, relative to ftl.yaml"
        checks.report((*path, "context"), message, hint)
    elif not os.path.isfile(file):  # noqa: PTH113
        key = "dockerfile" if checks.is_given(*path, "dockerfile") else "context"
        message = f"dockerfile: there is no file {os.path.relpath(file, checks.reader.folder)}"
        hint = (
            "its path is relative to the context"
            if key == "dockerfile"
            else "write one, or run an existing image with `image: NAME` in place of `build`"
        )
        checks.report((*path, key), message, hint)
    for index, secret in enumerate(build.secrets):
        _build_secret(checks, secret, (*path, "secrets", index))
    for name, value in build.args.items():
        _build_argument(checks, name, value, (*path, "args", name))


def _build_argument(checks: Checks, name: str, value: str, path: KeyPath) -> None:
    """The docker CLI can take it, and without a secret in its own arguments."""
    if len(f"{name}={value}".encode(errors="surrogateescape")) >= _MAX_ARGUMENT:
        message = (
            f"args: {name} is longer than {_MAX_ARGUMENT:,} bytes, the longest that a program can be given"
        )
        checks.report(path, message, "pass it as a build secret, or copy a file")
    secrets = checks.secrets_in(*path)
    if secrets and is_cli_variable(name):  # it cannot be passed by a variable of its name
        location = checks.location(*path)
        message = (
            f"args: {name} has the secret {secrets[0]} in it, and {name} is a variable of the docker CLI: the value "
            "would be in the process list"
        )
        hint = (
            "rename the argument; or pass the secret by `build.secrets`, which the image does not keep either"
        )
        checks.report(location.used_at or location, message, hint)


def _build_secret(checks: Checks, secret: BuildSecret, path: KeyPath) -> None:
    variable = secret.env or secret.id
    variables = checks.reader.interpolator.variables
    if secret.file is None and variable and variable not in variables:
        message = f"the variable {variable} is not set: the build secret {secret.id} needs it"
        problems = checks.reader.interpolator.problems
        problems.add_unset(variable, checks.location(*path, "env"), message, variables.advice(variable))
