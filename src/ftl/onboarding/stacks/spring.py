"""Spring Boot."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, Evidence, FoundHealthCheck
from ftl.onboarding.stacks.common import found_health
from ftl.onboarding.templates import apt_install, render

if TYPE_CHECKING:
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
    resources = "src/main/resources/application"
    settings = "".join(folder.read(f"{resources}{suffix}") for suffix in (".properties", ".yml", ".yaml"))
    chosen = re.search(
        r"^server\.port\s*=\s*(?:\$\{PORT:)?(\d+)|^server:\s*\n(?:\s+.*\n)*?\s+port:\s*(?:\$\{PORT:)?(\d+)",
        settings,
        re.M,
    )
    port = int(next(filter(None, chosen.groups()))) if chosen else 8080
    values = {"version": version, "port": str(port)}
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
    actuator = "spring-boot-starter-actuator" in packages
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
        start=("java", "-jar", "app.jar"),
        start_reason=file,
        health=FoundHealthCheck("/actuator/health", "actuator among the dependencies")
        if actuator
        else found_health(folder),
        ignored=("target", "build", ".gradle", ".idea", "*.iml"),
        facts=(
            Evidence(
                "Java", version, file if named else "default: no file names one", sure=named is not None
            ),
            *((Evidence("migrations", migration, "they run when the app starts"),) if migration else ()),
        ),
    )
