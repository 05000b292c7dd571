"""Apps of further frameworks, package managers and layouts."""

from __future__ import annotations

import sys

from bench.onboarding.app import LOCK, App

INSTALL = ("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts")

PAGE = "<html><head><title>shop</title></head><body><h1>made by hand</h1></body></html>\n"

ASGI = """\
import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chat.settings")
application = ProtocolTypeRouter({"http": get_asgi_application()})
"""

FASTAPI = """\
from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def index() -> dict[str, str]:
    return {"made": "by hand"}
"""

GO = """\
package main

import (
	"log"
	"net/http"

	"example.com/shop/internal/pages"
)

func main() {
	http.HandleFunc("/", pages.Index)
	log.Fatal(http.ListenAndServe(":8080", nil))
}
"""

PAGES = """\
package pages

import (
	"fmt"
	"net/http"
)

func Index(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "made by hand") }
"""

ROUTES = """\
Rails.application.routes.draw do
  resources :posts
  get "up" => "rails/health#show", as: :rails_health_check
  root "posts#index"
end
"""

RAILS_NEW = """\
gem install --quiet --no-document rails \\
    && rails new . --name shop --asset-pipeline propshaft \\
        --skip-javascript --skip-brakeman --skip-rubocop --skip-docker \\
    && bundle install --quiet \\
    && bin/rails generate scaffold post title:string \\
    && chown -R "$(stat -c %u:%g ..)" .
"""
"""In a container that has Ruby. `bundle install` is by itself, as Debian's `rails new` uses no network.

Debian lacks what is left out: importmap-rails, turbo-rails, stimulus-rails, brakeman and rubocop-rails-omakase. Without
`--skip-docker` the app would have a Dockerfile, and FTL use it.
"""

FURTHER_APPS = (
    App(
        "rails",
        (
            (
                "sh",
                "-c",
                'docker run --rm -v "$(dirname "$PWD")":/apps -w "/apps/$(basename "$PWD")" ftl-lab-ruby sh -c "$0"',
                RAILS_NEW,
            ),
        ),
        {"config/routes.rb": ROUTES},
        "<h1>Posts</h1>",
        images=("ruby",),
    ),
    App(
        "astro",
        (
            ("npm", "init", "--yes"),
            ("npm", "pkg", "set", "scripts.build=astro build", "type=module"),
            (*INSTALL, "astro@5"),
        ),
        {"src/pages/index.astro": PAGE},
        "made by hand",
    ),
    App(
        "nest",
        (
            (
                "npx",
                "--yes",
                "@nestjs/cli@11",
                "new",
                "nest",
                "--directory",
                ".",
                "--package-manager",
                "npm",
                "--skip-install",
                "--skip-git",
            ),
            LOCK,
        ),
        {},
        "Hello World!",
    ),
    App(
        "pnpm",
        (
            ("npm", "create", "--yes", "vite@6", ".", "--", "--template", "vue-ts", "--no-interactive"),
            ("npx", "--yes", "pnpm@10", "install", "--lockfile-only"),
        ),
        {},
        '<div id="app">',
    ),
    App(
        "channels",
        (
            (sys.executable, "-m", "venv", "../channels-tools"),
            ("../channels-tools/bin/pip", "install", "--quiet", "django"),
            ("../channels-tools/bin/django-admin", "startproject", "chat", "."),
        ),
        {"requirements.txt": "django\nchannels\ndaphne\n", "chat/asgi.py": ASGI},
        "The install worked successfully",
    ),
    App(
        "uvapp",
        (("uv", "init", "--quiet", "--package", "."), ("uv", "add", "--quiet", "fastapi[standard]")),
        {"src/uvapp/main.py": FASTAPI},
        "by hand",
    ),
    App(
        "gocmd",
        (("go", "mod", "init", "example.com/shop"),),
        {"cmd/server/main.go": GO, "internal/pages/pages.go": PAGES},
        "made by hand",
    ),
)
