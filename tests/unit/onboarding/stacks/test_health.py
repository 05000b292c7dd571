"""Health checks by the code: paths of routes alone, and none that is not sure."""

# ruff: noqa: E501 -- lines of apps

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ftl.onboarding.folder import AppFolder
from ftl.onboarding.stacks.health import found_health, rendered_start
from tests.unit.onboarding.apps import MANAGE, SETTINGS, package
from tests.unit.onboarding.conftest import put_files
from tests.unit.onboarding.odd_apps import using

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.unit.onboarding.conftest import Begin


@pytest.mark.parametrize(
    ("name", "text", "path"),
    [
        ("a.py", '@app.get("/health")\ndef ok(): ...\n', "/health"),
        ("a.py", '@app.route("/healthz", methods=["GET"])\ndef ok(): ...\n', "/healthz"),
        ("a.py", "routes = [Route('/health', ok), Route('/x', x)]\n", "/health"),
        ("a.py", 'app.add_url_rule("/ping", view_func=ok)\n', "/ping"),
        ("a.py", 'if self.path == "/health":\n', "/health"),
        ("urls.py", 'urlpatterns = [path("healthz/", ok)]\n', "/healthz/"),
        ("urls.py", 'urlpatterns = [re_path(r"^healthz/$", ok)]\n', "/healthz/"),
        ("a.js", "app.get('/api/v1/health', (req, res) => res.send('ok'));\n", "/api/v1/health"),
        ("a.js", "app.get(\n  '/health',\n  ok,\n);\n", "/health"),
        ("a.js", "app.route('/health').get(ok)\n", "/health"),
        ("a.js", "new Hono()\n  .get('/health', (c) => c.text('ok'))\n", "/health"),
        ("a.ts", "const app = new Hono().get('/health', (c) => c.text('ok'))\n", "/health"),
        (
            "a.ts",
            "new Elysia().get('/health', () => 'ok').get('/me', requireAuth, me).listen(3000)\n",
            "/health",
        ),
        ("a.ts", "const routes = app.get('/health', (c) => c.text('ok'))\n", "/health"),
        ("a.ts", "const f = () => {\n  return router.get('/health', ok)\n}\n", "/health"),
        ("a.py", "app.router.add_get('/health', ok)\n", "/health"),
        ("a.js", "fastify.route({ method: 'GET', url: '/health', handler })\n", "/health"),
        ("a.js", "createServer((req, res) => { if (req.url === '/healthz') res.end() })\n", "/healthz"),
        ("a.go", 'package main\nfunc main() { http.HandleFunc("GET /healthz", ok) }\n', "/healthz"),
        ("a.go", 'r.GET("/ping", func(c *gin.Context) {\n', "/ping"),
        ("a.go", 'switch { case r.URL.Path == "/healthz": }\n', "/healthz"),
        ("config/routes.rb", 'Rails.application.routes.draw do\n  get "up" => "x#show"\nend\n', "/up"),
        ("routes/web.php", "Route::get('up', fn () => 'ok');\n", "/up"),
        ("A.java", '@GetMapping("/health") String ok() {}\n', "/health"),
        ("a.js", "app.get('/v1/health', ok);\n", "/v1/health"),
        ("a.py", '@app.get("/v1/healthcheck")\ndef ok(): ...\n', "/v1/healthcheck"),
        ("a.go", 'http.HandleFunc("GET /v1/healthcheck", ok)\n', "/v1/healthcheck"),
        ("a.go", 'r.GET("/v2/api/health_check", ok)\n', "/v2/api/health_check"),
        ("a.py", '@app.route("/internal/readiness")\ndef ok(): ...\n', "/internal/readiness"),
        ("urls.py", 'urlpatterns = [path("v1/healthz", ok)]\n', "/v1/healthz"),
        ("a.py", '@app.route("/__heartbeat__")\ndef ok(): ...\n', "/__heartbeat__"),
        ("a.ts", "@Controller('health')\nexport class A {\n  @Get()\n  check() {}\n}\n", "/health"),
    ],
)
def test_routes(tmp_path: Path, name: str, text: str, path: str) -> None:
    """Each framework's own way to write one."""
    found = found_health(AppFolder(put_files(tmp_path, {name: text})))
    assert (found.path, found.maybe) == (path, "")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", 'state = request.args.get("status")\n'),
        ("a.py", 'r = requests.get("/status", timeout=1)\n'),
        ("a.py", '@app.get("/orders")\ndef x(status="status"): ...\n'),
        ("a.js", 'const s = searchParams.get("status")\n'),
        ("a.js", "ws.on('ping', () => ws.send('pong'))\n"),
        ("a.js", "const r = await api.get('/status', { params })\n"),
        ("a.js", "axios.get('/health', {})\n"),
        ("a.js", "const r = axios.get('/health', {})\n"),
        ("a.js", "const r = await get('/health', {})\n"),
        ("a.js", "axios.create(options).get('/health', {})\n"),
        ("a.js", "return api.get('/health', {})\n"),
        ("a.py", "r = client.get('/health', timeout=1)\n"),
        ("a.jsx", "<Route path='/status' element={<Status />} />\n"),
        ("a.ts", "const routes = [{ path: '/status', component: Status }]\n"),
        ("a.go", 's := r.URL.Query().Get("status")\n'),
        ("a.go", 'handle("up")\n'),
        ("A.java", 'String s = map.get("status");\n'),
        ("a.js", "cache.get('/health')\n"),
        ("a.js", "app.get('/orders/status', ok)\n"),
        ("a.js", "app.get('/version/health', ok)\n"),
        ("a.js", "app.get('/v1/orders/health', ok)\n"),
    ],
)
def test_words_that_are_no_routes(tmp_path: Path, name: str, text: str) -> None:
    """A query's parameter, an event or a request made the first deploy wait for a 404."""
    found = found_health(AppFolder(put_files(tmp_path, {name: text})))
    assert (found.path, found.maybe) == (None, "")


