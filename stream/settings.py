"""The settings: one model, read from the environment, `.env`, `sixfold.toml` and the data directory.

Every field `x` is the environment variable `SIXFOLD_X`; in a TOML file it is the key `x`. The first of these
that gives a setting wins, whole (maps are replaced, not merged):

1. the environment, 2. `.env` of the current directory, 3. `sixfold.toml` of the current directory,
4. `sixfold.toml` of the data directory, where the embedded stack leaves its addresses, 5. the default.

In the first two an empty value is no value.

A secret may stand in a file that a setting names (`FILES`), as its text without the line end. The file and the secret
itself are one setting in two forms: the source that comes first decides, and none gives both.
"""

import difflib
import json
import os
import re
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, get_args
from urllib.parse import quote, unquote, urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from stream.faults import Fault

if TYPE_CHECKING:
    from sinks.migrate import ViewSettings
    from stream.rules import Rules

PREFIX = "SIXFOLD_"
DATA = Path(".sixfold")
FILE = "sixfold.toml"
_RANKS = {"argument": 0, "environment": 1, ".env": 2, FILE: 3}
FILES: Mapping[str, str] = {
    "clickhouse_password_file": "clickhouse_url",
    "clickhouse_reader_password_file": "clickhouse_reader_url",
    "gateway_key_file": "gateway_key",
    "kafka_password_file": "kafka_password",
    "page_password_file": "page_password",
    "page_session_key_file": "page_session_key",
}
"""Settings that name a file with a secret, and the setting that it is for; of an address the file has the password."""
UNITS = 10_000
"""A probability of 1 in the units of the rules."""

Model = Literal["first", "last", "linear", "position", "time_decay", "w_shaped"]
MODELS: tuple[str, ...] = get_args(Model)


class SettingsError(Fault):
    """Settings that cannot be used: one line for each, naming it, where it comes from and what it takes."""


@dataclass(frozen=True)
class ClickHouseAddress:
    """Where ClickHouse is and as whom to log in; its text and repr leave the password out."""

    host: str
    port: int
    user: str
    password: SecretStr
    database: str
    secure: bool

    def __str__(self) -> str:
        scheme = "https" if self.secure else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{quote(self.user)}@{host}:{self.port}/{quote(self.database)}"


def _split(value: object) -> object:
    """Read a comma-separated list; lists of a TOML file are taken as they are."""
    if isinstance(value, str):
        return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
    return value


