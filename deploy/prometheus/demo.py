"""`sixfold alerts demo`: from an event to the message that somebody gets, all on this machine.

It starts the embedded stack, Prometheus and Alertmanager with the shipped rules (in which only the waiting is cut
short), and a receiver of webhooks. An invented sales team works well and a campaign pays off; then the team stops
being reached, and the campaign's spend explodes. What arrives is printed, with the time since the event was sent.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web
from rich.text import Text

from deploy.embedded.child import Child
from deploy.prometheus.servers import (
    HOST,
    ServerError,
    alertmanager,
    alertmanager_config,
    prometheus,
    prometheus_config,
    quick_rules,
)
from stream.commands.exits import INTERRUPTED, NEGATIVE, OK, REFUSED
from stream.commands.output import stderr, stdout

__all__ = ["Arrived", "Loop", "Receiver", "alert_loop", "calls", "not_at_midnight", "run", "spend"]

PATIENCE = 180.0
"""How long something is waited for, in seconds."""

_POLL_SECONDS = 0.2
_STOP_SECONDS = 30.0
_LATE = timedelta(minutes=5)
_SIXFOLD = "import sys; from stream.cli import main; sys.exit(main(sys.argv[1:]))"
TEAM, CAMPAIGN = "North", "instagram-influencer"

Event = dict[str, Any]


class Arrived(NamedTuple):
    """An alert as a receiver got it, and when (`time.monotonic`)."""

    receiver: str
    status: str
    labels: dict[str, str]
    annotations: dict[str, str]
    at: float


class Receiver:
    """Takes Alertmanager's webhooks: `arrived` is what came so far, the receiver's name being the path."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.address = ""

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Listen inside the block; gives the address."""
        app = web.Application()
        app.router.add_post("/{receiver}", self._take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, 0).start()
            self.address = f"http://{HOST}:{runner.addresses[0][1]}"
            yield self.address
        finally:
            await runner.cleanup()

    async def first(self, alert: str, status: str = "firing") -> Arrived:
        """Wait for an alert. Raises TimeoutError that says what did not come."""
        async with _patience(f"{alert} did not arrive ({status})"):
            while True:
                for each in self.arrived:
                    if each.labels["alertname"] == alert and each.status == status:
                        return each
                await asyncio.sleep(_POLL_SECONDS / 4)

    async def _take(self, request: web.Request) -> web.Response:
        for alert in (await request.json())["alerts"]:
            receiver = request.match_info["receiver"]
            self.arrived.append(
                Arrived(receiver, alert["status"], alert["labels"], alert["annotations"], time.monotonic())
            )
        return web.Response()


@dataclass(frozen=True)
class Loop:
    """Everything running: the stack's data directory, Prometheus, Alertmanager, and the receiver at the end."""

    data: Path
    prometheus: str
    alertmanager: str
    receiver: Receiver

    async def send(self, events: Sequence[Event]) -> float:
        """Import events with `sixfold import`; gives when it was called (`time.monotonic`)."""
        path = self.data.parent / "events.jsonl"
        path.write_text("".join(json.dumps(event) + "\n" for event in events), "utf-8")
        began = time.monotonic()
        await self._run("import", str(path))
        return began

    async def begin(self, *more: Event) -> None:
        """Tell how all is well, and `more`. What costs comes when what it brought is counted, else it is an alert."""
        now = datetime.now(UTC)
        await self.send(working_well(now))
        await self._run("wait")
        await self.send([spend(now, 10_000), *calls(now, "usual", 10, "missed"), *more])
        for query in _HEALTHY:
            await self.until(query)

    async def _run(self, *command: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *_sixfold(*command),
            env=_environment(self.data),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:  # cancelled
                process.kill()
        if process.returncode:
            raise ServerError(f"sixfold {command[0]} failed: {output.decode(errors='replace').strip()}")

    async def ask(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Ask Prometheus a query now; gives labels and value of each series."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{self.prometheus}/api/v1/query", params={"query": query}) as answer,
        ):
            found = (await answer.json())["data"]["result"]
        return [(each["metric"], float(each["value"][1])) for each in found]

    async def until(self, query: str) -> None:
        """Wait until a query of Prometheus finds something. Raises TimeoutError that names the query."""
        async with _patience(f"Prometheus finds nothing: {query}"):
            while not await self.ask(query):  # noqa: ASYNC110 - Prometheus tells nobody when it has new samples
                await asyncio.sleep(_POLL_SECONDS)


