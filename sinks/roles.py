"""Who may do what in ClickHouse: four roles with the least that each needs, as SQL.

- ``sixfold_admin`` makes tables and views (`sixfold migrate`);
- ``sixfold_writer`` is a worker's, and that of the commands that write (`history`, `dead-letters`, `erase`, `rules`);
- ``sixfold_reader`` reads reports and facts and no personal data: BI, Grafana, the exporter;
- ``sixfold_people_reader`` reads personal data, beside the reader: the page, `sixfold lead`.
"""

from collections.abc import Iterator

from sinks.migrate import tables
from sinks.views import load_views

ADMIN, WRITER, READER, PEOPLE_READER = "sixfold_admin", "sixfold_writer", "sixfold_reader", "sixfold_people_reader"
ROLES = (ADMIN, WRITER, READER, PEOPLE_READER)

PERSONAL = frozenset(
    {"people", "people_latest", "opportunity_list", "report_key_accounts", "dead_letters", "dead_letter_list"}
)
"""What may hold personal data, or is read from it: people, lists with them, and records as they came."""

WRITTEN_BY_MIGRATE = frozenset({"migrations", "view_settings"})
"""Written by `sixfold migrate` alone."""
_LETTER_COLUMNS = "topic, partition, offset, received_at, reason, message"
"""A dead letter without the record itself."""


def grants(role: str, database: str, *, cluster: bool = False) -> list[str]:
    """What a role may do, each as in `GRANT ... TO role` without its end; `cluster`: statements run ON CLUSTER."""
    return list(_grants(role, f"`{database}`", cluster=cluster))


def _grants(role: str, database: str, *, cluster: bool) -> Iterator[str]:
    views = [statement.name for view in load_views() for statement in view.statements]
    if role == ADMIN:
        yield f"GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP TABLE, DROP VIEW, ALTER TABLE ON {database}.*"
        yield f"GRANT SELECT ON {database}.*"
        yield from (f"GRANT INSERT ON {database}.{table}" for table in sorted(WRITTEN_BY_MIGRATE))
        if cluster:
            yield "GRANT CLUSTER ON *.*"
    elif role == WRITER:
        yield f"GRANT SELECT ON {database}.*"
        for table in tables():
            if table not in WRITTEN_BY_MIGRATE:
                yield f"GRANT INSERT ON {database}.{table}"
        for table in tables():
            if table.startswith(("roll_", "history_")) or table in ("people", "dead_letters"):
                yield f"GRANT ALTER DELETE ON {database}.{table}"
    elif role == READER:
        for name in [*tables(), *views]:
            if name not in PERSONAL:
                yield f"GRANT SELECT ON {database}.{name}"
        yield f"GRANT SELECT({_LETTER_COLUMNS}) ON {database}.dead_letters"
        # report_quality counts these; a column made from the record itself stays closed
        yield f"GRANT SELECT ON {database}.dead_letter_list"
    elif role == PEOPLE_READER:
        yield from (f"GRANT SELECT ON {database}.{name}" for name in sorted(PERSONAL))
    else:
        raise ValueError(f"no role of ours: {role}")


def role_statements(database: str, cluster: str = "") -> list[str]:
    """Make the roles and give them their grants, on every server of `cluster`; may be run again at any time."""
    everywhere = f" ON CLUSTER `{cluster}`" if cluster else ""
    statements = [f"CREATE ROLE IF NOT EXISTS {role}{everywhere}" for role in ROLES]
    for role in ROLES:
        statements += [
            f"GRANT{everywhere}{grant.removeprefix('GRANT')} TO {role}"
            for grant in grants(role, database, cluster=bool(cluster))
        ]
    return statements
