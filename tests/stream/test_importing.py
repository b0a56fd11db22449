"""Importing files: into the embedded broker, and over HTTP into a service of its own process' making."""

import asyncio
import contextlib
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from schemas import MAX_BYTES, Rejected, decode
from stream import sending
from stream.importing import ImportResult, Progress, import_files
from stream.inputs import MAX_LINE, STDIN, InputError
from stream.log import TP, Log, home_partition
from stream.mapping import MappingError
from stream.sending import SendingError
from stream.settings import Settings
from tests.kafka.broker import TansuBroker, free_port

pytest_plugins = ["tests.kafka.fixtures"]

PARTITIONS = 3
KEY = "a key"
DEALS = "deal,worth,paid on,state\n" + "".join(
    f"D{number},{number}.50,2026-03-{number % 28 + 1:02},{'Won' if number % 3 else 'Lost'}\n" for number in range(1, 41)
)
MAPPING = """
source = "test/deals"
skip = { column = "state", equals = "Test" }
[[events]]
type = "crm.opportunity.updated"
time = { column = "paid on", instant = "iso" }
data = { opportunity_id = { column = "deal" }, amount = { column = "worth", number = true } }
[[events]]
type = "crm.deal.won"
when = { column = "state", equals = "Won" }
time = { column = "paid on", instant = "iso" }
data = { opportunity_id = { column = "deal" }, stage = { column = "state", map = { "Won" = "Done" } } }
[[events]]
type = "crm.deal.lost"
when = { column = "state", equals = "Lost" }
time = { column = "paid on", instant = "iso" }
data = { opportunity_id = { column = "deal" } }
"""


def event(number: int, padding: int = 0) -> bytes:
    data = {"lead_id": str(number), "stage": "mofu", "note": "x" * padding}
    whole = {"id": f"e{number}", "source": "test", "type": "crm.lead.updated", "time": "2026-03-01T00:00:00Z"}
    return json.dumps({**whole, "data": data}).encode()


class Topic:
    """A topic of its own in the running broker."""

    def __init__(self, broker: TansuBroker, prefix: str) -> None:
        self.address, self.name = broker.address, f"{prefix}crm.events"
        self.prefix = prefix
        asyncio.run(self._create())

    async def _create(self) -> None:
        async with await Log.open([self.address]) as log:
            await log.create_topics({self.name: PARTITIONS})

    def records(self) -> list[ConsumerRecord]:
        """All that stands in it, by partition and offset."""
        return asyncio.run(self._records())

    async def _records(self) -> list[ConsumerRecord]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self.address, auto_offset_reset="earliest")
        await consumer.start()
        try:
            tps = [TP(self.name, number) for number in range(PARTITIONS)]
            consumer.assign(tps)
            async with await Log.open([self.address]) as log:
                missing = sum(end for _, end in (await log.bounds(tps)).values())
            found: list[ConsumerRecord] = []
            while len(found) < missing:
                for records in (await consumer.getmany(*tps, timeout_ms=1000)).values():
                    found += records
            return sorted(found, key=lambda record: (record.partition, record.offset))
        finally:
            await consumer.stop()

    def values(self) -> list[bytes]:
        return [record.value for record in self.records()]


@pytest.fixture
def topic(tansu: TansuBroker, request: pytest.FixtureRequest) -> Topic:
    return Topic(tansu, re.sub(r"[^A-Za-z0-9]", "-", request.node.name)[:60] + ".")


@pytest.fixture
def settings(topic: Topic, tmp_path: Path) -> Settings:
    return Settings(brokers=topic.address, prefix=topic.prefix, partitions=PARTITIONS, data=tmp_path / "data")


@pytest.fixture
def deals(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "deals.csv").write_text(DEALS)
    (tmp_path / "deals.toml").write_text(MAPPING)
    return tmp_path / "deals.csv", tmp_path / "deals.toml"