@pytest.mark.parametrize(
    ("files", "maybe"),
    [
        ({"a.py": 'app.include_router(router, prefix="/api")\n', "b.py": '@router.get("/health")\ndef ok(): ...\n'}, "/health"),
        ({"a.py": "app.include_router(router, prefix=settings.API)\n", "b.py": '@router.get("/health")\ndef ok(): ...\n'}, "/health"),
        ({"a.py": 'router = APIRouter(tags=[x()], prefix="/api")\n@router.get("/health")\ndef ok(): ...\n'}, "/health"),
        ({"a.py": "app.register_blueprint(bp, url_prefix='/api')\n", "b.py": "@bp.route('/health')\ndef ok(): ...\n"}, "/health"),
        ({"a.js": "app.use('/api', routes)\n", "routes/r.js": "router.get('/health', ok)\n"}, "/health"),
        ({"a.js": "app.use('/health', routes)\n"}, "/health"),
        ({"a.ts": "app.register(routes, { prefix: '/api' })\n", "r.ts": "instance.get('/health', ok)\n"}, "/health"),
        ({"a.ts": "app.route('/api', api)\n", "r.ts": "app.get('/health', ok)\n"}, "/health"),
        ({"a.ts": "const app = new Hono().basePath('/api')\napp.get('/health', ok)\n"}, "/health"),
        ({"a.ts": "app.setGlobalPrefix('api')\n", "h.ts": "@Controller('health')\nclass A {\n  @Get()\n  x() {}\n}\n"}, "/health"),
        ({"h.ts": "@Controller('health')\nclass A {\n  @Get('live')\n  x() {}\n}\n"}, "/health"),
        ({"h.ts": "@Controller('cats')\nclass A {\n  @Get('health')\n  x() {}\n}\n"}, "/health"),
        ({"A.java": '@RequestMapping("/api")\nclass A {\n@GetMapping("/health") String ok() {}\n'}, "/health"),
        ({"a.go": 'v1 := r.Group("/v1")\nv1.GET("/health", ok)\n'}, "/health"),
        ({"shop/settings.py": 'ROOT_URLCONF = "shop.urls"\n', "shop/urls.py": 'path("api/", include("core.urls"))\n', "core/urls.py": 'x = [path("health/", ok)]\n'}, "/health/"),
        ({"a.py": '@app.get("/status")\n@login_required\ndef ok(): ...\n'}, "/status"),
        ({"a.js": "app.get('/status', requireAuth, ok)\n"}, "/status"),
        ({"a.js": "module.exports = (app) => {\n  app.get('/status', (req, res) => {\n    res.redirect('/x');\n  });\n};\n"}, "/status"),
        ({"a.js": "app.get(\n  '/status',\n  requireAuth,\n  ok,\n);\n"}, "/status"),
    ],
)  # fmt: skip
def test_paths_that_are_not_sure(tmp_path: Path, files: Mapping[str, str], maybe: str) -> None:
    """A router's prefix comes before them, or a login is wanted: the port is checked, and the path is a comment."""
    found = found_health(AppFolder(put_files(tmp_path, files)))
    assert (found.path, found.maybe) == (None, maybe)
    assert "is not sure, since" in found.reason


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"a.py": 'app.include_router(router, prefix="/api")\n@app.get("/health")\ndef ok(): ...\n'}, "/health"),
        ({"a.py": "app.include_router(router)\n", "b.py": '@router.get("/health")\ndef ok(): ...\n'}, "/health"),
        ({"a.js": "app.use('/api', routes)\napp.get('/health', ok)\n"}, "/health"),
        ({"a.js": "app.use('/', routes)\n", "r.js": "router.get('/health', ok)\n"}, "/health"),
        ({"shop/settings.py": 'ROOT_URLCONF = "shop.urls"\n', "shop/urls.py": 'path("health/", ok)\npath("api/", include("core.urls"))\n'}, "/health/"),
        ({"shop/settings.py": 'ROOT_URLCONF = "shop.urls"\n', "shop/urls.py": 'path("", include("core.urls"))\n', "core/urls.py": 'x = [path("health/", ok)]\n'}, "/health/"),
        ({"a.js": "app.get('/health', ok);\napp.get('/login', (req, res) => res.redirect('/'));\n"}, "/health"),
    ],
)  # fmt: skip
def test_paths_that_are_sure_beside_prefixes(tmp_path: Path, files: Mapping[str, str], path: str) -> None:
    """What is defined on the app itself has no prefix."""
    assert found_health(AppFolder(put_files(tmp_path, files))).path == path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.js", "module.exports = (app) => {\n  app.get('/health', (req, res) => {\n    res.send('x');\n  });\n  app.get('/me', requireAuth, me);\n};\n"),
        ("a.js", "module.exports = (app) => {\n  app.get('/health', (req, res) => {\n    res.send('x');\n  });\n  app.use(requireAuth);\n};\n"),
        ("a.js", "app.get(\n  '/health',\n  ok,\n)\napp.get('/me', requireAuth, me)\n"),
        ("a.js", "app.get('/health', (req, res) =>\n  res.send('x'))\napp.use(requireAuth)\n"),
        ("a.go", 'func f() {\n\tr.Get("/health", func(w W, r *R) {\n\t\tw.Write(ok)\n\t})\n\tr.Use(authMiddleware)\n}\n'),
        ("a.go", 'func f() {\n\tr.GET("/health", func(c *C) {\n\t\tc.String(200)\n\t})\n\tapi := r.With(requireAuth)\n}\n'),
        ("a.go", 'func f() {\n\thttp.HandleFunc("/health", func(w W, r *R) {\n\t\tw.Write(ok)\n\t})\n\thttp.Handle("/me", requireAuth(me))\n}\n'),
        ("a.ts", "@Controller()\nexport class A {\n  @Get('health')\n  check() {\n    return 'x'\n  }\n  @UseGuards(AuthGuard)\n  @Get('me')\n  me() {}\n}\n"),
    ],
)  # fmt: skip
def test_what_comes_after_a_route(tmp_path: Path, name: str, text: str) -> None:
    """A login that the next route wants is none of this one."""
    found = found_health(AppFolder(put_files(tmp_path, {name: text})))
    assert (found.maybe or found.path) == "/health"
    assert "login" not in found.reason


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"a.py": '@app.route("/")\ndef index():\n    return "x"\n\n@app.route("/login")\ndef login(): ...\n'}, "/"),
        ({"a.py": '@app.route("/")\n@login_required\ndef index():\n    return "x"\n'}, None),
        ({"a.py": '@login_required\n@app.route("/")\ndef index():\n    return "x"\n'}, None),
        ({"a.py": '@app.get("/")\ndef index():\n    return RedirectResponse("/docs")\n'}, None),
        ({"a.py": '@app.before_request\ndef check():\n    return redirect("/login")\n\n@app.route("/")\ndef x(): ...\n'}, None),
        ({"a.py": 'bp = Blueprint("x", __name__, url_prefix="/admin")\n@bp.route("/")\ndef x(): ...\n'}, None),
        ({"a.js": "app.get('/', (req, res) => res.send('x'));\n"}, "/"),
        ({"a.js": "app.get('/', (req, res) => {\n  res.redirect('/home');\n});\n"}, None),
        ({"a.js": "app.use(requireAuth);\napp.get('/', ok);\n"}, None),
        ({"a.js": "app.use('/', index);\napp.use('/users', users);\n", "routes/index.js": "router.get('/', show);\n", "routes/users.js": "router.get('/', requireAuth, show);\n"}, "/"),
        ({"a.js": "app.use('/', index);\n", "routes/index.js": "router.get('/', requireAuth, show);\n"}, None),
        ({"a.js": "app.use('/users', users);\n", "users.js": "router.get('/', show);\n"}, None),
        ({"a.js": "axios.get('/', x)\n"}, None),
    ],
)  # fmt: skip
def test_start_pages(tmp_path: Path, files: Mapping[str, str], path: str | None) -> None:
    """One that leads to a login answers 302, and a deploy fails by it."""
    assert found_health(AppFolder(put_files(tmp_path, files))).path == path


