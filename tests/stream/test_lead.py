"""`sixfold lead`: one person's journey, in order, with who said so, where it counts, and nothing of who was erased."""

import json
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from sinks.migrate import ViewSettings, migrate
from stream.cli import main
from stream.rules import Rules
from tests.clickhouse import ClickHouseServer
from tests.counted import PARTITIONS, Counter
from tests.stream.cases import call, deal, event, lead, opportunity, touch

HISTORY = [
    lead("old", "2026-03-01", name="Ada Byron", stage="MQL", utm={"source": "google", "medium": "cpc"}),
    touch("t1", "old", "2026-03-02T10:00:00.5Z", utm={"medium": "email"}, at="2026-03-02T09:59:59.25Z"),
    touch("t2", "old", "2026-03-02T09:59:59Z"),
    lead("new", "2026-03-03", name="Ada Lovelace", email="ada@example.com", company="Engines"),
    event("crm.lead.merged", "2026-03-04", lead_id="new", merged_ids=["old"]),
    call("c1", "2026-03-05", lead_id="old", status="answered", talk_seconds=30, advanced_to="MQL"),
    opportunity("o1", "2026-03-06", lead_id="old", amount="90.00", currency="USD", subject="Looms", stage="Proposal"),
    deal("lost", "o1", "2026-03-07"),
    deal("reopened", "o1", "2026-03-08"),
    deal("won", "o1", "2026-03-09T12:00:00Z", amount="100.00"),
    lead("gone", "2026-03-01", name="Grace Hidden", email="grace@example.com"),
    event("crm.lead.deleted", "2026-03-02", lead_id="gone"),
    lead("erased", "2026-03-01", name="Edgar Vanish"),
    opportunity("o2", "2026-03-02", lead_id="erased", contact="Edgar Vanish", subject="Secret"),
    event("crm.lead.erased", "2026-03-03", lead_id="erased"),
    opportunity("o3", "2026-03-02", lead_id="never-created"),
    lead("ring-1", "2026-03-02"),
    lead("ring-2", "2026-03-03"),
    event("crm.lead.merged", "2026-03-04", lead_id="ring-1", merged_ids=["ring-2"]),
    event("crm.lead.merged", "2026-03-05", lead_id="ring-2", merged_ids=["ring-1"]),
]


