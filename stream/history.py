"""Snapshots of what the reports said, and what moved since: which figures, and which records moved them.

A snapshot writes two things that differ from the snapshot before: rows of the reports, and records (the views
`records_*`) as they counted. So the records then and now explain the rows then and now: what all records together do
not explain is said, not hidden. Figures by attribution model are those of the default model.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from sinks.views import GRAINS, period_start
from stream.figures import REPORTS, Figures
from stream.recipes import CALLS, CREDITS, LEADS, OPPORTUNITIES, RECIPES, SPEND, Part, Records

FIRST_DAY = date(1970, 1, 1)
MOST_RECORDS = 200
MOST_FIGURES = 500
ROUNDING = Decimal("0.0001")
"""Views round a row to this; a figure that differs by no more has not moved."""

_RECORDS_AT_ONCE = 25
"""Parameters travel in the address, which has to stay short."""

KEPT = tuple(name for name in REPORTS if name not in {"targets", "quality"})
"""The reports of a snapshot."""

_LEFT_OUT = frozenset({"model", "overdue"})
"""Keys that are no part of a row's place: the model is the default one, and days pass without a record moving."""

_DEFAULT_MODEL = "(SELECT attribution_model FROM base_settings)"
_COMPLETE = "taken_at IN (SELECT taken_at FROM history_snapshots)"


class NoSnapshot(Exception):  # noqa: N818 - it says what is missing
    """There is no snapshot to compare with; the message says what to do."""


@dataclass(frozen=True)
class _Family:
    """What is kept of the records of one view: the columns that place them, and those that are counted."""

    records: Records
    keys: tuple[str, ...]
    amounts: tuple[str, ...]
    where: str = "1"

    @property
    def identity(self) -> tuple[str, ...]:
        """What names a record: of a spend figure its key, for the columns of its view are not all of that."""
        named = ("root",) if self.records is SPEND else self.records.identity
        return (*named, "date_kind") if "date_kind" in self.keys else named


_ORIGIN = ("day", "channel", "source", "medium", "campaign_id")
_FAMILIES = {
    family.records.kind: family
    for family in (
        _Family(LEADS, (*_ORIGIN, "lead_magnet"), ("leads", "mofu", "bofu", "customers", "converted")),
        _Family(
            CREDITS,
            ("date_kind", *_ORIGIN, "lead_magnet", "lead_id", "currency"),
            ("deals", "revenue", "cost", "unconverted"),
            f"model = {_DEFAULT_MODEL}",
        ),
        _Family(
            OPPORTUNITIES,
            ("date_kind", "day", "owner_id", "team", "team_today", "account_id", "stage", "status", "currency"),
            ("opportunities", "amount", "weighted", "unconverted"),
        ),
        _Family(
            CALLS,
            ("day", "rep_id", "team", "direction"),
            ("calls", "answered", "missed", "talk_seconds", "advanced_mofu", "advanced_bofu"),
        ),
        _Family(
            SPEND,
            (*_ORIGIN, "platform", "category", "currency"),
            ("figures", "amount", "impressions", "clicks", "visitors", "unconverted"),
        ),
    )
}


class Snapshot(NamedTuple):
    """One snapshot: when, of what local day, under which settings; `rows` and `records` are how many were written."""

    taken_at: datetime
    day: date
    seconds: float
    rows: int
    records: int
    currency: str
    model: str
    rules_hash: str
    last_event_time: datetime | None
    moved: bool


class Moved(NamedTuple):
    """A figure that is not what it was."""

    period: date | None
    place: Mapping[str, str]
    measure: str
    was: Decimal
    now: Decimal


class Move(NamedTuple):
    """What a record adds to one figure, then and now."""

    measure: str
    day: date | None
    place: Mapping[str, str]
    was: Decimal
    now: Decimal


