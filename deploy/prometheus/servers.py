"""Prometheus and Alertmanager as processes on this machine, for the demo and the tests.

They listen on 127.0.0.1 alone, keep their data in the directory they are given, and end with whoever started them.
"""

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from deploy.embedded.child import Child
from deploy.prometheus.render import HERE, write

__all__ = [
    "HOST",
    "ServerError",
    "alertmanager",
    "alertmanager_config",
    "prometheus",
    "prometheus_config",
    "quick_rules",
    "sample_config",
]

HOST = "127.0.0.1"
INSTALL = "install it: apt-get install prometheus prometheus-alertmanager (make prometheus)"

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.1
_QUICK = "1s"


class ServerError(Exception):
    """A server that is not there or does not start: one line that says what to do."""


def prometheus_config(targets: Path, alertmanager_address: str) -> str:
    """Make the sample's configuration scrape, every second, what a file of targets names (`sixfold up` writes one)."""
    config = _sample("prometheus.yml")
    config["global"] = {"scrape_interval": _QUICK, "evaluation_interval": _QUICK}
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager_address]}]}]
    config["scrape_configs"] = [
        {"job_name": "sixfold", "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "5s"}]}
    ]
    return yaml.safe_dump(config, sort_keys=False)


def sample_config(targets: Mapping[str, Sequence[str]], alertmanager_address: str, interval: str) -> str:
    """Fill the sample's configuration in as an operator does: the addresses of each job, and how often to look."""
    config = _sample("prometheus.yml")
    config["global"] = {"scrape_interval": interval, "evaluation_interval": interval}
    config["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [alertmanager_address]}]}]
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": list(targets[job["job_name"]])}]
    return yaml.safe_dump(config, sort_keys=False)


def alertmanager_config(receiver: str) -> str:
    """Make the sample's configuration send without delay to `receiver`/NAME, by each receiver's name.

    Routes, grouping and inhibition stay.
    """
    config = _sample("alertmanager.yml")
    _without_delay(config["route"])
    config["receivers"] = [
        {"name": each["name"], "webhook_configs": [{"url": f"{receiver}/{each['name']}"}]}
        for each in config["receivers"]
    ]
    return yaml.safe_dump(config, sort_keys=False)


def quick_rules(directory: Path, interval: str = _QUICK, share: float = 0.0) -> None:
    """Render the rules into a directory as users get them, then let them look every `interval`.

    They wait for that share of what they say, without one a second, and keep nothing firing.
    """
    write(directory)
    for path in (directory / "rules").glob("*.yml"):
        rules = yaml.safe_load(path.read_text("utf-8"))
        for group in rules["groups"]:
            group["interval"] = interval
            for rule in group["rules"]:
                for wait in {"for", "keep_firing_for"} & rule.keys():
                    rule[wait] = f"{round(_seconds(rule[wait]) * share)}s" if share else _QUICK
                if not share:
                    rule.pop("keep_firing_for", None)
        path.write_text(yaml.safe_dump(rules, sort_keys=False, allow_unicode=True), "utf-8")


@asynccontextmanager
async def prometheus(directory: Path, config: Callable[[], str]) -> AsyncIterator[str]:
    """Run Prometheus on a directory with `rules/`; gives its address. Raises ServerError."""
    (directory / "prometheus.yml").write_text(config(), "utf-8")
    flags = {"config.file": directory / "prometheus.yml", "storage.tsdb.path": directory / "data"}
    async with _server("prometheus", ("prometheus",), directory, flags) as address:
        yield address


@asynccontextmanager
async def alertmanager(directory: Path, config: str) -> AsyncIterator[str]:
    """Run Alertmanager; gives its address. Raises ServerError."""
    (directory / "alertmanager.yml").write_text(config, "utf-8")
    flags = {
        "config.file": directory / "alertmanager.yml",
        "storage.path": directory / "alertmanager",
        "cluster.listen-address": "",
    }
    async with _server("alertmanager", ("prometheus-alertmanager", "alertmanager"), directory, flags) as address:
        yield address


@asynccontextmanager
async def _server(
    name: str, programs: tuple[str, ...], directory: Path, flags: Mapping[str, object]
) -> AsyncIterator[str]:
    program = next((found for found in map(shutil.which, programs) if found), None)
    if program is None:
        raise ServerError(f"{name} is not installed; {INSTALL}")
    address = f"{HOST}:{_free_port()}"
    command = [program, *(f"--{flag}={value}" for flag, value in flags.items()), f"--web.listen-address={address}"]
    child = await Child.start(name, command, directory / f"{name}.log")
    try:
        await _ready(child, address)
        yield address
    finally:
        await child.stop(_STOP_SECONDS)


async def _ready(child: Child, address: str) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        for _ in range(round(_START_SECONDS / _POLL_SECONDS)):
            if not child.running:
                raise ServerError(f"{child.name} did not start: {child.last_line() or 'no output'} (log: {child.log})")
            try:
                async with session.get(f"http://{address}/-/ready") as answer:
                    if answer.status == HTTPStatus.OK:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(_POLL_SECONDS)
    raise ServerError(f"{child.name} is not ready after {_START_SECONDS:g} s (log: {child.log})")


def _sample(name: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((HERE / name).read_text("utf-8"))
    return config


def _seconds(duration: str) -> int:
    """Read a duration of Prometheus with one unit, such as 15m."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[duration[-1]]


def _without_delay(route: dict[str, Any]) -> None:
    for key in route:
        if re.fullmatch(r"group_(wait|interval)", key):
            route[key] = _QUICK
    for inner in route.get("routes", ()):
        _without_delay(inner)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
