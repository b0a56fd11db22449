"""Any figure of a report, opened: the records that make it up, what each adds, and who said what they are read from.

Figures come from the rolling tables, records from the facts; that what the records add comes to the figure is
computed by ClickHouse, in the same exact decimals, for each row of the report. `RECIPES` says of which records a
column is made; a report with periods has the same recipe at every grain.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas import entity_key
from sinks.views import GRAINS, period_start
from stream.provenance import Documents, Said, said
from stream.recipes import RECIPES, Part, Recipe

ATTEMPTS = 5
PAUSE_SECONDS = 0.5
LONG = "report_long"
MOST_DOCUMENTS = 50
"""Of so many entities a record says who said what; a root may count a hundred thousand."""


class NotAFigure(Exception):  # noqa: N818 - it says what is asked
    """What is asked for is no figure made of records: the message says what there is instead."""


@dataclass(frozen=True)
class Question:
    """A figure: a column of those rows of a report that all conditions fit.

    `report` is the view's name; `column` is one of its recipe; `day` is a day of the wanted period, None for all;
    `where` holds the values that a column may have, as text ('' for NULL).
    """

    report: str
    column: str
    grain: str = "day"
    day: date | None = None
    where: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One row of the report. `figure` is the view's (None for a column that only the recipe has), 0 where it has none.

    `total` is what the records add up to, unrounded; `adds_up` says that it comes to the figure in the view's digits.
    """

    key: Mapping[str, Any]
    figure: Any
    total: Decimal
    records: int
    adds_up: bool


@dataclass(frozen=True)
class Contribution:
    """A record, and what it adds to its row, unrounded.

    `identity` names it, `root` counts it. `facts` are its values as text. `resolved` says what was found when it was
    read: rate, alias, channel, team. `said` has who said what, by entity; `left_out` counts entities beyond the most.
    """

    row: Mapping[str, Any]
    kind: str
    identity: Mapping[str, str]
    root: str
    value: Decimal
    facts: Mapping[str, str]
    resolved: Sequence[Mapping[str, str]] = ()
    said: Mapping[str, Sequence[Said]] = field(default_factory=dict)
    left_out: int = 0

    def as_json(self) -> dict[str, Any]:
        """As the commands print it."""
        return {
            "record": self.kind,
            **self.identity,
            "contribution": _short(self.value),
            "row": dict(self.row),
            "counted_by": self.root,
            "facts": dict(self.facts),
            "resolved_when_read": [dict(each) for each in self.resolved],
            "said": {entity: [each.as_json() for each in fields] for entity, fields in self.said.items()},
            "entities_left_out": self.left_out,
        }


@dataclass(frozen=True)
class Explanation:
    """A figure with its records, the greatest first; `records` may be fewer than `count`."""

    question: Question
    rows: Sequence[Row]
    records: Sequence[Contribution] = ()

    @property
    def figure(self) -> Any:  # noqa: ANN401 - an int or a Decimal
        """The sum of the rows' figures."""
        return sum((row.figure for row in self.rows if row.figure is not None), 0)

    @property
    def count(self) -> int:
        """How many records add something."""
        return sum(row.records for row in self.rows)

    @property
    def adds_up(self) -> bool:
        """Whether the records come to the figure in every row."""
        return all(row.adds_up for row in self.rows)

    def as_json(self) -> dict[str, Any]:
        """As the commands print it."""
        asked = self.question
        return {
            "report": asked.report,
            "column": asked.column,
            "grain": asked.grain,
            "day": asked.day,
            "where": {name: list(values) for name, values in asked.where.items()},
            "figure": self.figure,
            "adds_up": self.adds_up,
            "rows": [
                {
                    "key": dict(row.key),
                    "figure": row.figure,
                    "sum": _short(row.total),
                    "records": row.records,
                    "adds_up": row.adds_up,
                }
                for row in self.rows
            ],
            "record_count": self.count,
            "records": [record.as_json() for record in self.records],
        }


def columns_of(report: str) -> tuple[str, ...]:
    """The columns of a report that add up, and can be opened. Raises `NotAFigure`."""
    if report == LONG:
        return ("value",)
    recipe = _recipe(report)
    return tuple(name for name in recipe.columns if name not in recipe.hidden)


def made_of(report: str, column: str) -> tuple[str, ...]:
    """What a column is computed from: itself if it adds up, else the columns of a ratio, average or quantile.

    Raises `NotAFigure`.
    """
    if column in columns_of(report):
        return (column,)
    if report != LONG and column in _recipe(report).ratios:
        return _recipe(report).ratios[column]
    raise NotAFigure(
        f"{report}.{column} is no sum of records, nor computed from any; there are {', '.join(columns_of(report))}"
    )