@dataclass(frozen=True)
class Cause:
    """A record that moved figures.

    `what`: `late` (it was not there, and counts for a day that had passed), `new` (for a later one), `gone` (deleted,
    or it belongs to another record now) or `changed`. `changes`: column -> (then, now). `root` is the entity that
    counts it.
    """

    kind: str
    identity: Mapping[str, str]
    root: str
    what: str
    changes: Mapping[str, tuple[str, str]]
    moves: Sequence[Move]

    @property
    def name(self) -> str:
        """The record in one word."""
        return "/".join(value for name, value in self.identity.items() if value and name != "date_kind")

    @property
    def changes_text(self) -> str:
        """What changed of it, for people: `amount 100 → 120`; amounts in two decimals."""
        return ", ".join(f"{name} {_short(then)} → {_short(now)}" for name, (then, now) in self.changes.items())


@dataclass(frozen=True)
class Diff:
    """What moved in a report since a snapshot, for days before `until` (None: all, also those after it).

    `totals`: measure -> (was, now, what the records explain of the difference). `figures` and `causes` are the
    greatest; `figure_count` and `cause_count` say how many there are. `settings`: what was set otherwise then.
    """

    report: str
    grain: str
    snapshot: Snapshot
    until: date | None
    figures: Sequence[Moved]
    figure_count: int
    totals: Mapping[str, tuple[Decimal, Decimal, Decimal]]
    causes: Sequence[Cause]
    cause_count: int
    settings: Mapping[str, tuple[str, str]] = field(default_factory=dict)


# -- taking and keeping


def take(client: Client) -> Snapshot:
    """Take a snapshot now. Errors: those of the client."""
    began, before = time.monotonic(), _standing(client)
    taken_at = client.query("SELECT now64(3, 'UTC')").result_rows[0][0]
    for report in KEPT:
        client.command(_rows_statement(REPORTS[report]), parameters={"report": report, "taken_at": taken_at})
    for kind, family in _FAMILIES.items():
        client.command(_records_statement(family), parameters={"kind": kind, "taken_at": taken_at})
    written = [
        client.query(
            f"SELECT count() FROM {table} WHERE taken_at = {{taken_at:DateTime64(3, 'UTC')}}",  # noqa: S608 - ours
            parameters={"taken_at": taken_at},
        ).result_rows[0][0]
        for table in ("history_rows", "history_records")
    ]
    client.command(
        """INSERT INTO history_snapshots
        SELECT
            {taken_at:DateTime64(3, 'UTC')}, today, {seconds:Float64}, {rows:UInt64}, {records:UInt64}, currency,
            attribution_model, {rules:String}, (SELECT max(last_event_time) FROM report_freshness), {moved:UInt8}, 0
        FROM base_settings""",
        parameters={
            "taken_at": taken_at,
            "seconds": time.monotonic() - began,
            "rows": written[0],
            "records": written[1],
            "rules": before[1],
            "moved": int(_standing(client) != before),
        },
    )
    return snapshots(client)[-1]


def snapshots(client: Client) -> list[Snapshot]:
    """All snapshots there are, the newest last."""
    rows = client.query(
        "SELECT taken_at, day, seconds, rows, records, currency, model, rules_hash, last_event_time, moved "
        "FROM history_snapshots FINAL WHERE NOT pruned ORDER BY taken_at"
    ).result_rows
    return [Snapshot._make((*row[:-1], bool(row[-1]))) for row in rows]


def is_due(client: Client) -> bool:
    """Whether there are figures, and no snapshot of them of this local day."""
    (row,) = client.query(
        """SELECT
            (SELECT count() FROM history_snapshots WHERE day >= assumeNotNull((SELECT today FROM base_settings))),
            (SELECT max(last_event_us) FROM manifest WHERE ready)"""
    ).result_rows
    return not row[0] and bool(row[1])


def prune(client: Client, before: date) -> int:
    """Give up the snapshots of days before one, but never the newest; gives how many.

    What later snapshots rest on stays.
    """
    there = snapshots(client)
    gone = [each for each in there[:-1] if each.day < before]
    if not gone:
        return 0
    first_kept = next(each.taken_at for each in there if each not in gone)
    for each in gone:
        client.command(
            "INSERT INTO history_snapshots SELECT * REPLACE (1 AS pruned) FROM history_snapshots FINAL "
            "WHERE taken_at = {taken_at:DateTime64(3, 'UTC')}",
            parameters={"taken_at": each.taken_at},
        )
    for table, key in (("history_rows", "report, day, place"), ("history_records", "kind, record")):
        client.command(
            f"ALTER TABLE {table} DELETE WHERE taken_at < {{kept:DateTime64(3, 'UTC')}} AND ({key}, taken_at) NOT IN ("  # noqa: S608 - names of ours
            f"SELECT {key}, max(taken_at) FROM {table} WHERE taken_at <= {{kept:DateTime64(3, 'UTC')}} AND {_COMPLETE} "
            f"GROUP BY {key} HAVING argMax(gone, taken_at) = 0)",
            parameters={"kept": first_kept},
        )
    return len(gone)


