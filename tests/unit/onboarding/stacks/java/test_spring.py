"""Spring Boot: versions of Java and Gradle, modules, and archives for servlet containers."""

# ruff: noqa: E501 -- build files, one a line

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ftl.errors import UsageError
from ftl.onboarding.starter import make_start
from tests.unit.onboarding.conftest import put_files
from tests.unit.onboarding.dockerfile_faults import faults

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.unit.onboarding.conftest import Begin

PARENT = "<artifactId>spring-boot-starter-parent</artifactId><version>{}</version>"
PLUGIN = "<build><artifactId>spring-boot-maven-plugin</artifactId></build>"
GRADLE = 'plugins {{ id "org.springframework.boot" version "{}" }}\n{}\n'


@pytest.mark.parametrize(
    ("files", "java"),
    [
        ({"pom.xml": PARENT.format("2.7.1") + "<java.version>1.8</java.version>"}, "8"),
        ({"pom.xml": PARENT.format("2.7.1") + "<java.version> 11 </java.version>"}, "11"),
        ({"pom.xml": PARENT.format("3.4.1") + "<maven.compiler.release>17</maven.compiler.release>"}, "17"),
        ({"pom.xml": PARENT.format("2.0.1") + "<java.version>1.7</java.version>"}, "8"),
        ({"pom.xml": PARENT.format("2.0.1")}, "8"),
        ({"pom.xml": PARENT.format("2.3.1")}, "11"),
        ({"pom.xml": PARENT.format("2.7.1")}, "17"),
        ({"pom.xml": PARENT.format("3.4.1")}, "21"),
        ({"pom.xml": PARENT.format("3.4.1"), ".sdkmanrc": "java=17.0.2-tem\n"}, "17"),
        ({"pom.xml": PARENT.format("3.4.1"), "system.properties": "java.runtime.version=17\n"}, "17"),
        ({"build.gradle": GRADLE.format("2.7.1", "sourceCompatibility = '1.8'")}, "8"),
        ({"build.gradle": GRADLE.format("2.7.1", "sourceCompatibility = 11")}, "11"),
        ({"build.gradle": GRADLE.format("2.7.1", "java.sourceCompatibility = JavaVersion.VERSION_1_8")}, "8"),
        ({"build.gradle": GRADLE.format("3.4.1", "sourceCompatibility = JavaVersion.VERSION_17")}, "17"),
        ({"build.gradle": GRADLE.format("3.4.1", "java { toolchain { languageVersion = JavaLanguageVersion.of(17) } }")}, "17"),
        ({"build.gradle.kts": GRADLE.format("3.4.1", "kotlin { jvmToolchain(17) }")}, "17"),
    ],
)  # fmt: skip
def test_the_version_of_java(begin: Begin, files: Mapping[str, str], java: str) -> None:
    """`1.8` is 8: an image of Java 1 is nowhere."""
    text = begin(files)[0].files["Dockerfile"]
    assert f"FROM eclipse-temurin:{java}-jre\n" in text
    assert f"-jdk{java} AS build" in text or f"FROM eclipse-temurin:{java}-jdk AS build" in text
    assert faults(text) == []


@pytest.mark.parametrize(
    ("boot", "java", "image"),
    [
        ("3.4.1", "17", "gradle:8-jdk17"),
        ("4.0.0", "25", "gradle:9-jdk25"),
        ("2.6.1", "11", "gradle:7-jdk11"),
        ("2.4.1", "8", "gradle:6-jdk8"),
        ("2.4.1", "17", "gradle:7-jdk17"),
    ],
)
def test_gradle_without_a_wrapper(begin: Begin, boot: str, java: str, image: str) -> None:
    """An image has it, of a version that the plugin and Java work with: `./gradlew` was not there."""
    text = begin({"build.gradle": GRADLE.format(boot, f"sourceCompatibility = {java}")})[0].files[
        "Dockerfile"
    ]
    assert f"FROM {image} AS build\n" in text
    assert "gradlew" not in text
    assert "COPY build.gradle ./\n" in text
    assert "COPY gradle " not in text


def test_a_catalog_of_versions_without_a_wrapper(begin: Begin) -> None:
    """Its folder is copied all the same, and the plugin is known by its alias."""
    files = {
        "build.gradle.kts": "plugins { alias(libs.plugins.spring.boot) }",
        "gradle/libs.versions.toml": 'x = "org.springframework.boot"',
    }
    text = begin(files)[0].files["Dockerfile"]
    assert "COPY gradle ./gradle\n" in text
    assert "FROM gradle:8-jdk21 AS build\n" in text


def test_a_wrapper_that_may_not_run(begin: Begin, tmp_path: Path) -> None:
    """Git on Windows keeps no permission to run: a shell runs it."""
    files = {"build.gradle": GRADLE.format("3.4.1", ""), "gradlew": "", "gradle/wrapper/x": ""}
    assert "sh ./gradlew --no-daemon bootJar" in begin(files)[0].files["Dockerfile"]
    put_files(tmp_path / "b", files)
    (tmp_path / "b/gradlew").chmod(0o755)
    assert " ./gradlew --no-daemon bootJar" in make_start(tmp_path / "b").files["Dockerfile"]


