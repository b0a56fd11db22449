"""What `sixfold doctor` says of files and keys."""

from pathlib import Path

import pytest

from stream.doctor.files import CHECKS
from stream.doctor.finding import Finding
from stream.settings import Settings

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples" / "sources"
SECRET = "never-to-be-seen"


def check(name: str, settings: Settings) -> Finding:
    found = CHECKS[name](name, settings)
    assert SECRET not in found.found + found.action
    assert bool(found.action) == (found.state in ("warning", "problem"))
    return found


def secret(path: Path, mode: int = 0o600, text: str = SECRET) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "setting", ["clickhouse_password_file", "gateway_key_file", "kafka_password_file", "page_password_file"]
)
@pytest.mark.parametrize(("mode", "state"), [(0o600, "ok"), (0o640, "ok"), (0o644, "problem")])
def test_a_file_with_a_secret_is_for_its_owner(tmp_path: Path, setting: str, mode: int, state: str) -> None:
    path = secret(tmp_path / "secret", mode)
    found = check("secret_files", Settings(**{setting: path, "data": tmp_path}))
    assert found.state == state
    if state == "problem":
        assert f"{path} has mode 0644" in found.found
        assert "chmod 600" in found.action


def test_so_are_webhook_secrets_and_the_data_directory(tmp_path: Path) -> None:
    folder, data = tmp_path / "secrets", tmp_path / "data"
    one = secret(folder / "twilio", 0o644)
    secret(folder / "hubspot")
    toml = secret(data / "sixfold.toml", 0o604, f'gateway_key = "{SECRET}"')
    found = check("secret_files", Settings(webhook_secrets_dir=folder, data=data))
    assert found.state == "problem"
    assert str(one) in found.found
    assert str(toml) in found.found
    assert "hubspot" not in found.found
    one.chmod(0o600)
    toml.chmod(0o600)
    assert check("secret_files", Settings(webhook_secrets_dir=folder, data=data)).found.startswith("3 files")


def test_files_of_the_current_directory_count_where_secrets_stand_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    secret(tmp_path / ".env", 0o644, f"SIXFOLD_KAFKA_PASSWORD={SECRET}\n")
    secret(tmp_path / "sixfold.toml", 0o644, "partitions = 4\n")
    found = check("secret_files", Settings())
    assert found.state == "problem"
    assert ".env" in found.found
    assert "sixfold.toml" not in found.found


def test_source_files(tmp_path: Path) -> None:
    assert check("source_files", Settings()).state == "ok"
    assert "twilio" in check("source_files", Settings(sources=(str(EXAMPLES),))).found
    (tmp_path / "broken.toml").write_text("kind =")
    settings = Settings(sources=(str(tmp_path), str(tmp_path / "missing.toml")))
    found = check("source_files", settings)
    assert found.state == "problem"
    assert "broken.toml" in found.found
    assert "missing.toml" in found.found
    assert "\n" not in found.found
    assert check("webhook_secrets", settings).state == "unknown"


def test_secrets_of_webhooks(tmp_path: Path) -> None:
    sources = (str(EXAMPLES / "twilio.toml"), str(EXAMPLES / "hubspot.toml"), str(EXAMPLES / "ecb.toml"))
    found = check("webhook_secrets", Settings(sources=sources, webhook_secrets={"twilio": SECRET}))
    assert found.state == "warning"
    assert found.found.endswith("for hubspot")
    secret(tmp_path / "hubspot")
    both = Settings(sources=sources, webhook_secrets={"twilio": SECRET}, webhook_secrets_dir=tmp_path)
    assert check("webhook_secrets", both).state == "ok"
    wrong = check("webhook_secrets", Settings(sources=sources, webhook_secrets={"twilo": SECRET}))
    assert wrong.state == "problem"
    assert "twilo" in wrong.found
    assert check("webhook_secrets", Settings()).found == "there are no sources"


def test_the_gateways_key(tmp_path: Path) -> None:
    assert check("gateway_key", Settings()).state == "ok"
    without = check("gateway_key", Settings(gateway_url="http://127.0.0.1:8080"))
    assert without.state == "problem"
    assert "SIXFOLD_GATEWAY_KEY" in without.action
    keys = Settings(
        gateway_url="http://127.0.0.1:8080", gateway_key_file=secret(tmp_path / "keys", text=f"{SECRET}\nother\n")
    )
    assert check("gateway_key", keys).found == "2 set"
