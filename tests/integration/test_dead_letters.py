"""Dead letters of a real worker: found, shown, mended, sent through again, and counted once."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemas.adapters import Refusal
from stream.refused import refused_record
from tests.clickhouse import ClickHouseServer
from tests.integration.deployment import Deployment, assert_right
from tests.kafka.broker import TansuBroker
from tests.stream.cases import lead, opportunity

GOOD = [
    lead("a", "2026-03-01", utm={"source": "google", "medium": "cpc"}),
    opportunity("o", "2026-03-02", lead_id="a", amount="10.00"),
]
WON = {"opportunity_id": "o", "amount": "12.34567", "currency": "USD"}


def of(source: str, type_: str, identifier: str, data: Any, time: str = "2026-03-05T00:00:00Z") -> bytes:
    return json.dumps(
        {"id": identifier, "source": source, "type": type_, "time": time, "data": data}, indent=1
    ).encode()


SOON = (datetime.now(UTC) + timedelta(days=3)).isoformat()
BAD = {
    "decimals": of("hubspot/1", "crm.deal.won", "bad-1", WON),
    "type": of("hubspot/1", "crm.lead.forgotten", "bad-2", {"lead_id": "a"}),
    "member": of("sales/2", "crm.lead.updated", "bad-3", {"stage": "mofu"}),
    "future": of("sales/2", "crm.lead.created", "bad-4", {"lead_id": "b", "created_at": "2026-03-01T00:00:00Z"}, SOON),
    "cut": b'{"id": "bad-5",\n "source": "hubspot/1", "type": "crm.lead.created", "data": {"lead_id": "c\xff\x1b',
}


@pytest.fixture
def deployment(tansu: TansuBroker, clickhouse_server: ClickHouseServer, tmp_path: Path) -> Iterator[Deployment]:
    with Deployment(tansu, clickhouse_server, tmp_path) as deployed:
        deployed.start()
        deployed.send([*GOOD, *BAD.values()])
        deployed.wait()
        yield deployed


def listed(deployment: Deployment, *arguments: str) -> dict[str, Any]:
    """The dead letters by their events' ids."""
    found = json.loads(deployment.output("dead-letters", "list", "--json", *arguments))
    return {letter["event_id"]: letter for letter in found}


def failing(deployment: Deployment) -> tuple[int, int]:
    """Records and failing of the check of data quality."""
    client = deployment.client(deployment.name)
    query = "SELECT records, failing FROM report_quality WHERE check = 'dead_letters_of_the_last_24_h'"
    records, fails = client.query(query).result_rows[0]
    return records, fails


def revenue(deployment: Deployment) -> list[tuple[Decimal, int]]:
    query = "SELECT revenue, won_deals FROM report_profitability WHERE won_deals != 0"
    return [tuple(row) for row in deployment.client(deployment.name).query(query).result_rows]


def test_they_are_found_by_reason_source_and_time(deployment: Deployment) -> None:
    found = listed(deployment)
    assert {event_id: (letter["reason"], letter["source"], letter["state"]) for event_id, letter in found.items()} == {
        "bad-1": ("invalid-member", "hubspot/1", "open"),
        "bad-2": ("unknown-type", "hubspot/1", "open"),
        "bad-3": ("missing-member", "sales/2", "open"),
        "bad-4": ("time-in-future", "sales/2", "open"),
        "bad-5": ("invalid-json", "hubspot/1", "open"),
    }
    assert "data.amount" in found["bad-1"]["message"]
    assert set(listed(deployment, "--reason", "unknown-type", "missing-member")) == {"bad-2", "bad-3"}
    assert set(listed(deployment, "--source", "hubspot/1", "--reason", "invalid-json", "invalid-member")) == {
        *("bad-1", "bad-5"),
    }
    ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert set(listed(deployment, "--since", ago)) == set(found)
    assert listed(deployment, "--until", ago) == {}
    assert len(listed(deployment, "--limit", "2")) == 2
    table = deployment.command("dead-letters", "list")
    assert "bad-3" in table
    assert "data.lead_id" in table
    assert failing(deployment) == (5, 5)


def test_one_that_is_mended_is_counted_once_and_open_no_more(deployment: Deployment, tmp_path: Path) -> None:
    name = listed(deployment)["bad-1"]["id"]
    original = deployment.output("dead-letters", "show", name)
    assert original == BAD["decimals"]
    mended = original.replace(b"12.34567", b"12.3456")
    (tmp_path / "event.json").write_bytes(mended)
    said = deployment.command("dead-letters", "replay", name, "--from", "event.json")
    assert "1 sent, 0 would be rejected again" in said
    deployment.wait()
    assert revenue(deployment) == [(Decimal("12.3456"), 1)]
    assert_right(deployment, [*GOOD, mended])
    assert set(listed(deployment)) == {"bad-2", "bad-3", "bad-4", "bad-5"}
    (replayed,) = listed(deployment, "--state", "replayed").values()
    assert (replayed["id"], replayed["state"]) == (name, "replayed")
    assert replayed["settled_at"] is not None
    assert failing(deployment) == (5, 4)
    # from standard input, and once more: nothing changes
    sent = json.loads(deployment.output("dead-letters", "replay", name, "--from", "-", "--json", given=mended))
    assert sent == {"sent": [name], "rejected": []}
    deployment.wait()
    assert revenue(deployment) == [(Decimal("12.3456"), 1)]
    assert_right(deployment, [*GOOD, mended])
    assert len(listed(deployment, "--state", "all")) == 5
    assert failing(deployment) == (5, 4)


