"""The rolling tables, one file each: its key, its measures, and what a journey contributes to it."""

from stream.reports import calls, leads, opportunities, revenue, spend
from stream.reports.table import Contribution, Table

#: Adding a report adds its module here, a migration and a view.
TABLES: tuple[Table, ...] = (leads.TABLE, opportunities.TABLE, revenue.TABLE, calls.TABLE, spend.TABLE)

__all__ = ["TABLES", "Contribution", "Table"]
