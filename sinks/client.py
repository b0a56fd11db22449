"""ClickHouse over HTTP, as the settings say; whatever goes wrong on the way there is one line."""

import logging
import math
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.cluster import WRITE_SETTINGS
from stream.faults import Fault

if TYPE_CHECKING:
    from stream.settings import ClickHouseAddress, Settings

CONNECT_SECONDS = 5
RECEIVE_SECONDS = 300
QUERY_BYTES = 100_000
"""Of values in the text of one query; ClickHouse takes 256 KiB."""
_WRONG_LOGIN = ("516", "193", "192")
_UNKNOWN_DATABASE = "81"
_NO_RIGHT = "497"
_CODE = re.compile(r"\bCode: (\d+)|\berror code (\d+)")
_EXCEPTION = re.compile(r"DB::Exception: (.*?)(?: \(version [^)]*\))?(?: \(for url [^)]*\))?\s*$", re.DOTALL)

# all words that could have come instead, or the query itself
_LONG_TAIL = re.compile(r"\. Expected one of:.*|:? in scope (?:SELECT|WITH)\b.*", re.DOTALL | re.IGNORECASE)

# The driver logs every failure that it raises as well.
logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())


class ClickHouseUnusable(Fault):
    """ClickHouse cannot be reached, or does not let us in: one line with the address, and what to do."""


class ClickHouseAway(ClickHouseUnusable):
    """Nothing answers there: it may come yet."""


def connect(
    settings: "Settings",
    *,
    database: str | None = None,
    reader: bool = False,
    receive_seconds: float = RECEIVE_SECONDS,
    **engine_settings: Any,  # noqa: ANN401
) -> Client:
    """Connect to the database of the settings (or to another, `database`), with `reader` as who may only read.

    An answer is waited for `receive_seconds`; `engine_settings` hold for every query of this client. The client may
    be used by several threads. Raises `ClickHouseUnusable`, of which `ClickHouseAway` is worth another try.
    """
    address = settings.clickhouse_reader if reader else settings.clickhouse
    if settings.clickhouse_cluster and not reader:
        engine_settings = {**WRITE_SETTINGS, **engine_settings}
    try:
        return clickhouse_connect.get_client(
            host=address.host,
            port=address.port,
            username=address.user,
            password=address.password.get_secret_value(),
            database=database or address.database,
            interface="https" if address.secure else "http",
            ca_cert=str(settings.clickhouse_ca_file) if settings.clickhouse_ca_file else None,
            connect_timeout=CONNECT_SECONDS,
            send_receive_timeout=math.ceil(receive_seconds),
            autogenerate_session_id=False,
            query_limit=0,
            settings=engine_settings or None,
        )
    except ClickHouseError as error:
        raise _fault(settings, address, error) from None


def bound_lists(values: Iterable[str]) -> Iterator[list[str]]:
    """Cut values into lists that the driver can bind into the text of one query (`%(name)s`), in their order.

    As parameters of the server (`{name:Array(String)}`) more than 4 KB would travel as a form, which not every
    endpoint takes.
    """
    chunk: list[str] = []
    size = 0
    for value in values:
        length = 2 * len(value.encode()) + 4  # at the worst every character is escaped
        if chunk and size + length > QUERY_BYTES:
            yield chunk
            chunk, size = [], 0
        chunk.append(value)
        size += length
    if chunk:
        yield chunk


def error_code(error: BaseException) -> str:
    """ClickHouse's number of an error, '' for one that is not ClickHouse's."""
    found = _CODE.search(str(error))
    return (found[1] or found[2]) if found else ""


def message_of(error: BaseException) -> str:
    """What the server said, without the driver's and the server's framing, on one line."""
    found = _EXCEPTION.search(str(error))
    return " ".join(_LONG_TAIL.sub("", found[1] if found else str(error)).split())


def _fault(settings: "Settings", address: "ClickHouseAddress", error: ClickHouseError) -> ClickHouseUnusable:
    why = next((word for word in _CAUSES if word.lower() in str(error).lower()), "")
    away = not error_code(error) and why not in _WRONG_TLS
    return (ClickHouseAway if away else ClickHouseUnusable)(_reason(settings, address, error, why))


def _reason(settings: "Settings", address: "ClickHouseAddress", error: ClickHouseError, why: str) -> str:
    code = error_code(error)
    name = "clickhouse_url" if address == settings.clickhouse else "clickhouse_reader_url"
    setting = f"SIXFOLD_{name.upper()} ({settings.origins()[name]})"
    if code in _WRONG_LOGIN:
        return f"ClickHouse at {address} refuses user {address.user}: correct user and password in {setting}"
    if code == _UNKNOWN_DATABASE:
        return f"ClickHouse at {address} has no database {address.database}: create it, or correct {setting}"
    if code == _NO_RIGHT:
        return f"ClickHouse at {address}: user {address.user} lacks a right: {message_of(error)}"
    if code:
        return f"ClickHouse at {address} fails: {message_of(error)}"
    cause = _CAUSES.get(why, "it does not answer")
    if settings.origins()[name] == "default":
        nothing = f"no {settings.data}/sixfold.toml here, and {setting.partition(' ')[0]} is not set"
        todo = "start it (sixfold up), or run this where it was started, or set SIXFOLD_DATA to its data directory"
        return f"no ClickHouse at {address}: {cause} ({nothing}); {todo}"
    return f"no ClickHouse at {address}: {cause}; start it (sixfold up), or correct {setting}"


_CAUSES = {
    "Connection refused": "the connection is refused",
    "Name or service not known": "the host name is not known",
    "Temporary failure in name resolution": "the host name is not known",
    "certificate verify failed": "its certificate is not trusted",
    "WRONG_VERSION_NUMBER": "it does not speak TLS (http, not https?)",
    "timed out": "it does not answer in time",
}
_WRONG_TLS = ("certificate verify failed", "WRONG_VERSION_NUMBER")
