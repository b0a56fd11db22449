"""Which figures of a report moved since a snapshot, and which records moved them."""

from datetime import datetime
from typing import Any

from stream import history
from stream.explain import documents_of
from stream.figures import REPORTS
from stream.page.asked import Asked, record_url
from stream.page.boards.records import NAMES
from stream.page.catalog import title_of
from stream.page.format import kind_of_measure, name_of

MOST = 100


async def changes(asked: Asked) -> dict[str, Any]:
    """Which figures of a report moved since a snapshot, and which records moved them."""
    there = await asked.reader.work(history.snapshots)
    report = asked.word("report", history.KEPT, "campaign_revenue")
    newer = asked.request.query.get("newer") == "1"
    values: dict[str, Any] = {
        "still": True,  # a comparison is too dear to be made anew with every event
        "title": "What changed",
        "question": "Which figures moved since a snapshot, and which late or corrected records moved them.",
        "keys": (),
        "choice": None,
        "report": report,
        "reports": {name: title_of(f"/report/{name}") for name in history.KEPT},
        "snapshots": [(each.taken_at.isoformat(), asked.format.instant(each.taken_at)) for each in reversed(there)],
        "newer": newer,
    }
    if not there:
        return values
    since = asked.word("since", [each.taken_at.isoformat() for each in there], there[-1].taken_at.isoformat())
    grain = asked.filters.grain or "month"
    found = await asked.reader.work(
        lambda client: history.diff(
            client, report, datetime.fromisoformat(since), grain=grain, newer=newer, most_figures=MOST
        )
    )
    return values | {"since": since, "grain": grain, "found": found, **_change_rows(asked, found)}


def _change_rows(asked: Asked, found: history.Diff) -> dict[str, Any]:
    figures = REPORTS[found.report]
    meanings = asked.meanings(found.report)

    def show(measure: str, value: Any, *, sign: bool = False) -> str:  # noqa: ANN401 - a Decimal
        text = asked.format.value(kind_of_measure(measure, meanings[measure]), value)
        return f"+{text}" if sign and value > 0 else text

    return {
        "place_keys": [key for key in figures.keys if key not in {"model", "overdue"}],
        "totals": [
            {
                "name": name_of(name),
                "was": show(name, was),
                "now": show(name, now),
                "difference": show(name, now - was, sign=True),
                "explained": show(name, explained, sign=True),
                "left": show(name, now - was - explained, sign=True),
                "open": abs(now - was - explained) > history.ROUNDING * found.figure_count,
            }
            for name, (was, now, explained) in found.totals.items()
        ],
        "moved": [
            {
                "period": asked.state.calendar.label(each.period, found.grain) if each.period else "now",
                "place": list(each.place.values()),
                "measure": name_of(each.measure),
                "was": show(each.measure, each.was),
                "now": show(each.measure, each.now),
                "difference": show(each.measure, each.now - each.was, sign=True),
            }
            for each in found.figures
        ],
        "causes": [
            {
                "name": each.name,
                "href": record_url(_entity_of(each)),
                "kind": NAMES[each.kind][0],
                "what": each.what,
                "changes": each.changes_text,
                "moves": [
                    f"{name_of(measure)} {show(measure, value, sign=True)}" for measure, value in _sums(each).items()
                ],
            }
            for each in found.causes[:MOST]
        ],
        "shown": MOST,
    }


def _entity_of(cause: history.Cause) -> str:
    return next(iter(documents_of(cause.kind, cause.identity, cause.identity, cause.root)), cause.root)


def _sums(cause: history.Cause) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    for each in cause.moves:
        sums[each.measure] = sums.get(each.measure, 0) + each.now - each.was
    return {measure: value for measure, value in sums.items() if value}