NEXT = {"package.json": package({"build": "next build"}, next="15"), "package-lock.json": "{}"}


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"app/page.tsx": "<Link href='/login'>Log in</Link>"}, "/"),
        ({"app/page.tsx": "redirect('/home')"}, None),
        ({"app/[locale]/page.tsx": ""}, None),
        ({"app/(site)/page.tsx": ""}, "/"),
        (
            {
                "app/page.tsx": "",
                "middleware.ts": "export default createMiddleware(routing)\nimport 'next-intl'",
            },
            None,
        ),
        ({"app/page.tsx": "", "src/middleware.ts": "return NextResponse.redirect(url)"}, None),
        ({"app/page.tsx": "", "proxy.ts": "export { auth as proxy } from './auth'"}, None),
        ({"app/page.tsx": "", "middleware.ts": "response.headers.set('x', 'y')"}, "/"),
        ({"next.config.js": "redirects: () => [{ source: '/', destination: '/x' }]"}, None),
    ],
)
def test_the_start_page_of_next(begin: Begin, files: Mapping[str, str], path: str | None) -> None:
    """A redirect to a language or a login is no 2xx."""
    health = begin({**NEXT, **files})[0].app.health
    assert (health.path, health.maybe) == (path, "" if path else "/")


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"src/routes/+page.server.ts": "redirect(302, '/x')"}, None),
        ({"src/hooks.server.ts": "throw redirect(303, '/login')"}, None),
        ({"middleware/auth.global.ts": "return navigateTo('/login')"}, None),
        ({"app/routes/_index.tsx": "export const loader = () => redirect('/x')"}, None),
        ({"app/routes/login.tsx": "export const loader = () => redirect('/x')"}, "/"),
        ({"package.json": '{"dependencies": {"@nuxtjs/i18n": "1"}}'}, None),
    ],
)
def test_the_start_page_of_other_frameworks(
    tmp_path: Path, files: Mapping[str, str], path: str | None
) -> None:
    """Files that come before the page, or load it."""
    assert rendered_start(AppFolder(put_files(tmp_path, files))).path == path


