"""The journal and when it may forget: what a crash, a damaged disk and a forgetful broker leave of it."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.embedded.journal import Damage, Entry, Journal, JournalFullError, encode, scan
from deploy.embedded.retention import Reached, Watch, follow

MARKER = b"\x01sixfold"

entries = st.builds(
    Entry,
    position=st.integers(0, 2**64 - 1),
    timestamp_ms=st.integers(-(2**63), 2**63 - 1),
    key=st.none() | st.binary(max_size=20),
    # markers and whole frames inside events must not be taken for frames
    value=st.binary(max_size=60) | st.just(MARKER) | st.just(encode(bytes(8), Entry(1, 1, None, b"inner"))),
)


def retained(journal: Journal) -> list[bytes]:
    return [entry.value for entry in journal.entries()]


def records(*values: bytes) -> list[tuple[bytes | None, bytes]]:
    return [(b"key", value) for value in values]


@given(st.lists(entries, max_size=8))
def test_what_was_written_is_read(written: list[Entry]) -> None:
    data = b"".join(encode(MARKER, entry) for entry in written)
    assert list(scan(data, MARKER)) == written


@given(st.lists(entries, min_size=1, max_size=6), st.data())
def test_a_torn_tail_loses_no_whole_record(written: list[Entry], draw: st.DataObject) -> None:
    frames = [encode(MARKER, entry) for entry in written]
    whole = b"".join(frames[:-1])
    cut = draw.draw(st.integers(1, len(frames[-1]) - 1))
    data = whole + frames[-1][:cut]
    assert list(scan(data, MARKER)) == [*written[:-1], Damage(len(whole), len(data), tail=True)]


@given(st.lists(entries, min_size=1, max_size=6), st.data())
def test_damage_loses_only_the_records_it_touches(written: list[Entry], draw: st.DataObject) -> None:
    frames = [encode(MARKER, entry) for entry in written]
    hit = draw.draw(st.integers(0, len(frames) - 1))
    at = draw.draw(st.integers(0, len(frames[hit]) - 1))
    broken = bytearray(frames[hit])
    broken[at] ^= draw.draw(st.integers(1, 255))
    start = sum(map(len, frames[:hit]))
    found = list(scan(b"".join([*frames[:hit], bytes(broken), *frames[hit + 1 :]]), MARKER))
    last = hit == len(frames) - 1
    assert found == [
        *written[:hit],
        Damage(start, start + len(broken), tail=last),
        *written[hit + 1 :],
    ]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=4), min_size=1, max_size=8), st.data())
def test_positions_rise_over_restarts_and_drops(batches: list[list[bytes]], draw: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        journal = Journal(Path(name), segment_bytes=100)
        expected: list[Entry] = []
        highest = 0
        for batch in batches:
            for entry in (taken := journal.append(records(*batch), 7)):
                assert entry.position > highest
                highest = entry.position
            expected += taken
            what = draw.draw(st.sampled_from(["restart", "seal", "drop", "nothing"]))
            if what == "restart":
                journal.close()
                journal = Journal(Path(name), segment_bytes=100)
            elif what == "seal":
                journal.seal(force=True)
            elif what == "drop" and len(journal.segments) > 1:
                first, second = journal.segments[:2]
                journal.drop(first)
                expected = [entry for entry in expected if entry.position >= second.first]
            assert list(journal.entries()) == expected
        journal.close()


def test_positions_go_on_when_everything_was_dropped(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(records(b"a", b"b"), 1)
    journal.seal(force=True)
    journal.drop(journal.segments[0])
    journal.close()
    for _ in range(2):  # twice: an empty segment is all there is
        journal = Journal(tmp_path)
        assert retained(journal) == []
        assert journal.next_position == 3
        journal.close()


def test_a_torn_tail_is_cut_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(tmp_path)
    journal.append(records(b"whole", b"torn"), 1)
    path = journal.segments[-1].path
    journal.close()
    os.truncate(path, path.stat().st_size - 1)
    journal = Journal(tmp_path)
    assert retained(journal) == [b"whole"]
    assert "unfinished" in caplog.text
    journal.append(records(b"after"), 2)
    journal.close()
    caplog.clear()
    assert retained(Journal(tmp_path)) == [b"whole", b"after"]
    assert caplog.text == ""


def test_damage_in_the_middle_is_said_and_the_rest_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(tmp_path)
    for value in (b"one", b"two", b"three"):
        last = journal.append(records(value), 1)[0].position
    path = journal.segments[-1].path
    journal.close()
    data = path.read_bytes()
    path.write_bytes(data.replace(b"two", b"twq"))
    journal = Journal(tmp_path)
    assert retained(journal) == [b"one", b"three"]
    assert str(path) in caplog.text
    assert "damaged" in caplog.text
    assert journal.next_position > last


def test_a_refused_write_keeps_nothing_and_the_next_one_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.append(records(b"before"), 1)

    def no_space(_file: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", no_space)
        with pytest.raises(JournalFullError, match="No space left"):
            journal.append(records(b"refused"), 1)
    suspect = journal.segments[-1].path
    after = journal.append(records(b"after"), 1)
    assert journal.segments[-1].path != suspect  # nobody knows what of it is on disk
    assert retained(journal) == [b"before", b"after"]
    journal.close()
    assert retained(again := Journal(tmp_path)) == [b"before", b"after"]
    assert again.next_position > after[0].position


WRITER = """
import sys
from pathlib import Path
from deploy.embedded.journal import Journal
journal = Journal(Path(sys.argv[1]), segment_bytes=20_000)
while True:
    taken = journal.append([(None, b"x" * 300)] * 7, 1)
    print(taken[-1].position, flush=True)
