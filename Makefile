# Two commands from a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DATA ?= ../shared/data

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format bench bench-morphology bench-galaxy-zoo bench-samples bench-scaling bench-transfer bench-catalogue bench-heads bench-masks-consensus bench-nuclei bench-hippocampus bench-volume-graph bench-slice-choice bench-transfer-masks bench-masks bench-serving peers bench-batch chaos train-nuclei train-galaxy-zoo clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# The stamp is newer than pyproject.toml exactly when the environment holds what it asks for.
$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[all,dev]'
	touch $@

install: $(VENV)/.installed  ## create .venv with everything

demo: $(VENV)/.installed  ## the whole loop on the sandbox, with pictures, into demo/
	$(BIN)/zooassist demo --out demo

test: $(VENV)/.installed  ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

# What the votes are compared with: an environment of its own, since it pins old libraries.
ORACLE = .venv-oracle
ORACLE_EXPORTS = kenya-sample galaxyzoo-decals-panoptes_classifications \
	superluminous-supernovae-classifications many-tools-classifications-2022 \
	ap-aas229-test-classifications cat-project-classifications

$(ORACLE)/.installed:
	$(PYTHON) -m venv $(ORACLE)
	$(ORACLE)/bin/python -m pip install --quiet panoptes_aggregation==5.3.1
	touch $@

oracle: $(ORACLE)/.installed  ## panoptes_aggregation 5.3.1, to compare votes with

oracle-golden: oracle  ## what it makes of the real exports, again (two minutes)
	$(ORACLE)/bin/python tests/oracle/panoptes_aggregation_votes.py \
		tests/oracle/quirks.csv tests/oracle/golden/quirks.json
	for name in $(ORACLE_EXPORTS); do \
		$(ORACLE)/bin/python tests/oracle/panoptes_aggregation_votes.py \
			$(DATA)/exports/$$name.csv.gz tests/oracle/golden/$$name.json || exit 1; \
	done

lint: $(VENV)/.installed  ## ruff, mypy strict, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed  ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: bench-exports bench-masks-consensus bench-morphology bench-masks  ## every benchmark (about nine hours)

# One after the other, since all of them take times; a goal that is missed stops no other.
MORPHOLOGY = bench-galaxy-zoo bench-samples bench-heads bench-scaling bench-transfer bench-catalogue

bench-morphology: $(VENV)/.installed  ## all about galaxies' answers (about three hours, quiet machine)
	failed=; for each in $(MORPHOLOGY); do $(MAKE) $$each || failed="$$failed $$each"; done; \
		test -z "$$failed" || { echo "not met or not measured:$$failed"; exit 1; }

bench-galaxy-zoo: $(VENV)/.installed  ## the bundled galaxy model on galaxies it never saw
	$(BIN)/python benchmarks/galaxy_zoo.py --data $(DATA)/galaxies

bench-catalogue: $(VENV)/.installed  ## a catalogue of 20,000 galaxies beside the graph alone
	$(BIN)/python benchmarks/catalogue.py --data $(DATA)/galaxies_pool

bench-masks-consensus: $(VENV)/.installed  ## consensus masks against experts' gold standard
	$(BIN)/python benchmarks/masks_consensus.py --data $(DATA)

bench-heads: $(VENV)/.installed  ## which concentration head explains held-back votes best (about an hour)
	$(BIN)/python benchmarks/heads.py --data $(DATA)/galaxies

bench-samples: $(VENV)/.installed  ## what twenty posterior samples cost, and ONNX against PyTorch
	$(BIN)/python benchmarks/samples.py --data $(DATA)/galaxies

bench-memory-reuse: $(VENV)/.installed  ## what training gains by keeping freed memory
	$(BIN)/python benchmarks/memory_reuse.py

bench-scaling: $(VENV)/.installed  ## how the loss falls with training galaxies (about 40 minutes)
	$(BIN)/python benchmarks/scaling.py --data $(DATA)/galaxies

bench-transfer: $(VENV)/.installed  ## pre-trained against from scratch, few labels (about 45 minutes)
	$(BIN)/python benchmarks/transfer.py --data $(DATA)

bench-exports: $(VENV)/.installed oracle  ## reading exports, beside panoptes_aggregation
	$(BIN)/python benchmarks/exports.py --data $(DATA)/exports --oracle $(ORACLE)

# What serving is compared with: an environment of its own, without our code.
PEERS = .venv-peers

$(PEERS)/.installed:
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet flask gunicorn litserve onnxruntime pillow simplejpeg
	touch $@

peers: $(PEERS)/.installed  ## LitServe and a Label Studio ML backend, to compare serving with

bench-serving: $(VENV)/.installed peers  ## the endpoint beside its graph and its peers (about 15 minutes)
	$(BIN)/python benchmarks/serving.py --data $(DATA)/galaxies

bench-nuclei: $(VENV)/.installed  ## masks of nuclei, beside a MONAI network (about three hours)
	$(BIN)/python benchmarks/nuclei.py --data $(DATA)

bench-hippocampus: $(VENV)/.installed  ## masks of MRI volumes, beside a MONAI network (about 90 minutes)
	$(BIN)/python benchmarks/hippocampus.py --data $(DATA)

bench-volume-graph: $(VENV)/.installed  ## the graph of volumes against PyTorch, and its memory
	$(BIN)/python benchmarks/volume_graph.py

bench-slice-choice: $(VENV)/.installed  ## which slices of volumes to send to people (about two hours)
	$(BIN)/python benchmarks/slice_choice.py --data $(DATA)

bench-transfer-masks: $(VENV)/.installed  ## masks pre-trained elsewhere, 5 to 100 % of the images (about an hour)
	$(BIN)/python benchmarks/transfer_masks.py --data $(DATA)

# One after the other, since some take times; a goal that is missed stops no other.
MASKS = bench-volume-graph bench-nuclei bench-hippocampus bench-slice-choice bench-transfer-masks

bench-masks: $(VENV)/.installed  ## all about masks and volumes (about five hours, quiet machine)
	failed=; for each in $(MASKS); do $(MAKE) $$each || failed="$$failed $$each"; done; \
		test -z "$$failed" || { echo "not met or not measured:$$failed"; exit 1; }

bench-batch: $(VENV)/.installed  ## workers of a queue beside the graph alone, poison, memory
	$(BIN)/python benchmarks/batch.py --data $(DATA)/galaxies_pool

chaos: $(VENV)/.installed  ## a hundred bad days of the batch: killed workers, a store that fails
	ZOOASSIST_CHAOS_RUNS=100 $(BIN)/python -m pytest tests/serving/batch/test_chaos.py -q -x

train-nuclei: $(VENV)/.installed  ## make the bundled model of nuclei (about an hour)
	$(BIN)/python -m zooassist_training.recipes.nuclei --data $(DATA) --out nuclei

train-galaxy-zoo: $(VENV)/.installed  ## make the bundled galaxy model (an hour or two)
	$(BIN)/python -m zooassist_training.recipes.galaxy_zoo --data $(DATA) --out galaxy-zoo

clean:  ## remove what the build wrote
	rm -rf build dist demo .pytest_cache .mypy_cache .ruff_cache
