"""A request for a page, with what every page needs to answer it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from aiohttp import web

from sinks.views import View
from stream.figures import REPORTS
from stream.page.filters import BadRequest, Filters
from stream.page.format import Format
from stream.page.reading import Reader, State
from stream.page.summary import Choice, Summary, summarize
from stream.page.tables import Shown


@dataclass(frozen=True)
class Asked:
    """Who asks what, of which state of which figures. `views` say what every column means."""

    request: web.Request
    reader: Reader
    state: State
    filters: Filters
    views: Mapping[str, View]

    @property
    def format(self) -> Format:
        """How values are written."""
        return Format(self.state.currency, self.state.time_zone)

    def meanings(self, report: str) -> dict[str, str]:
        """What the columns of a report mean."""
        return {column.name: column.meaning for column in self.views[REPORTS[report].view].columns}

    def shown(self, report: str) -> Shown:
        """How to show a report."""
        return Shown(self.format, self.state.calendar, self.filters, self.meanings(report))

    def choice(self, report: str, **changes: Any) -> Choice:  # noqa: ANN401 - values of the filters
        """What to read of a report under the filters, some of them changed."""
        return Choice.of(REPORTS[report], replace(self.filters, **changes), self.state)

    async def summary(self, report: str, **changes: Any) -> Summary:  # noqa: ANN401 - values of the filters
        """Read the figures of a report. Raises `Unavailable`."""
        return await summarize(self.reader, self.state, self.choice(report, **changes))

    def word(self, name: str, allowed: Sequence[str], usual: str) -> str:
        """A choice of one's own page. Raises `BadRequest`."""
        value = self.request.query.get(name, "") or usual
        if value not in allowed:
            raise BadRequest(f"there is no {name} {value}; there are {', '.join(allowed)}")
        return value

    @property
    def number(self) -> int:
        """Which page of a list is asked for, from 1. Raises `BadRequest`."""
        text = self.request.query.get("page", "1")
        if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
            raise BadRequest(f"there is no page {text}")
        return int(text)


def record_url(entity: str) -> str:
    """Where a record is shown, by its key; '' for none."""
    return f"/record?entity={quote(entity, safe='')}" if entity else ""
