"""A company of workers in memory: the real fold, flow, shard and claim over a log and a store that can fail anywhere.

One `Simulation` deals a list of events out to the logs (shuffled, some twice, some under a wrong key), lets workers
read them in batches of any size, kills or pauses them at every step of a flush or a takeover, lets those that are
paused go on at any step of those who came after them, changes the rules on the way, and goes on until both topics are
read to their end. What the store then shows is compared with the batch reference.
"""

import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from schemas import decode, entity_key, homes
from stream import batch, claim, shard
from stream.claim import LoadedNode, LoadedRow, Manifest
from stream.flow import kind_of
from stream.fold import changes
from stream.log import Mark, Outgoing, home_partition, mark_of
from stream.reference import reference_row
from stream.reports import TABLES
from stream.resting import Line
from stream.rolling import account
from stream.rules import Rules

#: later than every event
NOW_MS = 1_780_000_000_000
TOPICS = shard.Topics()
RULES = Rules(stages={"MQL": "mofu", "SQL": "bofu"}, own_domains=("example.com",))
OLD_RULES = Rules(stages={"MQL": "tofu", "odd": "bofu"}, channels={"email": "letters"}, own_domains=("bing.com",))
Tables = dict[str, dict[tuple[str, ...], Any]]
#: tables of reference entities, and the column of their ids
REFERENCES = {"campaigns": "campaign_id", "reps": "rep_id"}
#: the columns of nodes that hold what a root counts
RECORDS = ("leads", "opportunities", "calls", "touches", "credits", "spend")
#: the numbers of steps after which something happens
SOON = (0, 1, 2, 3, 5, 8, 13, 21, 34)


class Crash(Exception):  # noqa: N818 - it says what happens
    """The worker dies here."""


#: what a process does until its flush is written: it has these shards then
Turn = Coroutine[Any, Any, dict[int, "shard.Shard"]]


class Outcome(NamedTuple):
    """What is left in the end.

    The rolling tables; the records of nodes that facts are made of; the rows of campaigns and reps; who is erased; what
    was said of people (entity, field, value, id of the event).
    """

    tables: Tables
    records: Counter[str]
    references: Counter[str]
    erased: set[str]
    people: set[tuple[str, str, str, str]]


class Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end while nobody else does anything."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value


