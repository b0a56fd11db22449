"""The page's server: its addresses, and what stands behind each.

Every answer goes through the same three gates: the name it was asked under, who asks, and what the browser is told to
refuse.
"""

import asyncio
import csv
import io
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import jinja2
import msgspec
from aiohttp import web
from markupsafe import Markup

from sinks.views import View, load_views
from stream.figures import REPORTS, Figures
from stream.flow import kind_of as kind_of_entity
from stream.page import access, boards, charts, tables
from stream.page.access import Access
from stream.page.assets import Assets
from stream.page.boards import Asked
from stream.page.catalog import MENU, PAGES, Page, title_of
from stream.page.filters import BadRequest, Filters
from stream.page.format import MISSING, Format, kind_of, kind_of_measure, name_of, plain
from stream.page.live import Live
from stream.page.periods import GRAINS, PRESETS, span_text
from stream.page.reading import Reader, State, Unavailable
from stream.page.record import explained
from stream.page.records import LABELS, MOST_ROWS, NAMES, PAGE_ROWS, Group, records
from stream.page.summary import Choice, Summary, summarize
from stream.page.tables import Shown
from stream.provenance import Said
from stream.settings import MODELS, Settings

FORM_BYTES = 4096
PART_HEADER = "X-Sixfold-Part"
"""A live page asks for its figures alone."""

_TEMPLATES = Path(__file__).parent / "templates"
_OPTIONS = """
SELECT DISTINCT option.1 AS key, option.2 AS value, option.3 AS label FROM (
    SELECT arrayJoin([('channel', channel, ''), ('campaign_id', campaign_id, campaign)]) AS option FROM report_funnel
    UNION ALL
    SELECT arrayJoin([('channel', channel, ''), ('campaign_id', campaign_id, campaign)]) FROM report_campaign_revenue
    WHERE model = (SELECT attribution_model FROM base_settings)
    UNION ALL
    SELECT ('team', each.team, '') FROM base_reps ARRAY JOIN teams AS each)
WHERE value != ''
ORDER BY key, if(label = '', value, label), value
"""

BOARDS = (
    ("/models", "models.html", boards.models),
    ("/targets", "targets.html", boards.targets),
    ("/opportunity-list", "opportunity_list.html", boards.opportunity_list),
    ("/pivot", "pivot.html", boards.pivot),
    ("/changes", "changes.html", boards.changes),
    ("/quality", "quality.html", boards.quality),
)

logger = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SITE: web.AppKey["Site"] = web.AppKey("site")


