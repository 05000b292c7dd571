"""Spring Boot."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftl.onboarding.app import App, Command, Evidence, FoundHealthCheck
from ftl.onboarding.foreign_yaml import documents, flat
from ftl.onboarding.stacks.health import found_health
from ftl.onboarding.stacks.java.builds import JavaBuild, find_build, java_version, script
from ftl.onboarding.templates import apt_install, cmd, render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ftl.onboarding.folder import AppFolder


def spring(folder: AppFolder) -> str | None:
    """Evidence of Spring Boot: a project, or the one of its modules that is an app."""
    build = find_build(folder)
    if build is None:
        return None
    return f"spring-boot in {posixpath.join(build.module, build.file) if build.module else build.file}"


def describe_spring(folder: AppFolder, evidence: str) -> App:
    """Spring Boot, its jar taken apart into layers."""
    build = find_build(folder)
    assert build is not None
    version, reason = java_version(folder, build)
    code = folder / build.module if build.module else folder
    settings = spring_settings(code)
    chosen = port_of(settings, "server.port")
    port = chosen or 8080
    text = build.text
    start, extract, layers = _of_archive(build)
    values = {"version": str(version), "port": str(port), "extract": extract, "cmd": cmd(start)}
    values["layers"] = "\n".join(f"COPY --from=build /layers/{layer}/ ./" for layer in layers)
    values["run_stage"] = render("spring-run.dockerfile", values)
    values["archive"] = _archive_of(build)
    if build.is_maven:
        dockerfile = render("spring-maven.dockerfile", values | _of_maven(folder, build))
    else:
        dockerfile = render("spring-gradle.dockerfile", values | _of_gradle(folder, build, version))
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
        start_reason=build.file,
        programs={},
        health=_health(
            code,
            settings,
            port,
            has_actuator="spring-boot-starter-actuator" in packages,
            is_secured="spring-boot-starter-security" in packages,
        ),
        ignored=("target", "build", ".gradle", ".idea", "*.iml"),
        facts=(
            Evidence("Java", str(version), reason, sure="default" not in reason),
            *(
                (Evidence("module", build.module, f"the app among those of {build.file}"),)
                if build.module
                else ()
            ),
            *((Evidence("migrations", migration, "they run when the app starts"),) if migration else ()),
        ),
    )


_GRADLE_FOR_JAVA = ((25, 9), (20, 8), (16, 7))
"""Version of Java, and the first one of Gradle that runs on it."""

_LAYERS = ("dependencies", "spring-boot-loader", "snapshot-dependencies", "application")


def _of_archive(build: JavaBuild) -> tuple[Command, str, tuple[str, ...]]:
    """Start command, RUN that takes the archive apart, and layers: jars of 3.3 and newer have other tools in them."""
    version = build.boot
    comment = "# Layers: the libraries change seldom, the app's own classes often.\n"
    if build.is_war or version < (2, 4):
        name = _archive_name(build)
        extract = f"RUN mkdir -p /layers/application && cp /{name} /layers/application/"
        return ("java", "-jar", name), extract, ("application",)
    if version >= (3, 3):
        extract = f"{comment}RUN java -Djarmode=tools -jar /app.jar extract --layers --destination /layers"
        return ("java", "-jar", "app.jar"), extract, _LAYERS
    extract = f"{comment}RUN mkdir /layers && cd /layers && java -Djarmode=layertools -jar /app.jar extract"
    package = "launch." if version >= (3, 2) else ""
    return ("java", f"org.springframework.boot.loader.{package}JarLauncher"), extract, _LAYERS


def _archive_name(build: JavaBuild) -> str:
    """Name of the archive in the image."""
    return "app.war" if build.is_war else "app.jar"


def _archive_of(build: JavaBuild) -> str:
    """A shell's command that copies the archive: the largest, since others are parts of it."""
    folder = "target" if build.is_maven else "build/libs"
    made = posixpath.join(build.module, folder)
    name = _archive_name(build)
    return f'cp "$(ls -S {made}/*.{name.rpartition(".")[2]} | head -n 1)" /{name}'


