"""The gateway through real HTTP and a real broker: what is accepted, what is refused, and what is never logged."""

import asyncio
import gzip
import json
import logging
from pathlib import Path
from urllib.parse import urlencode

import pytest
from openapi_spec_validator import validate

from stream.gateway.cloud_events import EVENT_BYTES
from stream.gateway.limits import Bounds
from tests.kafka.broker import KafkaBroker, TansuBroker
from tests.stream.gateway.serving import KEY, KINDS, gateway, lead, notification, records, settings_for

REPS = 2  # of the HubSpot example: its owners are sent at the start
CALL = {
    "AccountSid": "AC00000000000000000000000000000001",
    "CallSid": "CA1",
    "CallStatus": "completed",
    "CallDuration": "60",
    "Timestamp": "2026-03-01T12:00:00Z",
    "SequenceNumber": "3",
    "Direction": "inbound",
    "To": "+46700000001",
}


def run(work) -> None:
    asyncio.run(work)


def only(*kinds: str) -> dict[str, object]:
    examples = Path(__file__).parents[3] / "deploy" / "examples" / "sources"
    secrets = {kind: "user:webhook-secret" if kind == "pipedrive" else "webhook-secret" for kind in kinds}
    return {"sources": tuple(str(examples / f"{kind}.toml") for kind in kinds), "webhook_secrets": secrets}


def test_every_form_of_events_arrives_under_its_home(tansu: TansuBroker, tmp_path: Path) -> None:
    async def work() -> None:
        settings = settings_for(tansu, tmp_path, **only())
        async with gateway(settings) as client:
            assert (await client.events(json.dumps(lead(1)).encode() + b"\r\n\nnot json"))[:2] == (200, {"accepted": 2})
            one = json.dumps(lead(2)).encode()
            assert (await client.events(one, "application/cloudevents+json"))[0] == 200
            assert (await client.events(json.dumps(lead(3)).encode(), "application/json"))[0] == 200
            batch = json.dumps([lead(4), lead(5)]).encode()
            assert (await client.events(batch, "application/cloudevents-batch+json"))[1]["accepted"] == 2
            binary = {f"ce-{name}": value for name, value in lead(6).items() if name != "data"}
            binary |= {"ce-id": "%C3%A4%20%22", "ce-source": '"a\\"b"'}
            assert (await client.events(b'{"lead_id": "6", "x": 1.10}', "application/json", **binary))[0] == 200
            packed = gzip.compress(json.dumps(lead(7)).encode())
            assert (await client.events(packed, **{"Content-Encoding": "gzip"}))[0] == 200
            assert (await client.events(json.dumps(lead(8)).encode(), Authorization="Bearer older-key"))[0] == 200
            assert (await client.events(b"", "application/x-ndjson"))[1]["accepted"] == 0
            for body, media, headers, status in (
                (b"[{}", "application/cloudevents-batch+json", {}, 400),
                (b"[" * 1000 + b"]" * 1000, "application/cloudevents-batch+json", {}, 400),
                (b'{}, "type": "x"', "application/json", binary, 400),
                (b"{}", "application/json", {**binary, "ce-id": "%ff"}, 400),
                (b"{}", "text/plain", {}, 415),
                (b"{}", "application/json", {"Content-Encoding": "compress"}, 415),
                (b"{}", "application/json", {"Authorization": "Bearer wrong"}, 401),
                (b"{}", "application/json", {"Authorization": f"Basic {KEY}"}, 401),
            ):
                assert (await client.events(body, media, **headers))[0] == status, (body[:20], media)
            head = (
                f"POST /events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
            )
            no_gzip = b"Content-Encoding: gzip\r\nConnection: close\r\nContent-Length: 7\r\n\r\nno gzip"
            assert b" 400 " in await wire(client.serving.port, head.encode() + no_gzip)
            status, answer, _ = await client.events(b"{}\n" + b"x" * (EVENT_BYTES + 1))
            assert (status, answer["line"]) == (413, 2)
        consumer = await raw(settings, 9)
        keys = sorted(key.decode() for key, _ in consumer if key)
        assert keys == [f"lead:{number}" for number in range(1, 9)]
        six = next(value for key, value in consumer if key == b"lead:6")
        assert b"1.10" in six
        assert (json.loads(six)["id"], json.loads(six)["source"]) == ('ä "', 'a"b')

    run(work())


