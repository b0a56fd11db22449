"""`deploy/compose.yaml`: read by compose-go, valid by its schema, and nothing in it refers to what is not there.

No Docker has started it here.
"""

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from stream.cli import app
from stream.settings import unknown_variables
from tests.deploy.manifests import checker

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SCHEMA = json.loads((Path(__file__).parent / "schema" / "compose-spec.json").read_text("utf-8"))
Document = dict[str, Any]


@pytest.fixture
def compose() -> Document:
    document: Document = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return document


def _wrong(compose: Document) -> Iterator[str]:
    """What breaks our rules, a line for each."""
    services = compose["services"]
    for name, service in services.items():
        yield from (f"{name}: no service {other}" for other in service.get("depends_on", {}) if other not in services)
        yield from (f"{name}: {line}" for line in _wrong_service(service, compose))
    given = {secret for service in services.values() for secret in service.get("secrets", ())}
    yield from (f"secret {secret} is nobody's" for secret in compose["secrets"].keys() - given)


def _wrong_service(service: Document, compose: Document) -> Iterator[str]:
    image, environment = service.get("image", ""), service.get("environment", {})
    if not re.fullmatch(r"[a-z0-9./-]+:v?\d+\.\d+[0-9.]*", image):
        yield f"image {image} has no exact tag"
    if "mem_limit" not in service:
        yield "no memory limit"
    if "healthcheck" not in service and image.partition(":")[0] != "sixfold":
        yield "no health check"
    for port in service.get("ports", ()):
        if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", str(port)):
            yield f"port {port} is open to others than this machine"
    yield from _wrong_volumes(service, compose)
    for secret in service.get("secrets", ()):
        if secret not in compose["secrets"]:
            yield f"no secret {secret}"
    for path in re.findall(r"/run/secrets/([a-z-]+)", json.dumps(environment)):
        if path not in service.get("secrets", ()):
            yield f"secret {path} is read and not given"
    yield from _wrong_settings(environment, compose)


def _wrong_volumes(service: Document, compose: Document) -> Iterator[str]:
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        if source.startswith(".") and not (DEPLOY / source).exists():
            yield f"no file {source}"
        if not source.startswith(".") and source not in compose["volumes"]:
            yield f"no volume {source}"


def _wrong_settings(environment: Document, compose: Document) -> Iterator[str]:
    ours = {key: str(value) for key, value in environment.items() if key.startswith("SIXFOLD_")}
    yield from (f"no setting {key}" for key in unknown_variables(ours))
    for key, value in ours.items():
        if re.search(r"PASSWORD$|_KEY$|SECRETS$", key) and not value.startswith("${"):
            yield f"{key} stands in the file"
    for host in re.findall(r"\b([a-z]+):(?:8123|9092|9090)\b", json.dumps(ours)):
        if host not in compose["services"]:
            yield f"no service {host}"


def test_it_is_valid_by_the_compose_schema(compose: Document) -> None:
    assert not list(Draft202012Validator(SCHEMA).iter_errors(compose))
    compose["services"]["worker"]["memlimit"] = "1g"
    assert list(Draft202012Validator(SCHEMA).iter_errors(compose))


def _composed(path: Path) -> subprocess.CompletedProcess[str]:
    """compose-go, the library of Docker Compose, reads the file; tests/deploy/checkers/composed prints the services."""
    return subprocess.run([checker("composed"), path], capture_output=True, text=True, check=False)


