"""Migrations: once, forward only, harmless when repeated or run side by side; views and settings every time."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from sinks.migrate import MigrationError, ViewSettings, check_migrated, load_migrations, migrate
from sinks.views import load_views

FIRST = "-- one; two\nCREATE TABLE IF NOT EXISTS a (\n    x UInt8 -- a; b\n) ENGINE = MergeTree ORDER BY x;\n"
SECOND = "ALTER TABLE a ADD COLUMN IF NOT EXISTS y UInt8;\nALTER TABLE a ADD COLUMN IF NOT EXISTS z UInt8;"
# what write_settings needs
SETTINGS = (Path(__file__).parents[2] / "sinks/sql/001_tables.sql").read_text()


def folder(path: Path, **files: str) -> list:
    for old in path.glob("*.sql"):
        old.unlink()
    for name, text in files.items():
        (path / f"{name.removeprefix('n')}.sql").write_text(text)
    return load_migrations(path)


def columns(client: Client, database: str, table: str) -> list[str]:
    query = "SELECT name FROM system.columns WHERE database = {d:String} AND table = {t:String} ORDER BY position"
    return [row[0] for row in client.query(query, parameters={"d": database, "t": table}).result_rows]


def test_new_files_are_applied_in_order_and_only_once(empty_database, tmp_path):
    client, database = empty_database
    files = {"n001_tables": SETTINGS, "n002_first": FIRST}
    done = migrate(client, database, ViewSettings(), migrations=folder(tmp_path, **files), views=[])
    assert done[:2] == ["applied 001_tables", "applied 002_first"]
    files["n003_second"] = SECOND
    more = folder(tmp_path, **files)
    assert "applied 003_second" in migrate(client, database, ViewSettings(), migrations=more, views=[])
    assert columns(client, database, "a") == ["x", "y", "z"]
    assert migrate(client, database, ViewSettings(), migrations=more, views=[]) == []


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"n001_tables": SETTINGS, "n002_first": FIRST + "\n"}, r"002_first\.sql was changed .* new file"),
        ({"n001_tables": SETTINGS, "n003_third": FIRST}, r"002_first\.sql .* missing .* restore"),
        ({"n001_tables": SETTINGS}, r"002_first\.sql, newer .* \(001\): downgrade refused"),
    ],
)
def test_files_that_do_not_belong_to_the_database_are_refused(empty_database, tmp_path, files, message):
    client, database = empty_database
    good = folder(tmp_path, n001_tables=SETTINGS, n002_first=FIRST)
    migrate(client, database, ViewSettings(), migrations=good, views=[])
    with pytest.raises(MigrationError, match=message):
        migrate(client, database, ViewSettings(currency="CHF"), migrations=folder(tmp_path, **files), views=[])
    assert client.query(f"SELECT currency FROM {database}.view_settings FINAL").result_rows == [("USD",)]


def test_names_and_numbers_of_files_are_checked(tmp_path):
    with pytest.raises(MigrationError, match=r"1_first\.sql: the name of a migration is NNN_name\.sql"):
        folder(tmp_path, n1_first=FIRST)
    with pytest.raises(MigrationError, match="number 1 is taken"):
        folder(tmp_path, n001_first=FIRST, n001_second=SECOND)


def test_settings_are_one_row_written_only_when_they_differ(empty_database):
    client, database = empty_database
    settings = ViewSettings(platform_channels={"it's": "a\\b"}, fiscal_year_start=4, partitions=8)
    assert "wrote view_settings" in migrate(client, database, settings, views=[])
    assert "wrote view_settings" not in migrate(client, database, settings, views=[])
    changed = replace(settings, time_zone="Europe/Berlin")
    assert "wrote view_settings" in migrate(client, database, changed, views=[])
    rows = client.query(
        "SELECT platform_channels, fiscal_year_start, time_zone, partitions, version"
        f" FROM {database}.view_settings FINAL"
    ).result_rows
    assert rows == [({"it's": "a\\b"}, 4, "Europe/Berlin", 8, 2)]


def test_views_that_are_gone_are_dropped_and_a_users_own_are_kept(empty_database):
    client, database = empty_database
    settings_view = next(view for view in load_views() if view.name == "base_settings")
    leaving = replace(
        settings_view,
        name="report_gone",
        statements=tuple(replace(s, name="report_gone") for s in settings_view.statements),
    )
    migrate(client, database, ViewSettings(), views=[settings_view, leaving])
    client.command(f"CREATE VIEW {database}.report_mine AS SELECT 1 AS one COMMENT 'mine'")
    done = migrate(client, database, ViewSettings(), views=[settings_view])
    assert done == ["made 1 views", "dropped view report_gone"]
    assert migrate(client, database, ViewSettings(), views=[settings_view]) == []
    views = client.query(f"SELECT name FROM system.tables WHERE database = '{database}' AND engine = 'View'")
    assert {row[0] for row in views.result_rows} == {"base_settings", "report_mine"}


@pytest.mark.parametrize("what", ["dropped", "replaced by hand", "of another text", "of other tables", "nothing"])
def test_views_are_made_again_where_one_is_not_as_it_should_be(empty_database, tmp_path, what):
    client, database = empty_database
    files = {"n001_tables": SETTINGS}
    migrations = folder(tmp_path, **files)
    views = [view for view in load_views() if view.name in {"base_settings", "base_rates"}]
    assert f"made {len(views)} views" in migrate(client, database, ViewSettings(), migrations=migrations, views=views)
    if what == "dropped":
        client.command(f"DROP VIEW {database}.base_rates")
    elif what == "replaced by hand":
        client.command(f"CREATE OR REPLACE VIEW {database}.base_settings AS SELECT 'CHF' AS currency")
    elif what == "of another text":
        changed = replace(views[0].statements[0], title="Another title.")
        views[0] = replace(views[0], statements=(changed,))
    elif what == "of other tables":
        migrations = folder(tmp_path, **files, n002_first=FIRST)
    done = migrate(client, database, ViewSettings(), migrations=migrations, views=views)
    assert (f"made {len(views)} views" in done) == (what != "nothing")
    assert client.query(f"SELECT currency FROM {database}.base_settings").result_rows == [("USD",)]
    assert client.query(f"SELECT count() FROM {database}.base_rates").result_rows
    assert migrate(client, database, ViewSettings(), migrations=migrations, views=views) == []


@pytest.mark.parametrize("look", [check_migrated, partial(migrate, view_settings=ViewSettings())])
def test_a_table_that_was_dropped_is_missed(empty_database, look):
    client, database = empty_database
    migrate(client, database, ViewSettings())
    check_migrated(client, database)
    for table in ("nodes", "people"):
        client.command(f"DROP TABLE {database}.{table}")
    with pytest.raises(MigrationError, match=r"has lost nodes, people: restore it from a backup, or .*sixfold reset"):
        look(client, database)


def test_runs_side_by_side_do_no_harm(clickhouse_server, empty_database):
    client, database = empty_database
    views = [view for view in load_views() if view.name.startswith("base_")]

    def run(_: int) -> list[str]:
        own = clickhouse_server.connect()
        try:
            return migrate(own, database, ViewSettings(), views=views)
        finally:
            own.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    assert migrate(client, database, ViewSettings(), views=views) == []
    assert client.query(f"SELECT currency FROM {database}.base_settings").result_rows == [("USD",)]


def test_the_database_name_is_checked(empty_database):
    client, _ = empty_database
    with pytest.raises(MigrationError, match="letters, digits and underscores"):
        migrate(client, "a`b", ViewSettings())


#: rows of these have no shard: they say the same whoever writes them, so that their whole content is their key
BY_CONTENT = {"people", "erased", "dead_letters", "source_minutes", "dead_letters_settled"}


def test_each_key_of_what_shards_write_belongs_to_one_shard(database: Client) -> None:
    """Two shards never replace each other's rows; and rolling rows of two generations are told apart."""
    keys = {
        name: key.split(", ")
        for name, key in database.query(
            "SELECT name, sorting_key FROM system.tables WHERE database = currentDatabase()"
            " AND engine LIKE '%MergeTree' AND name NOT LIKE 'history\\_%'"
        ).result_rows
    }
    of_a_shard = {name for name, key in keys.items() if key[0] == "shard"}
    assert keys.keys() - of_a_shard == BY_CONTENT | {"rules", "view_settings", "migrations"}
    rolling = {name for name in keys if name.startswith("roll_")}
    assert len(rolling) == 5
    assert all(keys[name][:2] == ["shard", "epoch"] for name in rolling | {"manifest", "claims"})
    versions = "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine_full LIKE '%(version%'"
    versioned = {name for (name,) in database.query(versions).result_rows}
    assert not versioned & BY_CONTENT
