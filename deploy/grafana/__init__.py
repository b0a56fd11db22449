"""Grafana dashboards as code.

`boards/` says what each dashboard shows; `python -m deploy.grafana` (`make grafana`) writes `dashboards/*.json` from
it, which Grafana reads by the files in `provisioning/`. The JSON is committed, and a test keeps it current.

`query.py`, `columns.py`, `panel.py`, `variables.py` and `dashboard.py` are the generator: small, since the Python SDK
of Grafana knows neither ClickHouse queries nor the schema of today's dashboards (docs/grafana.md).
"""
