import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from stream.commands.settings import settings as show_settings
from stream.settings import FILES, Settings, SettingsError, unknown_variables

SECRET = "s3cr3t-passw0rd"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and an environment without settings."""
    for name in [name for name in os.environ if name.startswith("SIXFOLD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complaint() -> str:
    with pytest.raises(SettingsError) as error:
        Settings()
    return str(error.value)


def test_the_first_source_that_gives_a_setting_wins(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = elsewhere / "stack"
    stack.mkdir()
    (stack / "sixfold.toml").write_text('partitions = 1\nlookback_days = 1\ncurrency = "SEK"\nprefix = "p."\n')
    (elsewhere / "sixfold.toml").write_text('data = "stack"\npartitions = 2\nlookback_days = 2\ncurrency = "EUR"\n')
    (elsewhere / ".env").write_text("SIXFOLD_PARTITIONS=3\nSIXFOLD_LOOKBACK_DAYS=3\nOTHER=1\n")
    monkeypatch.setenv("SIXFOLD_PARTITIONS", "4")
    found = Settings()
    assert (found.partitions, found.lookback_days, found.currency, found.prefix) == (4, 3, "EUR", "p.")
    origins = found.origins()
    assert {name: origins[name] for name in ("partitions", "lookback_days", "currency", "prefix", "time_zone")} == {
        "partitions": "environment",
        "lookback_days": ".env",
        "currency": "sixfold.toml",
        "prefix": "stack/sixfold.toml",
        "time_zone": "default",
    }
    assert Settings(partitions=5).partitions == 5


def test_addresses_are_found_in_the_data_directory_that_the_environment_names(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = elsewhere / "elsewhere"
    data.mkdir()
    (data / "sixfold.toml").write_text('brokers = "127.0.0.1:5"\ngateway_url = "http://127.0.0.1:6/"\n')
    monkeypatch.setenv("SIXFOLD_DATA", str(data))
    assert Settings().broker_list == ("127.0.0.1:5",)
    assert Settings().gateway_url == "http://127.0.0.1:6"


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXFOLD_PARTITIONS", "")
    assert Settings().partitions == 32
    assert Settings().origins()["partitions"] == "default"


def test_a_map_is_replaced_whole_not_merged(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "sixfold.toml").write_text('[stages]\nMQL = "mofu"\n"Closed Won" = "customer"\n')
    assert Settings().stages == {"MQL": "mofu", "Closed Won": "customer"}
    monkeypatch.setenv("SIXFOLD_STAGES", '{"SQL": "bofu"}')
    assert Settings().stages == {"SQL": "bofu"}


def test_rules_and_view_settings_carry_what_was_set(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "sixfold.toml").write_text(
        'own_domains = ["a.example", "b.example"]\nstage_probability = {Proposal = 0.5, Quote = 0.0001}\n'
        '[platforms.x_ads]\nchannel = "social"\nsource = "x"\n'
    )
    monkeypatch.setenv("SIXFOLD_SEARCH_ENGINES", "kagi.com, qwant.")
    monkeypatch.setenv("SIXFOLD_TIME_ZONE", "Europe/Stockholm")
    monkeypatch.setenv("SIXFOLD_FISCAL_YEAR_START", "4")
    settings = Settings()
    rules = settings.rules()
    assert rules.own_domains == ("a.example", "b.example")
    assert rules.search_engines == ("kagi.com", "qwant.")
    assert rules.stage_probability == {"Proposal": 5000, "Quote": 1}
    views = settings.view_settings()
    assert (views.time_zone, views.fiscal_year_start, views.partitions) == ("Europe/Stockholm", 4, 32)
    assert views.platform_channels["x_ads"] == "social"
    assert views.platform_channels["google_ads"] == "cpc"
    assert Settings(fiscal_year_start=1).rules().hash == rules.hash, "what only views need is no rule"
    assert Settings(lookback_days=9).rules().hash != rules.hash


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PARTITIONS", "abc", "SIXFOLD_PARTITIONS=abc (environment): input should be a valid integer"),
        ("PARTITIONS", "0", "greater than or equal to 1"),
        ("FISCAL_YEAR_START", "13", "less than or equal to 12"),
        ("TIME_ZONE", "Europe/Stockolm", "did you mean Europe/Stockholm?"),
        ("CURRENCY", "euro", "three capital letters"),
        ("ATTRIBUTION_MODEL", "middle", "'first'"),
        ("STAGES", "MQL=mofu", "must be a JSON object"),
        ("STAGES", '{"MQL": "middle"}', "entry MQL"),
        ("STAGE_PROBABILITY", '{"P": 0.12345}', "at most 4 decimals"),
        ("STAGE_PROBABILITY", '{"P": 1.5}', "from 0 to 1"),
        ("STAGE_PROBABILITY", '{"P": true}', "from 0 to 1"),
        ("PLATFORMS", '{"x": {"chanel": "social"}}', "entry x.chanel"),
        ("BROKERS", "localhost", "host:port"),
        ("BROKERS", "a:1,b:99999", "not b:99999"),
        ("PREFIX", "a b", "letters, digits"),
        ("GATEWAY_URL", "localhost:80", "http://127.0.0.1:8080"),
        ("KAFKA_PORT", "65536", "less than or equal to 65535"),
        ("CLICKHOUSE_PASSWORD_FILE", "/nowhere/at/all", "cannot read /nowhere/at/all: No such file"),
    ],
)
def test_a_wrong_setting_is_one_line_with_name_origin_and_remedy(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SIXFOLD_{name}", value)
    line = complaint()
    assert "\n" not in line
    assert line.startswith(f"SIXFOLD_{name}")
    assert "(environment)" in line
    assert words in line
    assert "correct" in line


def test_several_wrong_settings_are_a_line_each(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXFOLD_PARTITIONS", "x")
    (elsewhere / ".env").write_text("SIXFOLD_CURRENCY=x\n")
    (elsewhere / "sixfold.toml").write_text("fiscal_year_start = 0\n")
    lines = complaint().splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "SIXFOLD_PARTITIONS=x (environment)",
        "SIXFOLD_CURRENCY=x (.env)",
        "SIXFOLD_FISCAL_YEAR_START=0 (sixfold.toml)",
    ]


def test_a_file_with_an_unknown_setting_or_no_toml_is_refused(elsewhere: Path) -> None:
    (elsewhere / "sixfold.toml").write_text('SIXFOLD_TIMEZONE = "UTC"\n')
    assert complaint() == "sixfold.toml: there is no setting SIXFOLD_TIMEZONE; did you mean time_zone?"
    (elsewhere / "sixfold.toml").write_text("brokers = \n")
    assert complaint().startswith("sixfold.toml: cannot be read as TOML")


def test_a_misspelt_variable_is_noticed_but_no_error() -> None:
    found = unknown_variables({"SIXFOLD_TIMEZONE": "x", "SIXFOLD_SERVICE_HOST": "y", "SIXFOLD_DATA": "z", "HOME": ""})
    assert found == {"SIXFOLD_TIMEZONE": "SIXFOLD_TIME_ZONE", "SIXFOLD_SERVICE_HOST": ""}


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        (f"http://u:{SECRET}@h", ""),
        (f"ftp://u:{SECRET}@h:1/d", "must be http"),
        (f"http://u:{SECRET}@h:1/a/b", "percent-encoded"),
        (f"http://u:{SECRET}@h:x/d", "a port from 1"),
    ],
)
def test_no_form_of_settings_shows_a_password(url: str, complaint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXFOLD_GATEWAY_KEY", SECRET)
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", url)
    if complaint:
        with pytest.raises(SettingsError, match=complaint) as error:
            Settings()
        assert SECRET not in str(error.value)
        return
    found = Settings()
    shown = [repr(found), str(found), json.dumps(found.shown()), repr(found.clickhouse), str(found.clickhouse)]
    assert not [text for text in shown if SECRET in text]
    assert found.shown()["clickhouse_url"] == "http://u:***@h:8123/default"


def test_the_url_is_taken_apart_and_decoded() -> None:
    address = Settings(clickhouse_url="https://b%40b:p%3A%2Fw@ch.example/crm").clickhouse
    assert (address.host, address.port, address.user, address.database, address.secure) == (
        "ch.example",
        8443,
        "b@b",
        "crm",
        True,
    )
    assert address.password.get_secret_value() == "p:/w"


SECRETS_OF_FILES = [
    ("GATEWAY_KEY", "GATEWAY_KEY_FILE", lambda s: s.gateway_keys[0]),
    ("KAFKA_PASSWORD", "KAFKA_PASSWORD_FILE", lambda s: s.kafka_password),
    ("PAGE_PASSWORD", "PAGE_PASSWORD_FILE", lambda s: s.page_password),
    ("PAGE_SESSION_KEY", "PAGE_SESSION_KEY_FILE", lambda s: s.page_session_key),
    ("CLICKHOUSE_URL", "CLICKHOUSE_PASSWORD_FILE", lambda s: s.clickhouse.password),
    ("CLICKHOUSE_READER_URL", "CLICKHOUSE_READER_PASSWORD_FILE", lambda s: s.clickhouse_reader.password),
]
URL, URL_WITH_PASSWORD = "http://u@h:1/d", "http://u:other@h:1/d"


def test_every_secret_has_a_setting_for_its_file() -> None:
    by_folder = {"webhook_secrets"}
    assert Settings.SECRET - by_folder == set(FILES.values())
    assert {(setting.upper(), name.upper()) for name, setting in FILES.items()} == {
        (setting, name) for setting, name, _ in SECRETS_OF_FILES
    }


@pytest.mark.parametrize(("setting", "file", "secret"), SECRETS_OF_FILES)
def test_a_secret_may_stand_in_a_file(
    setting: str,
    file: str,
    secret: Callable[[Settings], SecretStr],
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of an address it is the password; the source that comes first decides, and one that gives both is refused."""
    odd = f"{SECRET}:/@%41"
    (elsewhere / "secret").write_text(f"{odd}\n")
    monkeypatch.setenv(f"SIXFOLD_{file}", str(elsewhere / "secret"))
    if setting.endswith("_URL"):
        monkeypatch.setenv(f"SIXFOLD_{setting}", URL)
    found = Settings()
    assert secret(found).get_secret_value() == odd
    assert odd not in repr(found) + json.dumps(found.shown())
    show_settings(as_json=True)
    show_settings()
    shown = capsys.readouterr().out
    assert SECRET not in shown
    assert str(elsewhere / "secret") in json.loads(shown.splitlines()[0])[file.lower()]["value"]
    if not setting.endswith("_URL"):
        assert found.origins()[setting.lower()] == str(elsewhere / "secret")

    given = URL_WITH_PASSWORD if setting.endswith("_URL") else "other"
    (elsewhere / "sixfold.toml").write_text(f'{setting.lower()} = "{given}"\n')
    monkeypatch.delenv(f"SIXFOLD_{setting}", raising=False)
    assert secret(Settings()).get_secret_value() == odd, "the environment goes before the file"

    monkeypatch.setenv(f"SIXFOLD_{setting}", given)
    said = complaint()
    assert said.startswith(f"SIXFOLD_{file} (environment): SIXFOLD_{setting}")
    assert said.endswith("is set there, too; set one of the two")
    assert "other" not in said

    monkeypatch.delenv(f"SIXFOLD_{file}")
    (elsewhere / "sixfold.toml").write_text(f'{file.lower()} = "/nowhere"\n')
    assert secret(Settings()).get_secret_value() == "other", "it is overruled, so not even read"
    assert getattr(Settings(), file.lower()) is None