@pytest.fixture(scope="module")
def crm(clickhouse_server: ClickHouseServer) -> Iterator[Client]:
    name = f"lead_{secrets.token_hex(6)}"
    server = clickhouse_server.connect()
    migrate(server, name, ViewSettings(partitions=PARTITIONS))
    client = clickhouse_server.connect(name)
    Counter(client, Rules(stages={"MQL": "mofu"})).count(HISTORY)
    yield client
    client.close()
    server.command(f"DROP DATABASE {name}")
    server.close()


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(
    crm: Client,
    clickhouse_server: ClickHouseServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    for name in [name for name in os.environ if name.startswith("SIXFOLD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    at = f"{clickhouse_server.user}:{clickhouse_server.password}@{clickhouse_server.host}:{clickhouse_server.port}"
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", f"http://{at}/{crm.database}")
    monkeypatch.setenv("SIXFOLD_PARTITIONS", str(PARTITIONS))

    def run(*arguments: str) -> tuple[int, str]:
        code = main(["lead", *arguments])
        out, err = capsys.readouterr()
        return code, out + err

    return run


def journey(run: Run, lead_id: str) -> Any:
    code, text = run(lead_id, "--json")
    assert code == 0, text
    return json.loads(text)


def test_a_merged_lead_is_shown_with_its_group_in_order(run: Run) -> None:
    found = journey(run, "old")
    assert (found["counted_by"], found["counted_as"], found["leads"]) == ("lead:new", "new", ["new", "old"])
    assert found["people"] == {
        "lead:new": {"company": "Engines", "email": "ada@example.com", "name": "Ada Lovelace"},
        "lead:old": {"name": "Ada Byron"},
        "opportunity:o1": {"subject": "Looms"},
    }
    assert [(entry["at"], entry["what"], entry["entity"]) for entry in found["timeline"]] == [
        ("2026-03-01T00:00:00Z", "created", "lead:old"),
        ("2026-03-01T00:00:00Z", "stage", "lead:old"),
        ("2026-03-01T00:00:00Z", "reached mofu", "lead:new"),
        ("2026-03-02T09:59:59Z", "touch", "touch:old/t2"),
        ("2026-03-02T09:59:59.25Z", "touch", "touch:old/t1"),
        ("2026-03-03T00:00:00Z", "created", "lead:new"),
        ("2026-03-04T00:00:00Z", "merged", "lead:old"),
        ("2026-03-05T00:00:00Z", "call", "call:c1"),
        ("2026-03-06T00:00:00Z", "opportunity created", "opportunity:o1"),
        ("2026-03-06T00:00:00Z", "stage", "opportunity:o1"),
        ("2026-03-06T00:00:00Z", "reached bofu", "lead:new"),
        ("2026-03-07T00:00:00Z", "status", "opportunity:o1"),
        ("2026-03-08T00:00:00Z", "status", "opportunity:o1"),
        ("2026-03-09T12:00:00Z", "status", "opportunity:o1"),
        ("2026-03-09T12:00:00Z", "won", "opportunity:o1"),
        ("2026-03-09T12:00:00Z", "reached customer", "lead:new"),
    ]
    assert found == {**journey(run, "new"), "lead_id": "old", "said": found["said"]}


def test_each_entry_says_what_and_who_said_so(run: Run) -> None:
    found = journey(run, "new")
    by = {(entry["what"], entry["entity"]): entry for entry in found["timeline"]}
    ids = [json.loads(value)["id"] for value in HISTORY]
    assert by["touch", "touch:old/t1"]["said_by"] == {"source": "case", "id": ids[1]}
    assert by["touch", "touch:old/t1"]["details"]["channel"] == "email"
    assert by["stage", "lead:old"]["details"] == {"stage": "MQL", "funnel_stage": "mofu"}
    assert by["merged", "lead:old"] == {
        "at": "2026-03-04T00:00:00Z",
        "what": "merged",
        "entity": "lead:old",
        "details": {"into": "new"},
        "said_by": {"source": "case", "id": ids[4]},
    }
    assert by["call", "call:c1"]["details"]["advanced_mofu"] == 1
    statuses = [
        (entry["details"]["status"], entry["said_by"]["id"]) for entry in found["timeline"] if entry["what"] == "status"
    ]
    assert statuses == [("lost", ids[7]), ("open", ids[8]), ("won", ids[9])]
    amount = next(each for each in found["said"]["opportunity:o1"] if each["field"] == "amount")
    assert (amount["value"], amount["id"], amount["time"]) == (100, ids[9], "2026-03-09T12:00:00Z")
    name = next(each for each in found["said"]["lead:new"] if each["field"] == "name")
    assert name["personal"]
    assert "value" not in name


def test_credits_are_those_of_each_model(run: Run) -> None:
    found = journey(run, "new")
    credited = {
        (each["touch_lead_id"], each["touch_id"]): {name: share["revenue"] for name, share in each["models"].items()}
        for each in found["credits"]
    }
    assert set(credited) == {("old", ""), ("old", "t1"), ("old", "t2"), ("new", "")}
    assert credited["old", ""]["first"] == credited["new", ""]["last"] == 100
    assert {each["linear"] for each in credited.values()} == {25}
    assert all(sum(each[model] for each in credited.values()) == 100 for model in credited["old", ""])


def test_of_an_erased_person_nothing_is_shown_but_the_journey(run: Run) -> None:
    found = journey(run, "erased")
    assert (found["erased"], found["people"]) == (True, {})
    assert [entry["what"] for entry in found["timeline"]] == [
        *("created", "opportunity created", "reached mofu", "reached bofu"),
    ]
    code, text = run("erased")
    assert code == 0
    assert "no personal data are kept" in text
    assert "Edgar" not in text
    assert "Secret" not in text


def test_a_deleted_lead_has_a_journey_and_no_count(run: Run) -> None:
    found = journey(run, "gone")
    assert (found["counted_by"], found["counted_as"], found["lead"]) == ("lead:gone", None, None)
    assert [entry["what"] for entry in found["timeline"]] == ["deleted"]
    assert "counted by lead:gone, as no lead" in run("gone")[1]


def test_a_lead_that_is_only_linked_has_what_hangs_on_it(run: Run) -> None:
    found = journey(run, "never-created")
    assert (found["counted_by"], found["counted_as"]) == ("lead:never-created", None)
    assert [entry["entity"] for entry in found["timeline"]] == ["opportunity:o3"]


def test_leads_merged_in_a_ring_count_at_the_least_id(run: Run) -> None:
    assert journey(run, "ring-2")["counted_by"] == journey(run, "ring-1")["counted_by"] == "lead:ring-1"
    assert journey(run, "ring-2")["leads"] == ["ring-1", "ring-2"]


def test_people_get_the_same_as_text(run: Run) -> None:
    code, text = run("new", "--limit", "3")
    assert code == 0
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "lead:new: company Engines, email ada@example.com, name Ada Lovelace" in lines
    assert "one person with old" in lines
    assert "counts as lead new of 2026-03-03 at lead:new" in lines
    assert "the latest 3 of 16 entries; --limit 0 for all" in lines
    assert "o1 old t1 email (none) USD 0.00 0.00 25.00 10.00 25.45 5.00" in lines


def test_nobody_knows_this_lead(run: Run) -> None:
    assert run("nobody") == (1, "sixfold: nothing was ever said of lead nobody\n")
