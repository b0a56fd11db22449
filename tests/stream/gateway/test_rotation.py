"""Secrets that are rotated under a running gateway, over real HTTP and a real broker."""

import asyncio
import json
import logging
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from stream.gateway import rotation
from tests.kafka.broker import TansuBroker, free_port
from tests.stream.gateway.serving import EXAMPLES, Client, gateway, lead, settings_for

PATIENCE = 120.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "CHECK_SECONDS", 0.1)


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await done():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.1)


def put(path: Path, text: str) -> None:
    """As a mounted secret is changed: at once."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


async def metrics(port: int) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        return await answer.text()


def test_what_files_say_is_in_force_without_a_restart(
    tansu: TansuBroker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="stream.gateway.rotation")
    secrets, keys, sources, port = tmp_path / "secrets", tmp_path / "keys", tmp_path / "sources", free_port()
    secrets.mkdir()
    sources.mkdir()
    for kind in ("segment", "telephony"):
        shutil.copy(EXAMPLES / f"{kind}.toml", sources)
    put(secrets / "segment", "first-secret")
    put(keys, "first-key\n")
    body = json.dumps({"type": "track", "event": "x", "messageId": "1", "timestamp": "2026-03-01T12:00:00Z"}).encode()

    async def webhook(client: Client, secret: str, kind: str = "segment") -> int:
        return (await client.webhook(kind, body, secret=secret))[0]

    async def events(client: Client, key: str) -> int:
        return (await client.events(json.dumps(lead(1)).encode(), Authorization=f"Bearer {key}"))[0]

    async def work() -> None:
        settings = settings_for(
            tansu,
            tmp_path / "data",
            sources=(str(sources),),
            webhook_secrets={},
            webhook_secrets_dir=secrets,
            gateway_key=None,
            gateway_key_file=keys,
            metrics_port=port,
        )
        async with gateway(settings) as client:
            assert (await webhook(client, "first-secret"), await webhook(client, "second-secret")) == (200, 401)
            assert (await events(client, "first-key"), await events(client, "second-key")) == (200, 401)

            put(secrets / "segment", "second-secret\nfirst-secret\n")
            await until(lambda: _is(webhook(client, "second-secret"), 200))
            assert await webhook(client, "first-secret") == 200, "the old one is in force beside it"
            put(secrets / "segment", "second-secret\n")
            await until(lambda: _is(webhook(client, "first-secret"), 401))

            put(keys, "second-key\n")
            await until(lambda: _is(events(client, "second-key"), 200))
            assert await events(client, "first-key") == 401
            assert "sixfold_gateway_secret_reloads_total 3.0" in await metrics(port)

            put(secrets / "telephony", "a-secret")
            await until(lambda: _is(webhook(client, "a-secret", "telephony"), 200))

            # what cannot be read changes nothing, and is said once
            for spoil, words in (
                (lambda: put(secrets / "segment", "\n"), "segment is empty"),
                ((secrets / "segment").unlink, "the secret of segment is gone"),
                (lambda: put(keys, ""), f"{keys} is empty"),
                (keys.unlink, f"cannot read {keys}"),
                (lambda: put(keys, ",\n"), "has no key in it"),
            ):
                spoil()
                await until(lambda words=words: _said(caplog, words))
                assert "sixfold_gateway_secrets_unreadable 1.0" in await metrics(port)
                assert await webhook(client, "second-secret") == 200
                assert await events(client, "second-key") == 200
                put(secrets / "segment", "second-secret\n")
                put(keys, "second-key\n")
                await until(lambda: _has(port, "sixfold_gateway_secrets_unreadable 0.0"))
                assert sum(words in line for line in caplog.messages) == 1

            # another source file needs a restart
            assert "sixfold_gateway_restart_needed 0.0" in await metrics(port)
            shutil.copy(EXAMPLES / "twilio.toml", sources)
            await until(lambda: _has(port, "sixfold_gateway_restart_needed 1.0"))
            assert sum("restart the gateway to use them" in line for line in caplog.messages) == 1

    asyncio.run(work())
    assert not [line for line in caplog.messages if "-secret" in line or "-key" in line]


async def _is(answer: Awaitable[int], status: int) -> bool:
    return await answer == status


async def _has(port: int, line: str) -> bool:
    return line in await metrics(port)


async def _said(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return any(words in line for line in caplog.messages)