@pytest.mark.parametrize(
    ("routes", "path"),
    [
        ("Route::get('/', fn () => view('welcome'));\nRoute::get('/d')->middleware('auth');", "/"),
        ("Route::get('/', fn () => redirect('/d'));", None),
        ("Route::redirect('/', '/d');", None),
        ("Route::get('/d', X::class);", None),
    ],
)
def test_the_start_page_of_laravel(begin: Begin, routes: str, path: str | None) -> None:
    """Where the app has no `/up`."""
    required = {"php": "^8.3", "laravel/framework": "^12"}
    files = {"composer.json": json.dumps({"require": required}), "routes/web.php": f"<?php\n{routes}\n"}
    assert begin(files)[0].app.health.path == path


@pytest.mark.parametrize(("code", "path"), [("", None), ("EndpointRequest.to(x)", "/actuator/health")])
def test_spring_security_before_the_actuator(begin: Begin, code: str, path: str | None) -> None:
    """It answers 401 there unless it is told otherwise."""
    pom = "".join(f"<artifactId>spring-boot-starter-{name}</artifactId>" for name in ("actuator", "security"))
    files = {"pom.xml": pom, "src/main/java/A.java": f"class A {{ {code} }}"}
    assert begin(files)[0].app.health.path == path


def test_a_path_that_is_not_sure_is_a_comment_at_its_line(begin: Begin, tmp_path: Path) -> None:
    """The port is checked until somebody looks."""
    files = {
        **using("express", start="node a.js"),
        "a.js": "app.use('/api', r)\n",
        "r.js": "router.get('/health', ok)\n",
    }
    _, project = begin(files)
    assert project.services[0].health_check is None
    text = (tmp_path / "shop" / "ftl.yaml").read_text()
    assert "/health of r.js is not sure, since a.js puts routers below a path. Better:" in text
    assert "#   path: /health   # must respond" in text


def test_django_asks_for_its_host_and_keeps_the_path(begin: Begin) -> None:
    """Settings with a variable for the hosts do not hide a path that is not sure."""
    files = {
        "manage.py": MANAGE,
        "requirements.txt": "django\ngunicorn\n",
        "shop/settings.py": SETTINGS.replace('["*"]', 'os.environ["ALLOWED_HOSTS"].split(",")')
        + 'ROOT_URLCONF = "shop.urls"\n',
        "core/urls.py": 'x = [path("health/", ok)]\n',
    }
    assert begin(files)[0].app.health.maybe == "/health/"
