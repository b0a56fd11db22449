"""`sixfold roles`."""

import sys
from typing import Annotated

from cyclopts import Parameter

from stream.commands.exits import OK
from stream.settings import Settings


def roles(*, apply: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Print ClickHouse's roles for admin, writer, readers as SQL, for the database and cluster of the settings.

    After an upgrade run it again: new tables and views come with new grants. Users are yours to make:
    `CREATE USER worker IDENTIFIED BY '...' DEFAULT ROLE sixfold_writer; GRANT sixfold_writer TO worker`.

    Examples: `sixfold roles > roles.sql`, `sixfold roles --apply`

    Parameters
    ----------
    apply
        Run the statements, as a user who may create roles and hand on what they grant.

    """
    from sinks.client import connect
    from sinks.roles import role_statements

    settings = Settings()
    statements = role_statements(settings.clickhouse.database, settings.clickhouse_cluster)
    if not apply:
        sys.stdout.write("".join(f"{statement};\n" for statement in statements))
        return OK
    client = connect(settings, database="default")
    for statement in statements:
        client.command(statement)
    sys.stdout.write(f"applied {len(statements)} statements\n")
    return OK
