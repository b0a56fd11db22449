"""Records and documents at the limits of what Kafka takes: none of them holds a worker up."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.topics import MESSAGE_BYTES
from tests.clickhouse import ClickHouseServer
from tests.integration.deployment import Deployment, assert_right
from tests.kafka.broker import KafkaBroker

ROOM = 1 << 20
#: what Kafka's own framing of a record takes, and some more
FRAME = 128


@pytest.fixture
def deployment(kafka: KafkaBroker, clickhouse_server: ClickHouseServer, tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(kafka, clickhouse_server, tmp_path) as deployed:
        yield deployed


def event(type_: str, number: int, **data: Any) -> bytes:
    at = f"2026-03-01T00:00:{number:02}Z"
    whole = {"id": str(number), "source": "s", "type": type_, "time": at, "data": data}
    return json.dumps(whole, ensure_ascii=False).encode()


def text(bytes_: int) -> str:
    """Two bytes a character, six when it is percent-encoded."""
    return "ü" * (bytes_ // 2)


def test_a_record_of_the_greatest_size_becomes_a_dead_letter(deployment: Deployment) -> None:
    values = [b"x" * (MESSAGE_BYTES - FRAME), event("crm.lead.created", 1, lead_id="a")]
    deployment.start()
    deployment.send(values, [b"a", b"lead:a"])
    deployment.wait()
    client = deployment.client(deployment.name)
    assert client.query("SELECT reason, length(value) FROM dead_letters").result_rows == [
        ("too-large", MESSAGE_BYTES - FRAME)
    ]


def test_a_document_larger_than_a_record_reaches_its_root(deployment: Deployment) -> None:
    """Each event is below 1 MiB; what they say of one lead together is not."""
    most = ROOM - 400
    values = [
        event("crm.lead.updated", number, lead_id="big", utm={member: text(most)})
        for number, member in enumerate(("source", "medium", "campaign", "term", "content"))
    ]
    values += [
        event("crm.lead.updated", 10 + number, lead_id="big", stage=text(most) + str(number)) for number in (1, 2)
    ]
    values += [
        event("crm.lead.created", 20, lead_id="root", stage="mofu"),
        event("crm.lead.merged", 21, lead_id="root", merged_ids=["big"]),
        event("crm.deal.won", 22, opportunity_id="o", lead_id="big", amount=5),
    ]
    deployment.start()
    deployment.send(values)
    deployment.wait()
    assert_right(deployment, values)


def test_a_spend_figure_whose_key_would_be_too_long(deployment: Deployment) -> None:
    figure = {"platform": "p", "date": "2026-03-01", "amount": 5, "currency": "USD"}
    values = [
        event("crm.spend.posted", 1, **figure, utm={"content": text(ROOM - 400)}),
        event("crm.spend.posted", 2, **figure, utm={"content": text(4000)}),
    ]
    deployment.start()
    deployment.send(values, [b"somewhere", b"else"])
    deployment.wait()
    assert_right(deployment, values)
    client = deployment.client(deployment.name)
    assert client.query("SELECT reason FROM dead_letters").result_rows == [("too-large",)]
    assert client.query("SELECT sum(spend) FROM report_expenses").result_rows == [(5,)]
