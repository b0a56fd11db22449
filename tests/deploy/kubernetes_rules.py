"""What every set of manifests must keep to, beyond the schemas of Kubernetes: a line for each breach."""

import inspect
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from cyclopts import CycloptsError

from stream import transport
from stream.cli import app
from stream.settings import PREFIX, Settings, unknown_variables
from tests.deploy.manifests import Object, Pod, environment, of, pods, selects

USER = 10001
"""That of deploy/Dockerfile."""
STOP_SECONDS = inspect.signature(transport.serve).parameters["stop_timeout"].default
"""What a worker gives its own stop."""
VOLUMES = {"configMap", "secret", "projected", "emptyDir"}
PORT_OF = {
    ("worker", "metrics"): "METRICS_PORT",
    ("sources", "metrics"): "METRICS_PORT",
    ("gateway", "metrics"): "METRICS_PORT",
    ("gateway", "http"): "GATEWAY_PORT",
    ("exporter", "metrics"): "EXPORTER_PORT",
    ("page", "http"): "PAGE_PORT",
}
"""The setting that says on which port a process listens."""
HOST_OF = {"METRICS_PORT": "METRICS_HOST", "EXPORTER_PORT": "METRICS_HOST"}
TRIGGER = {
    *("bootstrapServers", "consumerGroup", "topic", "lagThreshold", "activationLagThreshold", "offsetResetPolicy"),
    *("excludePersistentLag", "allowIdleConsumers", "limitToPartitionsWithLag", "version", "tls", "sasl"),
}
"""What KEDA's Kafka trigger reads of its metadata (its schema takes any); it passes over what it does not know."""
SASL = {"PLAIN": "plaintext", "SCRAM-SHA-256": "scram_sha256", "SCRAM-SHA-512": "scram_sha512"}
"""KEDA's words for the mechanisms."""
PATHS = {"metrics": {"/metrics", "/live", "/ready"}, "http": {"/live", "/ready"}}
"""What is served there; test_kubernetes.py asks the real services."""


def wrong(objects: list[Object]) -> Iterator[str]:
    """Everything that breaks a rule."""
    for pod in pods(objects):
        for line in (
            *_security(pod, objects),
            *_resources(pod),
            *_references(pod, objects),
            *_settings(pod, objects),
            *_ports(pod, objects),
            *_life(pod),
        ):
            yield f"{pod.name}: {line}"
    for rule in (_workloads, _services, _ingresses, _disruption, _policies, _scaling, _secrets):
        yield from rule(objects)


def _security(pod: Pod, objects: list[Object]) -> Iterator[str]:
    spec, context = pod.spec, pod.spec.get("securityContext", {})
    accounts = of(objects, "ServiceAccount", spec.get("serviceAccountName"))
    if not accounts or spec.get("automountServiceAccountToken") is not False:
        yield "its account is missing, or its token is mounted"
    if any(account.get("automountServiceAccountToken") is not False for account in accounts):
        yield "its account mounts a token"
    if spec.get("enableServiceLinks") is not False:
        yield "Services put their addresses among its settings: enableServiceLinks"
    if context.get("runAsNonRoot") is not True or context.get("runAsUser") != USER:
        yield f"does not run as user {USER}"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "no seccomp profile"
    if any(spec.get(name) for name in ("hostNetwork", "hostPID", "hostIPC")):
        yield "shares the host's"
    if len(spec["containers"]) != 1 or spec.get("initContainers"):
        yield "more than one container: these rules look at one"
    own = pod.container.get("securityContext", {})
    if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
        yield "privileges may grow"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "its root file system can be written"
    if own.get("capabilities") != {"drop": ["ALL"]}:
        yield "capabilities are left"
    if not {"runAsUser", "runAsNonRoot", "seccompProfile"}.isdisjoint(own):
        yield "the container overrules its pod"


def _resources(pod: Pod) -> Iterator[str]:
    resources = pod.container.get("resources", {})
    if not {"cpu", "memory"} <= resources.get("requests", {}).keys():
        yield "asks for no CPU or memory"
    if "memory" not in resources.get("limits", {}):
        yield "no memory limit"
    for volume in pod.spec.get("volumes", ()):
        if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
            yield f"volume {volume['name']} has no limit"