def _standing(client: Client) -> tuple[Any, str]:
    """What the figures stand on, to see whether it moves; and the rules in force."""
    manifests = client.query(
        "SELECT shard, max((epoch, flush)) FROM manifest WHERE ready GROUP BY shard ORDER BY shard"
    ).result_rows
    rules = client.query("SELECT argMax(hash, seq) FROM rules").result_rows
    return manifests, str(rules[0][0] or "") if rules else ""


def _rows_statement(figures: Figures) -> str:
    """Write the rows that differ from those of the last snapshot."""
    return f"""INSERT INTO history_rows (report, day, place, taken_at, gone, measures)
    SELECT {{report:String}}, day, place, {{taken_at:DateTime64(3, 'UTC')}}, countIf(is_now) = 0, anyIf(measures, is_now)
    FROM ({_rows_now(figures)} UNION ALL {_rows_then("1")})
    GROUP BY day, place
    HAVING countIf(is_now) != countIf(NOT is_now) OR toString(anyIf(measures, is_now)) != toString(anyIf(measures, NOT is_now))"""  # noqa: S608, E501 - names of ours


def _rows_now(figures: Figures) -> str:
    keys = _place_keys(figures)
    day = {"day": "day", "due_month": "ifNull(due_month, toDate('2149-06-06'))"}.get(figures.day, "toDate(0)")
    place = ", ".join(f"'{key}', ifNull(toString({key}), '')" for key in keys)
    measures = ", ".join(f"'{measure}', sum(toDecimal128({measure}, 6))" for measure in figures.measures)
    where = f" WHERE model = {_DEFAULT_MODEL}" if figures.has_model else ""
    return (
        f"SELECT {day} AS day, toJSONString(map({place})) AS place, "  # noqa: S608 - names of ours
        f"CAST(map({measures}), 'Map(LowCardinality(String), Decimal(38, 6))') AS measures, 1 AS is_now "
        f"FROM {figures.view}{where} GROUP BY day, place"
        if keys
        else f"SELECT {day} AS day, '{{}}' AS place, "  # noqa: S608 - names of ours
        f"CAST(map({measures}), 'Map(LowCardinality(String), Decimal(38, 6))') AS measures, 1 AS is_now "
        f"FROM {figures.view}{where} GROUP BY day"
    )


def _rows_then(when: str) -> str:
    return (
        "SELECT day, place, argMax(measures, taken_at) AS measures, 0 AS is_now FROM history_rows "  # noqa: S608 - constants
        f"WHERE report = {{report:String}} AND {_COMPLETE} AND {when} "
        "GROUP BY day, place HAVING argMax(gone, taken_at) = 0"
    )


def _records_statement(family: _Family) -> str:
    content = ", ".join(f"'{name}', toString({name})" for name in (*family.keys, *family.amounts))
    return f"""INSERT INTO history_records (kind, record, taken_at, gone, root, content)
    SELECT
        {{kind:String}}, record, {{taken_at:DateTime64(3, 'UTC')}}, countIf(is_now) = 0, any(root), anyIf(content, is_now)
    FROM (
        SELECT record, root, CAST(map({content}), 'Map(LowCardinality(String), String)') AS content, 1 AS is_now
        FROM ({_records_now(family)})
        UNION ALL
        SELECT record, any(root), argMax(content, taken_at), 0 FROM history_records
        WHERE kind = {{kind:String}} AND {_COMPLETE} GROUP BY record HAVING argMax(gone, taken_at) = 0)
    GROUP BY record
    HAVING countIf(is_now) != countIf(NOT is_now) OR toString(anyIf(content, is_now)) != toString(anyIf(content, NOT is_now))"""  # noqa: S608, E501 - names of ours