@dataclass
class Fuse:
    """Burns down by one at each step that can fail; at zero the worker dies."""

    left: int | None = None

    def step(self) -> "Fuse":
        """A step, to be awaited: after it others may do something."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Crash
        return self

    def __await__(self) -> Generator[None]:
        yield


class MemoryLog:
    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self.records: dict[tuple[str, int], list[Record]] = {}

    def append(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        timestamp: int = NOW_MS,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        records = self.records.setdefault((topic, partition), [])
        records.append(Record(topic, partition, len(records), timestamp, key, value, headers))

    async def produce(self, records: Sequence[Outgoing]) -> None:
        for record in records:
            await self.fuse.step()
            at = record.timestamp_ms or NOW_MS
            self.append(record.topic, record.partition, record.key, record.value, at, record.headers)

    async def bounds(self, partitions: Sequence[Any]) -> dict[Any, tuple[int, int]]:
        await self.fuse.step()
        return {tp: (0, len(self.records.get(tuple(tp), ()))) for tp in partitions}

    async def record_before(self, partition: Any, offset: int) -> Mark | None:
        return mark_of(self.records[tuple(partition)][offset - 1])


class MemoryStore:
    """Tables that keep the greatest version of a key, the last insert among equals."""

    def __init__(self, fuse: Fuse) -> None:
        self.fuse = fuse
        self.epochs: dict[int, int] = {}
        self.claims: dict[tuple[int, int], str] = {}
        self.manifest: dict[tuple[int, int], Manifest] = {}
        self.node_rows: dict[tuple[int, str], LoadedNode] = {}
        self.recorded: dict[tuple[int, str], dict[str, Any]] = {}
        self.roll: dict[str, dict[tuple[int, int], dict[tuple[str, ...], dict[str, Any]]]] = {
            table.name: {} for table in TABLES
        }
        self.dead_letters: dict[tuple[Any, ...], str] = {}
        self.references: dict[tuple[str, int, str], dict[str, Any]] = {}
        self.erased: set[str] = set()
        self.people: set[tuple[str, str, str, str]] = set()

    async def insert(self, rows: Mapping[str, Sequence[Line]]) -> None:
        for table, lines in rows.items():
            for line in lines:
                await self.fuse.step()
                for row in bytes(line).splitlines():
                    self._put(table, msgspec.json.decode(row))

    def _put(self, table: str, row: dict[str, Any]) -> None:
        if table == "nodes":
            key = (row["shard"], row["entity"])
            if key not in self.node_rows or self.node_rows[key].version <= row["version"]:
                state = msgspec.convert(row["state"], bytes)
                self.node_rows[key] = LoadedNode(row["entity"], row["version"], state)
                self.recorded[key] = {table: row.get(table, []) for table in RECORDS}
        elif table == "manifest":
            place = (row["shard"], row["epoch"])
            if place not in self.manifest or self.manifest[place].flush <= row["flush"]:
                self.manifest[place] = msgspec.convert(row, Manifest)
        elif table in self.roll:
            spec = next(each for each in TABLES if each.name == table)
            generation = self.roll[table].setdefault((row["shard"], row["epoch"]), {})
            key = tuple(row[name] for name in spec.key)
            if key not in generation or generation[key]["version"] <= row["version"]:
                generation[key] = row
        elif table == "dead_letters":
            self.dead_letters[row["topic"], row["partition"], row["offset"]] = row["reason"]
        elif table == "erased":
            self.erased.add(row["entity"])
        elif table in REFERENCES:
            whose = table, row["shard"], row[REFERENCES[table]]
            if whose not in self.references or self.references[whose]["version"] <= row["version"]:
                self.references[whose] = row
        elif table == "people":
            self.people.add((row["entity"], row["field"], row["value"], row["id"]))

    async def claim(self, number: int, rules_hash: str) -> int:
        await self.fuse.step()
        epoch = self.epochs[number] = self.epochs.get(number, 0) + 1
        self.claims[number, epoch] = rules_hash
        return epoch

    async def claimed_under(self, number: int, above: int, below: int) -> set[str]:
        await self.fuse.step()
        return {self.claims[number, epoch] for epoch in range(above + 1, below)}

    async def manifests(self, number: int) -> list[Manifest]:
        await self.fuse.step()
        return [self.manifest[place] for place in sorted(self.manifest) if place[0] == number]

    async def nodes(self, number: int) -> AsyncIterator[Sequence[LoadedNode]]:
        for place in [place for place in self.node_rows if place[0] == number]:
            await self.fuse.step()
            yield [self.node_rows[place]]

    def _rows(self, table: str, number: int, epoch: int) -> Iterable[tuple[tuple[str, ...], dict[str, Any]]]:
        return self.roll[table].get((number, epoch), {}).items()

    async def rolling(self, number: int, epoch: int) -> AsyncIterator[Sequence[LoadedRow]]:
        for table in TABLES:
            await self.fuse.step()
            yield [
                LoadedRow(table.name, key, *_measures(table, row), row["version"])
                for key, row in self._rows(table.name, number, epoch)
                if not row["is_deleted"]
            ]

    async def rolling_version(self, number: int, epoch: int) -> int:
        await self.fuse.step()
        return max(
            (row["version"] for table in TABLES for _, row in self._rows(table.name, number, epoch)),
            default=0,
        )

    async def copy_generation(self, number: int, source: int, epoch: int) -> None:
        for table in TABLES:
            for _, row in list(self._rows(table.name, number, source)):
                if not row["is_deleted"]:
                    await self.fuse.step()
                    self._put(table.name, {**row, "epoch": epoch, "version": epoch << 32})

    def drop_generations(self, number: int, epoch: int) -> None:
        for generations in self.roll.values():
            for place in [place for place in generations if place[0] == number and place[1] < epoch]:
                del generations[place]

    def outcome(self) -> Outcome:
        references = Counter(
            as_text(table, {name: value for name, value in row.items() if name not in {"shard", "version"}})
            for (table, _, _), row in self.references.items()
        )
        records = Counter(_texts(self.recorded.values(), self.erased))
        return Outcome(self.visible(), records, references, self.erased, self.people)

    def visible(self) -> Tables:
        """What the views show: the newest manifest's generation of each shard, summed."""
        newest = {number: epoch for number, epoch in sorted(self.manifest) if self.manifest[number, epoch].ready}
        shown: Tables = {table.name: {} for table in TABLES}
        for table in TABLES:
            for number, epoch in newest.items():
                for key, row in self._rows(table.name, number, epoch):
                    if row["is_deleted"]:
                        continue
                    measures, sparse = _measures(table, row)
                    totals, counts = shown[table.name].setdefault(key, ([0] * len(measures), {}))
                    for index, measure in enumerate(measures):
                        totals[index] += measure
                    for bucket, count in sparse.items():
                        counts[bucket] = counts.get(bucket, 0) + count
        return {name: {key: row for key, row in rows.items() if any(row[0]) or row[1]} for name, rows in shown.items()}