def _references(pod: Pod, objects: list[Object]) -> Iterator[str]:
    maps = {each["metadata"]["name"]: each.get("data", {}) for each in of(objects, "ConfigMap")}
    for source in pod.container.get("envFrom", ()):
        if source["configMapRef"]["name"] not in maps:
            yield f"no ConfigMap {source['configMapRef']['name']}"
    for each in pod.container.get("env", ()):
        reference = each.get("valueFrom", {}).get("configMapKeyRef")
        if reference and reference["key"] not in maps.get(reference["name"], {}):
            yield f"no entry {reference['key']} in ConfigMap {reference['name']}"
    mounted = {mount["name"] for mount in pod.container.get("volumeMounts", ())}
    volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", ())}
    yield from (f"no volume {name}" for name in mounted - volumes.keys())
    yield from (f"volume {name} is mounted nowhere" for name in volumes.keys() - mounted)
    for name, volume in volumes.items():
        kinds = volume.keys() - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {name} is of a kind that the restricted profile forbids"
        found = volume.get("configMap")
        if found and not found.get("optional") and found["name"] not in maps:
            yield f"no ConfigMap {found['name']}"


def _settings(pod: Pod, objects: list[Object]) -> Iterator[str]:
    given = environment(pod, objects)
    yield from (f"no setting {name}" for name in unknown_variables(given))
    for each in pod.container.get("env", ()):
        if each["name"].removeprefix(PREFIX).lower() in Settings.SECRET - {"clickhouse_url"} and "value" in each:
            yield f"{each['name']} stands in the manifest"
    for name, value in given.items():
        if "_URL" in name and urlsplit(value).password:
            yield f"{name} has a password in it"
        if re.search(r"_FILE$|_DIR$|_SOURCES$", name) and not _is_mounted(pod, value):
            yield f"{name}={value} is not mounted"
    try:
        app.parse_args(pod.container["args"], print_error=False, exit_on_error=False)
    except CycloptsError as error:
        yield f"no command: {' '.join(pod.container['args'])}: {' '.join(str(error).split())}"


def _is_mounted(pod: Pod, path: str) -> bool:
    """Whether a file or folder is there: below a mount, and in a projected volume by its name."""
    for mount in pod.container["volumeMounts"]:
        if path != mount["mountPath"] and not path.startswith(f"{mount['mountPath']}/"):
            continue
        volume = next(each for each in pod.spec["volumes"] if each["name"] == mount["name"])
        if "projected" not in volume:
            return True
        items = [item["path"] for source in volume["projected"]["sources"] for item in source["secret"]["items"]]
        return path.removeprefix(f"{mount['mountPath']}/") in items
    return False


def _ports(pod: Pod, objects: list[Object]) -> Iterator[str]:
    given = environment(pod, objects)
    command = pod.container["args"][0]
    for name, port in pod.ports.items():
        setting = PORT_OF.get((command, name))
        if setting is None:
            yield f"port {name} is none of {command}"
            continue
        if given.get(PREFIX + setting) != str(port):
            yield f"port {name} is {port}, {PREFIX}{setting} is {given.get(PREFIX + setting)}"
        host = HOST_OF.get(setting, setting.replace("PORT", "HOST"))
        if given.get(PREFIX + host) != "0.0.0.0":  # noqa: S104 - in the pod's own network
            yield f"{PREFIX}{host} keeps port {name} on the loopback"
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        if not pod.ports:
            continue
        probe = pod.container.get(kind, {}).get("httpGet", {})
        if probe.get("port") not in pod.ports:
            yield f"{kind}: no port {probe.get('port')}"
        elif probe["path"] not in PATHS[probe["port"]]:
            yield f"{kind}: no path {probe['path']}"
        elif probe["path"] != ("/ready" if kind == "readinessProbe" else "/live"):
            yield f"{kind} asks {probe['path']}"


def _life(pod: Pod) -> Iterator[str]:
    if not pod.ports:
        return
    before = pod.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if pod.spec.get("terminationGracePeriodSeconds", 30) < STOP_SECONDS + before + 10:
        yield "is killed before its own stop is over: terminationGracePeriodSeconds"
    alive = pod.container.get("livenessProbe", {})
    if alive.get("periodSeconds", 10) * alive.get("failureThreshold", 3) < 60:
        yield "is killed when it is busy for less than a minute: livenessProbe"


def _workloads(objects: list[Object]) -> Iterator[str]:
    for pod in pods(objects):
        selector = pod.owner["spec"].get("selector")
        if selector and not selects(selector, pod.labels):
            yield f"{pod.name}: does not select its own pods"
        replicas = pod.owner["spec"].get("replicas", 1)
        alone = (replicas, pod.owner["spec"].get("strategy")) == (1, {"type": "Recreate"})
        if pod.container["args"] == ["exporter"] and not alone:
            yield f"{pod.name}: there may be two at a time"
        if pod.container["args"] == ["worker"]:
            given = environment(pod, objects)
            if replicas > int(given.get(f"{PREFIX}PARTITIONS", 0)):
                yield f"{pod.name}: more workers than partitions"
            if given.get(f"{PREFIX}WORKER_NAME") != "metadata.name" or pod.owner["kind"] != "StatefulSet":
                yield f"{pod.name}: static members need names that stay"
            if not of(objects, "Service", pod.owner["spec"]["serviceName"]):
                yield f"{pod.name}: no Service {pod.owner['spec']['serviceName']}"
        spread = pod.spec.get("topologySpreadConstraints", ())
        if replicas > 1 and not any(each["topologyKey"] == "kubernetes.io/hostname" for each in spread):
            yield f"{pod.name}: all may land on one node"
        for each in spread:
            if not selects(each["labelSelector"], pod.labels):
                yield f"{pod.name}: spreads other pods than its own"


