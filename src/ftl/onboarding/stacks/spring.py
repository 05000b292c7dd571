"""Spring Boot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, Command, Evidence, FoundHealthCheck
from ftl.onboarding.stacks.common import found_health
from ftl.onboarding.stacks.spring_settings import port_of, spring_settings
from ftl.onboarding.templates import apt_install, cmd, render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.onboarding.folder import AppFolder


def spring(folder: AppFolder) -> str | None:
    """Evidence of Spring Boot."""
    file = folder.has("pom.xml", "build.gradle", "build.gradle.kts")
    return f"spring-boot in {file}" if file and "spring-boot" in folder.read(file) else None


def describe_spring(folder: AppFolder, evidence: str) -> App:
    """Spring Boot, its jar taken apart into layers."""
    file = folder.has("pom.xml", "build.gradle", "build.gradle.kts") or "pom.xml"
    text = folder.read(file)
    named = re.search(
        r"<java\.version>(\d+)|languageVersion\s*=\s*JavaLanguageVersion\.of\((\d+)|sourceCompatibility\D*(\d+)",
        text,
    )
    version = next(filter(None, named.groups())) if named else "21"
    settings = spring_settings(folder)
    chosen = port_of(settings, "server.port")
    port = chosen or 8080
    start, extract, layers = _of_jar(text)
    values = {"version": version, "port": str(port), "extract": extract, "cmd": cmd(start)}
    values["layers"] = "\n".join(f"COPY --from=build /layers/{layer}/ ./" for layer in layers)
    values["run_stage"] = render("spring-run.dockerfile", values)
    if file == "pom.xml":
        wrapper = folder.has("mvnw") and folder.has(".mvn/wrapper/maven-wrapper.properties")
        values |= {"locked": "mvnw pom.xml" if wrapper else "pom.xml", "tool": "./mvnw" if wrapper else "mvn"}
        values["wrapper"] = "COPY .mvn ./.mvn" if wrapper else apt_install("maven")
        dockerfile = render("spring-maven.dockerfile", values)
    else:
        names = [
            name for name in ("gradlew", file, "settings.gradle", "settings.gradle.kts") if folder.has(name)
        ]
        dockerfile = render("spring-gradle.dockerfile", {**values, "locked": " ".join(names)})
    known = frozenset(
        re.findall(r"<artifactId>([\w.-]+)</artifactId>|[\"'][\w.-]+:([\w.-]+)(?::[^\"']*)?[\"']", text)
    )
    packages = frozenset(name for pair in known for name in pair if name)
    migration = next(
        (name for name in ("flyway", "liquibase") if any(name in package for package in packages)), None
    )
    return App(
        stack="Spring Boot",
        evidence=evidence,
        port=port,
        port_reason="server.port" if chosen else "the default of Spring Boot",
        dockerfile=dockerfile,
        packages=packages,
        start=start,
        start_reason=file,
        health=_health(folder, settings, port, has_actuator="spring-boot-starter-actuator" in packages),
        ignored=("target", "build", ".gradle", ".idea", "*.iml"),
        facts=(
            Evidence(
                "Java", version, file if named else "default: no file names one", sure=named is not None
            ),
            *((Evidence("migrations", migration, "they run when the app starts"),) if migration else ()),
        ),
    )


_LAYERS = ("dependencies", "spring-boot-loader", "snapshot-dependencies", "application")
_BOOT = re.compile(
    r"<artifactId>spring-boot-starter-parent</artifactId>\s*<version>(\d+)\.(\d+)"
    r"|<spring-boot\.version>(\d+)\.(\d+)"
    r"|org\.springframework\.boot[\"']\)?\s*version\s*\(?[\"'](\d+)\.(\d+)"
    r"|spring-boot-gradle-plugin:(\d+)\.(\d+)"
)


def _of_jar(text: str) -> tuple[Command, str, tuple[str, ...]]:
    """Start command, RUN that takes the jar apart, and layers: jars of 3.3 and newer have other tools in them."""
    match = _BOOT.search(text)
    major, minor = [int(part) for part in match.groups() if part] if match else (9, 0)
    comment = "# Layers: the libraries change seldom, the app's own classes often.\n"
    if (major, minor) >= (3, 3):
        extract = f"{comment}RUN java -Djarmode=tools -jar /app.jar extract --layers --destination /layers"
        return ("java", "-jar", "app.jar"), extract, _LAYERS
    if (major, minor) >= (2, 4):
        extract = (
            f"{comment}RUN mkdir /layers && cd /layers && java -Djarmode=layertools -jar /app.jar extract"
        )
        package = "launch." if (major, minor) >= (3, 2) else ""
        return ("java", f"org.springframework.boot.loader.{package}JarLauncher"), extract, _LAYERS
    extract = "RUN mkdir -p /layers/application && cp /app.jar /layers/application/"
    return ("java", "-jar", "app.jar"), extract, ("application",)


def _health(
    folder: AppFolder, settings: Mapping[str, str], port: int, *, has_actuator: bool
) -> FoundHealthCheck:
    """The path of the actuator, unless it answers at another port than the app."""
    other = port_of(settings, "management.server.port")
    if not has_actuator:
        return found_health(folder)
    if other not in (None, port):
        found = found_health(folder)
        reason = f"the actuator answers at port {other} alone, which FTL does not ask"
        return found if found.path else FoundHealthCheck(None, reason)
    base = settings.get("management.endpoints.web.base-path") or "/actuator"
    context = settings.get("server.servlet.context-path", "")
    return FoundHealthCheck(
        f"{context.rstrip('/')}{base.rstrip('/')}/health", "actuator among the dependencies"
    )
