"""Session fixtures with running brokers; name this module in `pytest_plugins` to use them."""

from collections.abc import Iterator

import pytest

from tests.kafka.broker import KafkaBroker, TansuBroker


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A running Apache Kafka, one for the session; tests use topics and groups of their own."""
    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TansuBroker]:
    """A running embedded broker, one for the session; tests use topics and groups of their own."""
    with TansuBroker(tmp_path_factory.mktemp("tansu")) as broker:
        yield broker
