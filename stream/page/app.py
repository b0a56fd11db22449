"""The page's server: its addresses, and what stands before every answer.

Every answer goes through the same three gates: the name it was asked under, who asks, and what the browser is told to
refuse. What the pages show is in `boards/`.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import jinja2
import msgspec
from aiohttp import web
from markupsafe import Markup

from sinks.views import View, load_views
from stream.page import access
from stream.page.access import Access
from stream.page.asked import Asked
from stream.page.assets import Assets
from stream.page.boards import BOARDS, CSVS, Board, Csv
from stream.page.catalog import MENU, title_of
from stream.page.csv_text import csv_text
from stream.page.filters import BadRequest, Filters
from stream.page.format import name_of, plain
from stream.page.live import Live
from stream.page.options import options
from stream.page.periods import GRAINS, PRESETS, span_text
from stream.page.reading import Reader, Unavailable
from stream.settings import MODELS, Settings

FORM_BYTES = 4096
PART_HEADER = "X-Sixfold-Part"
"""A live page asks for its figures alone."""

_TEMPLATES = Path(__file__).parent / "templates"

logger = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(settings: Settings) -> web.Application:
    """The application over the database of the settings. Raises `AccessError`."""
    site = Site(settings)
    app = web.Application(middlewares=[site.guard, site.explain], client_max_size=FORM_BYTES)
    for path, read in CSVS.items():  # before the boards: `/report/{report}` would take their addresses
        app.router.add_get(path, site.csv(read))
    for board in BOARDS:
        app.router.add_get(board.path, site.board(board))
    app.router.add_get("/events", site.live.stream)
    app.router.add_get("/static/{version}/{name:.+}", site.assets.serve)
    app.router.add_get("/login", site.login_form)
    app.router.add_post("/login", site.login)
    app.router.add_post("/logout", site.logout)
    app.router.add_get("/live", site.alive)
    app.router.add_get("/ready", site.ready)
    app.on_shutdown.append(site.live.stop)
    app.on_cleanup.append(site.close)
    return app


class Site:
    """The pages over one database."""

    def __init__(self, settings: Settings) -> None:
        self.access = Access(settings)
        self.reader = Reader(settings)
        self.live = Live(self.reader)
        self.assets = Assets()
        self._headers = tuple(access.headers(secure=self.access.secure))
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {
            "static": self.assets.url,
            "menu": MENU,
            "title_of": title_of,
            "presets": PRESETS,
            "grains": GRAINS,
            "models": MODELS,
            "name_of": name_of,
            "span_text": span_text,
        }
        self._templates.filters |= {"json": _json_block, "plain": plain}

    @cached_property
    def views(self) -> Mapping[str, View]:
        """What every column means."""
        return {view.name: view for view in load_views()}

    async def close(self, _: web.Application) -> None:
        """Let ClickHouse go."""
        self.reader.close()

    # -- the gates

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse foreign names and forms, ask who is there, and add the headers to whatever comes out."""
        try:
            response = await self._admit(request, handler)
        except web.HTTPException as error:
            response = error
            self._add_headers(response)
            raise
        if not response.prepared:
            self._add_headers(response)
        return response

    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path
        if path not in {"/live", "/ready"}:
            self.access.check_host(request)
        if request.method == "POST":
            self.access.check_origin(request)
        if path in access.OPEN_PATHS or path.startswith("/static/") or self.access.allows(request):
            return await handler(request)
        if not self.access.has_password:
            raise web.HTTPForbidden(text="the proxy before this page has to say who you are")
        if path == "/events" or PART_HEADER in request.headers:
            raise web.HTTPUnauthorized(text="log in")
        target = request.path_qs if request.method == "GET" else "/"
        raise web.HTTPSeeOther("/login" if target == "/" else f"/login?next={quote(target, safe='')}")

    def _add_headers(self, response: web.StreamResponse) -> None:
        for name, value in self._headers:
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")

    @web.middleware
    async def explain(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn what went wrong into a page that says what to do."""
        try:
            return await handler(request)
        except BadRequest as error:
            return self._error(request, 400, "That cannot be shown", str(error))
        except Unavailable as error:
            return self._error(request, 503, "The figures cannot be read now", str(error), retry=5)
        except web.HTTPNotFound as error:
            text = error.text or ""
            return self._error(request, 404, "There is no such page", "" if text.startswith("404") else text)
        except web.HTTPException:
            raise
        except Exception:
            logger.exception("%s failed", request.path)
            return self._error(request, 500, "Something went wrong here", "the log of sixfold page says what")

    def _error(self, request: web.Request, status: int, title: str, text: str, retry: int = 0) -> web.Response:
        headers = {"Retry-After": str(retry), "Refresh": str(retry)} if retry else {}
        if PART_HEADER in request.headers:
            return web.Response(status=status, text=text, headers=headers)
        body = self._templates.get_template("error.html").render(
            title=title, text=text, theme=_theme(request), retry=retry
        )
        return web.Response(status=status, text=body, content_type="text/html", headers=headers)

    # -- logging in

    async def login_form(self, request: web.Request) -> web.Response:
        """`GET /login`."""
        if not self.access.has_password or self.access.allows(request):
            raise web.HTTPSeeOther("/")
        return self._login_page(request, _target(request.query.get("next", "")))

    async def login(self, request: web.Request) -> web.Response:
        """`POST /login`."""
        form = await request.post()
        target = _target(str(form.get("next", "")))
        if not await self.access.log_in(request, str(form.get("password", ""))):
            return self._login_page(request, target, wrong=True)
        response = web.Response(status=303, headers={"Location": target})
        self.access.start_session(response)
        return response

    async def logout(self, _: web.Request) -> web.Response:
        """`POST /logout`."""
        response = web.Response(status=303, headers={"Location": "/login"})
        self.access.end_session(response)
        return response

    def _login_page(self, request: web.Request, target: str, *, wrong: bool = False) -> web.Response:
        body = self._templates.get_template("login.html").render(theme=_theme(request), target=target, wrong=wrong)
        return web.Response(status=401 if wrong else 200, text=body, content_type="text/html")

    # -- health

    async def alive(self, _: web.Request) -> web.Response:
        """`GET /live`: the process serves."""
        return web.json_response({"live": True})

    async def ready(self, _: web.Request) -> web.Response:
        """`GET /ready`: ClickHouse answers."""
        try:
            await self.reader.state()
        except Unavailable:
            return web.json_response({"ready": False}, status=503)
        return web.json_response({"ready": True})

    # -- pages

    def board(self, board: Board) -> Handler:
        """The handler of a page; a live page gets its figures alone."""

        async def handle(request: web.Request) -> web.StreamResponse:
            asked = await self._ask(request)
            values = await board.read(asked)
            part = PART_HEADER in request.headers
            common = {
                "path": request.path,
                "state": asked.state,
                "filters": asked.filters,
                "format": asked.format,
                "theme": _theme(request),
                "logout": self.access.has_password,
                "part": part,
                "still": False,
                "options": {} if part else await options(self.reader),
            }
            return _packed(self._templates.get_template(board.template).render(common | dict(values)), "text/html")

        return handle

    def csv(self, read: Callable[[Asked], Awaitable[Csv]]) -> Handler:
        """The handler of a file."""

        async def handle(request: web.Request) -> web.StreamResponse:
            name, rows = await read(await self._ask(request))
            response = _packed(csv_text(rows), "text/csv")
            response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
            return response

        return handle

    async def _ask(self, request: web.Request) -> Asked:
        filters = Filters.of(request.query.items())
        if filters.model is not None and filters.model not in MODELS:
            raise BadRequest(f"there is no model {filters.model}; there are {', '.join(MODELS)}")
        return Asked(request, self.reader, await self.reader.state(), filters, self.views)


def _packed(text: str, kind: str) -> web.Response:
    response = web.Response(text=text, content_type=kind)
    response.enable_compression()
    return response


def _json_block(value: Any) -> Markup:  # noqa: ANN401 - anything JSON can hold
    """JSON inside a script element of type application/json: nothing in it can end the element."""
    text = msgspec.json.encode(value).decode().replace("<", "\\u003c").replace("&", "\\u0026")
    return Markup(text)  # noqa: S704 - no character in it can leave the element


def _theme(request: web.Request) -> str:
    theme = request.cookies.get("sixfold_theme", "")
    return theme if theme in {"light", "dark"} else ""


def _target(text: str) -> str:
    """Where to go after the login: a path of ours, whatever was sent."""
    parts = urlsplit(text)
    ours = text.startswith("/") and not text.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return text if ours and text.isprintable() else "/"
