"""Sites of files that a tool in Node builds: Vite, Astro, Docusaurus and others."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ftl.dataclass import dataclass
from ftl.onboarding.app import App, Evidence, FoundHealthCheck
from ftl.onboarding.stacks.node.package_json import (
    dockerfile_values,
    ignored,
    packages,
    public_variables,
    scripts,
)
from ftl.onboarding.templates import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftl.onboarding.folder import AppFolder


@dataclass(frozen=True, slots=True)
class SiteGenerator:
    """A tool that builds a site of files.

    Attributes:
        has_pages: It makes a file for each page, and one for errors; else one page has a router of its own.
        hashed: Folders of files whose names have their hash.
        reason: What names the output folder, where it is not the default.
    """

    package: str
    name: str
    output: str
    has_pages: bool = False
    reason: str = ""
    hashed: tuple[str, ...] = ("assets",)


SITES = (
    SiteGenerator("@sveltejs/adapter-static", "SvelteKit", "build", has_pages=True),
    SiteGenerator("@angular/core", "Angular", "dist"),
    SiteGenerator("astro", "Astro", "dist", has_pages=True),
    SiteGenerator("react-scripts", "Create React App", "build", hashed=("static",)),
    SiteGenerator("@vue/cli-service", "Vue CLI", "dist", hashed=("js", "css", "img", "fonts", "media")),
    SiteGenerator("gatsby", "Gatsby", "public", has_pages=True),
    SiteGenerator("@docusaurus/core", "Docusaurus", "build", has_pages=True),
    SiteGenerator("@11ty/eleventy", "Eleventy", "_site", has_pages=True),
    SiteGenerator("vitepress", "VitePress", ".vitepress/dist", has_pages=True),
    SiteGenerator("@react-router/dev", "React Router", "build/client"),
    SiteGenerator("@remix-run/dev", "Remix", "build/client"),
    SiteGenerator("vite", "Vite", "dist"),
)
EXPORTED_NEXT = SiteGenerator("next", "Next.js (exported)", "out", has_pages=True)

_CONFIGURATIONS = tuple(
    f"{tool}.config.{suffix}"
    for tool in ("vite", "astro", "svelte", "next", "react-router")
    for suffix in ("ts", "js", "mts", "mjs", "cjs")
)


def site(folder: AppFolder) -> str | None:
    """Evidence of a site that a tool builds."""
    if not folder.has("package.json") or not _script(folder):
        return None
    if re.match(r"(?:node|tsx|bun) (?!.*\b(?:dev|watch)\b)", scripts(folder).get("start", "")):
        return None  # a server of its own, which has the files beside other things
    known = packages(folder)
    return next((f"{site.package} in package.json" for site in SITES if site.package in known), None)


_OF_VITEPRESS = re.compile(r"\bvitepress build\b(?:[ \t]+(?!-)(?P<folder>[\w./-]+))?")


def _script(folder: AppFolder) -> str:
    """The script that builds the site: VitePress' own name for it is `docs:build`; empty if there is none."""
    known = scripts(folder)
    if "build" in known:
        return "build"
    return next((name for name, line in known.items() if _OF_VITEPRESS.search(line)), "")


def describe_site(folder: AppFolder, evidence: str) -> App:
    """A site of files."""
    known = packages(folder)
    return describe_files(folder, evidence, next(site for site in SITES if site.package in known))


def describe_files(folder: AppFolder, evidence: str, tool: SiteGenerator) -> App:
    """Caddy with the files that a tool makes, below the path that they expect."""
    values, facts = dockerfile_values(folder)
    output, reason = _output(folder, tool)
    base, base_reason = base_path(folder)
    fallback = re.search(r"\bfallback\s*:\s*[\"']((?:200|index)\.html)", folder.read("svelte.config.js"))
    proxied = tuple(proxied_paths(folder))
    facts = (*facts, Evidence("output folder", output, reason))
    if base:
        facts = (*facts, Evidence("path of the site", f"/{base}/", base_reason))
    return App(
        stack=tool.name,
        evidence=evidence,
        port=8080,
        port_reason="Caddyfile",
        dockerfile=render(
            "node-static.dockerfile",
            {
                **values,
                "build": f"RUN {values['build'].removesuffix('build')}{_script(folder)}",
                "output": output,
                "root": f"/srv/{base}".rstrip("/"),
            },
        ),
        files={"Caddyfile": _caddyfile(tool, base, fallback[1] if fallback else "")},
        start=("caddy", "run"),
        programs={},
        start_reason="a web server for the built files",
        health=FoundHealthCheck(f"/{base}/" if base else "/", "the start page"),
        ignored=ignored(folder),
        build_args=public_variables(folder),
        facts=facts,
        todo=proxied,
        image_todo=proxied,
        remarks={"routes": proxied} if proxied else {},
    )


def _caddyfile(tool: SiteGenerator, base: str, fallback: str) -> str:
    """Serve the files; below a path, `/` leads there. A fallback is the page of a router."""
    top = f"/{base}" if base else ""
    start = f"\tredir / {top}/" if base else ""
    if tool.has_pages and not fallback:
        return render("pages.caddyfile", {"top": top, "start": start})
    hashed = " ".join(f"{top}/{folder}/*" for folder in tool.hashed)
    values = {"top": top, "start": start, "page": fallback or "index.html", "hashed": hashed}
    return render("spa.caddyfile", values)