MAVEN = {
    "pom.xml": PARENT.format("3.4.1")
    + "<packaging>pom</packaging><modules><module>core</module>\n<module>web</module></modules>",
    "core/pom.xml": "<artifactId>postgresql</artifactId>",
    "web/pom.xml": f"<artifactId>spring-boot-starter-actuator</artifactId>{PLUGIN}",
    "web/src/main/resources/application.properties": "server.port=9000\n",
}
GRADLES = {
    "settings.gradle": "rootProject.name = 'x'\ninclude 'core', 'apps:web'\n",
    "build.gradle": 'plugins { id "org.springframework.boot" version "3.4.1" apply false }\n',
    "core/build.gradle": "dependencies { runtimeOnly 'org.postgresql:postgresql' }\n",
    "apps/web/build.gradle": 'plugins {\n  id "org.springframework.boot"\n}\nimplementation "x:spring-boot-starter-actuator"\n',
    "apps/web/src/main/resources/application.properties": "server.port=9000\n",
}


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        (MAVEN, ("mvn -B -pl web -am package -DskipTests", "ls -S web/target/*.jar", "COPY . .")),
        (GRADLES, ("gradle --no-daemon :apps:web:bootJar", "ls -S apps/web/build/libs/*.jar")),
    ],
)
def test_the_module_that_is_the_app(begin: Begin, files: Mapping[str, str], lines: tuple[str, ...]) -> None:
    """It is built with those that it needs, and its settings are the app's."""
    start, project = begin(files)
    text = start.files["Dockerfile"]
    assert [line for line in lines if line not in text] == []
    assert "go-offline" not in text
    assert faults(text) == []
    web = project.services[0]
    assert (web.port, web.health_check.path if web.health_check else None) == (9000, "/actuator/health")
    assert [one.name for one in project.dependencies] == ["postgres"]


@pytest.mark.parametrize(
    ("changed", "module"),
    [
        ({"pom.xml": MAVEN["pom.xml"] + PLUGIN, "web/pom.xml": "spring-boot-starter-web"}, "web"),
        ({"core/pom.xml": "spring-boot-starter-data-jpa", "web/pom.xml": "spring-boot-starter-web"}, "web"),
        ({"core/pom.xml": PLUGIN}, "web"),
        ({"core/pom.xml": PLUGIN, "core/src/main/resources/application.yml": ""}, None),
        ({"web/pom.xml": PLUGIN, "web/src/main/resources/application.properties": ""}, "web"),
    ],
)
def test_which_module_is_meant(tmp_path: Path, changed: Mapping[str, str], module: str | None) -> None:
    """The one with the plugin, else the one with settings; of two, only the user knows."""
    put_files(tmp_path, {**MAVEN, **changed})
    if module is None:
        with pytest.raises(UsageError, match=r"a monorepo, with core .*web") as caught:
            make_start(tmp_path)
        assert "modules share the build file" in (caught.value.hint or "")
    else:
        assert f"-pl {module} -am" in make_start(tmp_path).files["Dockerfile"]


def test_several_apps_with_a_dockerfile(tmp_path: Path) -> None:
    """It says what is built."""
    put_files(tmp_path, {**MAVEN, "core/pom.xml": PLUGIN, "core/src/main/resources/application.yml": ""})
    put_files(tmp_path, {"Dockerfile": "FROM x\nEXPOSE 8080\n"})
    assert make_start(tmp_path).app.port == 8080


@pytest.mark.parametrize("module", ["web", "apps/web"])
def test_a_module_is_built_from_the_top(tmp_path: Path, module: str) -> None:
    """Its build file needs the parent's."""
    put_files(tmp_path, MAVEN if module == "web" else GRADLES)
    with pytest.raises(UsageError, match="a module of the project in") as caught:
        make_start(tmp_path / module)
    assert "run `ftl init` in .." in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("files", "archive"),
    [
        ({"pom.xml": PARENT.format("3.4.1") + "<packaging>war</packaging>"}, "target/*.war"),
        ({"build.gradle": GRADLE.format("3.4.1", "apply plugin: 'war'")}, "build/libs/*.war"),
        ({"build.gradle": 'plugins {\n  id "war"\n  id "org.springframework.boot"\n}\n'}, "build/libs/*.war"),
        ({"build.gradle.kts": 'plugins {\n  war\n  id("org.springframework.boot")\n}\n'}, "build/libs/*.war"),
    ],
)
def test_an_archive_for_a_servlet_container(begin: Begin, files: Mapping[str, str], archive: str) -> None:
    """Spring Boot makes a program of it, too; there was no *.jar to copy."""
    text = begin(files)[0].files["Dockerfile"]
    assert f'cp "$(ls -S {archive} | head -n 1)" /app.war' in text
    assert 'CMD ["java", "-jar", "app.war"]\n' in text
    assert "*.jar" not in text
    assert ("bootWar" in text) is ("build.gradle" in str(files))
    assert faults(text) == []