def explain(
    client: Client, question: Question, partitions: int, *, limit: int | None = None, told: bool = True
) -> Explanation:
    """Open a figure. `limit`: the most records; `told` off leaves out who said what. Errors: those of the client.

    While shards flush, nodes and rolling rows may be of two moments: rows that do not add up are read again, five
    times at most. Raises `NotAFigure`.
    """
    if question.report == LONG:
        return _explain_long(client, question, partitions, limit=limit, told=told)
    query = _Query.of(client, question)
    rows = _rows(client, query)
    for _ in range(ATTEMPTS - 1):
        if all(row.adds_up for row in rows):
            break
        time.sleep(PAUSE_SECONDS)
        rows = _rows(client, query)
    records = list(_records(client, query, limit)) if limit != 0 else []
    if told:
        records = _told(client, records, Documents(client, partitions))
    return Explanation(question, rows, records)


def _explain_long(client: Client, question: Question, partitions: int, *, limit: int | None, told: bool) -> Explanation:
    """A value of `report_long` is the sum of a column over the rows of the report that it names."""
    chosen = {name: list(question.where.get(name, ())) for name in ("report", "dimension", "member", "metric")}
    for name, values in chosen.items():
        if len(values) != 1:
            raise NotAFigure(f"report_long: say which {name}, once: --where {name}=..")
    (report,), (dimension,), (member,), (metric,) = chosen.values()
    inner = f"report_{report}"
    recipe = _recipe(inner)
    if metric not in columns_of(inner):
        raise NotAFigure(f"{inner} has no metric {metric}; there are {', '.join(columns_of(inner))}")
    where: dict[str, Sequence[str]] = {}
    if dimension != "(all)":
        where[dimension] = [member]
    if "model" in recipe.keys:
        (default,) = client.query("SELECT attribution_model FROM base_settings").result_rows[0]
        where["model"] = [default]
    asked = replace(question, report=inner, column=metric, where=where)
    return replace(explain(client, asked, partitions, limit=limit, told=told), question=question)


def _recipe(report: str) -> Recipe:
    try:
        return RECIPES[report]
    except KeyError:
        raise NotAFigure(
            f"{report} has no figures that are made of records; these can be explained: {', '.join(RECIPES)}"
        ) from None


# -- the queries


@dataclass(frozen=True)
class _Query:
    """The parts of a column under the conditions of a question; values travel as parameters, never in the text."""

    question: Question
    recipe: Recipe
    keys: tuple[str, ...]
    conditions: tuple[str, ...]
    values: Mapping[str, object]

    @classmethod
    def of(cls, client: Client, question: Question) -> "_Query":
        recipe = _recipe(question.report)
        if question.column not in recipe.columns:
            raise NotAFigure(f"{question.report}.{question.column} does not add up; see made_of")
        periods = "day" in recipe.keys
        if question.grain != "day" and not periods:
            raise NotAFigure(f"{question.report} has no periods: leave the grain out")
        keys = tuple("period_start" if name == "day" and question.grain != "day" else name for name in recipe.keys)
        conditions: list[str] = []
        values: dict[str, object] = {}
        if question.day is not None:
            conditions.append(_day_condition(client, question, keys, values))
        for number, (column, wanted) in enumerate(question.where.items()):
            if column not in keys:
                raise NotAFigure(f"{question.report} is not told apart by {column}, but by {', '.join(keys)}")
            conditions.append(f"has({{where_{number}:Array(String)}}, ifNull(toString({column}), ''))")
            values[f"where_{number}"] = list(wanted)
        return cls(question, recipe, keys, tuple(conditions), values)

    @property
    def where(self) -> str:
        return f" WHERE {' AND '.join(self.conditions)}" if self.conditions else ""

    @property
    def source(self) -> str:
        """The report at the grain."""
        grain = self.question.grain
        return self.question.report if grain == "day" else f"{self.question.report}_by(grain = '{grain}')"

    @property
    def parts(self) -> str:
        """Every record with the key of its row and what it adds."""
        return " UNION ALL ".join(self._part(part) for part in self.recipe.columns[self.question.column])

    def _part(self, part: Part) -> str:
        columns = []
        for name in self.keys:
            if name == "period_start":
                columns.append(_period(self.question.grain))
            else:
                columns.append(f"{part.keys.get(name, name)} AS {name}")
        source = part.records
        identity = ", ".join(f"toString({name})" for name in source.identity)
        facts = ", ".join(f"'{name}', ifNull(toString({name}), '')" for name in source.facts)
        return (
            f"SELECT {', '.join(columns)}, '{source.kind}' AS kind, [{identity}] AS identity, root,"  # noqa: S608 - names of ours
            f" toDecimal256({part.value}, 32) AS value, map({facts}) AS facts"
            f" FROM {source.view}"
            f"{f' ARRAY JOIN {part.array_join}' if part.array_join else ''}"
            f"{f' WHERE {part.where}' if part.where else ''}"
        )


