"""What BI tools connect with, each for real against the embedded endpoint, as the user who may only read.

SQLAlchemy (Superset, pandas), JDBC (DBeaver, Metabase, Tableau and others), the Node client, and, in the deep tests,
the Go driver of Grafana's plugin. The recipes of docs/bi.md are these.
"""

import json
import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from sinks.views import load_views
from tests.clickhouse import READER
from tests.deploy import test_grafana as grafana
from tests.deploy.panel_sql import Range, expand
from tests.quarter import AWKWARD_CAMPAIGN, AWKWARD_NAME, Quarter

HERE = Path(__file__).parent / "bi"
CACHE = HERE.parent.parent.parent / ".cache"
DOWNLOAD_SECONDS, RUN_SECONDS = 600, 300

REPORTS = {statement.name for view in load_views() if view.name.startswith("report_") for statement in view.statements}
SHAPE = ["period_start", "campaign", "deals", "revenue", "average_deal", "unconverted"]


def tool(name: str) -> str:
    path = shutil.which(name)
    assert path, f"{name!r} is not on the PATH: these tests need JDK 17, Maven, and Node 20 with npm"
    return path


def run(command: list[str], quarter: Quarter, seconds: int = RUN_SECONDS, **more: Any) -> str:
    """Run a client program; it gets address and user as arguments, the password in the environment."""
    server = quarter.server
    arguments = [server.host, str(server.port), quarter.database, READER]
    done = subprocess.run(
        [*command, *arguments],
        env={**os.environ, "PASSWORD": server.reader_password},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        **more,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fetched(folder: Path, command: list[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
    assert done.returncode == 0, f"{folder} could not be fetched:\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def expected(quarter: Quarter) -> dict[str, Any]:
    """What every client must find."""
    with quarter.connect() as client:
        ((calls, periods),) = client.query(
            "SELECT sum(calls), uniqExact(toStartOfMonth(day)) FROM report_calls"
        ).result_rows
        ((closed,),) = client.query(
            "SELECT day FROM report_campaign_revenue WHERE model = 'first' AND campaign_id = {campaign:String}",
            {"campaign": AWKWARD_CAMPAIGN},
        ).result_rows
    return {"calls": calls, "periods": periods, "year": closed.replace(month=1, day=1)}


# --- SQLAlchemy


@pytest.fixture(scope="module")
def engine(quarter: Quarter) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(_url(quarter))


def _url(quarter: Quarter, password: str = "") -> sqlalchemy.URL:
    server = quarter.server
    return sqlalchemy.URL.create(
        "clickhousedb",
        username=READER,
        password=password or server.reader_password,
        host=server.host,
        port=server.port,
        database=quarter.database,
    )


def test_sqlalchemy_lists_views_and_reads_a_report_with_its_types(
    engine: sqlalchemy.Engine, expected: dict[str, Any]
) -> None:
    assert set(sqlalchemy.inspect(engine).get_view_names()) >= REPORTS
    view = sqlalchemy.Table("report_campaign_revenue_year", sqlalchemy.MetaData(), autoload_with=engine)
    kinds = {column.name: column.type for column in view.columns}
    assert [type(kinds[name]).__name__ for name in SHAPE] == [
        "Date",
        "String",
        "Decimal",
        "Decimal",
        "Float64",
        "Int64",
    ]
    wanted = sqlalchemy.select(*(view.c[name] for name in SHAPE)).where(
        view.c.model == "first", view.c.campaign_id == AWKWARD_CAMPAIGN
    )
    with engine.connect() as connection:
        (row,) = connection.execute(wanted).all()
    assert tuple(row) == (expected["year"], AWKWARD_NAME, Decimal(1), Decimal(1200), 1200.0, 0)
    assert [type(value) for value in row] == [date, str, Decimal, Decimal, float, int]


def test_sqlalchemy_reads_a_parameterized_view(engine: sqlalchemy.Engine, expected: dict[str, Any]) -> None:
    with engine.connect() as connection:
        rows = connection.execute(
            sqlalchemy.text(
                "SELECT sum(calls) AS calls, count(DISTINCT period_start) AS periods FROM report_calls_by(grain = "
                ":grain)"
            ),
            {"grain": "month"},
        ).all()
    assert rows == [(expected["calls"], expected["periods"])]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT * FROM report_sales", "Unknown table expression identifier 'report_sales'"),
        ("SELECT * FROM report_calls_by(grain = 'decade')", "grain is one of day, week, month, quarter, year"),
        ("INSERT INTO reps (rep_id) VALUES ('x')", "this user is read-only"),
    ],
)
def test_sqlalchemy_says_what_is_wrong(statement: str, said: str, engine: sqlalchemy.Engine) -> None:
    with engine.connect() as connection, pytest.raises(sqlalchemy.exc.DatabaseError, match=said):
        connection.execute(sqlalchemy.text(statement))


def test_sqlalchemy_says_that_the_password_is_wrong(quarter: Quarter) -> None:
    with pytest.raises(sqlalchemy.exc.DatabaseError, match="password is incorrect"):
        sqlalchemy.create_engine(_url(quarter, "wrong")).connect()


# --- JDBC


@pytest.fixture(scope="module")
def jdbc(quarter: Quarter) -> dict[str, str]:
    """What the Java program found, by name."""
    version = ET.parse(HERE / "pom.xml").findtext(".//{*}jdbc.version")  # noqa: S314 - our own file
    jars = CACHE / f"clickhouse-jdbc-{version}"
    if not any(jars.glob("clickhouse-jdbc-*.jar")):
        # into a folder of this process first: what carries the final name is complete
        fetching = jars.with_name(f"{jars.name}.{os.getpid()}")
        fetching.mkdir(parents=True)
        maven = [tool("mvn"), "--batch-mode", "--quiet", "--no-transfer-progress", "--file", str(HERE / "pom.xml")]
        copy = ["dependency:copy-dependencies", f"-DoutputDirectory={fetching}", "-DincludeScope=runtime"]
        fetched(jars, [*maven, *copy], HERE)
        try:
            fetching.rename(jars)
        except OSError:  # another test run was faster
            shutil.rmtree(fetching)
    java = [tool("java"), "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*", str(HERE / "BiClient.java")]
    return dict(line.split("\t", 1) for line in run(java, quarter).splitlines())


def test_jdbc_lists_views_and_reads_a_report_with_its_types(jdbc: dict[str, str], expected: dict[str, Any]) -> None:
    assert (jdbc["valid"], jdbc["printed"]) == ("true", "true")
    assert set(jdbc["views"].split()) == REPORTS
    assert jdbc["columns"].startswith("day:Date model:LowCardinality(String) campaign_id:String campaign:String")
    assert "revenue:Decimal(38, 4) average_deal:Nullable(Float64) unconverted:Int64" in jdbc["columns"]
    assert jdbc["types"] == "Date String BigDecimal BigDecimal Double Long"
    assert jdbc["report"] == f"{expected['year']}|{AWKWARD_NAME}|1.000000|1200.0000|1200.0|0"


def test_jdbc_reads_a_parameterized_view(jdbc: dict[str, str], expected: dict[str, Any]) -> None:
    assert jdbc["by"] == f"{expected['calls']} {expected['periods']}"


def test_jdbc_says_what_is_wrong(jdbc: dict[str, str]) -> None:
    assert jdbc["unknown"].startswith("60 Code: 60. DB::Exception: Unknown table expression identifier 'report_sales'")
    assert jdbc["grain"].startswith("395 Code: 395. DB::Exception: grain is one of day, week, month, quarter, year")
    assert jdbc["write"].startswith("164 Code: 164. DB::Exception: Cannot execute query in readonly mode")
    assert jdbc["password"].startswith("516 ")
    assert "password is incorrect" in jdbc["password"]


# --- Node


@pytest.fixture(scope="module")
def node(quarter: Quarter) -> dict[str, Any]:
    """What the Node program found."""
    package = json.loads((HERE / "package.json").read_text())
    folder = CACHE / f"clickhouse-node-{package['dependencies']['@clickhouse/client']}"
    if not (folder / "node_modules" / "@clickhouse" / "client").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(HERE / name, folder)
        fetched(folder, [tool("npm"), "ci", "--silent"], folder)
    shutil.copy(HERE / "client.mjs", folder)  # it finds its packages beside it
    found: dict[str, Any] = json.loads(run([tool("node"), "client.mjs"], quarter, cwd=folder))
    return found


def test_node_lists_views_and_reads_a_report_with_its_types(node: dict[str, Any], expected: dict[str, Any]) -> None:
    assert node["ping"] is True
    assert set(node["views"]) == REPORTS
    assert node["types"] == ["Date", "String", "Decimal(38, 6)", "Decimal(38, 4)", "Nullable(Float64)", "Int64"]
    row = [str(expected["year"]), AWKWARD_NAME, "1", "1200", 1200, 0]
    assert node["report"] == [dict(zip(SHAPE, row, strict=True))]


def test_node_reads_a_parameterized_view_and_a_stream(
    node: dict[str, Any], expected: dict[str, Any], quarter: Quarter
) -> None:
    assert node["by"] == [{"calls": expected["calls"], "periods": expected["periods"]}]
    with quarter.connect() as client:
        assert node["streamed"] == client.query("SELECT count() FROM fact_leads").first_row[0]


def test_node_says_what_is_wrong(node: dict[str, Any]) -> None:
    assert node["unknown"].startswith("60 UNKNOWN_TABLE Unknown table expression identifier 'report_sales'")
    assert "grain is one of day, week, month, quarter, year" in node["grain"]
    assert node["write"].startswith("164 READONLY Cannot execute query in readonly mode")
    assert node["password"].startswith("516 AUTHENTICATION_FAILED")
    assert "password is incorrect" in node["password"]


# --- Go


@pytest.mark.deep
def test_grafanas_driver_runs_every_query_of_the_dashboards(quarter: Quarter) -> None:
    """Building it takes minutes of processor time, so CI leaves it out; its protocol is tested in "
    "test_native_blocks.py."""
    program = CACHE / "clickhouse-go-client"
    fetched(program, [tool("go"), "build", "-o", str(program), "."], HERE / "go")
    span = Range(quarter.start, quarter.end)
    asked: list[tuple[str, str]] = []
    for uid, board in grafana.BOARDS.items():
        for variables in (grafana.usual(board), grafana.narrowed(board)):
            for name, sql in grafana.statements(board):
                asked.append((f"{uid}/{name}", expand(sql, variables, span)))
    lines = "\n".join(json.dumps({"name": name, "sql": sql}) for name, sql in asked)
    answers = [json.loads(line) for line in run([str(program)], quarter, 1800, input=lines).splitlines()]
    assert len(answers) == len(asked) > 200
    with quarter.connect() as client:
        for answer, (name, sql) in zip(answers, asked, strict=True):
            assert answer["error"] == "", name
            result = client.query(sql)
            assert (answer["columns"], answer["rows"]) == (list(result.column_names), len(result.result_rows)), name