@asynccontextmanager
async def _patience(what: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(PATIENCE):
            yield
    except TimeoutError:
        raise TimeoutError(f"{what}, within {PATIENCE:g} s") from None


@asynccontextmanager
async def alert_loop(directory: Path) -> AsyncIterator[Loop]:
    """Run the whole chain inside the block, its files in an empty directory. Raises ServerError."""
    data = directory / "data"
    rules = directory / "prometheus"
    quick_rules(rules)
    receiver = Receiver()
    async with AsyncExitStack() as opening:
        address = await opening.enter_async_context(receiver.listening())
        manager = await opening.enter_async_context(alertmanager(directory, alertmanager_config(address)))
        targets = await opening.enter_async_context(_stack(data, directory / "up.log"))
        server = await opening.enter_async_context(prometheus(rules, lambda: prometheus_config(targets, manager)))
        yield Loop(data, server, manager, receiver)


@asynccontextmanager
async def _stack(data: Path, log: Path) -> AsyncIterator[Path]:
    """Run `sixfold up`; gives the file that names where its metrics are."""
    child = await Child.start("sixfold up", _sixfold("up", "--data", str(data), "--json"), log, _environment(data))
    try:
        async with _patience(f"sixfold up is not ready (log: {log})"):
            while '"ready": true' not in child.last_line():
                if not child.running:
                    raise ServerError(child.last_line().removeprefix("sixfold: ") or f"sixfold up ended: see {log}")
                await asyncio.sleep(_POLL_SECONDS)
        yield Path(json.loads(child.last_line())["prometheus_targets"])
    finally:
        await child.stop(_STOP_SECONDS)


def _sixfold(*arguments: str) -> list[str]:
    return [sys.executable, "-c", _SIXFOLD, *arguments]


def _environment(data: Path) -> dict[str, str]:
    """The environment without settings of the user's own; figures are read every second, the slow ones every 30."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SIXFOLD_")}
    return {**plain, "SIXFOLD_DATA": str(data), "SIXFOLD_EXPORTER_INTERVAL": "1", "SIXFOLD_EXPORTER_STALE": "60"}


# -- the story


def _event(number: str, kind: str, at: datetime, **data: object) -> Event:
    return {
        "specversion": "1.0",
        "id": number,
        "source": "demo/alerts",
        "type": f"crm.{kind}",
        "time": at.isoformat(timespec="seconds"),
        "data": data,
    }


def calls(now: datetime, tag: str, count: int, status: str) -> list[Event]:
    """Calls of the team's three reps, in turn, with leads that there are (`customer`)."""
    talk = 180 if status == "answered" else 0
    return [
        _event(
            f"{tag}-{number}",
            "call.logged",
            now,
            call_id=f"{tag}-{number}",
            rep_id=f"N{number % 3 + 1}",
            lead_id=f"L{number}",
            direction="outbound",
            status=status,
            started_at=now.isoformat(timespec="seconds"),
            talk_seconds=talk,
        )
        for number in range(count)
    ]


def spend(now: datetime, amount: int) -> Event:
    """Post the campaign's whole spend of today: another amount replaces it."""
    return _event(
        f"spend-{amount}",
        "spend.posted",
        now,
        platform="meta",
        date=now.date().isoformat(),
        amount=amount,
        currency="USD",
        campaign_id=CAMPAIGN,
    )


def customer(now: datetime, number: int) -> list[Event]:
    """A lead of the campaign that bought for 400."""
    lead, deal = f"L{number}", f"O{number}"
    at = now.isoformat(timespec="seconds")
    price = {"amount": 400, "currency": "USD"}
    return [
        _event(lead, "lead.created", now, lead_id=lead, campaign_id=CAMPAIGN, channel="social"),
        _event(deal, "deal.won", now, opportunity_id=deal, lead_id=lead, closed_at=at, **price),
    ]


def working_well(now: datetime) -> list[Event]:
    """Tell of a team that answers its calls, and of a campaign that brought 40,000."""
    names = {"N1": "Ida", "N2": "Noah", "N3": "Mira"}
    return [
        *(_event(f"rep-{rep}", "rep.upserted", now, rep_id=rep, name=name, team=TEAM) for rep, name in names.items()),
        _event("campaign", "campaign.upserted", now, campaign_id=CAMPAIGN, name="Instagram influencer post"),
        *(event for number in range(100) for event in customer(now, number)),
        *calls(now, "good", 60, "answered"),
    ]


_HEALTHY = (
    f'sixfold:figure:answer_ratio{{member="{TEAM}"}} > 0.85 and sixfold:threshold:team_answer_rate_below',
    f'sixfold:figure:roi_ratio{{member="{CAMPAIGN}",window="30d"}} > 2.99 and sixfold:threshold:roi_below',
)
"""What Prometheus finds while all is well."""


async def not_at_midnight() -> None:
    """Wait until the day is not about to end: figures of today would begin anew in the middle."""
    now = datetime.now(UTC)
    soon = now + _LATE
    if soon.date() != now.date():
        midnight = soon.replace(hour=0, minute=0, second=0, microsecond=0)
        await asyncio.sleep((midnight - now).total_seconds() + 1)


def run() -> int:
    """Run the demo; gives the exit code: 0 when both messages arrived, 1 when one did not, 2 when it could not run."""
    try:
        return asyncio.run(_run())
    except ServerError as error:
        stderr().print(Text(f"sixfold: {error}"))
        return REFUSED
    except TimeoutError as error:
        stderr().print(Text(f"sixfold: {error}"))
        return NEGATIVE
    except asyncio.CancelledError:
        return INTERRUPTED


async def _run() -> int:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - inside a coroutine
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    out = stdout()
    await not_at_midnight()
    with tempfile.TemporaryDirectory(prefix="sixfold-alerts-") as directory:
        async with AsyncExitStack() as opening:
            with stderr().status("starting Sixfold, Prometheus and Alertmanager"):
                loop = await opening.enter_async_context(alert_loop(Path(directory)))
            out.print(Text(f"Prometheus    http://{loop.prometheus}/alerts\nAlertmanager  http://{loop.alertmanager}"))
            with stderr().status("until Prometheus has the figures"):
                await loop.begin()
            out.print(Text("all is well: the team answers 86% of its calls, the campaign's ROI is 300%"))
            sent = await loop.send(calls(datetime.now(UTC), "bad", 60, "missed"))
            await _tell(loop, "60 calls of the team in a row reach nobody", "SixfoldTeamAnswerRateLow", sent)
            sent = await loop.send([spend(datetime.now(UTC), 50_000)])
            await _tell(
                loop, "the campaign's spend of today grows from 10,000 to 50,000", "SixfoldCampaignRoiLow", sent
            )
    return OK


async def _tell(loop: Loop, what: str, alert: str, sent: float) -> None:
    out = stdout()
    out.print(Text(f"\n{what}"))
    arrived = await loop.receiver.first(alert)
    out.print(Text(f"  {arrived.at - sent:.1f} s later, to {arrived.receiver}: {arrived.annotations['summary']}"))
    out.print(Text(f"  {arrived.annotations['description']}"))
    out.print(Text(f"  what to do: {arrived.annotations['runbook_url']}"))