def _period(grain: str) -> str:
    if grain not in GRAINS:
        raise NotAFigure(f"there is no grain {grain}: it is one of {', '.join(GRAINS)}")
    return period_start(f"'{grain}'")


def _day_condition(client: Client, question: Question, keys: Sequence[str], values: dict[str, object]) -> str:
    values["day"] = question.day
    if "period_start" in keys:
        start = client.query(
            f"SELECT {_period(question.grain)} FROM (SELECT toDate({{day:Date}}) AS day)",  # noqa: S608 - names of ours
            parameters={"day": question.day},
        ).result_rows[0][0]
        values["day"] = start
        return "period_start = {day:Date}"
    if "day" in keys:
        return "day = {day:Date}"
    month = next((name for name in ("month", "due_month") if name in keys), None)
    if month is None:
        raise NotAFigure(f"{question.report} has no day: leave it out")
    return f"{month} = toStartOfMonth({{day:Date}})"


def _rows(client: Client, query: _Query) -> list[Row]:
    keys = ", ".join(query.keys)
    column = query.question.column
    figures: dict[tuple[Any, ...], Any] = {}
    scale = 32
    if column not in query.recipe.hidden:
        found = client.query(f"SELECT {keys}, {column} FROM {query.source}{query.where}", parameters=dict(query.values))  # noqa: S608 - names of ours
        figures = {tuple(row[:-1]): row[-1] for row in found.result_rows}
        scale = _scale(found.column_types[-1].name) if found.column_types else 0
    summed = client.query(
        f"SELECT {keys}, countIf(value != 0), sum(value), round(sum(value), {scale}) FROM ({query.parts}){query.where}"  # noqa: S608 - names of ours
        f" GROUP BY {keys}",
        parameters=dict(query.values),
    ).result_rows
    totals = {tuple(row[:-3]): tuple(row[-3:]) for row in summed}
    rows = []
    for key in sorted(figures.keys() | {key for key, (count, _, _) in totals.items() if count}, key=str):
        count, total, rounded = totals.get(key, (0, Decimal(0), Decimal(0)))
        figure = None if column in query.recipe.hidden else figures.get(key, 0)
        rows.append(Row(dict(zip(query.keys, key, strict=True)), figure, total, count, figure in (None, rounded)))
    return rows


def _scale(kind: str) -> int:
    """Decimals of a column: `Decimal(38, 4)` has four, an integer none."""
    inner = kind.removeprefix("Nullable(")
    return int(inner.partition(",")[2].strip(" )")) if inner.startswith("Decimal") else 0


def _records(client: Client, query: _Query, limit: int | None) -> Iterator[Contribution]:
    most = f" LIMIT {limit:d}" if limit is not None else ""
    names = {part.records.kind: part.records for part in query.recipe.columns[query.question.column]}
    keys = ", ".join(query.keys)
    with client.query_row_block_stream(
        f"SELECT {keys}, kind, identity, root, value, facts FROM ({query.parts})"  # noqa: S608 - names of ours
        f" WHERE {' AND '.join((*query.conditions, 'value != 0'))} ORDER BY abs(value) DESC, kind, identity{most}",
        parameters=dict(query.values),
    ) as blocks:
        for block in blocks:
            for *key, kind, identity, root, value, facts in block:
                yield Contribution(
                    dict(zip(query.keys, key, strict=True)),
                    kind,
                    dict(zip(names[kind].identity, identity, strict=True)),
                    root,
                    value,
                    facts,
                    list(resolved(facts)),
                )


# -- who said what


