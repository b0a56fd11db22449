"""Secrets and keys: from settings and files, never shown; sources without one have no endpoint."""

import asyncio
import json
from pathlib import Path

import pytest

from stream.commands.settings import settings as show_settings
from stream.gateway.endpoints import endpoints_of, webhook_secrets
from stream.gateway.running import GatewayError, serving
from stream.settings import Settings, SettingsError
from stream.sources import read_sources

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples" / "sources"


def test_secrets_by_source_a_file_before_the_map(tmp_path: Path) -> None:
    (tmp_path / "twilio").write_text("new\nold\n")
    settings = Settings(
        sources=(str(EXAMPLES),),
        webhook_secrets={"hubspot": "a", "twilio": "map", "segment": ["b", "c"]},
        webhook_secrets_dir=tmp_path,
    )
    sources = read_sources(settings)
    found = webhook_secrets(settings, sources)
    assert found == {"hubspot": (b"a",), "segment": (b"b", b"c"), "twilio": (b"new", b"old")}
    assert {each.path for each in endpoints_of(sources, found).values()} == {
        "/webhooks/hubspot/hubspot",
        "/webhooks/segment/segment",
        "/webhooks/twilio/twilio",
    }
    with pytest.raises(SettingsError, match="there is no source nobody among SIXFOLD_SOURCES"):
        webhook_secrets(Settings(webhook_secrets={"nobody": "x"}), ())
    (tmp_path / "meta").write_text("\n")
    with pytest.raises(SettingsError, match=r"WEBHOOK_SECRETS_DIR.*meta is empty; write the secret into it"):
        webhook_secrets(settings, sources)
    (tmp_path / "meta").write_bytes(b"\xff")
    with pytest.raises(SettingsError, match=r"WEBHOOK_SECRETS_DIR.*meta: it is no text"):
        webhook_secrets(settings, sources)


def test_no_setting_shows_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIXFOLD_WEBHOOK_SECRETS", json.dumps({"hubspot": ["hidden-word", "hidden-too"]}))
    monkeypatch.setenv("SIXFOLD_DATA", str(tmp_path))
    show_settings(as_json=True)
    show_settings()
    assert "hidden" not in "".join(capsys.readouterr()) + repr(Settings())
    for wrong in ('{"hubspot": ["hidden-word", 7]}', '["hidden-word"]', '{"hubspot": ""}'):
        monkeypatch.setenv("SIXFOLD_WEBHOOK_SECRETS", wrong)
        with pytest.raises(SettingsError, match="SIXFOLD_WEBHOOK_SECRETS") as fault:
            Settings()
        assert "hidden" not in str(fault.value)


def test_keys_of_a_list_or_a_file(tmp_path: Path) -> None:
    shown = [key.get_secret_value() for key in Settings(gateway_key="one, two").gateway_keys]
    assert shown == ["one", "two"]
    (tmp_path / "key").write_text("three\nfour\n")
    settings = Settings(gateway_key_file=tmp_path / "key")
    assert [key.get_secret_value() for key in settings.gateway_keys] == ["three", "four"]
    assert Settings().gateway_keys == ()


def test_a_gateway_with_nothing_to_serve_says_what_to_set() -> None:
    async def start() -> None:
        async with serving(Settings(), None, 0):  # type: ignore[arg-type]
            pass

    with pytest.raises(GatewayError, match="set SIXFOLD_GATEWAY_KEY"):
        asyncio.run(start())
