# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# No product of the pipeline calls home.
export DO_NOT_TRACK := 1
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: run preset flow test bench promote rollback mlflow prefect serve deploy up down remote restore lock

run: $(VENV)/installed $(if $(PRESET),preset)  ## the whole pipeline; PRESET=gpu for full size
	dvc repro
	@python -m pipeline.reports.summary

preset: $(VENV)/installed
	python -m ops.presets $(PRESET)

flow: $(VENV)/installed  ## the same DAG as a Prefect flow
	python -m flows.run

test: $(VENV)/installed  ## lint and tests
	ruff check .
	ruff format --check .
	pytest --numprocesses auto --maxprocesses 4 --dist loadfile $(TESTS)

bench: $(VENV)/bench-installed  ## speed, memory and accuracy, printed as tables
	python -m benchmarks.corpus
	python -m benchmarks.language
	python -m benchmarks.training
	python -m benchmarks.generation --gguf
	python -m benchmarks.evaluation
	python -m benchmarks.sampling
	python -m benchmarks.vocabulary
	python -m benchmarks.serving

promote: $(VENV)/installed  ## make the challenger, or VERSION=n, the champion where every gate of params holds
	python -m pipeline.promote $(VERSION)

rollback: $(VENV)/installed  ## give the alias back to the champion before; REASON="why"
	python -m pipeline.promote rollback $(REASON)

mlflow: $(VENV)/installed  ## runs, figures and versions at http://127.0.0.1:5000
	python -m pipeline.common.tracking

serve: $(VENV)/installed  ## the page and the API at http://127.0.0.1:8000
	python -m app.server

deploy: $(VENV)/installed  ## MLflow, Prefect, a worker and the deployments of prefect.yaml, in the background
	python -m ops.servers deploy

up: $(VENV)/installed  ## the same on PostgreSQL, and the page
	python -m ops.servers up

down: $(VENV)/installed  ## stop what deploy or up started
	python -m ops.servers down

remote: $(VENV)/installed  ## keep data and models where others reach them; URL=s3://bucket/path or a folder
	python -m ops.remote $(URL)

restore: $(VENV)/installed  ## a version's code, data and params in a worktree; VERSION=n, and RETRAIN=1 to see it made again
	python -m ops.restore $(VERSION) $(if $(RETRAIN),retrain)

prefect: $(VENV)/installed  ## flow runs at http://127.0.0.1:4200
	prefect server start --host 127.0.0.1

# Made anew when the lock changes; the file is touched last, so a broken installation is tried again.
$(VENV)/installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "estrofa: Python 3.11 or newer is needed; name one with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --progress-bar on --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .  # the command estrofa
	touch $@

# What only benchmarks compare with.
$(VENV)/bench-installed: requirements-bench.txt $(VENV)/installed
	$(BIN)/python -m pip install --progress-bar on --disable-pip-version-check -r requirements-bench.txt
	touch $@

lock:  ## resolve pyproject.toml's dependencies anew and pin all of them
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --disable-pip-version-check $$($(PYTHON) -c \
		'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"])')
	{ echo "# Made by \`make lock\` from pyproject.toml; every package, exactly."; \
		$(VENV)-lock/bin/pip freeze | sed 's/^\(torch==[^+]*\)+.*/\1/'; } > requirements.txt
	rm -rf $(VENV)-lock
