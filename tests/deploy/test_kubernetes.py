"""`deploy/kubernetes`: built by kustomize, valid by the schemas of Kubernetes and of both operators, and by our rules.

No cluster has run it.
"""

import asyncio
import copy
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import kubernetes_validate
import pytest
import yaml
from dockerfile_parse import DockerfileParser
from prometheus_client import CollectorRegistry

from deploy.prometheus.alerts import groups
from sinks.endpoint import Endpoint
from stream.gateway import openapi, serving
from stream.page import access
from stream.page.serving import STOP_SECONDS as PAGE_STOP_SECONDS
from stream.settings import PREFIX, Settings
from tests.deploy.kubernetes_rules import PATHS, STOP_SECONDS, USER, secrets_needed, wrong
from tests.deploy.manifests import KUBERNETES, ROOT, Object, build, checker, environment, of, one, pods
from tests.docs.shell_blocks import commands

EXAMPLE = KUBERNETES / "overlays" / "example"
COMPONENTS = sorted(path.name for path in (KUBERNETES / "components").iterdir())
KIND = "{{.ResourceKind}}"
CRDS = Path(__file__).parent / "schema" / "crds"
OLDEST, NEWEST = "1.31.0", "1.37.0"
"""Versions of Kubernetes whose schemas the manifests are held against: docs/kubernetes.md names them."""


@pytest.fixture(scope="module")
def built() -> list[Object]:
    return build(EXAMPLE)


@pytest.fixture
def example(built: list[Object]) -> list[Object]:
    return copy.deepcopy(built)


@pytest.fixture(scope="module")
def base() -> list[Object]:
    return build(KUBERNETES / "base")


