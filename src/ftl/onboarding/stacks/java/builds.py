"""Build files of Maven and Gradle: modules, the version of Java, and the built archive."""

from __future__ import annotations

import os
import posixpath
import re
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from ftl.onboarding.folder import AppFolder

BUILD_FILES = ("pom.xml", "build.gradle", "build.gradle.kts")
_SETTINGS = ("settings.gradle", "settings.gradle.kts")
_CATALOG = "gradle/libs.versions.toml"
_MOST_MODULES = 50

_SPRING = re.compile(r"spring-boot|org\.springframework\.boot|libs\.plugins\.spring\.?boot", re.IGNORECASE)
_PLUGIN = re.compile(
    r"<artifactId>spring-boot-maven-plugin</artifactId>"
    r"|(?:[\"']org\.springframework\.boot[\"']|libs\.plugins\.spring\.?boot\b)(?![^\n]*\bapply\s*\(?\s*false)",
    re.IGNORECASE,
)
"""Plugin that makes a program of a module; `apply false` only names its version for others."""

_JAVA = re.compile(
    r"(?:<java\.version>|<maven\.compiler\.(?:release|source)>|JavaLanguageVersion\.of\(|jvmToolchain\("
    r"|sourceCompatibility\D{0,40}?)\s*(?:1[._])?(\d+)"
)
_JAVA_FILES = (
    (".java-version", r"^\D*?(?:1\.)?(\d+)"),
    (".sdkmanrc", r"^java=(?:1\.)?(\d+)"),
    (".tool-versions", r"^java \D*(\d+)"),
    ("system.properties", r"^java\.runtime\.version=(?:1\.)?(\d+)"),
)
_BOOT = re.compile(
    r"<artifactId>spring-boot-starter-parent</artifactId>\s*<version>(\d+)\.(\d+)"
    r"|<spring-boot\.version>(\d+)\.(\d+)"
    r"|org\.springframework\.boot[\"']\)?\s*version\s*\(?[\"'](\d+)\.(\d+)"
    r"|spring-boot-gradle-plugin:(\d+)\.(\d+)"
)

DEFAULT_JAVA = 21
_NEWEST_JAVA = (((2, 1), 8), ((2, 5), 11), ((3, 0), 17))
"""Version of Spring Boot, and the Java for those before it."""
_OLDEST_JAVA = 8


@dataclass(frozen=True, slots=True)
class JavaBuild:
    """The build of a Spring Boot app.

    Attributes:
        file: The build file at the top.
        module: Folder of the module that is the app; empty if the project has no modules.
        text: Texts of all build files.
        is_war: It makes an archive for a servlet container, which is a program, too.
    """

    file: str
    module: str
    text: str
    is_war: bool

    @property
    def boot(self) -> tuple[int, int]:
        """Version of Spring Boot; a very new one if no file names it."""
        match = _BOOT.search(self.text)
        major, minor = [int(part) for part in match.groups() if part] if match else (9, 0)
        return major, minor

    @property
    def is_maven(self) -> bool:
        """Whether Maven builds it."""
        return self.file == "pom.xml"


def find_build(folder: AppFolder) -> JavaBuild | None:
    """The build of the app in a folder; None if there is none, or several modules may be it."""
    file = folder.has(*BUILD_FILES)
    if file is None:
        return None
    modules = module_folders(folder)
    texts = {module: _text(folder, module) for module in modules}
    top = folder.read(file)
    everything = "\n".join([top, *texts.values(), folder.read(_CATALOG)])
    if not _SPRING.search(everything):
        return None
    module = (
        "" if not modules or (not _is_parent(top) and _PLUGIN.search(top)) else _app_module(folder, texts)
    )
    if module is None:
        return None
    return JavaBuild(file, module, everything, _makes_war(texts[module] if module else top))


def is_several(folder: AppFolder) -> bool:
    """Whether a folder is the top of modules of Spring Boot of which none is clearly the app."""
    modules = module_folders(folder)
    return any(_SPRING.search(_text(folder, module)) for module in modules) and find_build(folder) is None


def module_folders(folder: AppFolder) -> list[str]:
    """Folders of the modules that the build file at the top names, and those below them."""
    found: list[str] = []
    waiting = [""]
    while waiting and len(found) < _MOST_MODULES:
        parent = waiting.pop(0)
        block = re.search(
            r"<modules>(.*?)</modules>", folder.read(posixpath.join(parent, "pom.xml")), re.DOTALL
        )
        named = re.findall(r"<module>\s*([^<]+?)\s*</module>", block[1]) if block else []
        below = [posixpath.normpath(posixpath.join(parent, name)) for name in named]
        new = [path for path in below if not path.startswith("..") and path not in found]
        found += new
        waiting += new
    settings = folder.read(folder.has(*_SETTINGS) or "")
    for match in re.finditer(r"^[ \t]*include(?:\s*\(|\s+)((?:[^\n)]|(?<=,)\n)*)", settings, re.MULTILINE):
        found += [
            name.strip(":").replace(":", "/") for name in re.findall(r"[\"']([\w:./-]+)[\"']", match[1])
        ]
    return [name for name in dict.fromkeys(found) if folder.has(*(f"{name}/{file}" for file in BUILD_FILES))]


def _text(folder: AppFolder, module: str) -> str:
    return "\n".join(folder.read(f"{module}/{file}") for file in BUILD_FILES)


def _is_parent(text: str) -> bool:
    return re.search(r"<packaging>\s*pom\s*</packaging>", text) is not None


def _app_module(folder: AppFolder, texts: dict[str, str]) -> str | None:
    """The only module with the plugin, else the only one with settings of an app."""
    with_plugin = [module for module, text in texts.items() if _PLUGIN.search(text)]
    candidates = with_plugin or [module for module, text in texts.items() if _SPRING.search(text)]
    if len(candidates) > 1:
        place = "src/main/resources/application"
        candidates = [
            module
            for module in candidates
            if folder.has(*(f"{module}/{place}{suffix}" for suffix in (".properties", ".yml", ".yaml")))
        ]
    return candidates[0] if len(candidates) == 1 else None


def _makes_war(text: str) -> bool:
    return bool(
        re.search(r"<packaging>\s*war\s*</packaging>", text)
        or re.search(
            r"^\s*(?:id\s*\(?\s*[\"']war[\"']|`?war`?\s*$|apply\s+plugin:\s*[\"']war[\"'])",
            text,
            re.MULTILINE,
        )
    )


def java_version(folder: AppFolder, build: JavaBuild) -> tuple[int, str]:
    """The version of Java, and the file that names it; `1.8` and `VERSION_1_8` are 8."""
    if match := _JAVA.search(build.text):
        return max(int(match[1]), _OLDEST_JAVA), build.file
    for file, pattern in _JAVA_FILES:
        if match := re.search(pattern, folder.read(file), re.MULTILINE):
            return max(int(match[1]), _OLDEST_JAVA), file
    chosen = next((java for limit, java in _NEWEST_JAVA if build.boot < limit), DEFAULT_JAVA)
    return chosen, "default: no file names one"


def script(folder: AppFolder, name: str) -> str:
    """A wrapper's script as a command; without the permission to run, as on Windows, by a shell."""
    return f"./{name}" if os.access(folder.path / name, os.X_OK) else f"sh ./{name}"
