"""What all tests share: real brokers, the real engine behind ClickHouse's HTTP interface, and a folder to stand in."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["tests.clickhouse", "tests.kafka.fixtures", "tests.quarter", "tests.pages"]


# A shell that starts tests in the background has them ignore Ctrl-C, and with them every process that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings are read from the folder that one stands in, and `make demo` leaves some in the checkout."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("elsewhere"))
    yield
    os.chdir(before)
