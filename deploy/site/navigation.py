"""The site's navigation, made from the pages that exist: a page of nobody's section stands under `More`."""

from collections.abc import Iterable
from typing import TypeAlias

Entry: TypeAlias = dict[str, str | list["str | Entry"]]

SECTIONS: dict[str, tuple[str, ...]] = {
    "Start": (
        "index.md", "quick-start.md", "concepts.md", "counting.md", "newcomer.md", "faq.md", "comparison.md",
        "limits.md",
    ),
    "Reports": ("reports.md", "explain.md", "history.md", "page.md", "bi.md", "grafana.md"),
    "Events": ("events.md", "gateway.md", "dead-letters.md", "erasure.md"),
    "Sources": ("sources/*",),
    "Operate": (
        "operations.md", "production.md", "kubernetes.md", "kafka.md", "clickhouse.md", "tenants.md", "upgrades.md",
        "doctor.md", "reliability.md", "prometheus.md", "alerts.md", "security.md", "licences.md",
    ),
    "Runbooks": ("runbooks/*",),
    "Reference": ("commands.md", "settings.md", "metrics.md"),
    "Contribute": ("contributing.md", "architecture.md", "invariants.md", "dependencies.md"),
}  # fmt: skip
"""Section -> its pages in order; a page that is not there is left out, `folder/*` is the rest of a folder."""


def navigation(pages: Iterable[str]) -> list[Entry]:
    """Order the pages, paths below `docs/`; every one of them stands in it once."""
    left = dict.fromkeys(sorted(pages, key=lambda page: (not page.endswith(("README.md", "index.md")), page)))
    sections: list[Entry] = []
    for title, wanted in SECTIONS.items():
        found: list[str | Entry] = []
        for pattern in wanted:
            folder = pattern.removesuffix("*")
            matching = [page for page in left if (page.startswith(folder) if folder != pattern else page == pattern)]
            found += matching
            for page in matching:
                del left[page]
        if found:
            sections.append({title: found})
    if left:
        sections.append({"More": list(left)})
    return sections