def _map(value: object) -> object:
    """Read a JSON object, its numbers exactly; tables of a TOML file are taken as they are."""
    if not isinstance(value, str):
        return value
    try:
        decoded = json.loads(value, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise ValueError(f'must be a JSON object such as {{"name": "value"}}: {error}') from None
    if not isinstance(decoded, dict):
        raise ValueError('must be a JSON object such as {"name": "value"}')  # noqa: TRY004 - for pydantic
    return decoded


def _probability(value: object) -> object:
    """Read a share of 0 to 1 with at most 4 decimals, as an integer of 1e-4."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("must be a number from 0 to 1")  # noqa: TRY004 - for pydantic
    try:
        units = Decimal(str(value)) * UNITS
    except InvalidOperation:
        raise ValueError("must be a number from 0 to 1") from None
    if not (units.is_finite() and 0 <= units <= UNITS and units == int(units)):
        raise ValueError("must be a number from 0 to 1 with at most 4 decimals")
    return int(units)


def _currency(value: str) -> str:
    if not (len(value) == 3 and value.isascii() and value.isalpha() and value.isupper()):
        raise ValueError("must be a currency code of three capital letters, such as EUR")
    return value


def _time_zone(value: str) -> str:
    if value not in available_timezones():
        near = difflib.get_close_matches(value, available_timezones(), n=1)
        hint = f"; did you mean {near[0]}?" if near else ", such as Europe/Stockholm"
        raise ValueError(f"must be the name of a time zone{hint}")
    return value


def _topic_prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", value):
        raise ValueError("must have at most 100 letters, digits, dots, hyphens and underscores")
    return value


def _cluster(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{0,100}", value):
        raise ValueError("must have at most 100 letters, digits, dots, hyphens and underscores")
    return value


def _address_list(value: str) -> str:
    addresses = [part.strip() for part in value.split(",") if part.strip()]
    for address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(f"must be host:port, or several with commas between them, not {address}")
    if not addresses:
        raise ValueError("must be host:port, or several with commas between them")
    return ",".join(addresses)


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address such as http://127.0.0.1:8080")
    return value.rstrip("/")


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        try:
            ip_network(value)
        except ValueError:
            raise ValueError(f"must be addresses or networks such as 10.0.0.0/8, not {value}") from None
    return values


def _several(value: object) -> object:
    """Read one where several may stand."""
    return (value,) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_networks)]
Secrets = Annotated[tuple[Annotated[SecretStr, Field(min_length=1)], ...], BeforeValidator(_several)]
Map = Annotated[dict[str, str], NoDecode, BeforeValidator(_map)]
Probability = Annotated[int, BeforeValidator(_probability)]
Currency = Annotated[str, AfterValidator(_currency)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseSettings):
    """Everything that can be set. Immutable; `Settings(partitions=8)` overrules every other source.

    Raises `SettingsError`. Printing it, or its repr, shows no secret.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        validate_default=False,
    )
    SECRET: ClassVar = frozenset(
        {
            "clickhouse_url",
            "clickhouse_reader_url",
            "gateway_key",
            "kafka_password",
            "page_password",
            "page_session_key",
            "webhook_secrets",
        }
    )

    # Where things are.
    brokers: Annotated[str, AfterValidator(_address_list)] = Field(
        default="127.0.0.1:9092", description="Kafka brokers, host:port, several with commas"
    )
    clickhouse_url: SecretStr = Field(
        default=SecretStr("http://default@127.0.0.1:8123/default"),
        description="ClickHouse over HTTP: http://user:password@host:port/database",
    )
    clickhouse_password_file: Path | None = Field(
        default=None, description="a file with ClickHouse's password, in the place of the one in the URL"
    )
    clickhouse_reader_url: SecretStr | None = Field(
        default=None, description="the same database as a user who may only read; without one, clickhouse_url"
    )
    clickhouse_reader_password_file: Path | None = Field(
        default=None, description="a file with the reader's password, in the place of the one in its URL"
    )
    clickhouse_ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities that ClickHouse's certificate must be of; the system's"
    )
    clickhouse_timeout: float = Field(
        default=120, gt=0, le=3600, description="seconds after which a worker gives an answer up and asks again"
    )
    clickhouse_cluster: Annotated[str, AfterValidator(_cluster)] = Field(
        default="", description="ClickHouse's cluster of one shard, on which tables are replicated"
    )
    migrate_at_start: bool = Field(
        default=True, description="whether a worker brings tables and topics up to date; false: it only checks them"
    )
    data: Path = Field(default=DATA, description="directory of the embedded stack: its data, journal and addresses")
    gateway_url: Annotated[str, AfterValidator(_web_address)] | None = Field(
        default=None, description="HTTP address that takes events in; without one they are produced to Kafka"
    )
    gateway_key: SecretStr | None = Field(
        default=None, description="what the gateway asks for, as a bearer token; several with commas, the first is sent"
    )
    gateway_key_file: Path | None = Field(default=None, description="a file with the gateway's key, or one a line")

    # The gateway.
    gateway_host: str = Field(default="127.0.0.1", min_length=1, description="address that the gateway listens on")
    gateway_port: Port = Field(default=8080, description="of sixfold gateway; 0: a free one")
    gateway_public_url: Annotated[str, AfterValidator(_web_address)] | None = Field(
        default=None, description="the gateway's address as providers call and sign it: https://events.example.com"
    )
    gateway_proxies: Networks = Field(
        default=(), description="addresses or networks of the proxies whose X-Forwarded-For is believed"
    )
    gateway_address_rate: int = Field(default=6000, ge=0, description="requests a minute of one address; 0: no limit")
    gateway_source_rate: int = Field(default=30_000, ge=0, description="requests a minute of one source; 0: no limit")
    webhook_secrets: Annotated[dict[str, Secrets], NoDecode, BeforeValidator(_map)] = Field(
        default={}, description='{"source": "secret"}, or {"source": ["new", "old"]} while one takes over'
    )
    webhook_secrets_dir: Path | None = Field(
        default=None, description="a folder with a file for each source that has its secret, or one a line"
    )
    sources: Names = Field(
        default=(), description="source files (TOML) or folders of them, for the gateway and Kafka sources"
    )

    # Kafka.
    kafka_security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], BeforeValidator(_upper)
    ] = Field(default="PLAINTEXT", description="PLAINTEXT, SSL (TLS), SASL_PLAINTEXT or SASL_SSL")
    kafka_sasl_mechanism: Annotated[Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], BeforeValidator(_upper)] = (
        Field(default="SCRAM-SHA-512", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
    )
    kafka_username: str = Field(default="", description="for SASL")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="for SASL")
    kafka_password_file: Path | None = Field(default=None, description="a file with the password for SASL")
    kafka_ca_file: Path | None = Field(
        default=None, description="PEM file of the authorities that the brokers' certificates must be of; the system's"
    )
    kafka_certificate_file: Path | None = Field(
        default=None, description="PEM file with our own certificate, where the brokers ask for one"
    )
    kafka_key_file: Path | None = Field(
        default=None, description="PEM file with our certificate's key, where it stands in a file of its own"
    )
    prefix: Annotated[str, AfterValidator(_topic_prefix)] = Field(
        default="", description="before the names of topics and group"
    )
    partitions: int = Field(default=32, ge=1, le=65535, description="of crm.events and crm.documents; fixed for good")
    replication_factor: int = Field(default=1, ge=1, le=100, description="of the topics that migrate creates")
    min_insync_replicas: int = Field(
        default=1, ge=1, le=100, description="replicas that must have a record, in the topics that migrate creates"
    )
    retention_days: int = Field(
        default=0, ge=0, le=36500, description="of the topics that migrate creates; 0: for ever"
    )
    transport: Literal["batched", "stock"] = Field(
        default="batched", description="batched, or stock: Faust's own, slower"
    )
    session_timeout: float = Field(default=10, gt=0, description="seconds until a silent worker's shards move on")
    heartbeat_interval: float = Field(default=2, gt=0, description="seconds between two signs of life")
    rebalance_timeout: float = Field(default=10, gt=0, description="seconds that workers have to join a rebalance")
    static_membership: bool = Field(
        default=False, description="a worker that comes back under its worker_name in time keeps its shards"
    )
    log_incarnation: str = Field(default="", description="changes when Kafka's logs begin anew; set by sixfold up")

    # Rules: another value counts all history anew at the worker's next start.
    time_zone: Annotated[str, AfterValidator(_time_zone)] = Field(default="UTC", description="in which a day begins")
    currency: Currency = Field(default="USD", description="in which money is reported")
    lookback_days: int = Field(default=0, ge=0, le=36500, description="older touches get no credit; 0: no limit")
    call_credit_hours: int = Field(default=24, ge=0, le=8760, description="a rise this long after a call is the call's")
    stages: Annotated[dict[str, Literal["tofu", "mofu", "bofu", "customer"]], NoDecode, BeforeValidator(_map)] = Field(
        default={}, description='the CRM\'s stages: {"MQL": "mofu"}'
    )
    stage_probability: Annotated[dict[str, Probability], NoDecode, BeforeValidator(_map)] = Field(
        default={}, description='where an opportunity has none: {"Proposal": 0.5}'
    )
    channels: Map = Field(default={}, description="channel of a medium, before the default's: {medium: channel}")
    search_engines: Names = Field(default=(), description="more domains; a dot at the end means any ending")
    social_networks: Names = Field(default=(), description="more domains; a dot at the end means any ending")
    platforms: Annotated[
        dict[str, dict[Literal["channel", "source", "medium"], str]], NoDecode, BeforeValidator(_map)
    ] = Field(default={}, description='origin of spend: {platform: {"channel": .., "source": .., "medium": ..}}')
    own_domains: Names = Field(default=(), description="one's own web sites: no referrers")

    # Views only.
    pivot_currency: Currency = Field(default="EUR", description="across which rates are found")
    fiscal_year_start: int = Field(default=1, ge=1, le=12, description="first month of the fiscal year")
    attribution_model: Model = Field(default="first", description="of every view without a column model")

    # The worker.
    worker_name: str = Field(
        default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}",
        min_length=1,
        max_length=200,
        description="unique for each worker",
    )
    max_future_hours: float = Field(default=24, gt=0, le=87600, description="by which an event may precede its record")
    flush_seconds: float = Field(
        default=0.5, gt=0, le=3600, description="between two flushes; a backlog's may fill longer"
    )
    flush_records: int = Field(default=500_000, ge=1, description="records that make a flush due, at most")
    max_inflight: int = Field(
        default=600_000, ge=1, description="records read but not flushed, at most; fewer while few nodes are kept"
    )
    max_dirty: int = Field(default=1_000_000, ge=1, description="nodes with something to fold, at most")
    purge_seconds: float = Field(
        default=60, ge=0, le=86400, description="between two looks for what is left of erased people; 0: never"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        default="info", description="debug, info, warning or error"
    )

    # The web page.
    page_host: str = Field(default="127.0.0.1", min_length=1, description="address that the page listens on")
    page_port: Port = Field(default=0, description="of the page; 0: a free one")
    page_url: Annotated[str, AfterValidator(_web_address)] | None = Field(
        default=None, description="the page's address as browsers see it, behind a proxy: https://reports.example.com"
    )
    page_password: SecretStr | None = Field(default=None, description="what the page asks for")
    page_password_file: Path | None = Field(default=None, description="a file with what the page asks for")
    page_session_key: SecretStr | None = Field(
        default=None, description="signs the page's sessions; without one they end when it stops"
    )
    page_session_key_file: Path | None = Field(default=None, description="a file with that key")
    page_user_header: str = Field(
        default="", description="HTTP header in which a reverse proxy names the user, such as X-Forwarded-User"
    )
    page_proxies: Networks = Field(
        default=(), description="addresses or networks of the proxies whose page_user_header is believed"
    )

    # History.
    history_days: int = Field(default=400, ge=1, description="how long sixfold up keeps its nightly snapshots")

    # Metrics and readiness.
    metrics_host: str = Field(default="127.0.0.1", min_length=1, description="where /metrics, /live, /ready listen")
    metrics_port: Port = Field(default=0, description="of a worker's metrics, one port each; 0: none (up: a free one)")
    ready_lag: int = Field(default=100_000, ge=0, description="records behind, above which a worker is not ready")

    # The KPI exporter.
    exporter_port: Port | None = Field(
        default=None, description="of the exporter: 9660 (up: a free one); 0: a free one"
    )
    exporter_interval: float = Field(default=30, gt=0, le=3600, description="seconds between two looks at the reports")
    exporter_timeout: float = Field(default=30, gt=0, le=3600, description="longest time of one of its queries")
    exporter_stale: float = Field(default=600, gt=0, description="figures older than these seconds are withdrawn")
    exporter_audit: float = Field(default=21_600, ge=0, description="seconds between two audits; 0: none")

    # The embedded stack.
    http_port: Port = Field(default=0, description="of sixfold up; 0: a free one")
    kafka_port: Port = Field(default=0, description="of sixfold up; 0: a free one")
    clickhouse_port: Port = Field(default=0, description="of sixfold up; 0: a free one")

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("clickhouse_url", "clickhouse_reader_url")
    @classmethod
    def _check_clickhouse_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _clickhouse_address(value.get_secret_value())
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _keep_origins(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - pydantic
        plain = {name: value.value for name, value in given.items()}
        origins = {name: value.origin for name, value in given.items()}
        for name, setting in FILES.items():
            _take_file(name, setting, plain, origins)
        try:
            self = handler(plain)
        except ValidationError as error:
            raise SettingsError(_lines(error, origins)) from None
        self._origins = origins
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic names them; read below, each alone
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - FILES are ours
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the sources in their order, each with the name that `origins` shows."""
        arguments = init_settings() if isinstance(init_settings, InitSettingsSource) else {}
        environment = EnvSettingsSource(settings_cls)()
        try:
            dotenv = DotEnvSettingsSource(settings_cls, env_file=".env", dotenv_filtering="only_existing")()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f".env: cannot be read: {error}; correct or remove the file") from None
        here = _read_toml(settings_cls, Path(FILE))
        data = next((layer["data"] for layer in (arguments, environment, dotenv, here) if "data" in layer), DATA)
        stack = Path(str(data)) / FILE
        return (
            _Layer(settings_cls, arguments, "argument"),
            _Layer(settings_cls, environment, "environment"),
            _Layer(settings_cls, dotenv, ".env"),
            _Layer(settings_cls, here, FILE),
            _Layer(settings_cls, _read_toml(settings_cls, stack), str(stack)),
        )

    def origins(self) -> dict[str, str]:
        """Name each setting's source: `environment`, `.env`, a file's path, `default` (or `argument`)."""
        return {name: self._origins.get(name, "default") for name in type(self).model_fields}

    def shown(self) -> dict[str, Any]:
        """Give every setting as plain JSON values, secrets masked."""
        values: dict[str, Any] = self.model_dump(mode="json")
        values["clickhouse_url"] = _masked(self.clickhouse)
        if self.clickhouse_reader_url is not None:
            values["clickhouse_reader_url"] = _masked(self.clickhouse_reader)
        values["stage_probability"] = {name: units / UNITS for name, units in self.stage_probability.items()}
        return values

    @property
    def clickhouse(self) -> ClickHouseAddress:
        """ClickHouse's address, with the password of the password file if there is one."""
        return _clickhouse_address(self.clickhouse_url.get_secret_value())

    @property
    def clickhouse_reader(self) -> ClickHouseAddress:
        """ClickHouse's address for what only reads; that of everybody where there is no reader.

        A reader from a source that `clickhouse_url` overrules belongs to another database, and is none.
        """
        found = self.origins()
        ranks = [_RANKS.get(found[name], len(_RANKS)) for name in ("clickhouse_reader_url", "clickhouse_url")]
        if self.clickhouse_reader_url is None or ranks[0] > ranks[1]:
            return self.clickhouse
        return _clickhouse_address(self.clickhouse_reader_url.get_secret_value())

    @property
    def gateway_keys(self) -> tuple[SecretStr, ...]:
        """The keys that the gateway takes; clients send the first."""
        return keys_of(self.gateway_key.get_secret_value() if self.gateway_key else "")

    @property
    def broker_list(self) -> tuple[str, ...]:
        """The brokers, each `host:port`."""
        return tuple(self.brokers.split(","))

    @property
    def events_topic(self) -> str:
        """Topic of the canonical events."""
        return f"{self.prefix}crm.events"

    @property
    def documents_topic(self) -> str:
        """Topic of the documents that flow to their roots (internal)."""
        return f"{self.prefix}crm.documents"

    @property
    def dead_letters_topic(self) -> str:
        """Topic of what could not be read."""
        return f"{self.prefix}crm.dead-letters"

    @property
    def group(self) -> str:
        """The workers' consumer group."""
        return f"{self.prefix}sixfold"

    @property
    def sources_group(self) -> str:
        """The consumer group of those that read the topics of sources."""
        return f"{self.prefix}sixfold-sources"

    def rules(self) -> "Rules":
        """The part that decides what is counted: its hash stands in every manifest."""
        from stream.rules import Rules

        return Rules(
            time_zone=self.time_zone,
            currency=self.currency,
            stages=dict(self.stages),
            stage_probability=dict(self.stage_probability),
            channels=dict(self.channels),
            search_engines=self.search_engines,
            social_networks=self.social_networks,
            platforms={name: {str(k): v for k, v in origin.items()} for name, origin in self.platforms.items()},
            own_domains=self.own_domains,
            lookback_days=self.lookback_days,
            call_credit_hours=self.call_credit_hours,
        )

    def view_settings(self) -> "ViewSettings":
        """The part that only views need: the one row that migrate writes for them."""
        from sinks.migrate import ViewSettings

        return ViewSettings(
            currency=self.currency,
            pivot_currency=self.pivot_currency,
            fiscal_year_start=self.fiscal_year_start,
            attribution_model=self.attribution_model,
            time_zone=self.time_zone,
            platform_channels={
                name: origin["channel"] for name, origin in self.rules().platform_map.items() if "channel" in origin
            },
            lookback_days=self.lookback_days,
            call_credit_hours=self.call_credit_hours,
            partitions=self.partitions,
        )


def unknown_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Find variables that begin like settings but are none, each with the nearest setting's name, or ''.

    They are no error: Kubernetes, for one, sets such names by itself.
    """
    known = [name.upper() for name in Settings.model_fields]
    given = [name.upper().removeprefix(PREFIX) for name in environment]
    near = {
        name: next(iter(difflib.get_close_matches(plain, known, n=1, cutoff=0.8)), "")
        for name, plain in zip(environment, given, strict=True)
        if name.upper().startswith(PREFIX) and plain not in known
    }
    return {name: f"{PREFIX}{found}" if found else "" for name, found in near.items()}


@dataclass(frozen=True)
class _Given:
    """A value and its origin; not a dict, so that pydantic-settings takes the first one whole."""

    value: object
    origin: str


class _Layer(PydanticBaseSettingsSource):
    """One source, already read."""

    def __init__(self, settings_cls: type[BaseSettings], values: Mapping[str, Any], origin: str) -> None:
        super().__init__(settings_cls)
        self._values, self._origin = values, origin

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return {name: _Given(value, self._origin) for name, value in self._values.items()}


def _read_toml(settings_cls: type[BaseSettings], path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):  # whoever needs the directory says what is wrong with it
        return {}
    except IsADirectoryError:
        raise SettingsError(f"{path}: is a directory, not a file with settings; move it away") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read as TOML: {error}; correct or remove the file") from None
    for name in values:
        if name not in settings_cls.model_fields:
            plain = name.lower().removeprefix(PREFIX.lower())
            near = difflib.get_close_matches(plain, settings_cls.model_fields, n=1)
            hint = f"did you mean {near[0]}?" if near else "`sixfold settings` lists them all"
            raise SettingsError(f"{path}: there is no setting {name}; {hint}")
    return values


def keys_of(text: str) -> tuple[SecretStr, ...]:
    """The gateway's keys, with commas between them or one a line."""
    return tuple(SecretStr(key) for part in re.split(r"[,\n]", text) if (key := part.strip()))


def read_secret(path: Path, name: str, origin: str) -> str:
    """Read the secret in a file, without the line end. Raises `SettingsError` that names the setting `name`."""
    try:
        secret = path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{PREFIX}{name.upper()} ({origin}): cannot read {path}: "
            f"{getattr(error, 'strerror', 'it is no text')}; correct the path, its permissions or its content"
        ) from None
    if not secret.strip():
        raise SettingsError(f"{PREFIX}{name.upper()} ({origin}): {path} is empty; write the secret into it")
    return secret


