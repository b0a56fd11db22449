"""The pages, one file each: a board reads its views, and gives what its template shows.

A board is a function of `Asked`; its values have `title`, `question`, `keys` (what can be filtered by) and `choice`
(the span, None where there is none), and what else its template names.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from stream.page.asked import Asked
from stream.page.boards.changes import changes
from stream.page.boards.models import models
from stream.page.boards.opportunity_list import opportunity_list, opportunity_list_csv
from stream.page.boards.overview import overview
from stream.page.boards.pivot import pivot
from stream.page.boards.quality import quality
from stream.page.boards.record import record
from stream.page.boards.records import records, records_csv
from stream.page.boards.report import report, report_csv
from stream.page.boards.targets import targets

Values = Mapping[str, Any]
Csv = tuple[str, Iterable[Sequence[str]]]
"""A file's name, and its rows with the head first."""


class Board(NamedTuple):
    """A page: its address, its template, and what reads it."""

    path: str
    template: str
    read: Callable[[Asked], Awaitable[Values]]


BOARDS = (
    Board("/", "overview.html", overview),
    Board("/report/{report}", "report.html", report),
    Board("/records/{report}/{measure}", "records.html", records),
    Board("/record", "record.html", record),
    Board("/models", "models.html", models),
    Board("/targets", "targets.html", targets),
    Board("/opportunity-list", "opportunity_list.html", opportunity_list),
    Board("/pivot", "pivot.html", pivot),
    Board("/changes", "changes.html", changes),
    Board("/quality", "quality.html", quality),
)

CSVS: Mapping[str, Callable[[Asked], Awaitable[Csv]]] = {
    "/report/{report}.csv": report_csv,
    "/records/{report}/{measure}.csv": records_csv,
    "/opportunity-list.csv": opportunity_list_csv,
}