def _records_now(family: _Family) -> str:
    """The records as they count now: `record` names each, keys are texts but for the day, amounts have 6 decimals."""
    identity = ", ".join(f"'{name}', toString({name})" for name in family.identity)
    keys = ", ".join(f"{name}" if name == "day" else f"toString({name}) AS {name}" for name in family.keys)
    amounts = ", ".join(f"toDecimal128(round(toDecimal256(v.{name}, 12), 6), 6) AS {name}" for name in family.amounts)
    return (
        f"SELECT toJSONString(map({identity})) AS record, root, {keys}, {amounts} "  # noqa: S608 - names of ours
        f"FROM {family.records.view} AS v WHERE {family.where}"
    )


def _records_then(family: _Family) -> str:
    """The records as they counted at the snapshot, with the columns of `_records_now`."""
    keys = ", ".join(
        "toDate(content['day']) AS day" if name == "day" else f"content['{name}'] AS {name}" for name in family.keys
    )
    amounts = ", ".join(f"toDecimal128OrZero(content['{name}'], 6) AS {name}" for name in family.amounts)
    return (
        f"SELECT record, root, {keys}, {amounts} FROM ("  # noqa: S608 - names of ours
        "SELECT record, any(root) AS root, argMax(content, taken_at) AS content FROM history_records "
        f"WHERE kind = '{family.records.kind}' AND {_COMPLETE} AND taken_at <= {{since:DateTime64(3, 'UTC')}} "
        "GROUP BY record HAVING argMax(gone, taken_at) = 0)"
    )


def _place_keys(figures: Figures) -> list[str]:
    return [key for key in figures.keys if key not in _LEFT_OUT]


# -- comparing


def snapshot_of(client: Client, since: date | datetime) -> Snapshot:
    """The last snapshot that was taken up to an instant, or on a local day or before it. Raises `NoSnapshot`."""
    there = snapshots(client)
    if not there:
        raise NoSnapshot("there is no snapshot yet: sixfold history take makes one, sixfold up makes one a night")
    if isinstance(since, datetime):
        fitting = [each for each in there if each.taken_at <= since.replace(tzinfo=each.taken_at.tzinfo)]
    else:
        fitting = [each for each in there if each.day <= since]
    if not fitting:
        raise NoSnapshot(f"the first snapshot is of {there[0].taken_at:%Y-%m-%d %H:%M} UTC, after {since}")
    return fitting[-1]


def diff(
    client: Client,
    report: str,
    since: date | datetime,
    *,
    grain: str = "month",
    where: Mapping[str, Sequence[str]] | None = None,
    newer: bool = False,
    most_figures: int = MOST_FIGURES,
    most_records: int = MOST_RECORDS,
) -> Diff:
    """Compare a report with what a snapshot holds of it.

    Days from the snapshot's own on are left out unless `newer`: that they move is no surprise. `where`: only figures
    under one of these values of a key. Raises `NoSnapshot`; KeyError for a report that is not kept.
    """
    if report not in KEPT:
        raise KeyError(report)
    if grain not in GRAINS:
        raise ValueError(f"there is no grain {grain}: it is one of {', '.join(GRAINS)}")
    figures, snapshot = REPORTS[report], snapshot_of(client, since)
    until = snapshot.day if figures.has_periods and not newer else None
    query = _Query(figures, grain, snapshot, until, dict(where or {}))
    moved, count, totals = _moved(client, query)
    causes, cause_count, explained = _causes(client, query, most_records) if count else ([], 0, {})
    return Diff(
        report,
        grain,
        snapshot,
        until,
        moved[:most_figures],
        count,
        {name: (was, now, explained.get(name, Decimal(0))) for name, (was, now) in totals.items()},
        causes,
        cause_count,
        _settings(client, snapshot),
    )