def _take_file(name: str, setting: str, plain: dict[str, Any], origins: dict[str, str]) -> None:
    """Put the secret in the file of setting `name` where `setting` has it, if no source before gives that one."""
    path = plain.get(name)
    if not isinstance(path, str | Path):
        return
    origin, given, is_address = origins[name], plain.get(setting), setting.endswith("_url")
    if name == "clickhouse_reader_password_file" and given is None:
        raise SettingsError(
            f"{PREFIX}{name.upper()} ({origin}): there is no {PREFIX}{setting.upper()} that it is the password of; "
            "set that, too"
        )
    if _has_password(given) if is_address else _secret_text(given) not in (None, ""):
        file_rank, rank = (_RANKS.get(each, len(_RANKS)) for each in (origin, origins[setting]))
        if file_rank == rank:
            what = f"{PREFIX}{setting.upper()}, which has a password," if is_address else f"{PREFIX}{setting.upper()}"
            raise SettingsError(f"{PREFIX}{name.upper()} ({origin}): {what} is set there, too; set one of the two")
        if rank < file_rank:
            del plain[name], origins[name]
            return
    secret = read_secret(Path(path), name, origin)
    if not is_address:
        plain[setting], origins[setting] = secret, str(path)
    else:
        plain[setting] = _with_password(given or Settings.model_fields[setting].default, secret)


