"""Reference entities: the row of a small table that their home shard writes (joined by views when they are read)."""

from typing import Any

from schemas import decode_key
from stream.fold import Document

_BEGINNING = "1970-01-01"


def reference_row(kind: str, entity: str, document: Document) -> tuple[str, dict[str, Any]] | None:
    """(table, row without shard and version) of a reference entity; None for entities of other kinds."""
    build = _ROWS.get(kind)
    if build is None:
        return None
    table, row = build
    _, parts = decode_key(entity)
    return table, row(parts, document)


def _campaign(parts: tuple[str | None, ...], document: Document) -> dict[str, Any]:
    values = document.values()
    budget = values.get("budget")
    return {
        "campaign_id": parts[0],
        "name": values.get("name") or "",
        "campaign_group": values.get("group") or "",
        "channel": (values.get("channel") or "").strip(),
        "aliases": [alias.strip().lower() for alias in values.get("aliases") or [] if alias.strip()],
        "has_budget": int(budget is not None),
        "budget_units": budget or 0,
        "currency": values.get("currency") or "",
    }


def _rep(parts: tuple[str | None, ...], document: Document) -> dict[str, Any]:
    values = document.values()
    teams = {
        name.removeprefix("team@") or _BEGINNING: team or ""
        for name, team in sorted(values.items())
        if name.startswith("team@")
    }
    return {
        "rep_id": parts[0],
        "name": values.get("name") or "",
        "teams": [(since, team) for since, team in sorted(teams.items())],
    }


def _account(parts: tuple[str | None, ...], document: Document) -> dict[str, Any]:
    values = document.values()
    return {
        "account_id": parts[0],
        "name": values.get("name") or "",
        "key_account": int(values.get("key_account") or False),
    }


def _rate(parts: tuple[str | None, ...], document: Document) -> dict[str, Any]:
    base, quote, date = parts
    return {"base": base, "quote": quote, "date": date, "rate": document.values()["rate"]}


def _benchmark(parts: tuple[str | None, ...], document: Document) -> dict[str, Any]:
    metric, valid_from = parts
    values = document.values()
    return {
        "metric": metric,
        "valid_from": valid_from or _BEGINNING,
        "value": values["value"],
        "label": values.get("label") or "",
    }


def _target(parts: tuple[str | None, ...], document: Document) -> dict[str, Any]:
    metric, scope, month = parts
    return {"metric": metric, "scope": scope, "month": f"{month}-01", "value": document.values()["value"]}


def _gap(parts: tuple[str | None, ...], document: Document) -> dict[str, Any]:
    system, entity, record = parts
    values = document.values()
    key = document.key_of("open")
    return {
        "system": system,
        "entity": entity,
        "record": record,
        "open": int(values["open"]),
        "change": values.get("change") or "",
        "since_us": key[0] if key else 0,
    }


_ROWS = {
    "campaign": ("campaigns", _campaign),
    "rep": ("reps", _rep),
    "account": ("accounts", _account),
    "rate": ("rates", _rate),
    "benchmark": ("benchmarks", _benchmark),
    "target": ("targets", _target),
    "gap": ("source_gaps", _gap),
}
