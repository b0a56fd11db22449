"""The invariants of docs/architecture.md, each with ways to break it in the source and the tests that must then fail.

Where a rule is broken inside the process instead, with the simulation around it, see tests/property/weakened.py.
"""

from pathlib import Path
from typing import NamedTuple

SIMULATION = "tests/property/test_simulation.py -k every_order"
WORKER = "tests/integration/test_worker.py"


class Mutation(NamedTuple):
    """One rule broken: `before` stands once in `file` and becomes `after`; `tests` are arguments of pytest."""

    invariant: str
    what: str
    file: str
    before: str
    after: str
    tests: str

    def apply(self, root: Path) -> None:
        """Break the copy of the source under `root`; raises ValueError where the text is not there exactly once."""
        path = root / self.file
        text = path.read_text()
        if text.count(self.before) != 1:
            raise ValueError(
                f"{self.file} has {text.count(self.before)} times {self.before!r}: write the mutation anew"
            )
        path.write_text(text.replace(self.before, self.after))


JOIN = "Joining documents is commutative, associative and idempotent, and the order of writes is total"
ONE_NODE = "Each record is counted by exactly one node"
ORDER = "Produced < nodes < rolling rows < manifest < acknowledged"
KEYS = "A row's key belongs to one shard for ever"
CLAIM = "No write of a lost claim is ever visible"
RESUME = "What is read next is what the manifest says"
SAME = "Rolling rows = the fold of the nodes = the audit's SQL"
RULES = "Other rules: everything is counted anew, and two sets do not take turns"
CREDITS = "Credits of a deal add up to it exactly"
LINKS = "Every link value ever read is among the places a node sends to"
LOG = "A topic that was made anew is noticed"
PEOPLE = "No personal data outside the table of people"