def _of_maven(folder: AppFolder, build: JavaBuild) -> dict[str, str]:
    """Values for the stage that builds with Maven, by its wrapper where the app has one."""
    has_wrapper = folder.has("mvnw") and folder.has(".mvn/wrapper/maven-wrapper.properties")
    tool = script(folder, "mvnw") if has_wrapper else "mvn"
    mount = "RUN --mount=type=cache,target=/root/.m2"
    if build.module:
        # Modules need each other: their libraries cannot be had before their code is there
        tool_of_image = "" if has_wrapper else apt_install("maven")
        return {
            "first": tool_of_image,
            "source": "COPY . .",
            "package": f"{tool} -B -pl {build.module} -am package",
        }
    first = (
        ["COPY mvnw pom.xml ./", "COPY .mvn ./.mvn"]
        if has_wrapper
        else ["COPY pom.xml ./", apt_install("maven")]
    )
    first.append(f"{mount} {tool} -B dependency:go-offline")
    return {"first": "\n".join(first), "source": "COPY . .", "package": f"{tool} -B package"}


def _of_gradle(folder: AppFolder, build: JavaBuild, java: int) -> dict[str, str]:
    """Values for the stage that builds with Gradle: its wrapper, else an image that has it."""
    has_wrapper = folder.has("gradlew") and folder.has_folder("gradle/wrapper")
    tool = script(folder, "gradlew") if has_wrapper else "gradle"
    names = ["gradlew"] if has_wrapper else []
    names += [build.file, "settings.gradle", "settings.gradle.kts", "gradle.properties"]
    first = [f"COPY {' '.join(name for name in names if folder.has(name))} ./"]
    first += ["COPY gradle ./gradle"] if folder.has_folder("gradle") else []
    first.append(f"RUN --mount=type=cache,target=/gradle {tool} --no-daemon dependencies")
    task = "bootWar" if build.is_war else "bootJar"
    return {
        "image": f"eclipse-temurin:{java}-jdk" if has_wrapper else _gradle_image(build, java),
        "first": "" if build.module else "\n".join(first),
        "tool": tool,
        "task": f":{build.module.replace('/', ':')}:{task}" if build.module else task,
    }


def _gradle_image(build: JavaBuild, java: int) -> str:
    """An image with the newest Gradle that the plugin of this version of Spring Boot and this Java work with."""
    newest = 6 if build.boot < (2, 5) else 7 if build.boot < (2, 7) else 8
    needed = next((gradle for first, gradle in _GRADLE_FOR_JAVA if java >= first), 6)
    return f"gradle:{max(newest, needed)}-jdk{java}"


def _health(
    folder: AppFolder, settings: Mapping[str, str], port: int, *, has_actuator: bool, is_secured: bool
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
    path = f"{context.rstrip('/')}{base.rstrip('/')}/health"
    if (
        is_secured
        and not folder.search(r"EndpointRequest|actuator", ".java")
        and not folder.search(r"EndpointRequest|actuator", ".kt")
    ):
        reason = f"Spring Security answers 401 at {path} unless the app permits it"
        return FoundHealthCheck(None, reason, maybe=path)
    return FoundHealthCheck(path, "actuator among the dependencies")


_PLACE = "src/main/resources/application"
_PROPERTY = re.compile(r"([\w.-]+)[ \t]*[=:][ \t]*(.*)")
_FILTERED = re.compile(r"@([\w.-]+)@")
"""A value that Maven puts in; as it is written, it is no YAML."""


def spring_settings(folder: AppFolder) -> dict[str, str]:
    """Values by their dotted keys; as in Spring, properties win, and profiles are not in effect."""
    found: dict[str, str] = {}
    for line in folder.read(f"{_PLACE}.properties").splitlines():
        if line.startswith(("#---", "!---")):
            break  # the documents below are of profiles
        if match := _PROPERTY.match(line.strip()):
            found[match[1]] = match[2].strip()
    for suffix in (".yml", ".yaml"):
        text = _FILTERED.sub(r"\1", folder.read(f"{_PLACE}{suffix}"))
        for document in documents(text):
            values = flat(document)
            if not any(key.startswith(("spring.config.activate.", "spring.profiles")) for key in values):
                found = values | found
    return found


def port_of(settings: Mapping[str, str], key: str) -> int | None:
    """The number of a port, also where it is the default of a variable."""
    match = re.match(r"(?:\$\{[\w.]+:)?(\d+)", settings.get(key, ""))
    return int(match[1]) if match else None