def test_compose_reads_it_as_it_is_meant(compose: Document) -> None:
    read = _composed(DEPLOY / "compose.yaml")
    assert read.returncode == 0, read.stderr
    assert set(read.stdout.split()) == set(compose["services"])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: s["gateway"]["secrets"].append("no"), "undefined secret no"),
        (lambda s: s["kafka"].update(volumes=["no:/x"]), "undefined volume no"),
        (lambda s: s["worker"].update(depends_on={"no": {"condition": "service_started"}}), "no"),
        (lambda s: s["worker"].update(mem_limit="much"), "mem_limit"),
        (lambda s: s["kafka"].update(ports=["127.0.0.1:9092:nine"]), "nine"),
    ],
)
def test_compose_refuses_what_it_cannot_run(
    compose: Document, spoil: Callable[[Document], object], said: str, tmp_path: Path
) -> None:
    compose["services"] = copy.deepcopy(compose["services"])
    spoil(compose["services"])
    (tmp_path / "compose.yaml").write_text(yaml.safe_dump(compose), "utf-8")
    read = _composed(tmp_path / "compose.yaml")
    assert (read.returncode, said in read.stderr) == (1, True), read.stderr


def test_everything_that_is_referred_to_is_there(compose: Document) -> None:
    assert list(_wrong(compose)) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda s: s["kafka"].update(image="apache/kafka:latest"), "kafka: image apache/kafka:latest has no exact tag"),
        (lambda s: s["worker"].pop("mem_limit"), "worker: no memory limit"),
        (lambda s: s["grafana"].pop("healthcheck"), "grafana: no health check"),
        (lambda s: s["page"].update(ports=["8081:8081"]), "page: port 8081:8081 is open to others than this machine"),
        (lambda s: s["prometheus"]["volumes"].append("./no.yml:/x:ro"), "prometheus: no file ./no.yml"),
        (lambda s: s["kafka"].update(volumes=["gone:/x"]), "kafka: no volume gone"),
        (lambda s: s["gateway"].update(secrets=["clickhouse-password"]), "gateway: secret gateway-key is read"),
        (lambda s: s["worker"]["environment"].update(SIXFOLD_BROKER="x"), "worker: no setting SIXFOLD_BROKER"),
        (lambda s: s["worker"]["environment"].update(SIXFOLD_BROKERS="kafca:9092"), "worker: no service kafca"),
        (lambda s: s["page"]["environment"].update(SIXFOLD_PAGE_PASSWORD="x"), "page: SIXFOLD_PAGE_PASSWORD stands"),
        (lambda s: s["worker"].update(depends_on={"zoo": {}}), "worker: no service zoo"),
    ],
)
def test_what_breaks_a_rule_is_found(compose: Document, spoil: Callable[[Document], object], said: str) -> None:
    compose["services"] = copy.deepcopy(compose["services"])  # anchors are shared objects
    spoil(compose["services"])
    assert [line for line in _wrong(compose) if line.startswith(said)]


def test_our_processes_are_hardened_and_their_commands_are_commands(compose: Document) -> None:
    ours = {name: each for name, each in compose["services"].items() if each["image"].startswith("sixfold:")}
    assert set(ours) == {"migrate", "worker", "gateway", "exporter", "page"}
    for service in ours.values():
        assert service["read_only"]
        assert service["tmpfs"][0].startswith("/tmp:")  # noqa: S108 - the container's
        assert service["cap_drop"] == ["ALL"]
        app.parse_args(service["command"], print_error=False, exit_on_error=False)
    assert ours["worker"]["deploy"]["replicas"] == 2


def test_prometheus_finds_the_jobs_of_the_rules_among_the_services(compose: Document) -> None:
    made = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text("utf-8"))
    sample = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert [job["job_name"] for job in made["scrape_configs"]] == [job["job_name"] for job in sample["scrape_configs"]]
    text = json.dumps(made)
    for host in re.findall(r'"names": \["([a-z]+)"\]|"([a-z]+):\d+"', text):
        assert (host[0] or host[1]) in compose["services"]


def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    tool = shutil.which("promtool") or shutil.which("prometheus-promtool")
    assert tool, "make prometheus"
    shutil.copy(DEPLOY / "compose" / "prometheus.yml", tmp_path)
    shutil.copytree(DEPLOY / "prometheus" / "rules", tmp_path / "rules")
    checked = subprocess.run(
        [tool, "check", "config", tmp_path / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
