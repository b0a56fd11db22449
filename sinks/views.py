"""The views: one file of ``sinks/views`` each, from which the statements that make them are generated.

A file ``NN_name.sql`` begins with comment lines: a first paragraph that says what the view answers, an empty comment
line, then a line ``-- column: meaning with its unit`` for every output column in order. The rest is the SELECT. The
numbers are the order in which views are made: a view reads tables and views of smaller numbers only.

A SELECT with ``$day`` is a report with periods, six views from one text:

- ``$select_day`` is the first column, from a column ``day``: ``day`` in ``report_x``, ``... AS period_start`` in the
  other five;
- ``$day`` is its name there, for GROUP BY, windows and outer levels;
- ``$last_day`` is the last day that a row stands for;
- ``$by`` after the name of another report with periods reads that report at the same grain.

``report_x_by`` takes the parameter ``grain`` (String); ``_week``, ``_month``, ``_quarter`` and ``_year`` have it fixed.
Nothing here needs a database.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template

VIEWS_FOLDER = Path(__file__).parent / "views"

GRAINS = ("day", "week", "month", "quarter", "year")

MADE_BY = "\n(made by sixfold migrate"
"""In the comment of each of our views, before its edition: what tells them from a user's own in the same database."""

_FILE_NAME = re.compile(r"(?P<number>\d{2})_(?P<name>[a-z][a-z0-9_]*)\.sql")
_COLUMN = re.compile(r"(?P<name>[a-z][a-z0-9_]*): (?P<meaning>.+)")


class ViewFileError(Exception):
    """A view file that does not keep to the format; the message names file and line."""


@dataclass(frozen=True)
class Column:
    """An output column and what it means, with its unit."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Statement:
    """What makes one view; bare table names are those of the database. Its comment begins with the title."""

    name: str
    title: str
    select: str

    def sql(self, edition: str = "") -> str:
        """``CREATE OR REPLACE VIEW name ...``; `edition` ends the comment, and tells from which set of views it is."""
        comment = f"{self.title}{MADE_BY}{f', {edition}' if edition else ''})"
        escaped = comment.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
        return f"CREATE OR REPLACE VIEW {self.name} AS\n{self.select}\nCOMMENT '{escaped}'"


@dataclass(frozen=True)
class View:
    """One view file.

    ``columns`` are those of ``name``: the other five of ``has_periods`` have ``period_start`` for ``day``.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    has_periods: bool
    statements: tuple[Statement, ...]


def load_views(folder: Path = VIEWS_FOLDER) -> list[View]:
    """All view files by number and name; raises :class:`ViewFileError` for one that does not keep to the format."""
    views = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise ViewFileError(f"{path}: the name of a view file is NN_name.sql; rename it")
        views.append(_parse(path, match["name"]))
    return views


def _parse(path: Path, name: str) -> View:
    lines = path.read_text(encoding="utf-8").split("\n")
    length = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    header = [line.removeprefix("--").strip() for line in lines[:length]]
    body = "\n".join(lines[length:]).strip().removesuffix(";")
    gap = header.index("") if "" in header else len(header)
    title = " ".join(header[:gap])
    columns = []
    for i, line in enumerate(header[gap + 1 :], start=gap + 2):
        match = _COLUMN.fullmatch(line)
        if match is None:
            raise ViewFileError(f"{path}:{i}: expected `-- column: meaning`")
        columns.append(Column(match["name"], match["meaning"]))
    if not (title and columns and body):
        raise ViewFileError(f"{path}: needs a title, an empty comment line, its columns, and a SELECT")
    has_periods = "$day" in body
    return View(name, title, tuple(columns), has_periods, tuple(_generate(name, title, body, has_periods)))


def _generate(name: str, title: str, body: str, has_periods: bool) -> Iterator[Statement]:
    if not has_periods:
        yield Statement(name, title, body)
        return
    template = Template(body)
    yield Statement(name, title, template.substitute(select_day="day", day="day", last_day="day", by=""))
    for grain in ("by", *GRAINS[1:]):
        literal = "{grain:String}" if grain == "by" else f"'{grain}'"
        text = template.substitute(
            select_day=period_start(literal),
            day="period_start",
            last_day=_period_end(literal, "period_start"),
            by="_by(grain = {grain:String})" if grain == "by" else f"_{grain}",
        )
        yield Statement(f"{name}_{grain}", f"{title} By {'grain' if grain == 'by' else grain}.", text)


def period_start(grain: str) -> str:
    """The period's first day, for a grain that is a literal or the parameter.

    Quarters and years count their months from the start of the fiscal year.
    """
    months = "toMonth(day) + 12 - assumeNotNull((SELECT fiscal_year_start FROM base_settings))"
    allowed = ", ".join(f"'{name}'" for name in GRAINS)
    # in a scalar subquery, which runs on an empty database too
    refusal = f"assumeNotNull((SELECT throwIf({grain} NOT IN ({allowed}), 'grain is one of {', '.join(GRAINS)}'))) = 0"
    return f"""if({refusal}, multiIf(
        {grain} = 'week', toMonday(day),
        {grain} = 'month', toStartOfMonth(day),
        {grain} = 'quarter', addMonths(toStartOfMonth(day), -(({months}) % 3)),
        {grain} = 'year', addMonths(toStartOfMonth(day), -(({months}) % 12)),
        day), day) AS period_start"""


def _period_end(grain: str, start: str) -> str:
    return f"""multiIf(
        {grain} = 'week', {start} + 6,
        {grain} = 'month', addMonths({start}, 1) - 1,
        {grain} = 'quarter', addMonths({start}, 3) - 1,
        {grain} = 'year', addMonths({start}, 12) - 1,
        {start})"""