def make_app(settings: Settings) -> web.Application:
    """The application over the database of the settings. Raises `AccessError`."""
    site = Site(settings)
    app = web.Application(middlewares=[site.guard, site.explain], client_max_size=FORM_BYTES)
    app[SITE] = site
    app.router.add_get("/", site.overview)
    app.router.add_get("/report/{report}.csv", site.report_csv)
    app.router.add_get("/report/{report}", site.report)
    app.router.add_get("/records/{report}/{measure}.csv", site.records_csv)
    app.router.add_get("/records/{report}/{measure}", site.records)
    for path, template, board in BOARDS:
        app.router.add_get(path, site.board(path, template, board))
    app.router.add_get("/opportunity-list.csv", site.opportunity_list_csv)
    app.router.add_get("/record", site.record)
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
            "replace": replace,
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

    # -- reports

    async def overview(self, request: web.Request) -> web.Response:
        """`GET /`: the numbers a day begins with."""
        filters, state = await self._asked(request)
        names = ("profitability", "funnel", "opportunities", "calls")
        pipeline, *found = await asyncio.gather(
            self._summary("pipeline", replace(filters, where={"status": ("open",)}), state),
            *(self._summary(name, filters, state) for name in names),
        )
        of = dict(zip(names, found, strict=True))

        def shown(name: str) -> Shown:
            return self._shown(filters, state, self._meanings(REPORTS[name]))

        def bars(name: str, measure: str, key: str) -> charts.Bars | None:
            return tables.bar_chart(replace(PAGES[name], bars=(measure, key)), of[name], shown(name))

        picked = (
            ("profitability", ("revenue", "spend", "roas", "contribution")),
            ("funnel", ("leads", "customers")),
            ("opportunities", ("win_rate",)),
            ("calls", ("answer_rate",)),
        )
        tiles = [
            tile
            for name, columns in picked
            for tile in tables.tiles(replace(PAGES[name], tiles=columns), of[name], shown(name))
        ]
        of_pipeline = {"estimated_revenue": "Open pipeline", "weighted_revenue": "Weighted pipeline"}
        page = replace(PAGES["pipeline"], tiles=tuple(of_pipeline))
        tiles += tables.tiles(page, pipeline, shown("pipeline"), of_pipeline)
        return await self._page(
            request,
            "overview.html",
            title="Overview",
            path="/",
            question="Revenue, leads, calls and pipeline at a glance.",
            keys=(),
            choice=of["profitability"].choice,
            tiles=tiles,
            lines=tables.lines(("revenue", "spend"), of["profitability"], shown("profitability"), state.today),
            bars=bars("profitability", "revenue", "campaign_id"),
            channels=bars("funnel", "leads", "channel"),
            steps=_steps(of["funnel"], filters),
        )

    async def report(self, request: web.Request) -> web.Response:
        """`GET /report/NAME`: tiles, charts and the table."""
        page = _report(request)
        filters, state = await self._asked(request)
        shown = self._shown(filters, state, self._meanings(page.figures))
        summary, _ = await asyncio.gather(self._summary(page.report, filters, state), self._options())
        return await self._page(
            request,
            "report.html",
            title=page.title,
            path=page.path,
            question=self.views[page.figures.view].title,
            keys=page.figures.keys,
            choice=summary.choice,
            figures=page.figures,
            tiles=tables.tiles(page, summary, shown),
            bars=tables.bar_chart(page, summary, shown),
            lines=tables.lines(page.trend, summary, shown, state.today),
            steps=_steps(summary, filters) if page.report == "funnel" else None,
            table=tables.table(page, summary, shown),
            meanings=shown.meanings,
        )

    async def report_csv(self, request: web.Request) -> web.Response:
        """`GET /report/NAME.csv`: the table with every row, every column and the exact values."""
        page = _report(request)
        filters, state = await self._asked(request)
        summary = await self._summary(page.report, filters, state)
        return _csv(page.report, tables.csv_rows(page, summary, filters.sort))

    async def records(self, request: web.Request) -> web.Response:
        """`GET /records/NAME/MEASURE`: what a figure is made of."""
        figures, measure = _figures(request), request.match_info["measure"]
        filters, state = await self._asked(request)
        number = boards.page_number(request)
        choice = Choice.of(figures, filters, state)
        groups = await records(self.reader, choice, measure, page=number)
        shown = self._shown(filters, state, self._meanings(figures))
        kind = _kind_of_figure(figures, measure, choice, shown.meanings)
        total = sum(group.total or 0 for group in groups)
        back = {"targets": "/targets", "quality": "/quality"}.get(figures.report, f"/report/{figures.report}")
        return await self._page(
            request,
            "records.html",
            title=f"{name_of(measure)}: records",
            path=request.path,
            question="",
            keys=figures.keys,
            choice=choice,
            figures=figures,
            back=back,
            figure=shown.format.value(kind, total),
            exact=plain(total),
            measure=measure,
            groups=[_group_table(group, kind, shown) for group in groups],
            names=NAMES,
            number=number,
            pages=max((group.count + PAGE_ROWS - 1) // PAGE_ROWS for group in groups),
            meaning=shown.meanings.get(measure, ""),
        )

    async def records_csv(self, request: web.Request) -> web.Response:
        """`GET /records/NAME/MEASURE.csv`."""
        figures, measure = _figures(request), request.match_info["measure"]
        filters, state = await self._asked(request)
        groups = await records(self.reader, Choice.of(figures, filters, state), measure, page=1, most=MOST_ROWS)
        return _csv(f"{figures.report}-{measure}", _record_rows(groups))

    async def record(self, request: web.Request) -> web.Response:
        """`GET /record?entity=KEY`: one record, and who said what of it."""
        state = await self.reader.state()
        found = await explained(self.reader, request.query.get("entity", ""), state.partitions)
        if found is None:
            raise web.HTTPNotFound(text=f"nothing is known of {request.query.get('entity', '')[:300]}")
        format_ = Format(state.currency, state.time_zone)
        linked: dict[str, list[tuple[str, str]]] = {}
        for entity in found.linked:
            linked.setdefault(kind_of_entity(entity), []).append((entity.partition(":")[2], _record_url(entity)))
        return await self._page(
            request,
            "record.html",
            title=f"{found.kind.capitalize()} {found.name}",
            path="/record",
            question="",
            keys=(),
            choice=None,
            record=found,
            facts=[
                (name, _fact_text(value, format_)) for name, value in found.facts.items() if value not in ("", None, [])
            ],
            linked=list(linked.items()),
            said=[_said_row(each, found.people) for each in found.said],
        )

    def board(self, path: str, template: str, read: Callable[[Asked], Awaitable[dict[str, Any]]]) -> Handler:
        """The handler of a page that is no report of the usual form."""

        async def handle(request: web.Request) -> web.StreamResponse:
            values = await read(await self._ask(request))
            return await self._page(request, template, path=path, **values)

        return handle

    async def opportunity_list_csv(self, request: web.Request) -> web.Response:
        """`GET /opportunity-list.csv`."""
        values = await boards.opportunity_list(await self._ask(request), every=True)
        found = values["found"]
        rows = [[plain(row[name]) for name in found.columns] for row in found.rows]
        return _csv("opportunity-list", [list(found.columns), *rows])

    # -- what they share

    async def _ask(self, request: web.Request) -> Asked:
        filters, state = await self._asked(request)
        return Asked(request, self.reader, state, filters, self._shown(filters, state, {}), self.views)

    async def _asked(self, request: web.Request) -> tuple[Filters, State]:
        filters = Filters.of(request.query.items())
        if filters.model is not None and filters.model not in MODELS:
            raise BadRequest(f"there is no model {filters.model}; there are {', '.join(MODELS)}")
        return filters, await self.reader.state()

    async def _summary(self, report: str, filters: Filters, state: State) -> Summary:
        return await summarize(self.reader, state, Choice.of(REPORTS[report], filters, state))

    def _meanings(self, figures: Figures) -> Mapping[str, str]:
        return {column.name: column.meaning for column in self.views[figures.view].columns}

    def _shown(self, filters: Filters, state: State, meanings: Mapping[str, str]) -> Shown:
        return Shown(Format(state.currency, state.time_zone), state.calendar, filters, meanings)

    async def _options(self) -> Mapping[str, Sequence[Mapping[str, str]]]:
        """What there is to filter by."""
        found: dict[str, list[Mapping[str, str]]] = {}
        for row in (await self.reader.list(_OPTIONS)).rows:
            found.setdefault(row["key"], []).append(row)
        return found

    async def _page(
        self,
        request: web.Request,
        template: str,
        *,
        title: str,
        path: str,
        keys: Sequence[str],
        **values: Any,  # noqa: ANN401 - what the template names
    ) -> web.Response:
        filters, state = await self._asked(request)
        part = PART_HEADER in request.headers
        return _html(
            self._templates.get_template(template).render(
                title=title,
                path=path,
                state=state,
                filters=filters,
                format=Format(state.currency, state.time_zone),
                theme=_theme(request),
                logout=self.access.has_password,
                part=part,
                keys=keys,
                options={} if part else await self._options(),
                **values,
            )
        )


def _report(request: web.Request) -> Page:
    name = request.match_info["report"]
    if name not in PAGES:
        raise web.HTTPNotFound(text=f"there is no report {name}")
    return PAGES[name]


def _record_url(entity: str) -> str:
    return f"/record?entity={quote(entity, safe='')}" if entity else ""


def _missing(value: Any) -> bool:  # noqa: ANN401 - a column of any type
    return value is None or value == "" or value == []


def _fact_text(value: Any, format_: Format) -> str:  # noqa: ANN401 - a column of any type
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return format_.value("date", value) if isinstance(value, date) else plain(value)


def _said_row(each: Said, people: Mapping[str, str]) -> Mapping[str, Any]:
    value = people.get(each.field, "") if each.personal else each.value
    if value is None:
        value = "cleared"
    return {
        "field": each.field,
        "value": plain(value) if not isinstance(value, list | dict) else msgspec.json.encode(value).decode(),
        "time": each.time,
        "source": each.source,
        "event": each.event_id,
        "current": each.current,
    }


def _kind_of_figure(figures: Figures, measure: str, choice: Choice, meanings: Mapping[str, str]) -> str:
    if figures.report == "targets":
        return "money" if choice.where.get("metric") == ("revenue",) else "count"
    return kind_of_measure(measure, meanings.get(measure, ""))


def _figures(request: web.Request) -> Figures:
    name = request.match_info["report"]
    if name not in REPORTS:
        raise web.HTTPNotFound(text=f"there is no report {name}")
    return REPORTS[name]


def _steps(summary: Summary, filters: Filters) -> list[charts.Step]:
    figures, choice = summary.choice.figures, summary.choice
    return charts.funnel(
        [
            (name, int(summary.total[name]), tables.record_url(figures, name, filters, choice.span, choice.where))
            for name in ("visitors", "leads", "mofu", "bofu", "customers")
        ]
    )


def _group_table(group: Group, kind: str, shown: Shown) -> dict[str, Any]:
    kinds = {name: kind_of(name, type_) for name, type_ in group.found.types.items()}
    rows = []
    for row in group.found.rows:
        cells = []
        for name in group.columns:
            label = row.get(LABELS.get(name, ""), "") or row[name]
            entity = row["entity"] if name == group.columns[0] else ""
            href = _record_url(entity)
            text = shown.format.value(kinds[name], label) if label != "" else MISSING
            cells.append(tables.Cell(text, plain(row[name]), href, left=kinds[name] in {"text", "date", "flag"}))
        cells.append(tables.Cell(shown.format.value(kind, row["counted"]), plain(row["counted"])))
        rows.append(cells)
    return {
        "kind": group.kind,
        "count": group.count,
        "heads": [(name_of(name), kinds.get(name) in {"text", "date", "flag"}) for name in group.columns],
        "rows": rows,
        "total": shown.format.value(kind, group.total),
    }


def _record_rows(groups: Sequence[Group]) -> Iterable[list[str]]:
    for number, group in enumerate(groups):
        columns = list(group.found.columns)
        if number:
            yield []
        yield columns
        for row in group.found.rows:
            yield [plain(row[name]) for name in columns]


def _csv(name: str, rows: Iterable[Sequence[str]]) -> web.Response:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([_harmless(cell) for cell in row] for row in rows)
    response = web.Response(
        text=out.getvalue(),
        content_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
    response.enable_compression()
    return response


def _harmless(cell: str) -> str:
    """A text that a spreadsheet would take for a formula is marked as text."""
    if cell[:1] in {"=", "+", "@", "\t", "\r"} or (cell[:1] == "-" and not _is_number(cell)):
        return f"'{cell}"
    return cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _html(text: str) -> web.Response:
    response = web.Response(text=text, content_type="text/html")
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