@pytest.mark.parametrize(("setting", "file", "_secret"), SECRETS_OF_FILES)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\n", "is empty; write the secret into it"),
        (b"\xff\xfe", "it is no text"),
        (None, "No such file or directory"),
    ],
)
def test_a_file_without_a_secret_is_one_line(
    setting: str,
    file: str,
    _secret: object,
    content: bytes | None,
    words: str,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = elsewhere / "secret"
    if content is not None:
        path.write_bytes(content)
    if setting.endswith("_URL"):
        monkeypatch.setenv(f"SIXFOLD_{setting}", URL)
    monkeypatch.setenv(f"SIXFOLD_{file}", str(path))
    said = complaint()
    assert said.startswith(f"SIXFOLD_{file} (environment): ")
    assert str(path) in said
    assert words in said
    assert "\n" not in said


def test_a_readers_password_needs_the_reader(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "pw").write_text(SECRET)
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_READER_PASSWORD_FILE", "pw")
    assert "there is no SIXFOLD_CLICKHOUSE_READER_URL that it is the password of" in complaint()


def test_topics_and_group_have_the_prefix() -> None:
    found = Settings(prefix="eu.")
    assert (found.events_topic, found.documents_topic, found.dead_letters_topic, found.group) == (
        "eu.crm.events",
        "eu.crm.documents",
        "eu.crm.dead-letters",
        "eu.sixfold",
    )


def test_importing_settings_is_light() -> None:
    """Every command pays for it, `--help` too."""
    code = (
        "import sys, stream.settings; print([m for m in ('faust', 'chdb', 'clickhouse_connect') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_a_reader_of_another_database_is_not_taken(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded stack's file names its reader; whoever names another ClickHouse besides means that one."""
    (elsewhere / ".sixfold").mkdir()
    stack = 'clickhouse_url = "http://u:w@stack:1/d"\nclickhouse_reader_url = "http://r:v@stack:1/d"\n'
    (elsewhere / ".sixfold" / "sixfold.toml").write_text(stack)
    assert str(Settings().clickhouse_reader) == "http://r@stack:1/d"
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_URL", "http://u:w@other:1/d")
    assert str(Settings().clickhouse_reader) == "http://u@other:1/d"
    monkeypatch.setenv("SIXFOLD_CLICKHOUSE_READER_URL", "http://r:v@other:1/d")
    assert str(Settings().clickhouse_reader) == "http://r@other:1/d"
    assert "v" not in Settings().shown()["clickhouse_reader_url"].replace("***", "")


@pytest.mark.parametrize("network", ["10.0.0.0/33", "proxy", "10.0.0.1/8"])
def test_a_network_that_is_none_is_refused(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIXFOLD_PAGE_PROXIES", network)
    assert "SIXFOLD_PAGE_PROXIES" in complaint()
    assert "must be addresses or networks such as 10.0.0.0/8" in complaint()