async def raw(settings, count):
    from aiokafka import AIOKafkaConsumer

    consumer = AIOKafkaConsumer(settings.events_topic, bootstrap_servers=settings.brokers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(120):
            found = [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()
    return [(each.key, each.value) for each in found]


def test_webhooks_become_events_and_refusals_are_kept(tansu: TansuBroker, tmp_path: Path) -> None:
    async def work() -> None:
        settings = settings_for(tansu, tmp_path, **only("hubspot", "twilio"))
        async with gateway(settings) as client:
            body = json.dumps([notification(1), notification(2, portal=9), notification(1)]).encode()
            status, answer, headers = await client.webhook("hubspot", body)
            assert (status, answer) == (200, {"accepted": 2, "refused": 1, "passed_over": 0})
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Server"] == "Sixfold"
            assert (await client.webhook("hubspot", b"not json"))[1]["refused"] == 1
            call = urlencode(CALL).encode()
            path = "/webhooks/twilio/twilio?lead_id=7"
            from urllib.parse import parse_qsl

            text = "".join(map("".join, sorted(parse_qsl(call.decode()))))
            from tests.stream.gateway.serving import SECRET, _b64

            signature = _b64(SECRET.encode(), f"{client.serving.url}{path}{text}".encode(), "sha1")
            form = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature}
            assert (await client.post(path, call, form))[1]["accepted"] == 1
            assert (await client.post(path.replace("7", "8"), call, form))[0] == 401
        found = await records(settings, REPS + 5)
        kinds = sorted(each["type"] for each in found)
        assert kinds == [
            "crm.call.logged",
            "crm.lead.created",
            "crm.lead.created",
            "crm.rep.upserted",
            "crm.rep.upserted",
            "sixfold.payload.refused",
            "sixfold.payload.refused",
        ]
        assert next(each for each in found if each["type"] == "crm.call.logged")["data"]["lead_id"] == "7"
        twice = [each["id"] for each in found if each["type"] == "crm.lead.created"]
        assert len(set(twice)) == 1  # told twice, the same event

    run(work())


def test_strangers_old_requests_and_unknown_names_leave_nothing(tansu: TansuBroker, tmp_path: Path) -> None:
    async def work() -> None:
        import time

        settings = settings_for(tansu, tmp_path)
        async with gateway(settings) as client:
            for kind in KINDS:
                assert (await client.post(f"/webhooks/{kind}/{kind}", b"{}", {}))[0] == 401, kind
                assert (await client.webhook(kind, b"{}", secret="another"))[0] == 401, kind
                if kind not in ("twilio", "pipedrive", "segment"):
                    assert (await client.webhook(kind, b"{}", at=time.time() - 400))[0] == 401, kind
            for path in (
                "/webhooks/hubspot/none",
                "/webhooks/pipedrive/hubspot",
                "/webhooks/hubspot/..%2Fhubspot",
                "/webhooks/hubspot/hubspot/",
            ):
                assert (await client.post(path, b"{}", client.signed("hubspot", b"{}", path)))[0] == 404, path
            host = client.signed("hubspot", b"{}") | {"Host": "evil.example"}
            assert (await client.post("/webhooks/hubspot/hubspot", b"{}", host))[0] == 200  # Host decides nothing
            assert (await client.events(json.dumps(lead("last")).encode()))[0] == 200
            async with client.session.get(f"{client.serving.url}/openapi.json") as answer:
                document = await answer.json()
            validate(document)
            assert {f"/webhooks/{kind}/{kind}" for kind in KINDS} < set(document["paths"])
            async with client.session.get(f"{client.serving.url}/docs") as answer:
                text = await answer.text()
                assert "/webhooks/hubspot/hubspot" in text
                assert "http" not in text.replace(client.serving.url, "")
                assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
        found = await records(settings, 1)
        assert found

    run(work())


def test_a_copy_of_a_signed_request_is_refused(tansu: TansuBroker, tmp_path: Path) -> None:
    async def work() -> None:
        async with gateway(settings_for(tansu, tmp_path)) as client:
            for kind in KINDS:
                path, headers = f"/webhooks/{kind}/{kind}", client.signed(kind, b"{}")
                assert (await client.post(path, b"{}", headers))[0] == 200, kind
                spelt = {name: value.replace("v1=", " v1=") for name, value in headers.items()}
                for copy in (headers, spelt):
                    status, answer, _ = await client.post(path, b"{}", copy)
                    # without a time a copy is what a provider's retry looks like
                    assert status == (200 if kind in ("twilio", "pipedrive", "segment") else 401), kind
                    assert status == 200 or "sign it anew" in answer["error"]

    run(work())


def test_limits_by_real_sockets(tansu: TansuBroker, tmp_path: Path) -> None:
    async def work() -> None:
        bounds = Bounds(
            webhook_bytes=1000,
            webhook_seconds=0.5,
            header_seconds=1,
            header_bytes=2000,
            headers=20,
            connections=3,
            address_rate=0,
            source_rate=2,
        )
        settings = settings_for(tansu, tmp_path, **only("segment"))
        async with gateway(settings, bounds) as client:
            port = client.serving.port
            bomb = gzip.compress(b"0" * 50_000_000)[:900]
            headers = {"Content-Encoding": "gzip"}
            assert (await client.post("/webhooks/segment/segment", bomb, headers))[0] == 413
            assert (await client.post("/webhooks/segment/segment", b"x" * 1001, {}))[0] == 413
            await client.session.close()

            assert b" 400 " in await wire(port, b"GET /live HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 30 + b"\r\n")
            assert b" 400 " in await wire(port, b"GET /live HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 3000 + b"\r\n\r\n")
            assert b" 400 " in await wire(
                port, b"GET http://evil/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            )
            assert await wire(port, b"GET /live HTTP/1.1\r\nHost: a\r\n") == b""  # never finished: closed
            slow = b"POST /webhooks/segment/segment HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"
            assert b" 408 " in await wire(port, slow)

            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
            await asyncio.sleep(0.1)
            assert b" 503 " in await wire(port, b"")
            for _, writer in held:
                writer.close()
            await asyncio.sleep(0.5)
            import aiohttp

            async with aiohttp.ClientSession() as client.session:
                for _ in range(2):
                    assert (await client.webhook("segment", b"[]"))[0] == 200
                status, _, headers = await client.webhook("segment", b"[]")
                assert status == 429
                assert 1 <= int(headers["Retry-After"]) <= 60

    run(work())


async def wire(port: int, text: bytes) -> bytes:
    """What a socket gets back until the other side closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(text)
        async with asyncio.timeout(60):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def test_nothing_personal_and_no_secret_is_logged(
    tansu: TansuBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    name, phone = "Zebedee", "4670999888"

    async def work() -> None:
        settings = settings_for(tansu, tmp_path)
        async with gateway(settings) as client:
            body = json.dumps([{"name": name, "phone": phone}]).encode()
            for kind in KINDS:
                path = f"/webhooks/{kind}/{kind}"
                assert (await client.post(path, body, client.signed(kind, body)))[0] in (200, 401)
                await client.post(f"{path}?phone={phone}&name={name}", body, {"X-Name": name, "X-Phone": phone})
                await client.post(f"/webhooks/{name}/{phone}", body, {})
            await client.events(body, Authorization=f"Bearer {name}{phone}")
            await wire(
                client.serving.port, f"GET /{name} HTTP/1.1\r\nHost: {phone}\r\n{name}\x01: {phone}\r\n\r\n".encode()
            )
            await wire(client.serving.port, f"{name} {phone}\r\n\r\n".encode())

    run(work())
    said = caplog.text + "".join(capfd.readouterr())
    assert "hubspot" in said
    for secret in (name, phone, KEY, "webhook-secret"):
        assert secret not in said


def test_kafka_that_stops_is_said_in_seconds_and_comes_back(tmp_path: Path) -> None:
    async def work(broker: KafkaBroker) -> None:
        settings = settings_for(broker, tmp_path, **only("segment"))
        async with gateway(settings) as client:
            body = json.dumps(lead(1)).encode()
            assert (await client.events(body))[0] == 200
            await asyncio.to_thread(broker.stop)
            for _ in range(2):
                async with asyncio.timeout(60):
                    status, answer, headers = await client.events(json.dumps(lead(2)).encode())
                assert status == 503, answer
                assert int(headers["Retry-After"]) > 0
            async with client.session.get(f"{client.serving.url}/ready") as answer:
                assert answer.status == 503
                assert "kafka" in (await answer.json())["reasons"]
            await asyncio.to_thread(broker.start)
            async with asyncio.timeout(240):
                while (await client.events(json.dumps(lead(3)).encode()))[0] != 200:  # noqa: ASYNC110 - Kafka tells nobody
                    await asyncio.sleep(1)
            async with asyncio.timeout(60):
                while True:
                    async with client.session.get(f"{client.serving.url}/ready") as answer:
                        if answer.status == 200:
                            break
                    await asyncio.sleep(0.5)

    with KafkaBroker(tmp_path) as broker:
        run(work(broker))
