"""The picture of the document flow, `docs/flow.svg`, drawn from the lists below."""

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

FILE = "flow.svg"
TITLE = "From CRM events to report views"
DESCRIPTION = (
    "CRM, telephony and ad accounts send events to the Kafka topic crm.events. The shard that is an entity's home "
    "joins them into its document. A document that grew flows through the topic crm.documents to the shard of its "
    "parent, up to the root, which alone counts it. What the root counts changes rolling tables in ClickHouse; views "
    "over them serve the page, BI tools, Grafana and Prometheus."
)
STEPS: Sequence[tuple[str, Sequence[str]]] = (
    ("CRM events", ("CRM, calls, ads", "late, twice, any order")),
    ("Kafka", ("topic crm.events", "key: the entity's id")),
    ("Shards", ("one a partition", "join events at home")),
    ("Documents", ("flow to their root,", "counted once, there")),
    ("Rolling tables", ("absolute rows", "in ClickHouse")),
    ("Views", ("reports, facts, audit", "page, BI, metrics")),
)
_WIDTH, _HEIGHT, _GAP, _TOP, _MARGIN = 160, 92, 34, 40, 10


def render() -> str:
    """The picture as SVG: text stays text, title and description are read aloud, no script and no other file."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    width = 2 * _MARGIN + len(STEPS) * _WIDTH + (len(STEPS) - 1) * _GAP
    height = _TOP + _HEIGHT + 70
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-labelledby="flow-title flow-desc" font-family="sans-serif" text-anchor="middle">'
    )
    yield f'<title id="flow-title">{escape(TITLE)}</title>'
    yield f'<desc id="flow-desc">{escape(DESCRIPTION)}</desc>'
    yield '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    yield '<path d="M0 0L8 4L0 8z" fill="#345"/></marker></defs>'
    yield f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    for number, (name, lines) in enumerate(STEPS):
        left = _MARGIN + number * (_WIDTH + _GAP)
        middle = left + _WIDTH // 2
        yield (
            f'<rect x="{left}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="#eef3fa" '
            'stroke="#345" stroke-width="1.5"/>'
        )
        yield f'<text x="{middle}" y="{_TOP + 30}" font-size="17" font-weight="bold" fill="#123">{escape(name)}</text>'
        for line, text in enumerate(lines):
            yield f'<text x="{middle}" y="{_TOP + 54 + 20 * line}" font-size="14" fill="#234">{escape(text)}</text>'
        if number:
            yield _arrow(f"M{left - _GAP + 2} {_TOP + _HEIGHT // 2}H{left - 3}")
    shards, documents = (_MARGIN + at * (_WIDTH + _GAP) + _WIDTH // 2 for at in (2, 3))
    bottom = _TOP + _HEIGHT
    yield _arrow(f"M{documents} {bottom}V{bottom + 30}H{shards}V{bottom + 3}")
    label = (shards + documents) // 2
    yield f'<text x="{label}" y="{bottom + 50}" font-size="14" fill="#234">crm.documents: to every parent</text>'
    yield "</svg>"


def _arrow(path: str) -> str:
    return f'<path d="{path}" fill="none" stroke="#345" stroke-width="2" marker-end="url(#tip)"/>'