def rejected_entries(result: ImportResult) -> list[dict[str, Any]]:
    path = result.files[0].rejected_file
    assert path is not None
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def soon(hours: float) -> bytes:
    later = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
    return event(1000).replace(b"2026-03-01T00:00:00Z", later.encode())


ODD = {
    b"no json": "invalid-json",
    b'{"type": "crm.lead.created"}  ': "invalid-envelope",
    b"\xff\xfe\xfd": "invalid-json",
    event(1001).replace(b"lead.updated", b"lead.touched"): "unknown-type",
    event(1002).replace(b"lead_id", b"leadid"): "missing-member",
    event(1003).replace(b'"mofu"', b"[1]"): "invalid-member",
    event(1004, 1 << 20): "too-large",
    soon(40): "time-in-future",
    b'{"a": 1': "invalid-json",
}
"""Lines that are no events, with the reasons that a worker would give."""


def test_lines_are_sent_as_they_stand_each_to_its_home(topic: Topic, settings: Settings, tmp_path: Path) -> None:
    good = [event(number) for number in range(50)]
    path = tmp_path / "events.jsonl"
    good.append(soon(20))
    path.write_bytes(b"\xef\xbb\xbf" + b"\n".join([*good[:50], b"", b"  \t"]) + b"\r\n" + good[50])
    result = import_files([path], settings)
    assert (result.sent, result.rejected, result.passed_over, result.exit_code) == (51, 0, 2, 0)
    records = topic.records()
    assert sorted(record.value for record in records) == sorted(good)
    for record in records:
        home = decode(record.value, None).home.encode()
        assert record.key == home
        assert record.partition == home_partition(home, PARTITIONS)
    assert list((settings.data / "imports").iterdir()) == []


