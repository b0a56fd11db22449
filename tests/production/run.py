"""A run: the load, the kill, probes and readers meanwhile, and what is found at the end."""

import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec

from deploy.embedded.child import Child
from tests.production.company import Company
from tests.production.load import Orders
from tests.production.resources import Usage
from tests.production.shape import PARTITIONS, PATIENCE, WORKERS, Shape, facts_of

AWAY_SECONDS = 60.0
"""How long the supervisor leaves the killed worker away; half the time of a short run at most."""
REST_SECONDS = 10.0
KILLED = WORKERS[1]
LOOK_SECONDS = 5.0
PROBE_SECONDS = 5.0
PROBE_POLL = 0.2
READ_SECONDS = 15.0
SETTLE_SECONDS = 20.0
"""After the load, for alerts to be taken back and figures to come."""
DOCTOR_TRIES = 5
PAGES = ("/", "/report/calls?period=7d", "/report/profitability?period=30d", "/quality", "/targets")
_PATIENT_PROBE = 120.0


class Run:
    """Goes once through everything, then ends all processes in order."""

    def __init__(self, shape: Shape, seconds: float, rate: float, founded: int, say: Callable[[str], None]) -> None:
        self._shape, self._seconds, self._rate, self._founded = shape, seconds, rate, founded
        self._say = say
        self._usage: dict[str, Usage] = {}
        self._fresh: list[float] = []
        self._read: Counter[str] = Counter()
        self._probes = Company()
        self._zero = time.monotonic()
        self._moments: dict[str, float] = {}

    async def through(self) -> dict[str, Any]:
        """Rest, load with the kill in it, then look; gives everything that was found."""
        rest = await self._rest()
        shape = self._shape
        self._zero = time.monotonic()
        began_at = time.time()
        load = await self._start_load()
        beside = [asyncio.create_task(job()) for job in (self._look, self._probe, self._read_now_and_then)]
        try:
            worker = await self._kill_and_start()
            measured = await self._ended(load)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
        for task in beside:
            if not task.cancelled() and task.exception():
                raise task.exception() or AssertionError
        self._sample()
        self._say(f"load: {measured['sent']:,} events, {measured['events_per_second']} a second")
        waited = time.monotonic()
        await shape.must("operator", "wait", "--timeout", str(PATIENCE))
        drained = time.monotonic() - waited
        await shape.must("worker", "history", "take")  # as every night
        await asyncio.sleep(SETTLE_SECONDS)
        expected = measured.pop("expected")
        expected["leads"] += self._probes.expected.leads
        return {
            "seconds": self._seconds,
            "rate": self._rate,
            "events": measured["sent"] + self._probes.expected.leads,
            "load": measured,
            "worker_killed": worker | self._moments,
            "seconds_to_count_the_rest": round(drained, 1),
            "freshness": self._freshness(),
            "reader": dict(self._read),
            "resources": self._resources(rest),
            "expected": expected,
            "reports": await asyncio.to_thread(self._reports),
            "alerts": await self._alerts(began_at),
            **await self._commands(),
        }

    async def end(self) -> dict[str, int]:
        """End all of Sixfold and ClickHouse in order; gives their exit codes."""
        self._say("stopping everything in order")
        shape = self._shape
        names = ("page", "gateway", "exporter", *WORKERS, "clickhouse")
        return {**await shape.stop("load"), **await shape.stop(*names)}

    # -- phases

    async def _rest(self) -> dict[str, float]:
        """CPU of every process while nothing comes, in % of a core."""
        self._zero = time.monotonic() + REST_SECONDS + 1
        self._sample()
        before = {name: usage.cpu for name, usage in self._usage.items()}
        await asyncio.sleep(REST_SECONDS)
        self._sample()
        return {name: 100 * (usage.cpu - before[name]) / REST_SECONDS for name, usage in self._usage.items()}

    async def _start_load(self) -> Child:
        shape = self._shape
        orders = Orders(
            self._seconds,
            self._rate,
            f"http://127.0.0.1:{shape.ports['gateway']}",
            shape.gateway_key,
            shape.webhook_secret,
            self._founded,
        )
        path = shape.secret("orders.json", msgspec.json.encode(orders).decode())
        command = [sys.executable, "-m", "tests.production.load", str(path)]
        return await shape.start("load", command, shape.environment("producer"))

    async def _kill_and_start(self) -> dict[str, float]:
        shape, third = self._shape, self._seconds / 3
        await self._sleep_until(third)
        survivor = next(name for name in WORKERS if name != KILLED)
        self._moment("killed_at")
        self._say(f"SIGKILL of {KILLED}")
        await shape.children[KILLED].kill()
        moved = await shape.until(lambda: self._owns_all(survivor), f"{survivor} owns all shards and is ready")
        self._say(f"{survivor} owns all {PARTITIONS} shards and is ready after {moved:.1f} s")
        await self._sleep_until(third + min(AWAY_SECONDS, self._seconds / 2))
        self._moment("started_again_at")
        await shape.start_worker(KILLED)
        back = await shape.until(self._shared, "both workers own shards and are ready")
        self._say(f"{KILLED} started again: both own shards and are ready after {back:.1f} s")
        await self._sleep_until(self._seconds)
        return {"survivor_owns_all_seconds": round(moved, 1), "both_ready_seconds": round(back, 1)}

    async def _ended(self, load: Child) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE):
            code = await load.wait()
        found = facts_of(load)
        assert code == 0, f"the load ended with {code}: {load.last_line()}"
        return found

    # -- beside the load

    async def _look(self) -> None:
        shown = 0.0
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._sample()
            if time.monotonic() - shown > max(15.0, self._seconds / 20):
                shown = time.monotonic()
                fresh = f"{self._fresh[-1]:.1f} s" if self._fresh else "none yet"
                self._say(f"load {facts_of(self._shape.children['load'])}; last probe: {fresh}")

    async def _probe(self) -> None:
        """Send a lead by the gateway every few seconds; from the answer until a view has it is its freshness."""
        shape = self._shape
        client = shape.clickhouse.connect("crm", reader=True)
        headers = {"Authorization": f"Bearer {shape.gateway_key}", "Content-Type": "application/cloudevents+json"}
        address = f"http://127.0.0.1:{shape.ports['gateway']}/events"
        async with aiohttp.ClientSession() as http:
            for number in range(10**6):
                await self._sleep_until(number * PROBE_SECONDS + 1)
                if time.monotonic() - self._zero > self._seconds - PROBE_SECONDS:
                    return
                lead = f"probe-{number}"
                async with http.post(address, data=self._probes.lead(lead), headers=headers) as answer:
                    assert answer.status == 200, f"a probe was answered {answer.status}: {await answer.text()}"
                accepted = time.monotonic()
                while not await asyncio.to_thread(_visible, client, lead):
                    assert time.monotonic() - accepted < _PATIENT_PROBE, f"{lead} does not become visible"
                    await asyncio.sleep(PROBE_POLL)
                self._fresh.append(time.monotonic() - accepted)

    async def _read_now_and_then(self) -> None:
        """Look at pages and figures as people do."""
        shape = self._shape
        page = f"http://127.0.0.1:{shape.ports['page']}"
        jar = aiohttp.CookieJar(unsafe=True)  # of an address without a name
        async with aiohttp.ClientSession(cookie_jar=jar) as http:
            async with http.post(f"{page}/login", data={"password": shape.page_password}) as answer:
                self._read[f"login {answer.status}"] += 1
            for number in range(10**6):
                async with http.get(page + PAGES[number % len(PAGES)], allow_redirects=False) as answer:
                    await answer.read()
                    self._read[f"page {answer.status}"] += 1
                status, _ = await shape.get("exporter", "/metrics")
                self._read[f"exporter {status}"] += 1
                await asyncio.sleep(READ_SECONDS)

    def _sample(self) -> None:
        at = time.monotonic() - self._zero
        for name, pid in self._shape.pids().items():
            self._usage.setdefault(name, Usage()).look(pid, at)

    # -- conditions

    async def _owns_all(self, name: str) -> bool:
        return await self._shape.ready(name) and await self._shards(name) == PARTITIONS

    async def _shared(self) -> bool:
        if not await self._shape.ready(*WORKERS):
            return False
        owned = [await self._shards(name) for name in WORKERS]
        return all(owned) and sum(owned) == PARTITIONS

    async def _shards(self, name: str) -> int:
        _, text = await self._shape.get(name, "/metrics")
        line = next((line for line in text.splitlines() if line.startswith('sixfold_shards{state="ready"}')), "0 0")
        return int(float(line.split()[-1]))

    async def _sleep_until(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, self._zero + seconds - time.monotonic()))

    def _moment(self, name: str) -> None:
        self._moments[name] = round(time.monotonic() - self._zero, 1)

    # -- what was found

    def _freshness(self) -> dict[str, float]:
        fresh = sorted(self._fresh)
        return {
            "probes": len(fresh),
            "median_seconds": round(statistics.median(fresh), 2),
            "p99_seconds": round(fresh[len(fresh) * 99 // 100], 2),
            "max_seconds": round(fresh[-1], 2),
        }

    def _resources(self, rest: dict[str, float]) -> dict[str, dict[str, Any]]:
        shown = {}
        for name, usage in self._usage.items():
            loaded = [(at, mib) for at, mib in usage.memory if at >= 0]
            before = [mib for at, mib in usage.memory if at < 0]
            shown[name] = {
                "cpu_percent_at_rest": round(rest[name], 1) if name in rest else None,
                "cpu_percent": round(100 * usage.loaded / self._seconds, 1),
                "mib_at_rest": before[-1] if before else None,
                "mib_peak": round(usage.peak, 1),
                "mib_at_the_end": loaded[-1][1] if loaded else None,
                "mib_over_time": loaded[:: max(1, len(loaded) // 30)],
            }
        return shown

    def _reports(self) -> dict[str, float]:
        client = self._shape.clickhouse.connect("crm", reader=True)
        queries = {
            "leads": "SELECT sum(leads) FROM report_leads_by_channel",
            "calls": "SELECT sum(calls) FROM report_calls",
            "answered": "SELECT sum(answered) FROM report_calls",
            "deals": "SELECT sum(deals) FROM report_campaign_revenue WHERE model = 'first'",
            "revenue": "SELECT 10 * sum(revenue) FROM report_campaign_revenue WHERE model = 'first'",
            "spend": "SELECT 10 * sum(spend) FROM report_profitability",
            "rejected": "SELECT count() FROM dead_letters FINAL",
        }
        return {name: float(client.query(query).result_rows[0][0]) for name, query in queries.items()}

    async def _alerts(self, began_at: float) -> dict[str, Any]:
        """What fired and what was near, by Prometheus, with its spans; what was told; whether all rules work."""
        shape = self._shape
        span = {"start": str(began_at), "end": str(time.time()), "step": "5"}
        found: dict[str, list[dict[str, Any]]] = {"firing": [], "pending": []}
        for state, spans in found.items():
            data = await shape.ask_prometheus("query_range", query=f'ALERTS{{alertstate="{state}"}}', **span)
            for series in data["result"]:
                labels = {k: v for k, v in series["metric"].items() if k not in ("__name__", "alertstate")}
                times = [float(at) - began_at for at, _ in series["values"]]
                starts = [at for before, at in zip([-60.0, *times], times, strict=False) if at - before > 6]
                spans.append(
                    {**labels, "from_seconds": [round(at) for at in starts], "until_seconds": round(times[-1])}
                )
        groups = (await shape.ask_prometheus("rules"))["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        targets = (await shape.ask_prometheus("targets"))["activeTargets"]
        empty = []
        for rule in rules:
            if rule["type"] == "recording" and rule["name"].startswith("sixfold:figure:"):
                data = await shape.ask_prometheus("query", query=rule["name"])
                if not data["result"]:
                    empty.append(rule["name"])
        told = Counter(
            f"{each.labels['alertname']} {each.labels.get('instance', each.labels.get('member', ''))} {each.status}"
            for each in shape.receiver.arrived
        )
        return {
            "fired": found["firing"],
            "were_pending": found["pending"],
            "told": dict(told),
            "rules": len(rules),
            "rules_not_ok": [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] != "ok"],
            "figures_without_value": empty,
            "targets_down": [each["scrapeUrl"] for each in targets if each["health"] != "up"],
            "killed_instance": f"127.0.0.1:{shape.ports[KILLED]}",
        }

    async def _commands(self) -> dict[str, Any]:
        """What the commands of an operator say at the end."""
        shape = self._shape
        audit = await shape.sixfold("operator", "audit", "--json")
        url = f"http://sixfold_reader:{shape.clickhouse.reader_password}@127.0.0.1:{shape.clickhouse.port}/crm"
        for _ in range(DOCTOR_TRIES):
            doctor = await shape.sixfold("operator", "doctor", "--json", clickhouse_reader_url=url)
            if "no answer within" not in doctor.output:  # "try again", it says then
                break
        letters = await shape.sixfold("operator", "dead-letters", "list", "--json")
        logs = {name: (shape.directory / f"{name}.log").read_text().splitlines() for name in shape.children}
        return {
            "audit": {"code": audit.code, "printed": _json(audit.output)},
            "doctor": {"code": doctor.code, "printed": _json(doctor.output), "errors": doctor.errors[-500:]},
            "dead_letters": {"code": letters.code},
            "tracebacks": _counted(logs, "Traceback"),
            "warnings": {name: [line for line in lines if _loud(line)][:20] for name, lines in logs.items()},
        }


def _visible(client: Any, lead: str) -> bool:
    rows = client.query("SELECT 1 FROM fact_leads WHERE lead_id = {lead:String}", parameters={"lead": lead}).result_rows
    return bool(rows)


def _counted(logs: dict[str, list[str]], part: str) -> dict[str, int]:
    found = {name: sum(part in line for line in lines) for name, lines in logs.items()}
    return {name: count for name, count in found.items() if count}


def _loud(line: str) -> bool:
    return any(f" {level} " in line for level in ("WARNING", "ERROR", "CRITICAL"))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text[-500:]