@dataclass(frozen=True)
class _Query:
    figures: Figures
    grain: str
    snapshot: Snapshot
    until: date | None
    where: Mapping[str, Sequence[str]]

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of all queries."""
        values: dict[str, Any] = {"report": self.figures.report, "since": self.snapshot.taken_at}
        if self.until is not None:
            values["until"] = self.until
        return values | {f"where_{number}": list(chosen) for number, chosen in enumerate(self.where.values())}

    def conditions(self, day: str, place: str) -> str:
        """SQL: days that count, and places that are asked for."""
        conditions = [f"{day} < {{until:Date}}"] if self.until is not None else []
        conditions += [
            f"has({{where_{number}:Array(String)}}, JSONExtractString({place}, '{key}'))"
            for number, key in enumerate(self.where)
        ]
        return " AND ".join(conditions) or "1"


def _moved(client: Client, query: _Query) -> tuple[list[Moved], int, dict[str, tuple[Decimal, Decimal]]]:
    figures = query.figures
    period = period_start(f"'{query.grain}'") if figures.has_periods else "day AS period_start"
    then = _rows_then("taken_at <= {since:DateTime64(3, 'UTC')}")
    rows = client.query(
        f"""SELECT period_start, place, measure.1 AS name, sumIf(measure.2, NOT is_now) AS was,
            sumIf(measure.2, is_now) AS now
        FROM (
            SELECT *, {period}, arrayJoin(arrayZip(mapKeys(measures), mapValues(measures))) AS measure
            FROM ({_rows_now(figures)} UNION ALL {then})
            WHERE {query.conditions("day", "place")})
        GROUP BY period_start, place, name
        HAVING was != 0 OR now != 0""",  # noqa: S608 - names of ours
        parameters=query.values,
    ).result_rows
    totals: dict[str, tuple[Decimal, Decimal]] = {}
    moved = []
    for start, place, name, was, now in rows:
        before = totals.get(name, (Decimal(0), Decimal(0)))
        totals[name] = (before[0] + was, before[1] + now)
        if abs(now - was) > ROUNDING:
            moved.append(Moved(_day(figures, start), _place(place), name, was, now))
    order = {name: number for number, name in enumerate(figures.measures)}
    moved.sort(key=lambda each: (order[each.measure], -abs(each.now - each.was), str(each.period), str(each.place)))
    touched = {each.measure for each in moved}
    return moved, len(moved), {name: totals[name] for name in figures.measures if name in touched}


def _causes(client: Client, query: _Query, most: int) -> tuple[list[Cause], int, dict[str, Decimal]]:
    causes: list[tuple[Decimal, Cause]] = []
    explained: dict[str, Decimal] = {}
    count = 0
    for kind, parts in _parts(query.figures).items():
        family = _FAMILIES[kind]
        source = _contributions(query, family, parts)
        for name, difference in client.query(
            f"SELECT measure, sum(now - was) FROM ({source}) GROUP BY measure",  # noqa: S608 - names of ours
            parameters=query.values,
        ).result_rows:
            explained[name] = explained.get(name, Decimal(0)) + difference
        grouped = client.query(
            f"""SELECT record, any(root) AS root, groupArray((measure, day, place, was, now)) AS moves,
                sum(abs(now - was)) AS weight, count() OVER () AS records
            FROM ({source}) GROUP BY record ORDER BY weight DESC, record LIMIT {most:d}""",  # noqa: S608 - names of ours
            parameters=query.values,
        ).result_rows
        count += grouped[0][-1] if grouped else 0
        contents = _contents(client, query, family, [row[0] for row in grouped])
        for record, root, moves, weight, _ in grouped:
            causes.append((weight, _cause(query, family, record, root, moves, contents)))
    causes.sort(key=lambda each: (-each[0], each[1].kind, str(each[1].identity)))
    return [cause for _, cause in causes[:most]], count, explained


def _parts(figures: Figures) -> dict[str, list[tuple[str, Part]]]:
    """The parts of all measures by the kind of their records, of which history is kept."""
    found: dict[str, list[tuple[str, Part]]] = {}
    for measure in figures.measures:
        for part in RECIPES[figures.view].columns[measure]:
            if part.records.kind in _FAMILIES:
                found.setdefault(part.records.kind, []).append((measure, part))
    return found


def _contributions(query: _Query, family: _Family, parts: Sequence[tuple[str, Part]]) -> str:
    """SQL: what each record adds to each figure, then and now, where that differs."""
    figures = query.figures
    keys = _place_keys(figures)
    tuples = []
    for measure, part in parts:
        day = {"day": part.keys.get("day", "day"), "due_month": "day"}.get(figures.day, "toDate(0)")
        pairs = ", ".join(f"'{key}', ifNull(toString({part.keys.get(key, key)}), '')" for key in keys)
        place = f"toJSONString(map({pairs}))" if keys else "'{}'"
        value = f"toDecimal128({part.value}, 6)"
        amount = f"if({part.where}, {value}, toDecimal128(0, 6))" if part.where else value
        tuples.append(f"('{measure}', {day}, {place}, {amount})")
    model = f", {_DEFAULT_MODEL} AS model" if "model = " in family.where else ""
    return f"""
        SELECT record, any(root) AS root, c.1 AS measure, c.2 AS day, c.3 AS place, sumIf(c.4, NOT is_now) AS was,
            sumIf(c.4, is_now) AS now
        FROM (
            SELECT record, root, is_now, arrayJoin([{", ".join(tuples)}]) AS c
            FROM (
                SELECT *, 1 AS is_now{model} FROM ({_records_now(family)})
                UNION ALL
                SELECT *, 0 AS is_now{model} FROM ({_records_then(family)})))
        WHERE c.4 != 0 AND {query.conditions("c.2", "c.3")}
        GROUP BY record, measure, day, place
        HAVING was != now"""  # noqa: S608 - names of ours


def _contents(
    client: Client, query: _Query, family: _Family, records: Sequence[str]
) -> dict[tuple[str, bool], Mapping[str, str]]:
    """What these records were and are: (record, whether now) -> column -> text."""
    names = (*family.keys, *family.amounts)
    columns = ", ".join(f"toString({name}) AS {name}" for name in names)
    found: dict[tuple[str, bool], Mapping[str, str]] = {}
    for start in range(0, len(records), _RECORDS_AT_ONCE):
        rows = client.query(
            f"""SELECT record, is_now, {columns} FROM (
                SELECT *, 1 AS is_now FROM ({_records_now(family)}) WHERE record IN {{records:Array(String)}}
                UNION ALL
                SELECT *, 0 AS is_now FROM ({_records_then(family)}) WHERE record IN {{records:Array(String)}})""",  # noqa: S608 - names of ours
            parameters={**query.values, "records": list(records[start : start + _RECORDS_AT_ONCE])},
        ).result_rows
        found |= {(row[0], bool(row[1])): dict(zip(names, row[2:], strict=True)) for row in rows}
    return found


def _cause(
    query: _Query,
    family: _Family,
    record: str,
    root: str,
    moves: Sequence[tuple[str, date, str, Decimal, Decimal]],
    contents: Mapping[tuple[str, bool], Mapping[str, str]],
) -> Cause:
    was, now = contents.get((record, False)), contents.get((record, True))
    changes = {name: (was[name], now[name]) for name in was if was[name] != now[name]} if was and now else {}
    told = [Move(name, _day(query.figures, day), _place(place), then, after) for name, day, place, then, after in moves]
    order = {name: number for number, name in enumerate(query.figures.measures)}
    told.sort(key=lambda each: (order[each.measure], str(each.day), str(each.place)))
    passed = any(each.day is not None and each.day < query.snapshot.day for each in told)
    what = ("late" if passed else "new") if was is None else "gone" if now is None else "changed"
    return Cause(family.records.kind, _place(record), root, what, changes, told)


def _settings(client: Client, snapshot: Snapshot) -> dict[str, tuple[str, str]]:
    """What was set otherwise when the snapshot was taken: it moves figures without any record."""
    currency, model = client.query("SELECT currency, attribution_model FROM base_settings").result_rows[0]
    now = {"currency": currency, "attribution_model": model, "rules": _standing(client)[1]}
    then = {"currency": snapshot.currency, "attribution_model": snapshot.model, "rules": snapshot.rules_hash}
    return {name: (then[name], now[name]) for name in now if then[name] != now[name]}


def _day(figures: Figures, day: date) -> date | None:
    return None if not figures.day or day.year > 2148 else day


def _short(text: str) -> str:
    if not text:
        return "–"
    try:
        return f"{round(Decimal(text), 2).normalize():f}" if "." in text else text
    except ArithmeticError:
        return text


def _place(text: str) -> Mapping[str, str]:
    return {str(name): str(value) for name, value in json.loads(text).items()}