"""


def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    """Positions that stood in a write cut short are skipped: nobody was told of them."""
    acknowledged: set[int] = set()
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        first = writer.stdout.readline()
        time.sleep(random.uniform(0.02, 0.1))
        writer.send_signal(signal.SIGKILL)
        for line in (first, *writer.stdout.read().splitlines(keepends=True)):
            if line.endswith("\n"):
                acknowledged.update(range(int(line) - 6, int(line) + 1))
        writer.wait()
    journal = Journal(tmp_path)
    positions = [entry.position for entry in journal.entries()]
    assert positions == sorted(set(positions))
    assert acknowledged
    assert acknowledged <= set(positions)
    assert journal.next_position > max(acknowledged)


class Machine:
    """Two partitions, a worker that flushes when it likes, a broker that may forget everything.

    A record is (name, home). One read in another partition than its home, or under a wrong key, is forwarded there.
    """

    PARTITIONS = 2

    def __init__(self, choose: random.Random) -> None:
        self.choose = choose
        self.segments: list[list[tuple[int, int]]] = [[]]
        self.folded: set[int] = set()
        self.count = 0
        self.manifests: dict[int, Reached] = {}
        self.generation = 0
        self.start_broker()

    def start_broker(self) -> None:
        self.generation += 1
        self.logs: list[list[tuple[int, int]]] = [[] for _ in range(self.PARTITIONS)]
        self.read = [0] * self.PARTITIONS
        self.keyed: set[int] = set()
        self.watches = [Watch() for _ in self.segments]
        for segment in self.segments:
            for record in segment:
                self.logs[self.choose.randrange(self.PARTITIONS)].append(record)

    def take_in(self) -> None:
        self.count += 1
        record = (self.count, self.choose.randrange(self.PARTITIONS))
        self.segments[-1].append(record)
        self.logs[self.choose.randrange(self.PARTITIONS)].append(record)

    def seal(self) -> None:
        self.segments.append([])
        self.watches.append(Watch())

    def work(self) -> None:
        partition = self.choose.randrange(self.PARTITIONS)
        until = self.choose.randint(self.read[partition], len(self.logs[partition]))
        for name, home in self.logs[partition][self.read[partition] : until]:
            if home == partition and (name in self.keyed or self.choose.random() < 0.5):
                self.folded.add(name)
            else:
                self.keyed.add(name)
                self.logs[home].append((name, home))
        self.read[partition] = until
        self.manifests[partition] = Reached(str(self.generation), until)

    def retain(self) -> None:
        ends = {number: len(log) for number, log in enumerate(self.logs)}
        for number in reversed(range(len(self.segments) - 1)):
            watch = follow(self.watches[number], self.manifests, ends, str(self.generation))
            self.watches[number] = watch
            if watch.covered:
                lost = {name for name, _ in self.segments[number]} - self.folded
                assert not lost, f"dropped before {lost} were folded"
                del self.segments[number], self.watches[number]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_nothing_is_dropped_before_it_is_folded_at_home(seed: int) -> None:
    choose = random.Random(seed)
    machine = Machine(choose)
    act = [machine.take_in, machine.work, machine.retain, machine.seal, machine.start_broker]
    for _ in range(200):
        choose.choices(act, [30, 30, 30, 9, 1])[0]()


def test_a_covered_segment_is_dropped_in_the_end() -> None:
    machine = Machine(random.Random(1))
    for _ in range(20):
        machine.take_in()
    machine.seal()
    for _ in range(200):
        machine.work()
        machine.retain()
    assert machine.segments == [[]]