def base_path(folder: AppFolder) -> tuple[str, str]:
    """Path that the files expect to be below, without slashes, and the reason."""
    for file in _CONFIGURATIONS:
        if match := re.search(r"\b(?:base|basePath)\s*:\s*[\"'](/[\w./-]*)[\"']", folder.read(file)):
            return match[1].strip("/"), f"`{match[0]}` in {file}"
    if match := re.search(r"\bpublicPath\s*:\s*[\"'](/[\w./-]*)[\"']", folder.read("vue.config.js")):
        return match[1].strip("/"), f"`{match[0]}` in vue.config.js"
    homepage = str(folder.read_json("package.json").get("homepage", ""))
    if "react-scripts" in packages(folder) and (path := urlsplit(homepage).path.strip("/")) and path != ".":
        return path, "homepage in package.json"
    return "", ""


_OLD_BUILDER = re.compile(r"\"builder\"\s*:\s*\"@angular-devkit/build-angular:browser(?:-esbuild)?\"")


def _output_of_angular(folder: AppFolder) -> str:
    """The folder of the files for browsers: the old builder puts them at the top, the new one into `browser`."""
    text = folder.read("angular.json")
    named = re.search(r"\"outputPath\"\s*:\s*(?:\{[^}]*?\"base\"\s*:\s*)?\"([^\"]+)", text)
    below = re.search(r"\"outputPath\"\s*:\s*\{[^}]*?\"browser\"\s*:\s*\"([^\"]*)\"", text)
    projects = folder.read_json("angular.json").get("projects")
    name = next(iter(projects), "app") if isinstance(projects, dict) else "app"
    top = named[1].rstrip("/") if named else f"dist/{name}"
    inner = "" if _OLD_BUILDER.search(text) else below[1] if below else "browser"
    return posixpath.join(top, inner).rstrip("/")


def _output(folder: AppFolder, tool: SiteGenerator) -> tuple[str, str]:
    for file in _CONFIGURATIONS:
        if match := re.search(r"outDir\s*:\s*[\"'](?:\./)?([\w./-]+)", folder.read(file)):
            return match[1].rstrip("/"), f"outDir in {file}"
        if tool.name in ("React Router", "Remix") and (
            match := re.search(r"\bbuildDirectory\s*:\s*[\"'](?:\./)?([\w./-]+)", folder.read(file))
        ):
            return f"{match[1].rstrip('/')}/client", f"buildDirectory in {file}"
    if tool.name == "Angular":
        return _output_of_angular(folder), "angular.json"
    place = _OF_VITEPRESS.search(scripts(folder)[_script(folder)]) if tool.package == "vitepress" else None
    if place is not None and place["folder"]:
        return posixpath.normpath(f"{place['folder']}/{tool.output}"), "the folder that the script builds"
    return tool.output, tool.reason or f"the default of {tool.name}"


_DEVELOPED = (
    *(f"vite.config.{end}" for end in ("ts", "js", "mts", "mjs")),
    "vue.config.js",
    "src/setupProxy.js",
    "proxy.conf.json",
    "src/proxy.conf.json",
    "proxy.conf.js",
    "src/proxy.conf.js",
)
_BLOCK = re.compile(r"\bproxy\s*:\s*\{")
_KEY = re.compile(r"[\"'`]?\^?(/[\w/-]+?)/?(?:\(?[.*][^\"'`]*)?[\"'`]\s*:\s*(?=[{\"'`\w])")
_MIDDLEWARE = re.compile(r"\.use\(\s*[\"'`](/[\w/-]+)[\"'`]\s*,\s*(?:createProxyMiddleware|proxy)\(")
_MOST = 2000
"""Characters of a block that are looked at."""


def proxied_paths(folder: AppFolder) -> Iterator[str]:
    """A thing to do for each path that goes elsewhere while the app is developed."""
    for file in _DEVELOPED:
        text = folder.read(file)
        for path, rewritten in _proxied(file, text):
            strip = ", strip_prefix: true" if rewritten else ""
            yield (
                f"{path} goes to another server while you develop ({file}): give the service of that one "
                f"`routes: [{{path: {path}{strip}}}]`; without it, this one answers there with its start page"
            )
    target = folder.read_json("package.json").get("proxy") if folder.has("package.json") else None
    if isinstance(target, str):
        yield (
            f"requests for an API go to {target} while you develop (proxy in package.json): give the service of that "
            "one its path, as `routes: [{path: /api}]`; without it, this one answers there with its start page"
        )


def _proxied(file: str, text: str) -> Iterator[tuple[str, bool]]:
    """Paths, and whether the other server gets them without the path."""
    for match in _MIDDLEWARE.finditer(text):
        yield match[1], "pathRewrite" in text[match.end() : match.end() + 300]
    block = _BLOCK.search(text)
    inner = _inside(text[block.end() :]) if block else text if "proxy.conf" in file else ""
    keys = list(_KEY.finditer(inner))
    for key, end in zip(keys, [*(each.start() for each in keys), len(inner)][1:], strict=True):
        own = inner[key.end() : end]
        yield key[1], bool(re.search(r"\b(?:rewrite|pathRewrite)\b", own))


def _inside(text: str) -> str:
    """The text up to the brace that closes a block."""
    depth = 1
    for place, sign in enumerate(text[:_MOST]):
        depth += (sign == "{") - (sign == "}")
        if depth == 0:
            return text[:place]
    return text[:_MOST]