def _chosen(objects: list[Object], selector: dict[str, Any]) -> list[Pod]:
    return [pod for pod in pods(objects) if selects(selector, pod.labels)]


def _services(objects: list[Object]) -> Iterator[str]:
    for service in of(objects, "Service"):
        name = service["metadata"]["name"]
        chosen = _chosen(objects, {"matchLabels": service["spec"]["selector"]})
        if len(chosen) != 1:
            yield f"Service {name}: selects {[pod.name for pod in chosen]}"
        for port in service["spec"]["ports"]:
            if any(port["targetPort"] not in pod.ports for pod in chosen):
                yield f"Service {name}: no port {port['targetPort']}"


def _ingresses(objects: list[Object]) -> Iterator[str]:
    ports = {each["metadata"]["name"]: {p["name"] for p in each["spec"]["ports"]} for each in of(objects, "Service")}
    for ingress in of(objects, "Ingress"):
        name, spec = ingress["metadata"]["name"], ingress["spec"]
        hosts = [rule["host"] for rule in spec["rules"]]
        if hosts != [host for entry in spec.get("tls", ()) for host in entry["hosts"]]:
            yield f"Ingress {name}: a host without TLS"
        for rule in spec["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                if backend["port"]["name"] not in ports.get(backend["name"], ()):
                    yield f"Ingress {name}: no port {backend['port']['name']} of Service {backend['name']}"
                if backend["port"]["name"] != "http":
                    yield f"Ingress {name}: shows {backend['port']['name']} to the world"
        for pod in pods(objects):
            if pod.name != name:
                continue
            setting = f"{PREFIX}{'GATEWAY_PUBLIC_URL' if pod.container['args'] == ['gateway'] else 'PAGE_URL'}"
            address = urlsplit(environment(pod, objects).get(setting, ""))
            if [address.hostname] != hosts or address.scheme != "https":
                yield f"Ingress {name}: {hosts}, {setting}: {address.geturl()}"


def _disruption(objects: list[Object]) -> Iterator[str]:
    held = []
    for budget in of(objects, "PodDisruptionBudget"):
        name, chosen = budget["metadata"]["name"], _chosen(objects, budget["spec"]["selector"])
        held += [pod.name for pod in chosen]
        if len(chosen) != 1 or (chosen[0].name == "sixfold-exporter"):
            yield f"PodDisruptionBudget {name}: of {[pod.name for pod in chosen]}"
        if budget["spec"].get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"PodDisruptionBudget {name}: pods that are not ready hold up a drain"
        if budget["spec"].get("maxUnavailable") != 1:
            yield f"PodDisruptionBudget {name}: maxUnavailable"
    for pod in pods(objects):
        if pod.ports and pod.container["args"] != ["exporter"] and pod.name not in held:
            yield f"{pod.name}: no PodDisruptionBudget"


def _policies(objects: list[Object]) -> Iterator[str]:
    policies = of(objects, "NetworkPolicy")
    if not policies:
        return
    for policy in policies:
        name, chosen = policy["metadata"]["name"], _chosen(objects, policy["spec"]["podSelector"])
        wanted = {
            value
            for each in policy["spec"]["podSelector"].get("matchExpressions", ())
            for value in each["values"]
        }  # fmt: skip
        if not chosen or not wanted <= {pod.labels["app.kubernetes.io/component"] for pod in chosen}:
            yield f"NetworkPolicy {name}: selects pods that are not there"
        named = [p["port"] for rule in policy["spec"].get("ingress", ()) for p in rule["ports"]]
        yield from (
            f"NetworkPolicy {name}: {pod.name} has no port {port}"
            for port in named
            for pod in chosen
            if port not in pod.ports
        )
        if any(not rule.get("from") for rule in policy["spec"].get("ingress", ())):
            yield f"NetworkPolicy {name}: lets everybody in"
    for pod in pods(objects):
        ours = [each["spec"] for each in policies if selects(each["spec"]["podSelector"], pod.labels)]
        if not any(set(each["policyTypes"]) == {"Ingress", "Egress"} and len(each) == 2 for each in ours):
            yield f"{pod.name}: nothing is denied by default"
        allowed = {p["port"] for each in ours for rule in each.get("egress", ()) for p in rule["ports"]}
        needed = {53, *_services_needed(environment(pod, objects))}
        if allowed != needed:
            yield f"{pod.name}: may reach ports {sorted(allowed)}, needs {sorted(needed)}"
        entered = {p["port"] for each in ours for rule in each.get("ingress", ()) for p in rule["ports"]}
        if entered != pod.ports.keys():
            yield f"{pod.name}: is reached at {sorted(entered)}, serves {sorted(pod.ports)}"


def _services_needed(given: dict[str, str]) -> Iterator[int]:
    """Ports of Kafka for whoever logs in there, of ClickHouse likewise."""
    if f"{PREFIX}KAFKA_USERNAME" in given:
        yield from (int(broker.rpartition(":")[2]) for broker in given.get(f"{PREFIX}BROKERS", "none:0").split(","))
    if address := given.get(f"{PREFIX}CLICKHOUSE_URL"):
        yield urlsplit(address).port or 8443


def _scaling(objects: list[Object]) -> Iterator[str]:
    workers = [pod for pod in pods(objects) if pod.container["args"] == ["worker"]]
    for scaled in of(objects, "ScaledObject"):
        spec, name = scaled["spec"], scaled["metadata"]["name"]
        target = [pod for pod in workers if pod.name == spec["scaleTargetRef"]["name"]]
        if not target or spec["scaleTargetRef"]["kind"] != target[0].owner["kind"]:
            yield f"ScaledObject {name}: nothing to scale"
            continue
        if "replicas" in target[0].owner["spec"]:
            yield f"ScaledObject {name}: each apply sets the replicas back"
        given = environment(target[0], objects)
        if spec["maxReplicaCount"] > int(given[f"{PREFIX}PARTITIONS"]) or spec["minReplicaCount"] < 1:
            yield f"ScaledObject {name}: from {spec['minReplicaCount']} to {spec['maxReplicaCount']}"
        prefix = given.get(f"{PREFIX}PREFIX", "")
        facts = [trigger["metadata"] for trigger in spec["triggers"]]
        if {each["topic"] for each in facts} != {f"{prefix}crm.events", f"{prefix}crm.documents"}:
            yield f"ScaledObject {name}: topics {[each['topic'] for each in facts]}"
        ready = int(given.get(f"{PREFIX}READY_LAG", Settings.model_fields["ready_lag"].default))
        for each in facts:
            wanted = {
                "bootstrapServers": given[f"{PREFIX}BROKERS"],
                "consumerGroup": f"{prefix}sixfold",
                "sasl": SASL[given[f"{PREFIX}KAFKA_SASL_MECHANISM"]],
                "tls": "enable" if given[f"{PREFIX}KAFKA_SECURITY_PROTOCOL"].endswith("SSL") else "disable",
            }
            yield from (
                f"ScaledObject {name}: {key} is {each.get(key)}, not {value}"
                for key, value in wanted.items()
                if each.get(key) != value
            )
            yield from (f"ScaledObject {name}: KEDA knows no {key}" for key in each.keys() - TRIGGER)
            if int(each["lagThreshold"]) >= ready:
                yield f"ScaledObject {name}: scales later than workers stop being ready"
        logins = {each["metadata"]["name"] for each in of(objects, "TriggerAuthentication")}
        if {trigger["authenticationRef"]["name"] for trigger in spec["triggers"]} - logins:
            yield f"ScaledObject {name}: logs in as nobody"


def _secrets(objects: list[Object]) -> Iterator[str]:
    yield from (f"Secret {each['metadata']['name']} stands in the tree" for each in of(objects, "Secret"))


def secrets_needed(objects: list[Object]) -> dict[str, set[str]]:
    """The Secrets that a user has to make and their entries; of optional ones none are needed."""
    found: dict[str, set[str]] = {}
    for pod in pods(objects):
        for each in pod.container.get("env", ()):
            if reference := each.get("valueFrom", {}).get("secretKeyRef"):
                found.setdefault(reference["name"], set()).add(reference["key"])
        for volume in pod.spec["volumes"]:
            for source in volume.get("projected", {}).get("sources", ()):
                names = {item["key"] for item in source["secret"]["items"]}
                found.setdefault(source["secret"]["name"], set()).update(names)
    for login in of(objects, "TriggerAuthentication"):
        for each in login["spec"]["secretTargetRef"]:
            found.setdefault(each["name"], set()).add(each["key"])
    return found