def _texts(nodes: Iterable[Mapping[str, Any]], erased: set[str]) -> Iterator[str]:
    """Every record of nodes, as text that can be compared.

    Of a lead that is only known to be erased, because it merged with an erased one, the reference does not know.
    """
    for node in nodes:
        for table in RECORDS:
            for record in msgspec.to_builtins(node[table]):
                if table == "leads":
                    record[1] = [other for other in record[1] if entity_key("lead", other) not in erased]
                yield as_text(table, record)


def _measures(table: Any, row: dict[str, Any]) -> tuple[list[int], dict[int, int]]:
    sparse = {int(bucket): count for bucket, count in row.get(table.sparse, {}).items()}
    return [int(row[name]) for name in table.measures], sparse


@dataclass
class Simulation:
    """Deal `events` (JSON) out over `shards` logs and run them to the end under the schedule of `rng`."""

    events: list[bytes]
    rng: random.Random
    shards: int
    crashes: bool
    rules: Rules = RULES
    fuse: Fuse = field(default_factory=Fuse)

    def __post_init__(self) -> None:
        self.log = MemoryLog(self.fuse)
        self.store = MemoryStore(self.fuse)
        self.workers: dict[int, shard.Shard] = {}
        # what was paused in the middle, while others have the shards now and were not told
        self.zombies: list[Turn] = []
        self.kills = 0
        # some schedules have many that are paused, and in some they go on all the time
        self.pauses = self.rng.choice((0.03, 0.1, 0.3))
        self.restless = self.rng.choice((0.0, 0.05, 0.3))
        # some begin under other rules
        self.in_force = self.rng.choice((self.rules, OLD_RULES))
        # in some every shard is alone, in others one process has all
        self.together = self.rng.choice((0.0, 0.5, 1.0))
        order = self.events + self.rng.sample(self.events, len(self.events) // 3)
        self.rng.shuffle(order)
        for value in order:
            event = decode(value, None)
            places = homes(event) or [event.home]
            key = self.rng.choice(places).encode()
            partition = home_partition(key, self.shards)
            if self.rng.random() < 0.05:
                partition = self.rng.randrange(self.shards)
            self.log.append(TOPICS.events, partition, key, value)

    def run(self) -> Outcome:
        # a schedule that kills too often would never end
        deaths = self.rng.randrange(16) if self.crashes else 0
        while (pending := self._pending()) or self.zombies or self.in_force is not self.rules:
            if self.in_force is not self.rules and (not pending or self.rng.random() < 0.1):
                self._change_rules()
            elif pending:
                if deaths and self.rng.random() < 0.4:
                    deaths -= 1
                    self.fuse.left = self.rng.choice(SOON)
                self._work(self.rng.choice(pending))
                self.fuse.left = None
            if self.zombies and (not pending or self.rng.random() < 0.3):
                self._wake(self.rng.choice(SOON))
        for number in range(self.shards):  # whoever comes next must find the same
            if self.crashes and self.rng.random() < 0.5:
                run(self._load(number))
        return self.store.outcome()

    def _change_rules(self) -> None:
        """Who is not paused finds out, and ends; some are just about to claim."""
        for number in range(self.shards):
            if self.crashes and self.rng.random() < 0.5:
                turn = self._turn(number, {})
                self._drive(turn, self.rng.randint(1, 3))
                self.zombies.append(turn)
        self.in_force = self.rules
        self.workers.clear()

    def _pending(self) -> list[int]:
        """The shards of which something is to be read, or is to be written, or whose owner lost its claim."""
        found = []
        for number in range(self.shards):
            worker = self.workers.get(number)
            lost = worker is not None and worker.epoch < self.store.epochs[number]
            if lost and self.rng.random() < 0.5:  # it finds out sooner or later, and claims again
                del self.workers[number]
                worker = None
            behind = any(
                len(self.log.records.get((topic, number), ())) > (worker.positions[topic].offset if worker else 0)
                for topic in (TOPICS.events, TOPICS.documents)
            )
            if lost or behind or (worker and worker.moved):
                found.append(number)
        return found

    async def _load(self, number: int) -> shard.Shard:
        return await claim.take_over(
            number,
            self.shards,
            self.in_force,
            self.log,
            self.store,  # type: ignore[arg-type] - TP is a tuple here
            topics=TOPICS,
        )

    def _work(self, number: int) -> None:
        """The turn of a shard, and of others that are loaded, whose flush it is, too."""
        others = [each for each in self.workers if each != number]
        process = [number, *(each for each in others if self.rng.random() < self.together)]
        turn = self._turn(number, {each: self.workers.pop(each) for each in process if each in self.workers})
        paused = self.crashes and self.rng.random() < self.pauses
        try:
            kept = self._drive(turn, self.rng.choice(SOON) if paused else None)
        except Crash:
            self.kills += 1
            return
        if kept is None:
            self.zombies.append(turn)
            return
        self.workers.update(kept)
        for each, worker in kept.items():  # old generations go when nobody else has claimed for a while
            if self.rng.random() < 0.1 and worker.epoch == self.store.epochs[each]:
                self.store.drop_generations(each, worker.epoch)

    def _drive(self, turn: Turn, most: int | None) -> dict[int, shard.Shard] | None:
        """Go on with a turn while zombies go on with theirs, at most for so many steps; None if there are more."""
        while most is None or most > 0:
            try:
                turn.send(None)
            except StopIteration as stop:
                kept: dict[int, shard.Shard] = stop.value
                return kept
            if most is not None:
                most -= 1
            if self.zombies and self.rng.random() < self.restless:
                self._wake(self.rng.choice(SOON))
        return None

    async def _turn(self, number: int, group: dict[int, shard.Shard]) -> dict[int, shard.Shard]:
        """Read and flush; what is not loaded is taken over before. Returns the shards that it has then."""
        if number not in group:
            group[number] = await self._load(number)
        for _ in range(self.rng.randint(1, 3)):
            for each, worker in group.items():
                self._read(worker, each)
        await shard.flush(self._take(group), self.log, self.store)
        return group

    def _take(self, group: dict[int, shard.Shard]) -> shard.Effects:
        """Fold a few nodes at a time, and read on in between: what is read then is of the next flush."""
        for worker in group.values():
            worker.begin()
        for _ in shard.fold_together(group, self.rng.randint(1, 3)):
            for each, worker in group.items():
                if self.rng.random() < 0.2:
                    self._read(worker, each)
        effects = shard.Effects()
        for worker in group.values():
            if worker.stirred:
                effects.add(worker.take())
        return effects

    def _read(self, worker: shard.Shard, number: int) -> None:
        for topic in self.rng.sample((TOPICS.events, TOPICS.documents), 2):
            records = self.log.records.get((topic, number), [])
            start = worker.positions[topic].offset
            worker.read(topic, records[start : start + self.rng.randint(0, 5)])

    def _wake(self, most: int) -> None:
        """Let a zombie go on for so many steps, or die."""
        zombie = self.zombies.pop(self.rng.randrange(len(self.zombies)))
        if self.rng.random() < 0.1:
            zombie.close()
            self.kills += 1
            return
        burning, self.fuse.left = self.fuse.left, None
        try:
            for _ in range(most):
                zombie.send(None)
            self.zombies.append(zombie)
        except StopIteration:
            pass
        self.fuse.left = burning


def expected(events: list[bytes], rules: Rules = RULES) -> Outcome:
    """The same by the batch reference."""
    tables = batch.tables((decode(event, None) for event in events), rules)
    counted = batch.counted(decode(event, None) for event in events)
    journeys = [account(root, documents, rules)[0] for root, documents in counted.items()]
    nodes = [{table: getattr(journey, table, []) for table in RECORDS} for journey in journeys]
    for node, journey in zip(nodes, journeys, strict=True):
        node["leads"] = [journey.lead] if journey.lead else []
    erased = _erased(events)
    said = [change for event in events for change in changes(decode(event, None)) if change.personal]
    people = {
        (change.entity, name, value or "", change.key[3])
        for change in said
        for name, value in (change.personal or {}).items()
    }
    documents = batch.documents(decode(event, None) for event in events)
    rows = [reference_row(kind_of(entity), entity, document) for entity, document in documents.items()]
    references = Counter(as_text(*row) for row in rows if row)
    return Outcome(tables, Counter(_texts(nodes, erased)), references, erased, people)


def _erased(events: list[bytes]) -> set[str]:
    """Every lead that merges, winning or not, connect with an erased one, and what opportunities ever linked there."""
    links: list[tuple[str, str]] = []
    attached: list[tuple[str, str]] = []
    erased: set[str] = set()
    for each in events:
        event = decode(each, None)
        data: dict[str, Any] = event.data
        if event.type == "crm.lead.merged":
            links += [
                (entity_key("lead", merged), entity_key("lead", data["lead_id"])) for merged in data["merged_ids"]
            ]
        elif event.type == "crm.lead.erased":
            erased.add(event.home)
        elif event.home.startswith("opportunity:") and data.get("lead_id") is not None:
            attached.append((event.home, entity_key("lead", data["lead_id"])))
    while True:
        reached = {end for link in links if erased & set(link) for end in link}
        if reached <= erased:
            break
        erased |= reached
    return erased | {opportunity for opportunity, lead in attached if lead in erased}


def as_text(table: str, row: object) -> str:
    """A row of a table, to be compared."""
    return f"{table} {json.dumps(row)}"


def as_json(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()
