"""`sixfold import --format`: files of providers, as a dry run shows them and as the topic of the events gets them."""

import gzip
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas import decode
from schemas.adapters import FORMATS
from stream.cli import main
from stream.inputs import Item, Source
from stream.provided import Reader, choose
from tests.kafka.broker import TansuBroker
from tests.schemas.adapters.samples import ECB_XML, GOOGLE_ADS, META, NOON, SEGMENT_PAGE, TWILIO, hubspot, salesforce
from tests.stream.test_importing import Topic

pytest_plugins = ["tests.kafka.fixtures"]

Import = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SIXFOLD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Import:
    """Give exit code and the JSON of an import; of a refused one its line."""

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = main(["import", *arguments, "--json"])
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else {"refused": err.strip()}

    return run


CONTACTS = """Record ID,Email,Lifecycle Stage,Original Source,UTM Medium,Last Modified Date
1,ada@example.org,Marketing Qualified Lead,,telepathy,2026-03-01 12:00
2,bo@example.org,Subscriber,Paid Search,pigeon,2026-03-01 12:00
3,cy@example.org,Subscriber,,cpc,someday
"""
DEALS = """Record ID,Deal Name,Deal Stage,Amount,Last Modified Date
9,Ten licences,4711,1250.50,2026-03-01 12:00
10,One licence,Closed Won,12.345678,2026-03-01 12:00
"""


def test_a_dry_run_says_what_would_come_out_and_what_is_wrong_with_it(run: Import) -> None:
    Path("contacts.csv").write_text(CONTACTS)
    Path("deals.csv").write_text(DEALS)
    Path("hubspot.toml").write_text('kind = "hubspot"\nsource = "hubspot/62515"\n[owners]\n901 = "Ada Example"')
    code, found = run("contacts.csv", "deals.csv", "--format", "hubspot-csv", "--source", "hubspot.toml", "--dry-run")
    assert code == 1
    assert found["types"] == {"crm.rep.upserted": 2, "crm.lead.updated": 2, "crm.opportunity.updated": 1}
    assert found["reasons"] == {"invalid-date": 1, "invalid-member": 1}
    assert found["unmapped"] == [{"column": "deal.stages", "value": "4711", "count": 1}]
    assert found["quality"] == {
        "unmapped_stages": [
            {"value": "Marketing Qualified Lead", "count": 1},
            {"value": "Subscriber", "count": 1},
        ],
        "stages_without_probability": [{"value": "4711", "count": 1}],
        "unmapped_mediums": [{"value": "telepathy", "count": 1}],
        "amounts_without_currency": 1,
        "invalid_dates": 1,
        "records_to_fetch": 0,
    }
    assert json.loads(found["preview"][1])["data"]["lead_id"] == "1"
    assert not Path(".sixfold").exists()


def test_a_dry_run_for_people(run: Import, capsys: pytest.CaptureFixture[str]) -> None:
    Path("contacts.csv").write_text(CONTACTS)
    assert main(["import", "contacts.csv", "--format", "hubspot-csv", "--dry-run"]) == 1
    out = capsys.readouterr().out
    for line in (
        "contacts.csv: 2 would be sent, 1 rejected, 0 passed over",
        "stage 'Marketing Qualified Lead' is not in SIXFOLD_STAGES: a lead in it counts as tofu (1 events)",
        "medium 'telepathy' is not in SIXFOLD_CHANNELS: its channel is other (1 events)",
        "dates that do not parse: 1",
    ):
        assert line in out


