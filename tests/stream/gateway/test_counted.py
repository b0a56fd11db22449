"""A webhook on its way to the report, sent again and all."""

import asyncio
import json
from pathlib import Path

from stream.gateway.running import running
from tests.clickhouse import ClickHouseServer
from tests.integration.deployment import Deployment
from tests.kafka.broker import TansuBroker
from tests.stream.gateway.serving import EXAMPLES, SECRET, Client, notification, settings_for


def test_a_request_that_is_sent_again_is_counted_once(
    tansu: TansuBroker, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> None:
    with Deployment(tansu, clickhouse_server, tmp_path / "own") as deployment:
        settings = settings_for(
            tansu,
            tmp_path,
            prefix=deployment.settings.prefix,
            partitions=deployment.partitions,
            sources=(str(EXAMPLES / "hubspot.toml"),),
            webhook_secrets={"hubspot": SECRET},
        )

        async def send() -> None:
            import aiohttp

            async with running(settings, 0) as (serving, _), aiohttp.ClientSession() as session:
                client = Client(settings, serving, session)
                body = json.dumps([notification(1), notification(2)]).encode()
                for _ in range(3):
                    assert (await client.webhook("hubspot", body))[0] == 200
                    await asyncio.sleep(0.01)  # signed anew, at another millisecond

        asyncio.run(send())
        deployment.start()
        deployment.wait()
        client = deployment.client(deployment.name)
        assert client.query("SELECT sum(leads) FROM report_leads_by_channel").result_rows == [(2,)]