def _secret_text(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _has_password(url: object) -> bool:
    """Whether there is one in an address; one that is no address has none."""
    try:
        return bool(urlsplit(str(_secret_text(url) or "")).password)
    except ValueError:
        return False


def _with_password(url: object, password: str) -> object:
    """The address with another password; as it is where it is none, for then it is refused anyway."""
    text = str(_secret_text(url))
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    user, at, host = parts.netloc.rpartition("@")
    user = user.partition(":")[0] if at else ""
    return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}").geturl()


def _clickhouse_address(url: str) -> ClickHouseAddress:
    form = "must be http://user:password@host:port/database (or https)"
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{form}, with a port from 1 to 65535") from None
    database = unquote(parts.path.strip("/"))
    if parts.scheme not in ("http", "https"):
        raise ValueError(form)
    if not parts.hostname or "/" in database or parts.query or parts.fragment:
        raise ValueError(f"{form}; special characters in the password are percent-encoded")
    secure = parts.scheme == "https"
    return ClickHouseAddress(
        host=parts.hostname,
        port=port or (8443 if secure else 8123),
        user=unquote(parts.username or "") or "default",
        password=SecretStr(unquote(parts.password or "")),
        database=database or "default",
        secure=secure,
    )


def _masked(address: ClickHouseAddress) -> str:
    if not address.password.get_secret_value():
        return str(address)
    return str(address).replace("@", ":***@", 1)


def _lines(error: ValidationError, origins: Mapping[str, str]) -> str:
    """One line for each wrong setting."""
    lines = []
    for problem in error.errors(include_url=False, include_context=False):
        name = str(problem["loc"][0])
        inside = ".".join(str(part) for part in problem["loc"][1:] if part != "[key]")
        message = problem["msg"].removeprefix("Value error, ")
        message = f"{message[0].lower()}{message[1:]}" if not message.startswith(PREFIX) else message
        shown = problem["input"]
        value = "" if name in Settings.SECRET or not isinstance(shown, str | int | float) else f"={shown}"
        origin = origins.get(name, "default")
        where = "correct it there" if origin != "argument" else "correct it"
        entry = f", entry {inside}" if inside else ""
        lines.append(f"{PREFIX}{name.upper()}{value}{entry} ({origin}): {message}; {where}")
    return "\n".join(lines)
