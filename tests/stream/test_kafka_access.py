"""How Kafka lets us in, from the settings alone; with a broker: tests/integration/test_security.py."""

from pathlib import Path

import pytest

from stream.kafka_access import kafka_arguments
from stream.settings import Settings, SettingsError


def test_only_who_asks_kafka_needs_a_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings are shared: the page and the history have no login for Kafka."""
    monkeypatch.chdir(tmp_path)
    settings = Settings(kafka_security_protocol="SASL_PLAINTEXT")
    with pytest.raises(SettingsError, match=r"^SIXFOLD_KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT .*: needs a user: set"):
        kafka_arguments(settings)
    assert kafka_arguments(Settings(kafka_security_protocol="SASL_PLAINTEXT", kafka_username="me"))
