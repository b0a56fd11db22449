"""What all tests share: real brokers, and the real engine behind ClickHouse's HTTP interface."""

pytest_plugins = ["tests.clickhouse", "tests.kafka.fixtures", "tests.quarter", "tests.pages"]