@pytest.mark.parametrize("send_rejected", [False, True])
def test_lines_that_are_no_events_are_rejected(
    topic: Topic, settings: Settings, tmp_path: Path, send_rejected: bool
) -> None:
    good = [event(1), event(2)]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\n".join([good[0], b"", *ODD, good[1]]))
    dry = import_files([path], settings, dry_run=True)
    result = import_files([path], settings, send_rejected=send_rejected)
    for each in (dry, result):
        assert (each.sent, each.rejected, each.passed_over, each.exit_code) == (2, len(ODD), 1, 1)
    assert dry.reasons == result.reasons == Counter(ODD.values())
    entries = rejected_entries(result)
    assert [(entry["line"], entry["reason"]) for entry in entries] == list(enumerate(ODD.values(), 3))
    for entry, line in zip(entries, ODD, strict=True):
        with pytest.raises(Rejected) as rejected:
            decode(line, time.time_ns() // 1_000_000)
        told = rejected.value.message.partition(" after ")  # of the future: after the time of looking
        assert entry["message"].partition(" after ")[0] == told[0]
        whole = line if entry["reason"] != "too-large" else line[:1024]
        assert entry["original"] == whole.decode("utf-8", "replace")
        assert entry.get("size") == (None if line == whole else len(line))
    records = topic.records()
    assert sorted(record.value for record in records) == sorted([*good, *(ODD if send_rejected else [])])
    assert {record.key is None for record in records if record.value in good} == {False}


def test_how_far_in_the_future_an_event_may_lie_is_the_settings_say(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "soon.jsonl").write_bytes(soon(40))
    patient = settings.model_copy(update={"max_future_hours": 48})
    assert import_files([tmp_path / "soon.jsonl"], patient, dry_run=True).rejected == 0
    assert import_files([tmp_path / "soon.jsonl"], settings, dry_run=True).reasons == {"time-in-future": 1}


def test_a_mapped_event_of_the_future_is_rejected_too(
    topic: Topic, settings: Settings, deals: tuple[Path, Path]
) -> None:
    deals[0].write_text(DEALS.splitlines()[0] + "\nD1,1,2126-03-01,Won\nD2,2,2026-03-01,Won\n")
    result = import_files([deals[0]], settings, deals[1])
    assert (result.sent, result.rejected, result.reasons) == (2, 2, {"time-in-future": 2})
    assert [(entry["line"], json.loads(entry["original"])["type"]) for entry in rejected_entries(result)] == [
        (2, "crm.opportunity.updated"),
        (2, "crm.deal.won"),
    ]


@pytest.mark.parametrize("place", ["", "taken/no.jsonl"])
def test_a_rejected_file_is_tried_at_once(topic: Topic, settings: Settings, tmp_path: Path, place: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(event(1))
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(InputError, match="give --rejected the path of a file that can be written"):
        import_files([tmp_path / "a.jsonl"], settings, rejected=tmp_path / place)
    assert topic.values() == []
    import_files([tmp_path / "a.jsonl"], settings, rejected=tmp_path / "fine.jsonl")
    assert not (tmp_path / "fine.jsonl").exists(), "nothing was rejected"


def test_what_is_no_file_can_take_what_is_rejected(settings: Settings, topic: Topic, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"no json")
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDWR)
    import_files([tmp_path / "a.jsonl"], settings, rejected=tmp_path / "pipe")
    assert json.loads(os.read(pipe, 4096))["reason"] == "invalid-json"
    os.close(pipe)


def test_a_line_too_large_is_rejected_here_and_the_others_sent(
    topic: Topic, settings: Settings, tmp_path: Path
) -> None:
    just = event(1, MAX_BYTES - len(event(1)))
    assert len(just) == MAX_BYTES
    over, far_over = event(2, MAX_LINE - len(event(2)) + 1), event(3, 3 * MAX_LINE)
    path = tmp_path / "large.jsonl"
    path.write_bytes(b"\n".join([event(4), just, over, far_over, event(5)]))
    told: list[Progress] = []
    result = import_files([path], settings, progress=told.append)
    assert (result.sent, result.rejected, result.exit_code) == (3, 2, 1)
    assert sorted(topic.values(), key=len) == [event(4), event(5), just]
    entries = rejected_entries(result)
    assert [(entry["line"], entry["reason"]) for entry in entries] == [(3, "too-large"), (4, "too-large")]
    assert entries[1]["original"] == far_over[:1024].decode()
    assert [entry["size"] for entry in entries] == [len(over) + 1, len(far_over) + 1]
    assert (told[-1].read_bytes, told[-1].sent, told[-1].rejected) == (path.stat().st_size, 3, 2)


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_is_read_also_packed(topic: Topic, settings: Settings, tmp_path: Path, packed: bool) -> None:
    content = b"".join(event(number) + b"\n" for number in range(5))
    run = subprocess.run(
        [sys.executable, "-c", IMPORT, "-"],
        input=gzip.compress(content) if packed else content,
        env=environment(settings),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()
    assert sorted(topic.values()) == [event(number) for number in range(5)]


def test_packed_files_are_unpacked_and_damaged_ones_named(topic: Topic, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(event(number) + b"\n" for number in range(200))))
    assert import_files([path], settings).sent == 200
    assert len(topic.values()) == 200
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: is damaged"):
        import_files([path], settings)


def test_importing_twice_gives_the_same_events(topic: Topic, settings: Settings, deals: tuple[Path, Path]) -> None:
    first = import_files([deals[0]], settings, deals[1])
    once = topic.values()
    second = import_files([deals[0]], settings, deals[1])
    assert (first.sent, second.sent, second.files[0].resumed_at) == (80, 80, 0)
    twice = topic.values()
    assert len(twice) == 160
    assert set(twice) == set(once)
    assert len({decode(value, None).id for value in twice}) == 80


def test_rows_that_cannot_be_mapped_stand_in_the_rejected_file(
    topic: Topic, settings: Settings, deals: tuple[Path, Path], tmp_path: Path
) -> None:
    odd = (
        'D50,1.50,2026-03-01,Won\nD51,"1,50",2026-03-01,Won\nD52,1,03/01/2026,Won\nD53,1,2026-03-01,Odd\n'
        'D54,1\n"D\n55",1,,Won\n\nD56,1,2026-03-01,Test\nD57,"1"x,2026-03-01,Won\nD58,2,2026-03-01,Lost\nD59,"2,2026'
    )
    deals[0].write_text(DEALS.splitlines()[0] + "\n" + odd, "utf-8")
    result = import_files([deals[0]], settings, deals[1], rejected=tmp_path / "out" / "no.jsonl")
    assert (result.sent, result.rejected, result.passed_over) == (5, 6, 2)
    assert {decode(value, None).data["opportunity_id"] for value in topic.values()} == {"D50", "D53", "D58"}
    assert result.files[0].rejected_file == tmp_path / "out" / "no.jsonl"
    entries = rejected_entries(result)
    assert [(entry["line"], entry["reason"]) for entry in entries] == [
        (3, "invalid-number"),
        (4, "invalid-date"),
        (6, "wrong-cells"),
        (7, "empty-value"),
        (11, "invalid-csv"),
        (13, "invalid-csv"),
    ]
    assert entries[0]["original"] == {"deal": "D51", "worth": "1,50", "paid on": "2026-03-01", "state": "Won"}
    assert "column 'worth'" in entries[0]["message"]
    assert result.reasons["invalid-csv"] == 2
    again = import_files([deals[0]], settings, deals[1], rejected=tmp_path / "out" / "no.jsonl")
    assert rejected_entries(again) == entries, "what is rejected again stands there once"


def test_the_rejected_file_keeps_what_is_not_of_this_file(topic: Topic, settings: Settings, tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(event(1) + b"\n" + b"y" * (MAX_LINE + 1))
    rejected = tmp_path / "no.jsonl"
    rejected.write_text("somebody's own line\n")
    import_files([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], settings, rejected=rejected)
    import_files([tmp_path / "b.jsonl"], settings, rejected=rejected)
    lines = rejected.read_text().splitlines()
    assert lines[0] == "somebody's own line"
    assert [json.loads(line)["file"] for line in lines[1:]] == [str(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
    with pytest.raises(InputError, match="it is what is imported"):
        import_files([tmp_path / "b.jsonl"], settings, rejected=tmp_path / "b.jsonl")


def test_a_dry_run_shows_what_would_come_out_and_sends_nothing(
    topic: Topic, settings: Settings, deals: tuple[Path, Path], tmp_path: Path
) -> None:
    deals[0].write_text(DEALS + "D41,x,2026-03-01,Won\nD42,1,2026-03-01,Lots\n")
    deals[1].write_text(
        MAPPING.replace(
            "[[events]]", '[[events]]\nwhen = { column = "state", in = ["Won", "Lost", "Lots"] }', 1
        ).replace('when = { column = "state", equals = "Won" }', 'when = { column = "state", in = ["Won", "Lots"] }')
    )
    result = import_files([deals[0]], settings, deals[1], dry_run=True, first=3)
    assert len(result.preview) == 3
    assert json.loads(result.preview[1])["type"] == "crm.deal.won"
    assert result.types == {"crm.opportunity.updated": 40, "crm.deal.won": 27, "crm.deal.lost": 13}
    assert result.reasons == {"invalid-number": 1, "unmapped-value": 1}
    assert result.unmapped == {("state", "Lots"): 1}
    assert (result.sent, result.rejected, result.exit_code) == (80, 2, 1)
    (tmp_path / "e.jsonl").write_bytes(event(1) + b"\nno json\n")
    judged = import_files([tmp_path / "e.jsonl"], settings, dry_run=True)
    assert (judged.types, judged.reasons) == ({"crm.lead.updated": 1}, {"invalid-json": 1})
    assert topic.values() == []
    assert not settings.data.exists()


@pytest.mark.parametrize(
    ("name", "content", "mapped", "said"),
    [
        ("none.jsonl", None, False, "No such file"),
        ("folder", None, False, "is a directory"),
        ("deals.csv", b"a,b\n", False, "or with --mapping"),
        ("photo.jsonl", b"\x89PNG\x00\x00", False, "is no text, or UTF-16"),
        ("wide.jsonl", '{"a": 1}\n'.encode("utf-16"), False, "is not UTF-8 but UTF-16"),
        (
            "other.csv",
            "deal,worth,paid on,state\nÄ,1,2026-03-01,Won\n".encode("cp1252"),
            True,
            "is not utf-8 (near line",
        ),
        ("header.csv", b"deal,worth\n", True, "there is no column 'state', which skip.0 of the mapping names"),
        ("empty.csv", b"", True, "the file is empty"),
        ("blank.csv", b"\n", True, "the file is empty"),
        ("semicolons.csv", b"deal;worth;paid on;state\n", True, 'set delimiter = ";" in the mapping'),
        ("tabs.csv", b"deal\tworth, net\tpaid on\tstate\n", True, "there is no column"),
        ("tabs.csv", b"deal\tworth\tpaid on\tstate\n", True, r'set delimiter = "\t" in the mapping'),
        ("pipes.csv", b"deal|worth|paid on|state\n", True, 'set delimiter = "|" in the mapping'),
        ("wide.csv", DEALS.encode("utf-16"), True, 'looks like UTF-16; say encoding = "utf-16" in the mapping'),
    ],
)
def test_files_that_cannot_be_read_are_named(
    tmp_path: Path,
    deals: tuple[Path, Path],
    topic: Topic,
    settings: Settings,
    name: str,
    content: bytes | None,
    mapped: bool,
    said: str,
) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        import_files([path], settings, deals[1] if mapped else None)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_a_csv_of_another_encoding_and_delimiter_is_read_as_the_mapping_says(
    settings: Settings, deals: tuple[Path, Path]
) -> None:
    deals[0].write_bytes(DEALS.replace(",", ";").encode("utf-16"))
    deals[1].write_text('encoding = "utf-16"\ndelimiter = ";"\n' + MAPPING)
    assert import_files([deals[0]], settings, deals[1], dry_run=True).sent == 80


def test_nothing_is_sent_when_one_of_the_files_is_missing(topic: Topic, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(event(1))
    with pytest.raises(InputError, match=r"b\.jsonl: No such file"):
        import_files([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], settings)
    assert topic.values() == []
    with pytest.raises(MappingError, match=r"m\.toml: No such file"):
        import_files([tmp_path / "a.jsonl"], settings, tmp_path / "m.toml")


def test_a_broker_or_topic_that_is_not_there_is_named(topic: Topic, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(event(1))
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(SendingError, match=address):
        import_files([tmp_path / "a.jsonl"], Settings(brokers=address, data=tmp_path))
    with pytest.raises(SendingError, match=r"no topic none\.crm\.events: `sixfold migrate` creates it"):
        import_files([tmp_path / "a.jsonl"], Settings(brokers=topic.address, prefix="none.", data=tmp_path))


# What follows runs importing as a process of its own.

IMPORT = """
import sys
from pathlib import Path
from stream.importing import import_files
from stream.settings import Settings
mapping = Path(sys.argv[2]) if len(sys.argv) > 2 else None
result = import_files([Path(sys.argv[1])], Settings(), mapping)
print(result.sent, result.rejected, result.files[0].resumed_at)
"""


def environment(settings: Settings) -> dict[str, str]:
    given = {"BROKERS": settings.brokers, "PREFIX": settings.prefix, "DATA": str(settings.data)}
    if settings.gateway_url and settings.gateway_key:
        given |= {"GATEWAY_URL": settings.gateway_url, "GATEWAY_KEY": settings.gateway_key.get_secret_value()}
    return {**os.environ, **{f"SIXFOLD_{name}": value for name, value in given.items()}}


@contextlib.contextmanager
def importing(settings: Settings, *arguments: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", IMPORT, *map(str, arguments)],
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def remembered_line(settings: Settings) -> int:
    for path in (settings.data / "imports").glob("*.json"):
        return int(json.loads(path.read_text())["line"])
    return 0


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def test_an_import_that_was_killed_goes_on_where_it_was(topic: Topic, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    lines = [event(number, 500) for number in range(40_000)]
    path.write_bytes(b"\n".join(lines) + b"\n" + b"z" * (MAX_LINE + 1))
    with importing(settings, path) as process:
        wait_for(lambda: remembered_line(settings) > 3_000, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    acknowledged = remembered_line(settings)
    assert 3_000 < acknowledged < 40_000, "killed in the middle"
    result = import_files([path], settings)
    assert result.files[0].resumed_at == acknowledged
    assert (result.sent, result.rejected) == (40_000, 1)
    assert len(rejected_entries(result)) == 1
    values = topic.values()
    assert set(values) == set(lines)
    assert len(values) < 40_000 + 10_000, "only what was under way was sent again"
    assert import_files([path], settings).files[0].resumed_at == 0, "done: forgotten"


def test_ctrl_c_says_after_which_line_it_goes_on(settings: Settings, topic: Topic, tmp_path: Path) -> None:
    path = tmp_path / "many.jsonl"
    path.write_bytes(b"".join(event(number) + b"\n" for number in range(3_000)))
    service = Service(accept=1)
    with service.running() as url:
        own = Settings(gateway_url=url, gateway_key=KEY, data=tmp_path / "own")
        command = [sys.executable, "-m", "stream.cli", "import", str(path)]
        process = subprocess.Popen(command, env=environment(own), stderr=subprocess.PIPE, text=True)
        wait_for(lambda: remembered_line(own) > 0 and service.held.is_set(), process)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1].splitlines()
        assert process.returncode == 130
        assert said[-1] == f"sixfold: {path}: interrupted after line 2,000; run the same command again to go on"
        service.accept = 10**6
        assert import_files([path], own).files[0].resumed_at == 2_000


def test_a_file_that_changed_or_is_restarted_begins_anew(
    topic: Topic, settings: Settings, deals: tuple[Path, Path], tmp_path: Path
) -> None:
    service = Service(accept=1)
    with service.running() as url:
        own = Settings(gateway_url=url, gateway_key=KEY, data=tmp_path / "own")
        deals[0].write_text(DEALS.splitlines()[0] + "\n" + "".join(f"E{n},1,2026-03-01,Won\n" for n in range(3_000)))
        killed_after_first_answer(own, deals, service)
        service.accept = 10**6
        resumed = import_files([deals[0]], own, deals[1])
        assert resumed.files[0].resumed_at == 1_001, "a thousand rows of two events, and the header"
        assert resumed.sent == 6_000

        service.accept = service.answers + 1
        killed_after_first_answer(own, deals, service)
        service.accept = 10**6
        assert import_files([deals[0]], own, deals[1], restart=True).files[0].resumed_at == 0

        service.accept = service.answers + 1
        killed_after_first_answer(own, deals, service)
        service.accept = 10**6
        deals[0].write_text(deals[0].read_text() + "E3000,1,2026-03-01,Won\n")
        changed = import_files([deals[0]], own, deals[1])
        assert (changed.files[0].resumed_at, changed.sent) == (0, 6_002)


def killed_after_first_answer(settings: Settings, deals: tuple[Path, Path], service: "Service") -> None:
    with importing(settings, *deals) as process:
        wait_for(lambda: remembered_line(settings) > 0 and service.held.is_set(), process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    service.held.clear()


class Service:
    """A real HTTP service: answers `accept` requests and holds the rest; `plan` are answers to give before."""

    def __init__(self, accept: int = 10**6, plan: list[web.Response] | None = None, most: int = 10**9) -> None:
        self.accept, self.plan, self.most = accept, plan or [], most
        self.answers, self.requests = 0, 0
        self.lines: list[bytes] = []
        self.held = threading.Event()

    async def _events(self, request: web.Request) -> web.Response:
        self.requests += 1
        body = await request.read()
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.Response(status=401, text="who are you?")
        if self.plan:
            return self.plan.pop(0)
        if len(body) > self.most:
            return web.Response(status=413)
        while self.answers >= self.accept:
            self.held.set()
            await asyncio.sleep(0.02)
            if request.transport is None or request.transport.is_closing():
                return web.Response(status=499)
        self.answers += 1
        self.lines += body.splitlines()
        return web.json_response({"accepted": len(body.splitlines())})

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        port = free_port()
        loop = asyncio.new_event_loop()
        app = web.Application(client_max_size=64 << 20)
        app.router.add_post("/events", self._events)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        ready = threading.Event()

        async def start() -> None:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            ready.set()

        def serve() -> None:
            starting = loop.create_task(start())
            loop.run_forever()
            assert starting.done()
            loop.run_until_complete(runner.cleanup())
            loop.close()

        thread = threading.Thread(target=serve)
        thread.start()
        assert ready.wait(30)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(30)


def test_a_busy_gateway_is_asked_again_when_it_says(tmp_path: Path) -> None:
    plan = [
        web.Response(status=429, headers={"Retry-After": "1"}),
        web.Response(status=503),
        web.Response(status=500),
    ]
    service = Service(plan=plan)
    (tmp_path / "a.jsonl").write_bytes(b"".join(event(number) + b"\n" for number in range(10)))
    with service.running() as url:
        began = time.monotonic()
        result = import_files([tmp_path / "a.jsonl"], Settings(gateway_url=url, gateway_key=KEY, data=tmp_path))
        assert time.monotonic() - began >= 1, "it asked for a second"
    assert (result.sent, service.requests) == (10, 4)
    assert service.lines == [event(number) for number in range(10)]


def test_what_the_gateway_finds_too_large_is_rejected_alone(tmp_path: Path) -> None:
    service = Service(most=3_000)
    lines = [event(number, 2_900 if number == 7 else 100) for number in range(30)]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    with service.running() as url:
        result = import_files([tmp_path / "a.jsonl"], Settings(gateway_url=url, gateway_key=KEY, data=tmp_path))
    assert (result.sent, result.rejected) == (29, 1)
    assert service.lines == lines[:7] + lines[8:]
    (entry,) = rejected_entries(result)
    assert (entry["line"], entry["reason"], entry["size"]) == (8, "too-large", len(lines[7]))


@pytest.mark.parametrize(
    ("answer", "key", "said"),
    [
        (None, "another", r"/events: answers 401: .*SIXFOLD_GATEWAY_KEY"),
        (
            web.Response(status=404, text="nothing here"),
            KEY,
            r"/events: answers 404: nothing here; check SIXFOLD_GATEWAY_URL",
        ),
    ],
)
def test_a_gateway_that_refuses_is_named(tmp_path: Path, answer: web.Response | None, key: str, said: str) -> None:
    service = Service(plan=[answer] if answer else [])
    (tmp_path / "a.jsonl").write_bytes(event(1))
    with service.running() as url, pytest.raises(SendingError, match=said) as caught:
        import_files([tmp_path / "a.jsonl"], Settings(gateway_url=url, gateway_key=key, data=tmp_path))
    assert key not in str(caught.value)


def test_a_gateway_that_stays_away_is_named_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "PATIENCE_SECONDS", 0.5)
    (tmp_path / "a.jsonl").write_bytes(event(1))
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(SendingError, match=f"{url}/events: does not answer .*gave up after 0.5 s"):
        import_files([tmp_path / "a.jsonl"], Settings(gateway_url=url, data=tmp_path))


def test_standard_input_has_a_name_of_its_own() -> None:
    assert str(STDIN) == "-"