def test_settings_map_stages_and_mediums(run: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXFOLD_STAGES", '{"Marketing Qualified Lead": "mofu", "Subscriber": "tofu"}')
    monkeypatch.setenv("SIXFOLD_CHANNELS", '{"telepathy": "mystery"}')
    Path("contacts.csv").write_text(CONTACTS)
    _, found = run("contacts.csv", "--format", "hubspot-csv", "--dry-run")
    assert (found["quality"]["unmapped_stages"], found["quality"]["unmapped_mediums"]) == ([], [])


def spoken(*events: tuple[str, dict[str, object]]) -> str:
    """The name of a file of canonical events."""
    whole = {"source": "s", "time": NOON}
    told = [{**whole, "id": str(n), "type": f"crm.{type_}", "data": data} for n, (type_, data) in enumerate(events)]
    return written("events.jsonl", lines(*told))


def test_an_amount_has_the_currency_that_any_event_of_its_opportunity_gives(run: Import) -> None:
    name = spoken(
        ("opportunity.created", {"opportunity_id": 1, "amount": 5}),
        ("deal.won", {"opportunity_id": 1, "currency": "USD"}),
        ("opportunity.created", {"opportunity_id": 2, "currency": "USD"}),
        ("deal.won", {"opportunity_id": 2, "amount": 5}),
        ("opportunity.created", {"opportunity_id": 3, "amount": 5}),
        ("deal.won", {"opportunity_id": 3, "amount": 6}),
        ("opportunity.created", {"opportunity_id": 4, "amount": 5, "currency": "USD"}),
        ("opportunity.updated", {"opportunity_id": 4, "currency": None}),
        ("opportunity.created", {"opportunity_id": 5, "amount": None}),
    )
    assert run(name, "--dry-run")[1]["quality"]["amounts_without_currency"] == 2


def test_stages_are_told_for_what_they_are_used_for(run: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of leads for the funnel, those of open opportunities for the chance that nobody gave."""
    monkeypatch.setenv("SIXFOLD_STAGE_PROBABILITY", '{"Known": 0.5}')
    name = spoken(
        ("lead.updated", {"lead_id": 1, "stage": "MQL"}),
        ("opportunity.created", {"opportunity_id": 1, "stage": "Open", "amount": 5}),
        ("opportunity.created", {"opportunity_id": 2, "stage": "Known", "amount": 5}),
        ("opportunity.created", {"opportunity_id": 3, "stage": "Chance given", "amount": 5, "probability": 0}),
        ("opportunity.created", {"opportunity_id": 4, "stage": "Worth nothing"}),
        ("opportunity.created", {"opportunity_id": 5, "stage": "Won before", "amount": 5}),
        ("deal.won", {"opportunity_id": 5, "stage": "Won"}),
        ("deal.lost", {"opportunity_id": 6, "stage": "Lost", "amount": 5}),
        ("opportunity.updated", {"opportunity_id": 7, "stage": "Lost by status", "amount": 5, "status": "lost"}),
    )
    quality = run(name, "--dry-run")[1]["quality"]
    assert quality["unmapped_stages"] == [{"value": "MQL", "count": 1}]
    assert quality["stages_without_probability"] == [{"value": "Open", "count": 1}]


def test_an_export_of_opportunities_gives_no_warning_that_is_not_true(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The example's mapping: only what began carries the currency."""
    (tmp_path / "products.csv").write_text("product,series,sales_price\nGTX Pro,GTX,4821\n")
    written(
        "pipeline.csv",
        b"opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value\n"
        b"W1,Ida Holm,GTXPro,Kraus Works,Won,10/20/2016,3/1/2017,4700\n"
        b"E1,Ida Holm,GTXPro,Kraus Works,Engaging,10/20/2016,,\n",
    )
    mapping = Path(__file__).parents[2] / "deploy" / "examples" / "crm-sales" / "pipeline.toml"
    assert main(["import", "pipeline.csv", "--mapping", str(mapping), "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "currency:" not in out
    assert "SIXFOLD_STAGES" not in out
    assert "stage 'Engaging' is not in SIXFOLD_STAGE_PROBABILITY: an open opportunity in it weighs nothing (1" in out
    assert "stage 'Won'" not in out


def test_a_terminal_gets_no_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text of an event may hold those of a second range unescaped, which a terminal obeys just as well."""
    name = written("events.jsonl", lines("x").replace(
        b'"x"', b'{"id": "1", "source": "s", "type": "crm.lead.updated", "time": "2026-03-01T00:00:00Z", '
        b'"data": {"lead_id": "\xc2\x9b31m\xc3\xa9"}}'
    ))  # fmt: skip
    leader, follower = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "stream.cli", "import", name, "--dry-run"],
        stdout=follower,
        env={**os.environ, "TERM": "xterm"},
        check=True,
    )
    shown = os.read(leader, 65536)
    assert done.returncode == 0
    assert rb"\x9b31m" in shown
    assert "é".encode() in shown
    assert b"\xc2\x9b" not in shown
    os.close(leader)
    os.close(follower)


def written(name: str, content: bytes) -> str:
    Path(name).write_bytes(content)
    os.utime(name, (1772431200, 1772431200))  # 2026-03-02T06:00:00Z
    return name


def table(*lines: str, delimiter: str = ",") -> str:
    return "\n".join(line.replace(",", delimiter) for line in lines) + "\n"


REPORT = table(
    "Campaign performance",
    '"1 March 2026 - 1 March 2026"',
    "Day,Campaign ID,Campaign,Currency code,Cost,Impr.,Clicks",
    "2026-03-01,55,Spring,EUR,184.22,18250,411",
    "Total: Campaigns, --, --,EUR,184.22,18250,411",
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_report_with_lines_before_its_header(run: Import, encoding: str, delimiter: str) -> None:
    name = written("report.csv", REPORT.replace(",", delimiter).encode(encoding))
    code, found = run(name, "--format", "google-ads-csv", "--dry-run")
    assert code == 0
    assert found["types"] == {"crm.spend.posted": 1, "crm.campaign.upserted": 1}
    assert found["kinds_passed_over"] == {"total": 1}
    # read when the file changed last, unless it is said
    assert json.loads(found["preview"][0])["time"] == "2026-03-02T06:00:00Z"
    _, later = run(name, "--format", "google-ads-csv", "--dry-run", "--as-of", "2026-03-29T06:00:00Z")
    assert json.loads(later["preview"][0])["time"] == "2026-03-29T06:00:00Z"


def lines(*payloads: Any) -> bytes:
    return b"".join(json.dumps(payload, default=str).encode() + b"\n" for payload in payloads)


@pytest.mark.parametrize(
    ("format_name", "content", "types"),
    [
        ("salesforce-csv", b"Id,Status,SystemModstamp\n00Q1,Open,2026-03-01 12:00:00\n", {"crm.lead.updated": 1}),
        ("pipedrive-csv", b"Person - ID,Person - Update time\n7,2026-03-01 12:00\n", {"crm.lead.updated": 1}),
        ("meta-csv", b"Day,Campaign ID,Amount spent (EUR)\n2026-03-01,1,5.5\n", {"crm.spend.posted": 1}),
        ("ecb-csv", b"Date, USD, JPY, \n12 March 2026, 1.0899, 162.33, \n", {"crm.rate.posted": 2}),
        ("ecb-xml", ECB_XML, {"crm.rate.posted": 3}),
        ("hubspot", lines([hubspot("contact.creation")], [], [hubspot("contact.deletion")]),
         {"crm.lead.created": 1, "crm.lead.deleted": 1}),
        ("salesforce", lines(salesforce("Lead", "00Q1", "GAP_UPDATE")), {"crm.gap.posted": 1}),
        ("twilio", "&".join(f"{name}={value.replace('+', '%2B')}" for name, value in TWILIO.items()).encode(),
         {"crm.call.logged": 1}),
        ("telephony", lines({"call_id": 1, "time": NOON}), {"crm.call.logged": 1}),
        ("google-ads", lines(GOOGLE_ADS), {"crm.spend.posted": 1, "crm.campaign.upserted": 1}),
        ("meta", lines({"data": META["data"]}), {"crm.spend.posted": 1, "crm.campaign.upserted": 1}),
        ("segment", lines(SEGMENT_PAGE), {"crm.touch.recorded": 1}),
    ],
)  # fmt: skip
def test_every_format(run: Import, format_name: str, content: bytes, types: dict[str, int]) -> None:
    name = written("file", content)
    code, found = run(name, "--format", format_name, "--dry-run")
    assert (code, found["types"]) == (0, types)
    assert found["quality"]["records_to_fetch"] == types.get("crm.gap.posted", 0)
    packed = written("packed.gz", gzip.compress(content))
    assert run(packed, "--format", format_name, "--dry-run")[1]["types"] == types


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.csv"], "a.csv: is a CSV file: say with --format whose export it is, or with --mapping"),
        (["a.csv", "--format", "hubspot"], ""),
        (
            ["a.csv", "--format", "hubspot-cvs"],
            f"there is no format hubspot-cvs; there are {', '.join(FORMATS)}, and rows with --mapping",
        ),
        (["a.csv", "--format", "rows", "--mapping", "m.toml"], "a.csv: is a CSV file, and --format rows reads JSON"),
        (["a.csv", "--send-rejected"], "--send-rejected and --dry-run exclude each other"),
        (["a.csv", "--format", "hubspot-csv", "--mapping", "m.toml"], "--format and --mapping exclude each other"),
        (["a.csv", "--as-of", NOON], "--source, --as-of and --close-gaps belong to --format"),
        (["a.csv", "--format", "hubspot-csv", "--as-of", "noon"], "--as-of: a string is no instant"),
        (["a.csv", "--format", "hubspot-csv", "--source", "no.toml"], "no.toml: No such file or directory"),
        (["a.csv", "--format", "hubspot-csv", "--source", "meta.toml"], "meta.toml: is a source of kind meta"),
        (["a.csv", "--format", "hubspot-csv", "--source", "bad.toml"], "bad.toml: portal: Input should be"),
        (["a.csv", "--format", "hubspot-csv"], "a.csv: there is no column Record ID"),
        (["a.csv", "--format", "ecb-csv", "--close-gaps"], "a.csv: ecb-csv: only HubSpot and Salesforce"),
        (["empty.csv", "--format", "ecb-csv"], "empty.csv: is empty"),
        (["latin.csv", "--format", "hubspot-csv"], "latin.csv: is not UTF-8"),
        (["none.csv", "--format", "hubspot-csv"], "none.csv: No such file or directory"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_said_in_one_line(run: Import, arguments: list[str], message: str) -> None:
    Path("a.csv").write_text("a,b\n1,2\n")
    Path("empty.csv").write_bytes(b"")
    Path("latin.csv").write_bytes("Record ID,Last Modified Date\nå,x\n".encode("latin-1"))
    Path("m.toml").write_text(
        'source = "m"\n[[events]]\ntype = "crm.lead.updated"\ntime = { constant = 2026-03-01T00:00:00Z }\n'
        'data = { lead_id = { column = "a" } }'
    )
    Path("meta.toml").write_text('kind = "meta"\nsource = "m"')
    Path("bad.toml").write_text('kind = "hubspot"\nsource = "m"\nportal = "5"')
    code, found = run(*arguments, "--dry-run")
    if not message:  # a CSV where payloads should be: every line is refused
        assert (code, found["reasons"]) == (1, {"invalid-json": 2})
        return
    assert (code, found["refused"].splitlines()) == (2, [found["refused"]])
    assert found["refused"].startswith(f"sixfold: {message}")


@pytest.fixture(scope="module")
def topic(tansu: TansuBroker) -> Topic:
    return Topic(tansu, "provided.")


def test_what_is_sent_is_what_the_dry_run_showed(
    run: Import, topic: Topic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Twice, as somebody will: the events are the same to the byte, and rejected parts stand in their file."""
    monkeypatch.setenv("SIXFOLD_BROKERS", topic.address)
    monkeypatch.setenv("SIXFOLD_PREFIX", topic.prefix)
    monkeypatch.setenv("SIXFOLD_DATA", str(tmp_path / "data"))
    Path("contacts.csv").write_text(CONTACTS)
    Path("log.jsonl").write_bytes(lines([hubspot("contact.creation"), "what"]))
    Path("hubspot.toml").write_text('kind = "hubspot"\nsource = "hubspot/62515"\n[owners]\n901 = "Ada Example"')
    shown: list[str] = []
    for name, format_name, sent in (("contacts.csv", "hubspot-csv", 3), ("log.jsonl", "hubspot", 2)):
        arguments = (name, "--format", format_name, "--source", "hubspot.toml")
        shown += run(*arguments, "--dry-run")[1]["preview"]
        for _ in range(2):
            code, found = run(*arguments)
            assert (code, found["sent"], found["rejected"]) == (1, sent, 1)
        (entry,) = map(json.loads, Path(found["files"][0]["rejected_file"]).read_text().splitlines())
        assert entry["reason"] in ("invalid-date", "invalid-payload")
    values = [record.value for record in topic.records()]
    assert sorted(values) == sorted(event.encode() for event in shown + shown)
    assert {record.key for record in topic.records()} == {decode(value, None).home.encode() for value in values}


@pytest.mark.parametrize(
    ("format_name", "content"),
    [
        ("hubspot-csv", CONTACTS.encode()),
        ("google-ads-csv", REPORT.encode()),
        ("hubspot", lines(*([hubspot("contact.creation", object_id=number)] for number in range(4)))),
    ],
)
def test_a_reader_goes_on_behind_any_line(format_name: str, content: bytes) -> None:
    """As an import that was killed does: from the line and the byte that were acknowledged last."""
    path = Path(written("file", content))

    def items(line: int, position: int) -> list[Item]:
        with Source.open(path) as file:
            return list(Reader(choose(format_name, None), file).items(line, position))

    whole = items(0, 0)
    assert len(whole) >= 2
    for index, item in enumerate(whole):
        assert items(item.line, item.position) == whole[index + 1 :]


def test_rows_of_tables_by_a_mapping(run: Import) -> None:
    Path("orders.toml").write_text(
        'source = "shop/orders"\n[[events]]\ntype = "crm.opportunity.updated"\n'
        'time = { column = "__source_ts_ms", instant = "unix-ms" }\ndata = { opportunity_id = { column = "id" } }'
    )
    change = {"before": None, "after": {"id": 7}, "op": "c", "source": {"ts_ms": 1772366400000}}
    written("orders.jsonl", lines(change, None, {"schema": {}, "payload": change}, {"id": 8}))
    code, found = run("orders.jsonl", "--format", "rows", "--mapping", "orders.toml", "--dry-run")
    assert (code, found["types"], found["reasons"]) == (1, {"crm.opportunity.updated": 2}, {"empty-value": 1})
    code, found = run("orders.jsonl", "--format", "rows")
    assert (code, found["refused"]) == (
        2,
        "sixfold: --format rows needs --mapping: which member of a row is which member of an event",
    )