# -- the schemas


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each version: the schema of each kind with all that it refers to, so that nothing is fetched."""
    folder = tmp_path_factory.mktemp("schemas")
    for number in (OLDEST, NEWEST):
        source = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / f"v{number}-local-strict"
        definitions = json.loads((source / "_definitions.json").read_text("utf-8"))["$defs"]
        (folder / f"v{number}").mkdir()
        for path in source.glob("*.json"):
            schema = json.loads(path.read_text("utf-8"))
            if "x-kubernetes-group-version-kind" in schema:
                del schema["$id"]
                text = json.dumps({**schema, "$defs": _reachable(schema, definitions)})
                target = folder / f"v{number}" / path.name
                target.write_text(text.replace('"/api/_definitions.json#', '"#'), "utf-8")
    return folder


def _reachable(schema: Object, definitions: Object) -> Object:
    found: Object = {}
    left = [schema]
    while left:
        for name in re.findall(r'#/\$defs/([^"]+)"', json.dumps(left.pop())):
            if name not in found:
                found[name] = definitions[name]
                left.append(definitions[name])
    return found


def _conforms(objects: list[Object], schemas: Path, number: str = NEWEST) -> list[str]:
    """What kubeconform says against: a line for each object that is not valid, or of which there is no schema."""
    checked = subprocess.run(
        [
            *(checker("kubeconform"), "-strict", "-output", "json", "-kubernetes-version", number),
            *("-schema-location", f"{schemas}/{{{{.NormalizedKubernetesVersion}}}}/{KIND}{{{{.KindSuffix}}}}.json"),
            *("-schema-location", f"{CRDS}/{KIND}-{{{{.Group}}}}-{{{{.ResourceAPIVersion}}}}.json"),
        ],
        input=yaml.safe_dump_all(objects),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert checked.returncode in (0, 1), checked.stderr
    found = json.loads(checked.stdout)["resources"]
    lines = [f"{each['kind']} {each['name']}: {each['status']}: {each['msg']}" for each in found]
    assert bool(lines) == (checked.returncode == 1), checked.stdout
    return lines


@pytest.mark.parametrize("number", [OLDEST, NEWEST])
def test_everything_is_valid_by_the_strict_schemas(
    base: list[Object], example: list[Object], schemas: Path, number: str
) -> None:
    assert {"ScaledObject", "TriggerAuthentication", "ServiceMonitor", "PrometheusRule", "NetworkPolicy"} <= {
        each["kind"] for each in example
    }
    assert _conforms(base, schemas, number) == []
    assert _conforms(example, schemas, number) == []


@pytest.mark.parametrize(
    ("kind", "name", "spoil"),
    [
        ("StatefulSet", "sixfold-worker", lambda s: s["template"]["spec"].update(gracePeriod=60)),
        ("StatefulSet", "sixfold-worker", lambda s: s["template"]["spec"]["containers"][0].update(arg=["worker"])),
        ("Deployment", "sixfold-gateway", lambda s: s.update(replicas="two")),
        ("CronJob", "sixfold-snapshot", lambda s: s.update(concurrencyPolicy="Never", shedule="x")),
        ("NetworkPolicy", "sixfold-web", lambda s: s["ingress"][0].update(form=[])),
        ("PodDisruptionBudget", "sixfold-worker", lambda s: s.update(maxUnavailble=1)),
        ("Ingress", "sixfold-page", lambda s: s["rules"][0]["http"]["paths"][0].pop("pathType")),
        ("ScaledObject", "sixfold-worker", lambda s: s.update(maxReplicas=8)),
        ("ScaledObject", "sixfold-worker", lambda s: s["triggers"][0]["metadata"].update(lagThreshold=50000)),
        ("TriggerAuthentication", "sixfold-kafka", lambda s: s["secretTargetRef"][0].pop("parameter")),
        ("ServiceMonitor", "sixfold", lambda s: s["endpoints"][0].update(intervall="15s")),
        ("PrometheusRule", "sixfold", lambda s: s["groups"][0]["rules"][0].update(exp="up")),
    ],
)
def test_what_the_schemas_do_not_know_is_found(
    example: list[Object], schemas: Path, kind: str, name: str, spoil: Callable[[Any], object]
) -> None:
    spoil(one(example, kind, name)["spec"])
    (line,) = _conforms(example, schemas)
    assert line.startswith(f"{kind} {name}: statusInvalid")


# -- our rules


def test_base_and_example_keep_to_the_rules(base: list[Object], example: list[Object]) -> None:
    assert list(wrong(base)) == []
    assert list(wrong(example)) == []
    assert {" ".join(pod.container["args"]) for pod in pods(example)} == {
        *("migrate", "worker", "gateway", "exporter", "page", "sources"),
        *("history take --if-due", "history prune"),
    }


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_goes_with_the_base_alone(component: str, tmp_path: Path) -> None:
    def here(path: Path) -> str:
        return os.path.relpath(path, tmp_path.resolve())

    overlay = {
        "resources": [here(KUBERNETES / "base")],
        "components": [here(KUBERNETES / "components" / component)],
        "configMapGenerator": [{"name": "sixfold-sources", "literals": ["a.toml="]}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay), "utf-8")
    lines = list(wrong(build(tmp_path)))
    assert lines == []


REMOVED = object()
WORKER, GATEWAY, PAGE = "StatefulSet/sixfold-worker", "Deployment/sixfold-gateway", "Deployment/sixfold-page"
EXPORTER, SOURCES = "Deployment/sixfold-exporter", "Deployment/sixfold-sources"
SETTINGS, LOGINS = "ConfigMap/sixfold-settings", "ConfigMap/sixfold-logins"
BUDGET, SCALED = "PodDisruptionBudget/sixfold-page", "ScaledObject/sixfold-worker"
SHORT = {"pod": "spec/template/spec", "container": "spec/template/spec/containers/sixfold"}


def _spoil(objects: list[Object], which: str, path: str, value: object) -> None:
    """Put a value where a path of members, elements or `+` leads, or remove what is there."""
    kind, _, name = which.partition("/")
    (found,) = (
        each for each in of(objects, kind) if re.fullmatch(f"{name}(-[0-9a-z]{{10}})?", each["metadata"]["name"])
    )
    if not path:
        objects.remove(found)
        return
    first, _, rest = path.partition("/")
    *steps, last = f"{SHORT.get(first, first)}/{rest}".strip("/").split("/")
    node: Any = found
    for step in steps:
        node = node[_key(node, step)]
    if last == "+":
        node.append(value)
    elif value is REMOVED:
        del node[_key(node, last)]
    else:
        node[_key(node, last)] = value


def _key(node: Any, step: str) -> int | str:
    if isinstance(node, dict):
        return step.replace("~", "/")
    return int(step) if step.isdigit() else next(i for i, each in enumerate(node) if each["name"] == step)


SPOILED: list[tuple[str, str, object, str]] = [
    (WORKER, "pod/serviceAccountName", "default", "its account is missing"),
    (WORKER, "pod/automountServiceAccountToken", True, "its account is missing, or its token is mounted"),
    ("ServiceAccount/sixfold", "automountServiceAccountToken", REMOVED, "its account mounts a token"),
    (WORKER, "pod/enableServiceLinks", REMOVED, "Services put their addresses among its settings"),
    (WORKER, "pod/securityContext/runAsUser", 0, "does not run as user"),
    (WORKER, "pod/securityContext/runAsNonRoot", REMOVED, "does not run as user"),
    (WORKER, "pod/securityContext/seccompProfile", REMOVED, "no seccomp profile"),
    (WORKER, "pod/hostNetwork", True, "shares the host's"),
    (WORKER, "pod/initContainers", [{}], "more than one container"),
    (PAGE, "container/securityContext/allowPrivilegeEscalation", REMOVED, "privileges may grow"),
    (PAGE, "container/securityContext/privileged", True, "privileges may grow"),
    (PAGE, "container/securityContext/readOnlyRootFilesystem", False, "its root file system can be written"),
    (PAGE, "container/securityContext/capabilities/add", ["NET_RAW"], "capabilities are left"),
    (PAGE, "container/securityContext/runAsUser", 0, "the container overrules its pod"),
    (PAGE, "container/resources/limits", REMOVED, "no memory limit"),
    (PAGE, "container/resources/requests/cpu", REMOVED, "asks for no CPU"),
    (PAGE, "pod/volumes/tmp/emptyDir", {}, "volume tmp has no limit"),
    (PAGE, "container/envFrom/0/configMapRef/name", "no", "no ConfigMap no"),
    (LOGINS, "data/kafka-worker", REMOVED, "no entry kafka-worker in ConfigMap"),
    (PAGE, "container/volumeMounts/0/name", "no", "no volume no"),
    (PAGE, "pod/volumes/+", {"name": "more", "emptyDir": {"sizeLimit": 1}}, "volume more is mounted nowhere"),
    (PAGE, "pod/volumes/secrets/hostPath", {"path": "/"}, "volume secrets is of a kind"),
    (SOURCES, "pod/volumes/sources/configMap/name", "no", "sixfold-sources: no ConfigMap no"),
    (SETTINGS, "data/SIXFOLD_BROKER", "x", "no setting SIXFOLD_BROKER"),
    (PAGE, "container/env/+", {"name": "SIXFOLD_PAGE_PASSWORD", "value": "x"}, "SIXFOLD_PAGE_PASSWORD stands in"),
    (LOGINS, "data/clickhouse-page", "https://a:b@c:8443/d", "SIXFOLD_CLICKHOUSE_URL has a password in it"),
    (WORKER, "container/env/SIXFOLD_KAFKA_PASSWORD_FILE/value", "/run/x", "SIXFOLD_KAFKA_PASSWORD_FILE=/run/x is not"),
    (GATEWAY, "container/env/SIXFOLD_GATEWAY_KEY_FILE/value", "/run/secrets/sixfold/no", "sixfold/no is not mounted"),
    (SETTINGS, "data/SIXFOLD_KAFKA_CA_FILE", "/etc/ca.crt", "SIXFOLD_KAFKA_CA_FILE=/etc/ca.crt is not mounted"),
    (WORKER, "container/args", ["work"], "no command: work"),
    (PAGE, "container/args", ["page", "--prot", "1"], "no command: page --prot"),
    (PAGE, "container/ports/0/containerPort", 80, "port http is 80, SIXFOLD_PAGE_PORT is 8081"),
    (SETTINGS, "data/SIXFOLD_METRICS_PORT", "9662", "port metrics is 9661, SIXFOLD_METRICS_PORT is 9662"),
    (SETTINGS, "data/SIXFOLD_METRICS_HOST", REMOVED, "SIXFOLD_METRICS_HOST keeps port metrics on the loopback"),
    (PAGE, "container/ports/+", {"name": "more", "containerPort": 1}, "port more is none of page"),
    (PAGE, "container/startupProbe", REMOVED, "startupProbe: no port None"),
    (PAGE, "container/livenessProbe/httpGet/path", "/health", "livenessProbe: no path /health"),
    (PAGE, "container/livenessProbe/httpGet/path", "/ready", "livenessProbe asks /ready"),
    (WORKER, "container/readinessProbe/httpGet/path", "/live", "readinessProbe asks /live"),
    (WORKER, "pod/terminationGracePeriodSeconds", 30, "is killed before its own stop is over"),
    (WORKER, "container/livenessProbe/failureThreshold", 2, "is killed when it is busy"),
    (PAGE, "spec/selector/matchLabels/x", "y", "does not select its own pods"),
    (EXPORTER, "spec/replicas", 2, "there may be two at a time"),
    (EXPORTER, "spec/strategy", REMOVED, "there may be two at a time"),
    (WORKER, "spec/replicas", 33, "more workers than partitions"),
    (WORKER, "container/env/SIXFOLD_WORKER_NAME/name", "SIXFOLD_DATA", "static members need names that stay"),
    (WORKER, "spec/serviceName", "no", "no Service no"),
    (PAGE, "pod/topologySpreadConstraints", REMOVED, "all may land on one node"),
    (PAGE, "pod/topologySpreadConstraints/0/labelSelector/matchLabels/x", "y", "spreads other pods than its own"),
    ("Service/sixfold-page", "spec/selector/x", "y", "Service sixfold-page: selects []"),
    ("Service/sixfold-page", "spec/ports/http/targetPort", "web", "Service sixfold-page: no port web"),
    ("Ingress/sixfold-page", "spec/tls", REMOVED, "a host without TLS"),
    ("Service/sixfold-page", "", REMOVED, "no port http of Service sixfold-page"),
    (
        "Ingress/sixfold-gateway",
        "spec/rules/0/http/paths/0/backend/service/port/name",
        "metrics",
        "shows metrics to the world",
    ),
    (SETTINGS, "data/SIXFOLD_PAGE_URL", "https://x.example.com", "SIXFOLD_PAGE_URL: https://x.example.com"),
    (SETTINGS, "data/SIXFOLD_GATEWAY_PUBLIC_URL", "http://events.crm.example.com", "SIXFOLD_GATEWAY_PUBLIC_URL: http:"),
    ("PodDisruptionBudget/sixfold-worker", "", REMOVED, "sixfold-worker: no PodDisruptionBudget"),
    (BUDGET, "spec/selector/matchLabels/x", "y", "PodDisruptionBudget sixfold-page: of []"),
    (BUDGET, "spec/unhealthyPodEvictionPolicy", REMOVED, "pods that are not ready hold up a drain"),
    (BUDGET, "spec/maxUnavailable", 0, "PodDisruptionBudget sixfold-page: maxUnavailable"),
    (
        "NetworkPolicy/sixfold-dns",
        "spec/podSelector/matchLabels/x",
        "y",
        "sixfold-dns: selects pods that are not there",
    ),
    (
        "NetworkPolicy/sixfold-web",
        "spec/podSelector/matchExpressions/0/values/+",
        "pgae",
        "sixfold-web: selects pods that are not there",
    ),
    ("NetworkPolicy/sixfold-web", "spec/ingress/0/ports/0/port", "web", "sixfold-page has no port web"),
    ("NetworkPolicy/sixfold-web", "spec/ingress/0/from", REMOVED, "lets everybody in"),
    ("NetworkPolicy/sixfold-default-deny", "", REMOVED, "nothing is denied by default"),
    (
        SETTINGS,
        "data/SIXFOLD_BROKERS",
        "a:9999",
        "sixfold-worker: may reach ports [53, 8443, 9094], needs [53, 8443, 9999]",
    ),
    ("NetworkPolicy/sixfold-kafka", "spec/podSelector/matchExpressions", REMOVED, "sixfold-page: may reach ports"),
    ("NetworkPolicy/sixfold-metrics", "", REMOVED, "sixfold-worker: is reached at [], serves ['metrics']"),
    (SCALED, "spec/scaleTargetRef/kind", "Deployment", "nothing to scale"),
    (WORKER, "spec/replicas", 3, "each apply sets the replicas back"),
    (SCALED, "spec/maxReplicaCount", 64, "ScaledObject sixfold-worker: from 2 to 64"),
    (SCALED, "spec/triggers/0/metadata/topic", "crm.documents", "ScaledObject sixfold-worker: topics"),
    (SCALED, "spec/triggers/0/metadata/excludePersistantLag", "true", "KEDA knows no excludePersistantLag"),
    (SETTINGS, "data/SIXFOLD_PREFIX", "acme.", "consumerGroup is sixfold, not acme.sixfold"),
    (SETTINGS, "data/SIXFOLD_KAFKA_SASL_MECHANISM", "PLAIN", "sasl is scram_sha512, not plaintext"),
    (SETTINGS, "data/SIXFOLD_READY_LAG", "40000", "scales later than workers stop being ready"),
    ("TriggerAuthentication/sixfold-kafka", "", REMOVED, "logs in as nobody"),
    (PAGE, "kind", "Secret", "Secret sixfold-page stands in the tree"),
]


@pytest.mark.parametrize(("which", "path", "value", "said"), SPOILED)
def test_what_breaks_a_rule_is_found(example: list[Object], which: str, path: str, value: object, said: str) -> None:
    _spoil(example, which, path, value)
    assert [line for line in wrong(example) if said in line]


# -- values against what the program is


def test_every_process_takes_its_settings(
    base: list[Object], example: list[Object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x\n")
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    for objects in (base, example):
        for pod in pods(objects):
            with monkeypatch.context() as patched:
                for name, value in environment(pod, objects).items():
                    patched.setenv(name, str(secret) if name.endswith("_FILE") else value)
                settings = Settings()
                command = pod.container["args"][0]
                assert not settings.migrate_at_start, "workers may not change tables"
                assert (settings.replication_factor, settings.min_insync_replicas) == (3, 2)
                if command == "page":
                    assert access.Access(settings).secure, "cookies are sent over TLS alone"
                    assert settings.page_session_key is not None, "several pages share their sessions"
                if command == "worker":
                    assert settings.static_membership
                    assert settings.session_timeout >= 60, "longer than a pod takes to come back: docs/reliability.md"
                if command not in ("page", "history"):
                    assert settings.kafka_security_protocol == "SASL_SSL"
                    assert settings.kafka_password.get_secret_value() == "x"
                if command not in ("gateway", "sources"):
                    assert settings.clickhouse.secure


def test_each_process_logs_in_as_a_user_of_its_own(base: list[Object]) -> None:
    logins = {
        pod.container["args"][0]: environment(pod, base)["SIXFOLD_CLICKHOUSE_URL"]
        for pod in pods(base)
        if pod.container["args"] != ["gateway"]
    }
    assert logins["worker"] == logins["history"]
    assert len({logins[name] for name in ("migrate", "worker", "exporter", "page")}) == 4
    for pod in pods(base):
        read = [
            item["key"]
            for volume in pod.spec["volumes"]
            for source in volume.get("projected", {}).get("sources", ())
            for item in source["secret"]["items"]
            if source["secret"]["name"] == "sixfold-clickhouse"
        ]
        assert len(read) == (0 if pod.container["args"] == ["gateway"] else 1), f"{pod.name} sees others' passwords"


def test_the_paths_of_the_probes_are_served() -> None:
    async def statuses() -> set[int]:
        endpoint = Endpoint(CollectorRegistry(), ("kafka",), lambda: {"kafka": "away"})
        port = await endpoint.start("127.0.0.1", 0, "SIXFOLD_METRICS_PORT")
        async with aiohttp.ClientSession() as session:
            answers = [await session.get(f"http://127.0.0.1:{port}{path}") for path in sorted(PATHS["metrics"])]
        await endpoint.stop()
        return {answer.status for answer in answers}

    assert asyncio.run(statuses()) == {200, 503}
    assert PATHS["http"] <= access.OPEN_PATHS
    assert PATHS["http"] <= openapi.document([], has_events=True, server="http://x")["paths"].keys()


def test_a_stop_has_the_time_that_the_program_takes() -> None:
    assert max(serving.STOP_SECONDS, PAGE_STOP_SECONDS) <= STOP_SECONDS


def test_the_image_is_that_of_this_version_and_its_user(base: list[Object], example: list[Object]) -> None:
    assert {pod.container["image"] for pod in pods(base)} == {f"sixfold:{version('sixfold')}"}
    assert {pod.container["image"] for pod in pods(example)} == {f"registry.example.com/sixfold:{version('sixfold')}"}
    users = [
        step["value"]
        for step in DockerfileParser(str(ROOT / "deploy" / "Dockerfile")).structure
        if step["instruction"] == "USER"
    ]
    assert users == [f"{USER}:{USER}"]


def test_what_runs_writes_below_tmp_alone(base: list[Object]) -> None:
    assert "SIXFOLD_DATA=/tmp/" in (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    for pod in pods(base):
        writable = [mount["mountPath"] for mount in pod.container["volumeMounts"] if not mount.get("readOnly")]
        assert writable == ["/tmp"]  # noqa: S108 - the container's


def test_cron_jobs_get_what_all_pods_get() -> None:
    plain, cron = (
        yaml.safe_load((KUBERNETES / "components" / "pods" / name).read_text("utf-8"))["spec"]
        for name in ("pod.yaml", "cronjob.yaml")
    )
    assert cron["jobTemplate"]["spec"]["template"] == plain["template"]


def test_snapshots_do_not_run_into_each_other(base: list[Object]) -> None:
    for job in of(base, "CronJob"):
        assert job["spec"]["concurrencyPolicy"] == "Forbid"
        assert job["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 3600
    take = one(base, "CronJob", "sixfold-snapshot")["spec"]
    assert re.fullmatch(r"\d+ \* \* \* \*", take["schedule"]), "every hour, whatever the time zone: --if-due decides"


def test_a_worker_asks_for_what_one_was_measured_to_need(base: list[Object]) -> None:
    table = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("<!-- bench -->")[2].partition("<!-- end")[0]
    rows = [[cell.strip().replace(",", "") for cell in line.split("|")] for line in table.splitlines() if "|" in line]
    peak = max(int(row[rows[0].index("worker's peak memory MiB")]) for row in rows[2:])
    (worker,) = (pod for pod in pods(base) if pod.container["args"] == ["worker"])
    amounts = {"Mi": 1, "Gi": 1024}
    asked, limit = (
        int(text[:-2]) * amounts[text[-2:]]
        for text in (worker.container["resources"][part]["memory"] for part in ("requests", "limits"))
    )
    assert peak <= asked <= limit / 2
    assert "cpu" not in worker.container["resources"]["limits"], "a throttled worker misses its heartbeats"


# -- monitoring


def test_the_rules_are_those_of_prometheus(example: list[Object]) -> None:
    made = subprocess.run(
        [Path(sys.executable).parent / "sixfold", "alerts", "operator"], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    shipped = KUBERNETES / "components" / "monitoring" / "prometheus-rule.yaml"
    assert shipped.read_text("utf-8") == made.stdout, "make alerts"
    found = one(example, "PrometheusRule", "sixfold")["spec"]["groups"]
    assert {group["name"]: group for group in found} == {group["name"]: group for group in groups()}


def test_thresholds_of_ones_own_are_in_the_rules(tmp_path: Path) -> None:
    def operator(*words: object) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).parent / "sixfold"
        return subprocess.run([program, "alerts", "operator", *words], capture_output=True, text=True, check=False)

    assert operator(tmp_path).returncode == 2
    (tmp_path / "thresholds.yml").write_text("operation:\n  lag_records: 4711\n")
    made = operator(tmp_path)
    assert made.returncode == 0, made.stderr
    rules = [rule for group in yaml.safe_load(made.stdout)["spec"]["groups"] for rule in group["rules"]]
    assert [rule["expr"] for rule in rules if "sixfold:threshold:lag" in rule.get("record", "")] == ["vector(4711)"]
    (tmp_path / "thresholds.yml").write_text("operation:\n  lag_records: many\n")
    refused = operator(tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "thresholds.yml:2" in refused.stderr


def test_prometheus_finds_the_jobs_of_the_rules(example: list[Object]) -> None:
    """A target's job is the name of its Service, as the operator has it when a ServiceMonitor names no other label."""
    monitor = one(example, "ServiceMonitor", "sixfold")["spec"]
    assert "jobLabel" not in monitor
    (port,) = (each["port"] for each in monitor["endpoints"])
    found = {
        each["metadata"]["name"]
        for each in of(example, "Service")
        if monitor["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
        and port in [entry["name"] for entry in each["spec"]["ports"]]
    }
    sample = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text("utf-8"))
    wanted = {job["job_name"] for job in sample["scrape_configs"]}
    assert wanted
    assert found == wanted | {"sixfold-sources"}


