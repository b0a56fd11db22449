"""`sixfold demo`: an invented company's quarter through the whole stack, and what the reports say of it.

It starts the embedded stack (or takes the one that runs on the data directory), sends the quarter, waits until
the tables have it, prints the reports, holds the two campaigns of known figures against what is expected of
them, runs the audit, and then goes on with an event a second.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import msgspec
from clickhouse_connect.driver.client import Client
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from deploy.embedded.company import GOLDEN, Golden, events, live
from deploy.embedded.datadir import SETTINGS_FILE, Ports, StackError, write_private
from deploy.embedded.stack import Stack
from sinks.audit import AuditResult, audit, audits
from sinks.client import connect
from sinks.views import load_views
from stream.commands.exits import INTERRUPTED, OK, REFUSED
from stream.commands.exits import NEGATIVE as WRONG
from stream.commands.output import Rows, bars, format_of, stderr, stdout, table_of, with_names
from stream.commands.report import HEADLINES, name_or_id
from stream.log import Log
from stream.sending import Destination, SendingError, open_destination
from stream.settings import DATA, Settings
from stream.wait import wait_until_counted

__all__ = ["Options", "run"]

SEED = 7
EVENTS = 20_000
REMEMBERED = "demo.json"
"""What quarter a data directory holds: another one on top of it would add its spend to the known figures."""

_BATCH = 1_000
_MOST_AHEAD = timedelta(hours=24)
_ROWS = 12


@dataclass(frozen=True)
class Options:
    """The flags of `sixfold demo`; what is None is what the data directory remembers, else the default."""

    data: Path = DATA
    events: int | None = None
    seed: int | None = None
    end: datetime | None = None
    once: bool = False
    ports: Ports = field(default_factory=Ports)


class _Quarter(msgspec.Struct, frozen=True):
    """Which quarter is told."""

    events: int
    seed: int
    end: datetime


class _Shown(NamedTuple):
    """A report as the demo prints it: the greatest rows by one of its columns, and bars of that by another."""

    title: str
    view: str
    measure: str
    label: str
    condition: str = "1"


_REPORTS = (
    _Shown("1. Campaign leads by channel", "report_leads_by_channel", "leads", "channel"),
    _Shown("2. Opportunities generated", "report_opportunities", "won_revenue", "owner"),
    _Shown("3. Lead source analysis", "report_lead_sources", "revenue", "source"),
    _Shown(
        "4. Campaigns by revenue (first touch)", "report_campaign_revenue", "revenue", "campaign", "model = 'first'"
    ),
    _Shown("5. Calls", "report_calls", "calls", "rep"),
    _Shown("6. Profitability", "report_profitability", "revenue", "campaign"),
)


def run(options: Options) -> int:
    """Run the demo; gives the exit code.

    0: done, and the known figures and the audit hold; 1: one of them does not; 2: it could not run, and one line
    on stderr says why; 130: told to stop before it was done. Without `once` it goes on until Ctrl-C or SIGTERM.
    """
    demo = _Demo(options)
    try:
        return asyncio.run(demo.run())
    except StackError as error:
        stderr().print(Text(f"sixfold: {error}"))
        return error.exit_code
    except SendingError as error:
        stderr().print(Text(f"sixfold: {error}"))
        return REFUSED
    except asyncio.CancelledError:
        if not demo.stopped:
            raise
        return INTERRUPTED if demo.holds is None else OK if demo.holds else WRONG


class _Demo:
    """One run of the demo. `holds` is None until the known figures and the audit were looked at."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._began = time.monotonic()
        self.stopped = False
        self.holds: bool | None = None

    async def run(self) -> int:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - inside a coroutine
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._stop, task)
        quarter = self._quarter()
        async with _stack(self._options) as settings:
            client = await asyncio.to_thread(connect, settings)
            await asyncio.to_thread(self._check_data, client, quarter)
            async with open_destination(settings) as destination, await Log.open(settings.broker_list) as log:
                await self._send(destination, quarter)
                await self._wait(log, client, settings)
                await asyncio.to_thread(self._report, client)
                await asyncio.to_thread(self._judge, client)
                if self._options.once:
                    return OK if self.holds else WRONG
                await self._go_on(destination, quarter)
        return OK

    def _stop(self, task: "asyncio.Task[Any]") -> None:
        self.stopped = True
        task.cancel()

    def _quarter(self) -> _Quarter:
        """Find out which quarter to tell: the one that the data directory remembers, if it has one."""
        options = self._options
        try:
            known = msgspec.json.decode((options.data / REMEMBERED).read_bytes(), type=_Quarter)
        except FileNotFoundError:
            known = None
        except (OSError, msgspec.MsgspecError) as error:
            raise StackError(f"{options.data / REMEMBERED}: cannot be read: {error}; sixfold reset") from None
        wanted = _Quarter(
            events=_first(options.events, known and known.events, EVENTS),
            seed=_first(options.seed, known and known.seed, SEED),
            end=_first(options.end, known and known.end, datetime.now(UTC).replace(microsecond=0)),
        )
        if known is not None and wanted != known:
            raise StackError(
                f"{options.data} holds the quarter of --events {known.events} --seed {known.seed} "
                f"--end {known.end.isoformat()}: leave these out, or name another directory with --data"
            )
        if wanted.end.tzinfo is None:
            raise StackError(f"--end {wanted.end.isoformat()} needs an offset, such as 2026-03-31T18:00:00Z")
        if wanted.end > datetime.now(UTC) + _MOST_AHEAD:
            raise StackError(f"--end {wanted.end.isoformat()} is in the future: such events are rejected")
        try:
            next(events(wanted.seed, wanted.end, wanted.events))
        except ValueError as error:
            raise StackError(f"--events {wanted.events}: {error}") from None
        return wanted

    def _check_data(self, client: Client, quarter: _Quarter) -> None:
        """Refuse a directory with somebody's own data; remember the quarter in one that has none."""
        path = self._options.data / REMEMBERED
        if path.exists():
            return
        if client.query("SELECT count() FROM nodes").result_rows[0][0]:
            raise StackError(
                f"{self._options.data} holds data that is not the demo's: name another directory with --data"
            )
        write_private(path, msgspec.json.encode(quarter) + b"\n")

    async def _send(self, destination: Destination, quarter: _Quarter) -> None:
        columns = (TextColumn("sending"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        encode = msgspec.json.Encoder().encode
        with Progress(*columns, console=stderr()) as progress:
            bar = progress.add_task("sending", total=quarter.events)
            batch: list[bytes] = []
            for event in events(quarter.seed, quarter.end, quarter.events):
                batch.append(encode(event))
                if len(batch) == _BATCH:
                    await destination.send(batch)
                    progress.advance(bar, len(batch))
                    batch = []
            if batch:
                await destination.send(batch)
                progress.advance(bar, len(batch))

    async def _wait(self, log: Log, client: Client, settings: Settings) -> None:
        with stderr().status("counting") as status:

            def show(topic: str, behind: Mapping[int, int]) -> None:
                status.update(f"counting: {sum(behind.values()):,} records of {topic} left")

            await wait_until_counted(log, client, settings, show)

    def _report(self, client: Client) -> None:
        """Print the six reports and the funnel, summed over years: over the quarter, unless it has two of them."""
        out = stdout()
        for number, shown in enumerate(_REPORTS):
            for part in _picture(client, shown):
                out.print(part)
            if number == 0:
                seconds = time.monotonic() - self._began
                stderr().print(Text(f"first report after {seconds:.1f} s"))
        funnel = HEADLINES["report_funnel"]
        sums = ", ".join(f"sum({step})" for step in funnel)
        found = _query(client, f"SELECT {sums} FROM report_funnel")  # noqa: S608 - constants
        steps = list(zip(funnel, found.rows[0], strict=True))
        out.print(bars(steps, format_of("leads", "Int64"), "7. The funnel"))
        out.print()

    def _judge(self, client: Client) -> None:
        """Hold the figures of the two campaigns and the audit against what they must be."""
        out = stdout()
        compared = _compare(client)
        columns = ["campaign", "figure", "expected", "found", ""]
        rows = [
            [*row[:2], row.show(row.expected), row.show(row.found), "ok" if row.holds else "WRONG"] for row in compared
        ]
        out.print(table_of(Rows(columns, ["String"] * 5, rows), "Two campaigns whose figures are known"))
        with stderr().status("comparing the tables with the records"):
            result = audit(client)
        for difference in result.differences[:_ROWS]:
            where = f"{difference.audit} {difference.key} {difference.measure}"
            out.print(Text(f"{where}: {difference.rolled} rolled, {difference.recomputed} recomputed"))
        out.print(Text(_verdict(result)))
        self.holds = all(row.holds for row in compared) and result.outcome == "clean"

    async def _go_on(self, destination: Destination, quarter: _Quarter) -> None:
        """Send an event a second until cancelled."""
        where = "" if self._options.data.absolute() == DATA.absolute() else f"SIXFOLD_DATA={self._options.data} "
        stderr().print(
            Text(
                "going on with an event a second; Ctrl-C ends it. In another terminal:\n"
                f"  {where}sixfold report campaign_revenue --by month --follow"
            )
        )
        encode = msgspec.json.Encoder().encode
        began = datetime.now(UTC)
        due = time.monotonic()
        for event in live(quarter.seed, began):
            await asyncio.sleep(due - time.monotonic())
            await destination.send([encode(event)])
            due += 1


@asynccontextmanager
async def _stack(options: Options) -> AsyncIterator[Settings]:
    """The stack that runs on this data directory, or one that is started for as long as this lasts."""
    async with AsyncExitStack() as opening:
        if (options.data / SETTINGS_FILE).exists():
            running = Settings(data=options.data)
            if await _is_ready(running):
                stderr().print(Text(f"sixfold: using the stack that runs on {options.data}"))
                yield running
                return
        with stderr().status("starting broker, ClickHouse and worker"):
            stack = await opening.enter_async_context(Stack(options.data, options.ports, say=_say))
        stderr().print(Text(f"the stack is ready after {stack.seconds:.1f} s; its page: {stack.page_url}"))
        task = asyncio.current_task()
        watching = asyncio.create_task(stack.broken())
        if task is not None:
            watching.add_done_callback(lambda done: None if done.cancelled() else task.cancel())
        try:
            yield stack.settings
        except asyncio.CancelledError:
            if watching.done() and not watching.cancelled():
                watching.result()  # raises why the stack cannot go on
            raise
        finally:
            watching.cancel()


async def _is_ready(settings: Settings) -> bool:
    timeout = aiohttp.ClientTimeout(total=2)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{settings.gateway_url}/ready") as answer,
        ):
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


class _Compared(NamedTuple):
    """A figure of a campaign: what it must be, and what the views say."""

    campaign: str
    figure: str
    expected: object
    found: object

    @property
    def holds(self) -> bool:
        if isinstance(self.expected, Decimal) and isinstance(self.found, int | float | Decimal):
            return abs(float(self.expected) - float(self.found)) < 1e-9
        return self.expected == self.found

    def show(self, value: object) -> str:
        """Write a value of this figure for people."""
        if not isinstance(value, int | float | Decimal):
            return str(value)
        if self.figure == "ROI" or self.figure.startswith("share"):
            return f"{float(value):.4%}".rstrip("0%").rstrip(".") + " %" if value else "0 %"
        return f"{float(value):,.6f}".rstrip("0").rstrip(".")


def _compare(client: Client) -> list[_Compared]:
    """Read the figures of the golden campaigns from the views, whatever periods they fall into."""
    compared = []
    revenue: dict[str, Decimal] = {}
    for golden in GOLDEN:
        found = _golden_figures(client, golden)
        revenue[golden.name] = found["revenue"]
        whose = "visitors" if golden.visitors else "leads"
        expected = {
            "leads": golden.leads,
            "customers": golden.customers,
            "visitors": golden.visitors or 0,
            "revenue": Decimal(golden.revenue),
            "spend": Decimal(golden.spend),
            "ROAS": golden.roas,
            "ROI": golden.roi,
            "CPA": golden.cpa,
            f"share of {whose} that bought": golden.bought,
        }
        found[f"share of {whose} that bought"] = found["customers"] / found[whose] if found[whose] else None
        compared += [_Compared(golden.name, figure, value, found[figure]) for figure, value in expected.items()]
    first = max(revenue, key=lambda name: revenue[name])
    expected_first = max(GOLDEN, key=lambda golden: golden.revenue).name
    return [*compared, _Compared("the two by revenue", "first", expected_first, first)]


def _golden_figures(client: Client, golden: Golden) -> dict[str, Any]:
    where = {"campaign": golden.campaign_id}
    sources = client.query(
        "SELECT sum(leads), sum(customers), sum(visitors), sum(revenue), sum(spend), "
        "sum(revenue) / toFloat64(sum(spend)) AS roas, toFloat64(sum(spend)) / sum(customers) AS cpa "
        "FROM (SELECT * FROM report_lead_sources WHERE campaign_id = {campaign:String})",
        parameters=where,
    ).result_rows[0]
    (roi,) = client.query(
        "SELECT toFloat64(sum(contribution)) / toFloat64(sum(cost) + sum(spend)) "
        "FROM (SELECT * FROM report_profitability WHERE campaign_id = {campaign:String})",
        parameters=where,
    ).result_rows[0]
    names = ("leads", "customers", "visitors", "revenue", "spend", "ROAS", "CPA")
    return {**dict(zip(names, sources, strict=True)), "ROI": roi}


def _picture(client: Client, shown: _Shown) -> Sequence[RenderableType]:
    source = f"{shown.view}_by(grain = 'year')"
    existing = [column.name for view in load_views() if view.name == shown.view for column in view.columns]
    columns = ["period_start", *HEADLINES[shown.view]]
    ids = [f"{name}_id" for name in columns if f"{name}_id" in existing]
    found = with_names(
        _query(
            client,
            f"SELECT {', '.join([*columns, *ids])} FROM {source} WHERE {shown.condition} "  # noqa: S608 - constants
            f"ORDER BY period_start, {shown.measure} DESC, {', '.join(columns)} LIMIT {_ROWS}",
        )
    )
    found = Rows(columns, found.types[: len(columns)], [row[: len(columns)] for row in found.rows])
    totals = _query(
        client,
        f"SELECT {name_or_id(shown.label, existing)} AS label, sum({shown.measure}) AS total FROM {source} "  # noqa: S608 - constants
        f"WHERE {shown.condition} GROUP BY label HAVING total > 0 ORDER BY total DESC, label LIMIT {_ROWS}",
    )
    labelled = [(str(label), total) for label, total in totals.rows]
    chart = bars(labelled, format_of(shown.measure, totals.types[1]), f"{shown.measure} by {shown.label}")
    table = table_of(found, shown.title, important=(shown.label, shown.measure), elsewhere="a wider terminal")
    return (table, chart, Text())


def _query(client: Client, text: str) -> Rows:
    result = client.query(text)
    return Rows(result.column_names, [kind.name for kind in result.column_types], result.result_rows)


def _verdict(result: AuditResult) -> str:
    if result.outcome == "clean":
        return f"audit: {len(audits())} comparisons of the tables with the records, no difference"
    if result.busy:
        return f"audit: the tables moved all the while: {', '.join(result.busy)}"
    return f"audit: {len(result.differences)} differences; sixfold audit shows them"


def _first(*values: Any) -> Any:  # noqa: ANN401 - the type of the option
    return next(value for value in values if value is not None)


def _say(line: str) -> None:
    stderr().print(Text(f"sixfold: {line}"))
