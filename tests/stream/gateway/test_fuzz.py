"""Every endpoint of the OpenAPI document under invented requests: the gateway never fails, whatever comes."""

import asyncio
import os
import threading
from pathlib import Path

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.kafka.broker import TansuBroker
from tests.stream.gateway.serving import KEY, KINDS, Client, gateway, settings_for

EXAMPLES = int(os.environ.get("SIXFOLD_CASES", "15"))
BOUNDED = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.generate,)
)


class Running:
    """A gateway in a thread of its own, asked from this one."""

    def __init__(self, broker: TansuBroker, data: Path) -> None:
        self.settings = settings_for(broker, data)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def wait(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)

    def __enter__(self) -> Client:
        self.serving = gateway(self.settings)
        self.client = self.wait(self.serving.__aenter__())
        return self.client

    def __exit__(self, *_exc: object) -> None:
        self.wait(self.serving.__aexit__(None, None, None))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(60)
        self.loop.close()


def test_requests_by_the_document(tansu: TansuBroker, tmp_path: Path) -> None:
    with Running(tansu, tmp_path) as client:
        schema = schemathesis.openapi.from_url(f"{client.serving.url}/openapi.json")
        operations = [result.ok() for result in schema.get_all_operations()]
        assert {each.path for each in operations} == set(schema.raw_schema["paths"]) - {"/openapi.json"}
        assert len(operations) > len(KINDS)
        statuses = set()
        for operation in operations:

            @BOUNDED
            @given(case=operation.as_strategy())
            def ask(case) -> None:
                answer = case.call(headers={"Authorization": f"Bearer {KEY}"}, timeout=60)
                statuses.add(answer.status_code)
                assert answer.status_code < 500 or answer.status_code == 503, (case.path, answer.text)

            ask()
        assert {200, 401} <= statuses


def test_signed_bodies_of_any_bytes(tansu: TansuBroker, tmp_path: Path) -> None:
    running = Running(tansu, tmp_path)
    with running as client:
        shaped = st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
            max_leaves=12,
        )

        @BOUNDED
        @given(
            kind=st.sampled_from([kind for kind in KINDS if kind != "twilio"]),
            body=st.binary(max_size=400) | shaped.map(lambda value: repr(value).encode("utf-8", "replace")),
        )
        def ask(kind: str, body: bytes) -> None:
            assert running.wait(client.webhook(kind, body))[0] == 200

        ask()
