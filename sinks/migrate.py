"""Bring a database to this version of Sixfold: numbered table files once, views and view settings where they differ.

Tables go forward only: a file of ``sinks/sql`` that has been applied is never changed, a change is a new file. Views
hold no data, so all of them are simply made again (:mod:`sinks.views`) where one is missing, was replaced, or is of
another edition: of other files, other tables or another server, which may give a column another type.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from clickhouse_connect.driver.client import Client

from sinks.cluster import on_cluster
from sinks.views import MADE_BY, Statement, View, load_views

SQL_FOLDER = Path(__file__).parent / "sql"

_FILE_NAME = re.compile(r"(?P<number>\d{3})_(?P<name>[a-z0-9_]+)\.sql")
_STATEMENT_END = re.compile(r";[ \t]*(?:\n|$)")
_CREATES = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)")
_DATABASE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_MIGRATIONS_TABLE = """CREATE TABLE IF NOT EXISTS migrations (
    number UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree ORDER BY number
"""


class MigrationError(Exception):
    """The database and the files at hand do not belong together; the message says which file, and what to do."""


@dataclass(frozen=True)
class ViewSettings:
    """What only the views need: the one row of the table ``view_settings``, field for field.

    ``fiscal_year_start`` is a month 1..12, ``time_zone`` an IANA name, ``platform_channels`` the channel of spend that
    has no channel of its own or of its campaign; ``lookback_days`` (0: no limit), ``call_credit_hours`` and
    ``partitions`` are those of the processor, for the audit views.
    """

    currency: str = "USD"
    pivot_currency: str = "EUR"
    fiscal_year_start: int = 1
    attribution_model: str = "first"
    time_zone: str = "UTC"
    platform_channels: dict[str, str] = field(default_factory=dict)
    lookback_days: int = 0
    call_credit_hours: int = 24
    partitions: int = 32


@dataclass(frozen=True)
class Migration:
    """One numbered file: its statements in order, each of which may be run again without harm (IF NOT EXISTS)."""

    number: int
    name: str
    checksum: str
    statements: tuple[str, ...]


def load_migrations(folder: Path = SQL_FOLDER) -> list[Migration]:
    """The files ``NNN_name.sql`` of the folder by number; a statement ends with a semicolon at the end of a line.

    Raises :class:`MigrationError` for another file name or a number that is used twice.
    """
    found: dict[int, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path}: the name of a migration is NNN_name.sql; rename it")
        text = path.read_text(encoding="utf-8")
        migration = Migration(
            number=int(match["number"]),
            name=match["name"],
            checksum=hashlib.sha256(text.encode()).hexdigest(),
            statements=tuple(_statements(text)),
        )
        if migration.number in found:
            raise MigrationError(f"{path}: number {migration.number} is taken; give it the next free one")
        found[migration.number] = migration
    return [found[number] for number in sorted(found)]


def tables(migrations: Sequence[Migration] | None = None) -> list[str]:
    """The tables that migrations make, in their order, after the one that remembers them."""
    migrations = load_migrations() if migrations is None else migrations
    statements = (each for migration in migrations for each in migration.statements)
    return ["migrations", *(found[1] for statement in statements if (found := _CREATES.match(statement)))]


def _statements(text: str) -> Iterator[str]:
    code = "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("--"))
    for statement in _STATEMENT_END.split(code):
        if statement.strip():
            yield statement.strip()


def migrate(
    client: Client,
    database: str,
    view_settings: ViewSettings,
    *,
    migrations: Sequence[Migration] | None = None,
    views: Sequence[View] | None = None,
    cluster: str = "",
) -> list[str]:
    """Make the database if it is not there, apply what is new, make views that differ; say what was done, a line each.

    ``client`` may be connected to any database: each statement names its own. Safe to run at any time, twice or by
    several processes at once: every statement can be repeated, and a view is replaced in one step. With a `cluster`
    tables are replicated, and made on all its servers.

    Raises :class:`MigrationError` (and then has changed nothing) when the database is of a newer version, an
    applied file was changed or is missing, or the cluster is none of one shard; and when a table of an applied file
    is gone.
    """
    if not _DATABASE_NAME.fullmatch(database):
        raise MigrationError(f"database {database!r}: use letters, digits and underscores only")
    migrations = load_migrations() if migrations is None else migrations
    views = load_views() if views is None else views
    if cluster:
        _check_cluster(client, cluster)
    run = _Run(client, database, cluster)
    client.command(on_cluster(f"CREATE DATABASE IF NOT EXISTS `{database}`", cluster), use_database=False)
    run.define(_MIGRATIONS_TABLE)
    applied = run.apply(migrations)
    run.check_tables(migrations)
    return [
        *applied,
        *run.write_settings(view_settings),  # before the views, which are analysed with it
        *run.make_views(views, migrations),
    ]


def check_migrated(client: Client, database: str, migrations: Sequence[Migration] | None = None) -> None:
    """Raise :class:`MigrationError` unless the database is of exactly this version, and whole; changes nothing."""
    migrations = load_migrations() if migrations is None else migrations
    found = client.query(
        "SELECT count() FROM system.tables WHERE database = {database:String} AND name = 'migrations'",
        parameters={"database": database},
    )
    run = _Run(client, database)
    applied = run.applied() if found.result_rows[0][0] else {}
    _check(database, applied, migrations)
    missing = [f"{new.number:03}_{new.name}" for new in migrations if new.number not in applied]
    if missing:
        raise MigrationError(
            f"database {database} is older than this version of Sixfold, it lacks {', '.join(missing)}: run `sixfold"
            " migrate` with this version, as a user who may make tables, before its workers start"
        )
    run.check_tables(migrations)


def _check_cluster(client: Client, cluster: str) -> None:
    rows = client.query("SELECT cluster, uniqExact(shard_num) FROM system.clusters GROUP BY cluster").result_rows
    shards = {str(name): int(count) for name, count in rows}
    if cluster not in shards:
        known = f"it knows {', '.join(sorted(shards))}" if shards else "it knows none"
        raise MigrationError(f"ClickHouse has no cluster {cluster} ({known}): correct SIXFOLD_CLICKHOUSE_CLUSTER")
    if shards[cluster] != 1:
        raise MigrationError(
            f"cluster {cluster} has {shards[cluster]} shards, and each would hold a part of the rows: name one of one"
            " shard with its replicas in SIXFOLD_CLICKHOUSE_CLUSTER"
        )


class _Run:
    """One run over one database."""

    def __init__(self, client: Client, database: str, cluster: str = "") -> None:
        self._client = client
        self._database = database
        self._cluster = cluster

    def define(self, statement: str) -> None:
        """Make, change or drop a table or view, on all servers."""
        self.command(on_cluster(statement, self._cluster))

    def command(self, statement: str, parameters: dict[str, object] | None = None) -> None:
        """Run a statement whose bare table names are those of the database."""
        self._client.command(
            statement, parameters=parameters, settings={"database": self._database}, use_database=False
        )

    def _rows(self, select: str, parameters: dict[str, object] | None = None) -> Sequence[Sequence[object]]:
        return self._client.query(select, parameters=parameters).result_rows

    def applied(self) -> dict[int, tuple[str, str]]:
        """Name and checksum of the files applied so far, by number."""
        return {
            int(str(number)): (str(name), str(checksum))
            for number, name, checksum in self._rows(
                "SELECT number, name, checksum FROM {database:Identifier}.migrations FINAL ORDER BY number",
                {"database": self._database},
            )
        }

    def apply(self, migrations: Sequence[Migration]) -> list[str]:
        applied = self.applied()
        _check(self._database, applied, migrations)
        done = []
        for migration in migrations:
            if migration.number in applied:
                continue
            for statement in migration.statements:
                self.define(statement)
            self.command(
                "INSERT INTO migrations SELECT {number:UInt32}, {name:String}, {checksum:String}, now64(3, 'UTC')",
                {"number": migration.number, "name": migration.name, "checksum": migration.checksum},
            )
            done.append(f"applied {migration.number:03}_{migration.name}")
        return done

    def check_tables(self, migrations: Sequence[Migration]) -> None:
        """Refuse a database of which a table was dropped: an empty one in its place would be wrong in silence."""
        rows = self._rows(
            "SELECT name FROM system.tables WHERE database = {database:String}", {"database": self._database}
        )
        there = {str(name) for (name,) in rows}
        missing = [name for name in tables(migrations) if name not in there]
        if missing:
            raise MigrationError(
                f"database {self._database} has lost {', '.join(missing)}: restore it from a backup, or delete the rest"
                " with `sixfold reset` and send everything again"
            )

    def write_settings(self, wanted: ViewSettings) -> list[str]:
        columns = [column.name for column in fields(wanted)]
        rows = self._rows(
            f"SELECT {', '.join(columns)}, version FROM {{database:Identifier}}.view_settings FINAL",  # noqa: S608 - our own names
            {"database": self._database},
        )
        values = asdict(wanted)
        if rows and dict(zip(columns, rows[0], strict=False)) == values:
            return []
        version = int(str(rows[0][-1])) + 1 if rows else 1
        row = {"one": 1, **values, "version": version}
        self._client.raw_insert(
            "view_settings",
            insert_block=json.dumps(row).encode(),
            fmt="JSONEachRow",
            settings={"database": self._database},
        )
        return ["wrote view_settings"]

    def make_views(self, views: Sequence[View], migrations: Sequence[Migration]) -> list[str]:
        """Replace the views in the order of their files, unless all stand; drop ours that this version has no more.

        In a cluster they are always replaced: one server does not tell what stands on the others.
        """
        statements = [statement for view in views for statement in view.statements]
        edition = self._edition(statements, migrations)
        ours = {
            str(name): bool(stands)
            for name, stands in self._rows(
                "SELECT name, endsWith(comment, {end:String}) FROM system.tables WHERE database = {database:String}"
                " AND engine = 'View' AND position(comment, {made_by:String}) > 0 ORDER BY name",
                {"database": self._database, "made_by": MADE_BY, "end": f", {edition})"},
            )
        }
        names = {statement.name for statement in statements}
        done = []
        if self._cluster or not all(ours.get(name) for name in names):
            for statement in statements:
                self.define(statement.sql(edition))
            done.append(f"made {len(names)} views")
        for name in sorted(ours.keys() - names):
            self.define(f"DROP VIEW IF EXISTS `{name}`")
            done.append(f"dropped view {name}")
        return done

    def _edition(self, statements: Sequence[Statement], migrations: Sequence[Migration]) -> str:
        """Sixteen hexadecimal digits for all that decides what the views are."""
        parts = [
            str(self._client.server_version),
            *(migration.checksum for migration in migrations),
            *(statement.sql() for statement in statements),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _check(database: str, applied: dict[int, tuple[str, str]], migrations: Sequence[Migration]) -> None:
    known = {migration.number: migration for migration in migrations}
    newest = max(known, default=0)
    for number, (name, checksum) in applied.items():
        file = f"{number:03}_{name}.sql"
        if number > newest:
            raise MigrationError(
                f"database {database} has {file}, newer than this version of Sixfold ({newest:03}): downgrade"
                " refused; install the version that made it, or use another database"
            )
        if number not in known:
            raise MigrationError(f"{file} was applied to database {database} and is missing here: restore the file")
        if known[number].checksum != checksum:
            raise MigrationError(
                f"{file} was changed after it was applied to database {database}: restore it, and put the change"
                " into a new file"
            )