MUTATIONS = (
    Mutation(
        JOIN,
        "the write that comes last wins, not the one with the greater order key",
        "stream/fold.py",
        "                    del fields[name]\n        else:",
        "                    del other[name]\n        else:",
        "tests/stream/test_fold.py",
    ),
    Mutation(
        JOIN,
        "of two values of one order key the first to come stays",
        "stream/fold.py",
        "canonical(name, value) > canonical(name, mine[name])",
        "name not in mine",
        "tests/stream/test_fold.py",
    ),
    Mutation(
        JOIN,
        "a history forgets the second of two values of one key",
        "stream/fold.py",
        "if len(values) > len(mine[name]):",
        "if len(values) > len(mine[name]) + 1:",
        "tests/stream/test_fold.py",
    ),
    Mutation(
        ONE_NODE,
        "a cycle of merges is counted where the path met it",
        "stream/flow.py",
        "return min(path[path.index(above) :], key=id_of)",
        "return above",
        "tests/stream/test_batch.py tests/property/test_simulation.py -k 'cycle or every_order'",
    ),
    Mutation(
        ONE_NODE,
        "a node counts all documents it holds, also those that moved on",
        "stream/flow.py",
        "if named or root(entity, self._look) == self.entity:",
        "if document is not None:",
        SIMULATION,
    ),
    Mutation(
        ONE_NODE,
        "an event under a wrong key is folded where it was read",
        "stream/shard.py",
        "mine = event.home == here",
        "mine = True",
        SIMULATION,
    ),
    Mutation(
        ORDER,
        "nodes before what they send",
        "stream/shard.py",
        "    if effects.outgoing:\n        await log.produce(effects.outgoing)\n    await sink.insert(effects.rows)\n"
        "    await sink.insert(effects.nodes)\n",
        "    await sink.insert(effects.nodes)\n    if effects.outgoing:\n        await log.produce(effects.outgoing)\n"
        "    await sink.insert(effects.rows)\n",
        SIMULATION,
    ),
    Mutation(
        ORDER,
        "documents that another shard of the flush was handed are not sent",
        "stream/shard.py",
        ", *self._records(self._handed, self._token)],",
        "],",
        SIMULATION,
    ),
    Mutation(
        ORDER,
        "a shard takes what another process was handed for what it was handed itself",
        "stream/shard.py",
        'return f"{self._process}/{self.number}/',
        'return f"{self.number}/',
        "tests/stream/test_shard.py",
    ),
    Mutation(
        ORDER,
        "the manifest before rolling rows",
        "stream/shard.py",
        '    await sink.insert(effects.rolling)\n    await sink.insert({"manifest": effects.manifests})\n',
        '    await sink.insert({"manifest": effects.manifests})\n    await sink.insert(effects.rolling)\n',
        SIMULATION,
    ),
    Mutation(
        ORDER,
        "acknowledged before it is durable, and read on from there",
        "stream/claim.py",
        "        if same:\n            shard.positions[topic] = position\n",
        "        if same:\n            shard.positions[topic] = Position(end, position.mark)\n",
        SIMULATION,
    ),
    Mutation(
        KEYS,
        "rolling rows of two shards share a key",
        "sinks/sql/001_tables.sql",
        "ORDER BY (shard, epoch, day, rep_id, direction)",
        "ORDER BY (epoch, day, rep_id, direction)",
        "tests/sinks/test_migrate.py -k belongs",
    ),
    Mutation(
        CLAIM,
        "views show every generation",
        "sinks/views/10_base_generations.sql",
        "SELECT shard, max(epoch) AS epoch FROM manifest WHERE ready GROUP BY shard",
        "SELECT DISTINCT shard, epoch FROM manifest WHERE ready",
        f"{WORKER} -k zombie",
    ),
    Mutation(
        CLAIM,
        "a claim does not look at who else claimed the epoch",
        "sinks/clickhouse.py",
        "if [(epoch, token)] == [(int(row[0]), row[1]) for row in holders]:",
        "if holders:",
        "tests/chaos/test_faults.py -k two_claim",
    ),
    Mutation(
        CLAIM,
        "nodes that a lost claim wrote above the manifest go unnoticed",
        "stream/claim.py",
        "if node.version & 0xFFFFFFFF > limits.get(node.version >> 32, -1):",
        "if node.version < 0:",
        "tests/property/test_simulation.py tests/property/test_paused_owners.py -k 'every_order or late_manifest'",
    ),
    Mutation(
        CLAIM,
        "what a lost claim writes into a generation while it is copied counts once more",
        "stream/claim.py",
        "source) <= limit:",
        "source) >= 0:",
        "tests/property/test_paused_owners.py",
    ),
    Mutation(
        RESUME,
        "one record is skipped after a takeover",
        "stream/claim.py",
        "            manifest.events_position, Mark(",
        "            manifest.events_position + 1, Mark(",
        SIMULATION,
    ),
    Mutation(
        RESUME,
        "what is read while a flush is folded counts as part of it",
        "stream/shard.py",
        "        self.reached = dict(self.positions)\n        self.as_of_ms",
        "        self.reached = self.positions\n        self.as_of_ms",
        SIMULATION,
    ),
    Mutation(
        RESUME,
        "records that retention took are passed over in silence",
        "stream/claim.py",
        "if position < begin and position <= end:",
        "if begin < 0:",
        "tests/chaos/test_faults.py -k retention",
    ),
    Mutation(
        RESUME,
        "a worker goes on writing into a ClickHouse that was put back",
        "stream/worker.py",
        "found.get(number) not in (shard.written, shard.flush_number)",
        "number < 0",
        "tests/chaos/test_faults.py -k 'older_copy and running'",
    ),
    Mutation(
        SAME,
        "what a root contributed before is not taken off",
        "stream/rolling.py",
        "                self._add(name, before, -1)\n",
        "",
        SIMULATION,
    ),
    Mutation(
        SAME,
        "the stream counts a lead twice, and so does its reference",
        "stream/reports/leads.py",
        "            1,\n",
        "            2,\n",
        f"{WORKER} -k golden",
    ),
    Mutation(
        SAME,
        "a node at rest is read with the newest dictionary, not with its own",
        "stream/resting.py",
        "dict=self._made[number])",
        "dict=self._made[-1])",
        "tests/stream/test_resting.py tests/property/test_simulation.py -k 'taken_up or at_rest'",
    ),
    Mutation(
        SAME,
        "a node that contributes something is marked as one that does not",
        "stream/shard.py",
        "self.nodes.put(node.entity, state, packed)",
        'self.nodes.put(node.entity, state, b"")',
        "tests/property/test_simulation.py -k at_rest",
    ),
    Mutation(
        RULES,
        "the hash of the rules is not compared when a shard is loaded",
        "stream/claim.py",
        "same_rules = bool(manifests) and {manifests[-1].rules_hash, *since} == {shard.rules.hash}",
        "same_rules = bool(manifests)",
        f"{WORKER} -k other_rules",
    ),
    Mutation(
        RULES,
        "who claimed under other rules, and may be only paused, goes unnoticed",
        "stream/claim.py",
        "{manifests[-1].rules_hash, *since} ==",
        "{manifests[-1].rules_hash} ==",
        SIMULATION,
    ),
    Mutation(
        RULES,
        "rules that others came after are used again",
        "stream/worker.py",
        "lambda: self._store.use_rules(self._rules.hash, self._rules.content)",
        "self._store.epochs",
        f"{WORKER} -k take_turns",
    ),
    Mutation(
        CREDITS,
        "what is left after cutting goes to nobody",
        "stream/attribution.py",
        "        parts[index] += 1\n",
        "        parts[index] += 0\n",
        "tests/stream/test_batch.py tests/sinks/test_audit.py -k 'worked or refund or another_implementation'",
    ),
    Mutation(
        CREDITS,
        "ties of the remainders go to the later touch",
        "stream/attribution.py",
        "key=rests.__getitem__, reverse=True)",
        "key=lambda each: (rests[each], each), reverse=True)",
        "tests/stream/test_batch.py tests/sinks/test_audit.py -k 'worked or refund or another_implementation'",
    ),
    Mutation(
        LINKS,
        "a node sends to where it belongs now only",
        "stream/flow.py",
        "                self.to.add(entity_key(kind, value))\n",
        "                self.to = {entity_key(kind, value)}\n",
        SIMULATION,
    ),
    Mutation(
        LINKS,
        "a new place gets only what grew",
        "stream/flow.py",
        "            if to in self._known_to:\n",
        "            if to in self.to:\n",
        SIMULATION,
    ),
    Mutation(
        LOG,
        "the mark of the record before a position is not looked at",
        "stream/claim.py",
        "            same = await log.record_before(tp, position.offset) == position.mark\n",
        "            same = True\n",
        f"{WORKER} -k made_anew",
    ),
    Mutation(
        PEOPLE,
        "documents keep what a person is called",
        "stream/fold.py",
        "    data.update(dict.fromkeys(sorted(found)))\n",
        "",
        "tests/stream/test_batch.py -k personal",
    ),
    Mutation(
        PEOPLE,
        "rows of an erased person that come late stay",
        "sinks/clickhouse.py",
        "if seen[0] == self._purged or not seen[0][0]:",
        "if seen[0]:",
        "tests/integration/test_erasure.py -k 'late or purged'",
    ),
)
