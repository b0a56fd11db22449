"""What the gateway takes over a real Apache Kafka. usage: python -m tests.bench.gateway [--seconds N] [--soak SECONDS]

A load generator, a process of its own, posts signed HubSpot webhooks of ten notifications each to 127.0.0.1 over a
fixed number of connections. `--soak` restarts Kafka in the middle, lets a worker count, and compares: each contact of a
request that was answered 200 must be one lead in the reports, counted once.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp

from tests.bench.__main__ import clickhouse
from tests.integration.deployment import Deployment
from tests.kafka.broker import KafkaBroker, free_port

SECRET = "bench-secret"
EACH = 10
CONNECTIONS = 32
START_MS = 1_790_000_000_000


def notifications(first: int, at_ms: int | None = None) -> bytes:
    """A webhook of `EACH` contacts that came into being, at `at_ms` or one a millisecond."""
    return json.dumps(
        [
            {
                "portalId": 1,
                "subscriptionType": "contact.creation",
                "objectId": number,
                "occurredAt": START_MS + number if at_ms is None else at_ms,
                "eventId": number,
            }
            for number in range(first, first + EACH)
        ]
    ).encode()


def signed(url: str, body: bytes, secret: str = SECRET) -> dict[str, str]:
    """The headers under which HubSpot sends a body."""
    stamp = str(round(time.time() * 1000))
    text = f"POST{url}".encode() + body + stamp.encode()
    digest = base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()
    return {"X-HubSpot-Signature-v3": digest, "X-HubSpot-Request-Timestamp": stamp}


async def load(url: str, seconds: float, rate: float, accepted: Path) -> dict[str, float]:
    """Post for so long, at most `rate` requests a second (0: as many as go); what was accepted goes to a file."""
    end, latencies, outcomes = time.monotonic() + seconds, [], dict.fromkeys(("200", "503", "other"), 0)
    numbers = iter(range(1, 10**9, EACH))

    async def one(session: aiohttp.ClientSession, file) -> None:
        while time.monotonic() < end:
            first = next(numbers)
            body = notifications(first)
            while time.monotonic() < end:  # as a provider does: again until it is taken
                began = time.monotonic()
                try:
                    async with session.post(url, data=body, headers=signed(url, body)) as answer:
                        await answer.read()
                        status = str(answer.status)
                except aiohttp.ClientError:
                    status = "other"
                outcomes[status if status in outcomes else "other"] += 1
                if status == "200":
                    latencies.append(time.monotonic() - began)
                    file.write(f"{first}\n")
                    break
                await asyncio.sleep(1)
            if rate:
                await asyncio.sleep(max(0, CONNECTIONS / rate - (time.monotonic() - began)))

    with accepted.open("w") as file:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as session:
            await asyncio.gather(*(one(session, file) for _ in range(CONNECTIONS)))
    latencies.sort()
    return {
        "requests_per_second": round(len(latencies) / seconds, 1),
        "events_per_second": round(len(latencies) * EACH / seconds, 1),
        "p50_ms": round(1000 * latencies[len(latencies) // 2], 1),
        "p99_ms": round(1000 * latencies[len(latencies) * 99 // 100], 1),
        **outcomes,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--soak", type=float, default=0)
    parser.add_argument("--rate", type=float, default=0, help="requests a second at most; of a soak 50")
    parser.add_argument("--load", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        print(json.dumps(asyncio.run(load(given.load[0], given.seconds, given.rate, Path(given.load[1])))))
        return 0
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory)
        (data / "kafka").mkdir()
        (data / "hubspot.toml").write_text('kind = "hubspot"\nsource = "hubspot/1"\nportal = 1\n')
        with (
            KafkaBroker(data / "kafka") as broker,
            clickhouse(data / "clickhouse") as server,
            Deployment(broker, server, data / "deployment") as deployment,
        ):
            return measured(given, data, broker, deployment)


def measured(given: argparse.Namespace, data: Path, broker: KafkaBroker, deployment: Deployment) -> int:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    deployment.environment(
        {
            "sources": data / "hubspot.toml",
            "webhook_secrets": {"hubspot": SECRET},
            "gateway_port": port,
            "gateway_address_rate": 0,
            "gateway_source_rate": 0,
        }
    )
    own = {**os.environ, **deployment._environment}
    gateway = subprocess.Popen(
        [sys.executable, "-m", "stream.cli", "gateway"], env=own, stdout=subprocess.PIPE, cwd=deployment.directory
    )
    try:
        assert gateway.stdout is not None
        assert gateway.stdout.readline()
        seconds, rate = (given.soak, given.rate or 50) if given.soak else (given.seconds, given.rate)
        if given.soak:
            deployment.start()
        accepted = data / "accepted"
        arguments = ["--seconds", str(seconds), "--rate", str(rate)]
        loading = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.bench.gateway",
                *arguments,
                "--load",
                f"{url}/webhooks/hubspot/hubspot",
                accepted,
            ],
            stdout=subprocess.PIPE,
        )
        try:
            if given.soak:
                time.sleep(seconds / 2)
                broker.stop()
                time.sleep(5)
                broker.start()
            found = json.loads(loading.communicate(timeout=seconds + 120)[0])
        finally:
            loading.kill()
        print(json.dumps(found, indent=2))
        return compared(accepted, deployment) if given.soak else 0
    finally:
        gateway.terminate()
        gateway.wait(60)


def compared(accepted: Path, deployment: Deployment) -> int:
    deployment.wait()
    wanted = {f"lead:{first + index}" for first in map(int, accepted.read_text().split()) for index in range(EACH)}
    client = deployment.client(deployment.name)
    leads = [row[0] for row in client.query("SELECT lead_id FROM fact_leads").result_rows]
    reported = client.query("SELECT sum(leads) FROM report_leads_by_channel").result_rows[0][0]
    there = {f"lead:{lead}" for lead in leads}
    answer = {
        "accepted_events": len(wanted),
        "lost": len(wanted - there),
        "leads": len(leads),
        "counted_twice": len(leads) - len(there),
        "in_the_report": int(reported),
        "differences_of_the_audit": len(deployment.audit().differences),
    }
    print(json.dumps(answer, indent=2))
    right = not answer["lost"] and not answer["counted_twice"] and answer["in_the_report"] == len(there)
    return 0 if right and not answer["differences_of_the_audit"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
