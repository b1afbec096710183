# Everything a newcomer needs: `make demo`, `make test`.  The rest: `make help`.
RUN := . .venv/ros_env.sh && ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
MODELS := build/model_repository

.DEFAULT_GOAL := help
.PHONY: help env frameworks gpu-rig models demo test lint bench soak fuzz lifecycle shell clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

env: ## the virtual environment in .venv, up to date
	@command -v python3 >/dev/null || { echo "make env: python3 is missing: install it first" >&2; exit 1; }
	@python3 tools/environment.py

frameworks: env ## the optional heavy runtimes: OpenVINO, TensorFlow, PyTorch (2 GB)
	@python3 tools/environment.py frameworks
	@$(RUN) python tools/get_models.py --configs config/framework_repository --output build/framework_repository

gpu-rig: env ## what the TensorRT tests need on a machine without a GPU
	@$(RUN) python tools/gpu_rig.py

models: env ## the models and videos of the demo and the tests, fetched once
	@$(RUN) python tools/get_models.py --output $(MODELS)
	@$(RUN) python tools/get_media.py

demo: env models ## two cameras from a bag through the node, with annotated pictures
	@$(RUN) python -m demo.run

test: lint models ## linters, types, and all tests
	@$(RUN) python -m pytest $(ARGS)

lint: env ## ruff and mypy
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy

bench: env models ## latency, throughput and cost beside the bare runtime and the usual node (ARGS=--quick)
	@$(RUN) python -m benchmarks.run $(ARGS)

soak: env models ## everything at once for 30 minutes; nothing may grow (ARGS="--minutes 5")
	@$(RUN) python -m benchmarks.soak $(ARGS)

fuzz: env ## a million bad inputs for each reader of strangers' bytes (ARGS="--runs 10000 v2_json")
	@python3 tools/environment.py fuzz
	@$(RUN) python -m fuzz.run $(ARGS)

lifecycle: env ## 500 rounds of the node's life, any transition, signals at any moment (ARGS="--rounds 50")
	@$(RUN) python -m benchmarks.lifecycle $(ARGS)

shell: env ## a shell in which ros and triton_ros work
	@. .venv/ros_env.sh && exec $${SHELL:-sh}

clean: ## remove what was built, the environment too
	rm -rf .venv build install log *.egg-info
