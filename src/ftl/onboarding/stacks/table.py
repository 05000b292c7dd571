"""The stacks that `ftl init` knows: one row each, tried in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftl.dataclass import dataclass
from ftl.onboarding.stacks import go, plain_files
from ftl.onboarding.stacks.java import spring
from ftl.onboarding.stacks.node import app as node
from ftl.onboarding.stacks.node import next as next_js
from ftl.onboarding.stacks.node import rendered, sites
from ftl.onboarding.stacks.php import laravel
from ftl.onboarding.stacks.python import app as python
from ftl.onboarding.stacks.python import django
from ftl.onboarding.stacks.ruby import rack, rails

if TYPE_CHECKING:
    from collections.abc import Callable

    from ftl.onboarding.app import App
    from ftl.onboarding.folder import AppFolder


@dataclass(frozen=True, slots=True)
class Stack:
    """A kind of app.

    Attributes:
        language: Of the stacks of one language, only the first that fits counts.
        evidence: What shows that the folder is such an app; None if nothing does.
        describe: The app, from its folder and the evidence.
        clear: A server without doubt. Two of these are two apps; any other gives way, since package.json, say, may
            only build the assets of a Django project.
    """

    name: str
    language: str
    evidence: Callable[[AppFolder], str | None]
    describe: Callable[[AppFolder, str], App]
    clear: bool = True


STACKS = (
    Stack("Django", "Python", django.django, django.describe_django),
    Stack("FastAPI", "Python", python.fastapi, python.describe_fastapi),
    Stack("Flask", "Python", python.flask, python.describe_flask),
    Stack("Streamlit", "Python", python.streamlit, python.describe_streamlit),
    Stack("Rails", "Ruby", rails.rails, rails.describe_rails),
    Stack("Ruby", "Ruby", rack.ruby, rack.describe_ruby, clear=False),
    Stack("Laravel", "PHP", laravel.laravel, laravel.describe_laravel),
    Stack("Spring Boot", "Java", spring.spring, spring.describe_spring),
    Stack("Go", "Go", go.go, go.describe_go),
    Stack("Next.js", "Node", node.next_js, next_js.describe_next),
    Stack("Nuxt", "Node", node.nuxt, node.describe_nuxt),
    Stack("rendered site", "Node", rendered.rendered_site, rendered.describe_rendered_site),
    Stack("Node server", "Node", node.known_server, node.describe_server),
    Stack("built site", "Node", sites.site, sites.describe_site, clear=False),
    Stack("Node", "Node", node.start_script, node.describe_server, clear=False),
    Stack("Python", "Python", python.any_python, python.describe_any, clear=False),
    Stack("static files", "files", plain_files.static, plain_files.describe_static, clear=False),
)