# -- the documentation


def test_the_page_says_which_secrets_to_make(example: list[Object]) -> None:
    page = ROOT / "docs" / "kubernetes.md"
    made: dict[str, set[str]] = {}
    for command in commands(page, "docs/kubernetes.md"):
        if found := re.search(r"create secret generic (\S+)", command.text):
            made[found[1]] = set(re.findall(r"--from-(?:literal|file)=([a-z.-]+)=", command.text))
    needed = secrets_needed(example)
    assert needed.items() <= made.items()
    text = page.read_text("utf-8")
    for ingress in of(example, "Ingress"):
        assert f"`{ingress['spec']['tls'][0]['secretName']}`" in text
    assert f"{OLDEST.rpartition('.')[0]} and {NEWEST.rpartition('.')[0]}" in text


def test_the_first_step_of_an_installation_has_what_the_migration_needs(example: list[Object]) -> None:
    """`kubectl apply -l` of docs/kubernetes.md: settings and the Job, and nothing that runs but it."""
    page = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    (chosen,) = set(re.findall(r"-l 'app\.kubernetes\.io/component in \(([a-z, ]+)\)'", page))
    first = [
        each
        for each in example
        if each["metadata"].get("labels", {}).get("app.kubernetes.io/component") in chosen.split(", ")
    ]
    assert [pod.container["args"] for pod in pods(first)] == [["migrate"]]
    assert [line for line in wrong(first) if line.startswith("sixfold-migrate")] == []
    assert of(first, "Namespace")