def test_what_would_be_rejected_again_is_not_sent_until_it_would_not(deployment: Deployment) -> None:
    said = deployment.command("dead-letters", "replay", "--all", code=1)
    assert "0 sent, 5 would be rejected again" in said
    assert said.count("not sent, ") == 5
    assert "not sent, missing-member: data.lead_id" in said
    assert len(listed(deployment)) == 5
    # other settings take what comes three days early
    deployment.workers[0].terminate()
    assert deployment.workers[0].wait(60) == 0, deployment.logs()
    deployment.change(max_future_hours=100)
    deployment.start()
    name = listed(deployment)["bad-4"]["id"]
    output = deployment.output("dead-letters", "replay", "--source", "sales/2", "--json", code=1)
    assert json.loads(output)["sent"] == [name]
    deployment.wait()
    assert_right(deployment, [*GOOD, BAD["future"]])
    leads = deployment.client(deployment.name).query("SELECT lead_id FROM fact_leads ORDER BY lead_id").result_rows
    assert [row[0] for row in leads] == ["a", "b"]


def test_what_an_adapter_refused_is_read_again_after_its_source_file_was_corrected(
    deployment: Deployment, tmp_path: Path
) -> None:
    payload = {"portalId": 7, "subscriptionType": "contact.creation", "objectId": 42, "occurredAt": 1_790_000_000_000}
    refusal = Refusal("wrong-account", "portalId: is not the account's", json.dumps({**payload, "eventId": 1}).encode())
    deployment.send([refused_record("hubspot-eu", refusal)])
    deployment.wait()
    (letter,) = [each for each in listed(deployment).values() if each["reason"] == "wrong-account"]
    assert (letter["source"], letter["message"]) == ("hubspot-eu", "portalId: is not the account's")
    assert deployment.output("dead-letters", "show", letter["id"]) == refusal.raw
    replay = ("dead-letters", "replay", letter["id"])
    assert "no source file of SIXFOLD_SOURCES is called hubspot-eu.toml" in deployment.command(*replay, code=1)
    file = tmp_path / "hubspot-eu.toml"
    deployment.environment({"sources": file})
    file.write_text('kind = "hubspot"\nsource = "hubspot/8"\nportal = 8\n')
    assert "not sent, wrong-account" in deployment.command(*replay, code=1)
    file.write_text('kind = "hubspot"\nsource = "hubspot/7"\nportal = 7\n')
    for _ in range(2):
        assert "1 sent, 0 would be rejected again" in deployment.command(*replay)
    deployment.wait()
    leads = deployment.client(deployment.name).query("SELECT lead_id FROM fact_leads ORDER BY lead_id").result_rows
    assert [row[0] for row in leads] == ["42", "a"]
    assert "wrong-account" not in {each["reason"] for each in listed(deployment).values()}


def test_dropped_ones_are_listed_no_more_and_purged_ones_are_gone(deployment: Deployment) -> None:
    names = {event_id: letter["id"] for event_id, letter in listed(deployment).items()}
    assert "1 dropped" in deployment.command("dead-letters", "drop", names["bad-2"])
    assert set(listed(deployment)) == {"bad-1", "bad-3", "bad-4", "bad-5"}
    assert failing(deployment) == (5, 4)
    assert deployment.output("dead-letters", "show", names["bad-2"]) == BAD["type"]
    shown = json.loads(deployment.output("dead-letters", "show", names["bad-5"], "--json"))
    assert shown["value"] is None
    assert base64.b64decode(shown["value_base64"]) == BAD["cut"]
    arguments = ("--source", "hubspot/1", "--purge", "--json")
    dropped = json.loads(deployment.output("dead-letters", "drop", *arguments))
    assert sorted(dropped["dropped"]) == sorted([names["bad-1"], names["bad-5"]])
    assert "there is no dead letter" in deployment.command("dead-letters", "show", names["bad-5"], code=2)
    left = deployment.client(deployment.name).query("SELECT count() FROM dead_letters").result_rows[0][0]
    assert left == 3
    assert failing(deployment) == (3, 2)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["replay"], "say which: by name"),
        (["replay", "crm.events/0/99999"], "there is no dead letter crm.events/0/99999"),
        (["replay", "nonsense"], "is named topic/partition/offset, not nonsense"),
        (["drop", "crm.events/0/1", "--all"], "not both"),
        (["replay", "--all", "--from", "event.json"], "name the dead letter that it corrects"),
        (["show", "crm.events/0/99999"], "there is no dead letter"),
    ],
)
def test_a_wrong_choice_gets_one_line(
    clickhouse_server: ClickHouseServer, tansu: TansuBroker, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    with Deployment(tansu, clickhouse_server, tmp_path) as deployed:
        said = deployed.command("dead-letters", *arguments, code=2)
    assert complaint in said
    assert len(said.splitlines()) == 1