def resolved(facts: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """What was found when a record was read, and is no part of it.

    The rate, the campaign that a name means, the channel of spend that had none, the team on that day.
    """
    if facts.get("rate_day", "1970-01-01") != "1970-01-01":
        currency, day = facts["currency"], facts["rate_day"]
        if Decimal(facts["rate"]):
            rate = f"{Decimal(facts['rate']).normalize():f}"
            if (rate, facts["rate_since"]) != ("1", "1970-01-01"):
                yield {"what": "rate", "currency": currency, "day": day, "since": facts["rate_since"], "rate": rate}
        else:
            yield {"what": "rate", "currency": currency, "day": day, "rate": "none: left out of the money"}
    given = facts.get("given_campaign_id", "")
    if given and given != facts["campaign_id"]:
        yield {"what": "campaign", "given": given, "campaign_id": facts["campaign_id"]}
    if "given_channel" in facts and not facts["given_channel"]:
        yield {"what": "channel", "platform": facts["platform"], "channel": facts["channel"]}
    if facts.get("team"):
        yield {"what": "team", "of": facts.get("owner_id") or facts.get("rep_id", ""), "team": facts["team"]}


def documents_of(kind: str, identity: Mapping[str, str], facts: Mapping[str, str], root: str) -> list[str]:
    """The entities whose documents a record is read from, the nearest first; those of a lead besides in its root."""
    if kind in _NAMED_BY_ID:
        found = [entity_key(kind, identity[f"{kind}_id"])]
    elif kind == "credit":
        found = [entity_key("opportunity", identity["opportunity_id"])]
        if identity["touch_id"]:
            found.append(entity_key("touch", identity["touch_lead_id"], identity["touch_id"]))
        elif identity["touch_lead_id"]:
            found.append(entity_key("lead", identity["touch_lead_id"]))
    elif kind == "checked" and identity["what"] in (*_NAMED_BY_ID, "campaign"):
        found = [entity_key(identity["what"], identity["id"])]
    else:
        found = [root] if root else []
    found += [entity_key(linked, facts[f"{linked}_id"]) for linked in _LINKED if facts.get(f"{linked}_id")]
    return list(dict.fromkeys(found))


_NAMED_BY_ID = ("lead", "opportunity", "call")
_LINKED = ("opportunity", "lead")


def _told(client: Client, records: Sequence[Contribution], documents: Documents) -> list[Contribution]:
    rates = _Rates(client) if any(_needs_rate(record) for record in records) else None
    entities: list[list[str]] = []
    for record in records:
        found = documents_of(record.kind, record.identity, record.facts, record.root)
        entities.append([*found, *_references(record, rates)])
    documents.fetch(each for record in records if (each := record.root))
    for record, found in zip(records, entities, strict=True):
        if record.kind == "lead":  # its stage and its origin may come from any of its group
            found += [each for each in documents.counted(record.root) if not each.startswith("call:")]
    shown = [list(dict.fromkeys(found))[:MOST_DOCUMENTS] for found in entities]
    documents.fetch(
        each
        for record, found in zip(records, shown, strict=True)
        for each in found
        if each not in documents.counted(record.root)
    )
    told = []
    for record, found, all_of_them in zip(records, shown, entities, strict=True):
        counted = documents.counted(record.root)
        fields = {each: said(each, counted[each] if each in counted else documents.own(each)) for each in found}
        told.append(replace(record, said=fields, left_out=len(set(all_of_them)) - len(found)))
    return told


def _needs_rate(record: Contribution) -> bool:
    return any(each["what"] == "rate" and "since" in each for each in record.resolved)


def _references(record: Contribution, rates: "_Rates | None") -> Iterator[str]:
    """The reference entities that decided what was found when the record was read."""
    for each in record.resolved:
        if each["what"] == "rate" and rates is not None and "since" in each:
            yield from rates.entities(each["currency"], each["day"])
        elif each["what"] == "campaign":
            yield entity_key("campaign", each["campaign_id"])
        elif each["what"] == "channel" and record.facts.get("campaign"):
            yield entity_key("campaign", record.facts["campaign_id"])
        elif each["what"] == "team":
            yield entity_key("rep", each["of"])


class _Rates:
    """Which posted rates a conversion rests on (reports: "Conventions")."""

    def __init__(self, client: Client) -> None:
        self._currency, self._pivot = client.query("SELECT currency, pivot_currency FROM base_settings").result_rows[0]
        rows = client.query("SELECT base, quote, groupArray(toString(date)) FROM rates FINAL GROUP BY base, quote")
        self._days = {(base, quote): sorted(days) for base, quote, days in rows.result_rows}

    def entities(self, currency: str, day: str) -> list[str]:
        """The pair in force on a day; without one, the two legs across the pivot."""
        if direct := self._pair(currency, self._currency, day):
            return [direct]
        legs = (self._pair(currency, self._pivot, day), self._pair(self._pivot, self._currency, day))
        return [leg for leg in legs if leg]

    def _pair(self, base: str, quote: str, day: str) -> str:
        """The later of the direct and the inverse pair; of equals the direct one."""
        found = []
        for inverse, pair in enumerate(((base, quote), (quote, base))):
            if days := [each for each in self._days.get(pair, ()) if each <= day]:
                found.append((days[-1], -inverse, entity_key("rate", *pair, days[-1])))
        return max(found)[2] if found else ""


def _short(value: Decimal) -> Decimal:
    """Without spare zeros, and without an exponent."""
    whole = value.to_integral_value()
    return whole if value == whole else value.normalize()
