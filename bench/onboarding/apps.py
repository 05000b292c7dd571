"""The apps of the benchmark: one for each stack that `ftl init` knows well."""

from __future__ import annotations

import sys

from bench.onboarding.app import LOCK, App
from bench.onboarding.further_apps import FASTAPI, FURTHER_APPS

FLASK = """\
from flask import Flask

app = Flask(__name__)


@app.get("/")
def index() -> str:
    return "made by hand"
"""

GO = """\
package main

import (
	"fmt"
	"log"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "made by hand") })
	log.Fatal(http.ListenAndServe(":8080", nil))
}
"""

PYPROJECT = """\
[project]
name = "fast"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["fastapi", "uvicorn"]
"""

PROCFILE_APP = """\
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"made by hand")


HTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""

POM = """\
<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
	xsi:schemaLocation="http://maven.apache.org/POM/4.0.0 https://maven.apache.org/xsd/maven-4.0.0.xsd">
	<modelVersion>4.0.0</modelVersion>
	<parent>
		<groupId>org.springframework.boot</groupId>
		<artifactId>spring-boot-starter-parent</artifactId>
		<version>3.5.7</version>
		<relativePath/> <!-- lookup parent from repository -->
	</parent>
	<groupId>com.example</groupId>
	<artifactId>shop</artifactId>
	<version>0.0.1-SNAPSHOT</version>
	<properties>
		<java.version>21</java.version>
	</properties>
	<dependencies>
		<dependency>
			<groupId>org.springframework.boot</groupId>
			<artifactId>spring-boot-starter-web</artifactId>
		</dependency>
	</dependencies>
	<build>
		<plugins>
			<plugin>
				<groupId>org.springframework.boot</groupId>
				<artifactId>spring-boot-maven-plugin</artifactId>
			</plugin>
		</plugins>
	</build>
</project>
"""
SPRING = """\
package com.example.shop;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class ShopApplication {

	public static void main(String[] args) {
		SpringApplication.run(ShopApplication.class, args);
	}

	@GetMapping("/")
	String index() {
		return "made by hand";
	}
}
"""
"""The files that start.spring.io makes, which is a service and no program, with a page."""

LAYOUT = """\
export default function RootLayout({ children }: { children: React.ReactNode }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
"""
"""The generated one loads its fonts from Google while it is built, which a network without a way there cannot."""

APPS = (
    App(
        "django",
        (
            (sys.executable, "-m", "venv", "../django-tools"),
            ("../django-tools/bin/pip", "install", "--quiet", "django"),
            ("../django-tools/bin/django-admin", "startproject", "shop", "."),
        ),
        {"requirements.txt": "django\n"},
        "The install worked successfully",
    ),
    App("flask", (), {"app.py": FLASK, "requirements.txt": "flask\n"}, "made by hand"),
    App(
        "fastapi",
        (
            (sys.executable, "-c", f"open('pyproject.toml', 'w').write({PYPROJECT!r})"),
            ("uv", "lock", "--quiet"),
        ),
        {"main.py": FASTAPI},
        "by hand",
    ),
    App("express", (("npx", "--yes", "express-generator", "--no-view", "--force", "."), LOCK), {}, "Express"),
    App(
        "vite",
        (
            (
                "npm",
                "create",
                "--yes",
                "vite@6",
                ".",
                "--",
                "--template",
                "react-ts",
                "--no-interactive",
            ),
            LOCK,
        ),
        {},
        '<div id="root">',
    ),
    App(
        "next",
        (
            (
                "npx",
                "--yes",
                "create-next-app@latest",
                ".",
                "--ts",
                "--no-eslint",
                "--no-tailwind",
                "--app",
                "--no-src-dir",
                "--use-npm",
                "--skip-install",
                "--no-import-alias",
                "--yes",
            ),
            LOCK,
        ),
        {"app/layout.tsx": LAYOUT},
        "<html",
    ),
    App("go", (("go", "mod", "init", "example.com/shop"),), {"main.go": GO}, "made by hand"),
    App(
        "spring",
        (),
        {"pom.xml": POM, "src/main/java/com/example/shop/ShopApplication.java": SPRING},
        "made by hand",
    ),
    App("static", (), {"index.html": "<!doctype html><title>made by hand</title>\n"}, "made by hand"),
    App(
        "procfile",
        (),
        {"Procfile": "web: python server.py\n", "server.py": PROCFILE_APP, "requirements.txt": ""},
        "made by hand",
    ),
    *FURTHER_APPS,
)
