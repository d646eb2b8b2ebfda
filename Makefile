# Everything runs in .venv, made on first use: a stamp per set of requirements, so a second run installs nothing.
# Needs Python 3.11 or later, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python
# Of 17,000 modules few are ever imported: each is compiled when it is, rather than all of them for a minute.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -c environments/constraints.txt
RUNTIME := environments/ci/requirements.txt environments/train/requirements.txt environments/serve/requirements.txt
TESTS := environments/test/requirements.txt

# What `make infra-plan` and `make infra-apply` are of: a stage, or `shared`; plans hold secrets and stay in .plans.
STAGE ?= dev
# A desktop's LANGUAGE names those of its menus, as en_US:en: that is none of these.
KEPT := $(foreach language,terraform bicep,$(if $(wildcard infra/$(language)),$(language)))
LANGUAGE := $(firstword $(filter terraform bicep,$(LANGUAGE)) $(KEPT))
REGION ?= westeurope
PLAN := $(CURDIR)/.plans/$(STAGE)
OUTPUTS := $(CURDIR)/runs/infra/$(STAGE).outputs.json
# Hosted machines bring none: this one is fetched there, by its digest.
TERRAFORM_VERSION := 1.11.4
TERRAFORM_DIGEST := 1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc
TERRAFORM_RELEASE := https://releases.hashicorp.com/terraform/$(TERRAFORM_VERSION)/terraform_$(TERRAFORM_VERSION)_linux_amd64.zip
FETCHED := $(CURDIR)/$(BIN)/terraform-$(TERRAFORM_VERSION)/terraform
FOUND = $(if $(shell command -v terraform 2>/dev/null),terraform,$(FETCHED))
TERRAFORM = $(FOUND) -chdir=infra/terraform/$(if $(filter shared,$(STAGE)),shared,stage)

.DEFAULT_GOAL := help
.PHONY: help demo test test-pipelines test-kills test-copies test-cluster unit contract template lint format benchmark benchmark-serving benchmark-autoscaling benchmark-images test-images fuzz intake-foreign lock stop clean test-infra
.PHONY: infra-plan infra-apply infra-kept infra-init-terraform infra-plan-terraform infra-apply-terraform infra-plan-bicep infra-apply-bicep

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.runtime ## a model's whole life: data, training, gates, canary, video stream, rollback; then a report
	@$(RUN) -m mlops demo

test: $(VENV)/.tests ## everything that needs no cloud
	@$(RUN) -m pytest -n 2

unit: $(VENV)/.tests ## the tests of seconds
	@$(RUN) -m pytest tests/unit

contract: $(VENV)/.tests ## each adapter against what it talks to, or a fake of it; minutes
	@$(RUN) -m pytest -n 2 tests/contract

template: $(VENV)/.tests ## the conventions of this repository: shape, pins, documents, pipelines
	@$(RUN) -m pytest tests/template

test-pipelines: $(VENV)/.tests ## run the pipelines of both systems from events: GitHub's by act, Azure DevOps' expanded; minutes
	@VISIONLINE_PIPELINES=1 $(RUN) -m pytest -rs -n 2 $(wildcard tests/integration/test_workflows_*.py tests/integration/test_azure_pipelines_*.py)

test-kills: $(VENV)/.tests ## releases and rollbacks, killed -9 after every one of their changes; minutes
	@VISIONLINE_KILLS=1 $(RUN) -m pytest -n 2 $(wildcard tests/*/test_*_kills.py)

test-copies: $(VENV)/.tests ## the tests in copies of this repository, from which a folder is deleted or whose stage files are filled in; hours
	@VISIONLINE_COPIES=1 $(RUN) -m pytest -n 2 tests/template/test_deleted_folders.py tests/template/test_stages_filled_in.py

test-cluster: $(VENV)/.tests ## releases, canaries, faults and an adapter's questions, on the real cluster that KUBECONFIG leads to
	@VISIONLINE_TEST_CLUSTER=1 $(RUN) -m pytest -rs tests/contract/test_kubernetes_api.py tests/contract/test_kubernetes_cluster.py

lint: $(VENV)/.tests ## black, flake8, mypy, yamllint
	@$(BIN)/black --check --quiet mlops src tests benchmarks
	@$(BIN)/flake8 mlops src tests benchmarks
	@$(RUN) -m mypy
	@$(BIN)/yamllint --strict .

format: $(VENV)/.tests ## rewrite the code in black's style
	@$(BIN)/black --quiet mlops src tests benchmarks

benchmark: $(VENV)/.runtime ## the demo's figures against their targets, from nothing and again
	@$(RUN) benchmarks/demo.py

benchmark-serving: $(VENV)/.runtime ## the edge runtime against bare ONNX Runtime and eleven other servers; 25 minutes on an idle machine
	@$(RUN) -m benchmarks.serving --out docs/benchmarks $(FLAGS)

benchmark-autoscaling: $(VENV)/.runtime ## HPA, KEDA and Azure ML's router on 10,000 simulated streams: frames lost, age, replica-hours; minutes
	@$(RUN) -m benchmarks.autoscaling --out docs/benchmarks $(FLAGS)

benchmark-images: $(VENV)/.tests ## bytes that a site pulls for a new model and for new code; needs buildah, and the demo's packages
	@$(RUN) -m benchmarks.images --out docs/benchmarks $(FLAGS)

test-images: $(VENV)/.tests ## build, push, copy and run the images by buildah, skopeo, docker-registry and mmdebstrap; minutes
	@VISIONLINE_IMAGES=1 $(RUN) -m pytest -rs tests/integration/test_package_real_images.py

fuzz: $(VENV)/.fuzz ## a million hostile inputs for all that reads bytes from strangers; minutes
	@PYTHONPATH=tests $(RUN) -m fuzz.run

intake-foreign: $(VENV)/.tests ## take in two models that strangers published, and that it downloads (24 MB); minutes
	@VISIONLINE_FOREIGN=1 $(RUN) -m pytest -rs tests/integration/test_intake_foreign.py

test-infra: $(VENV)/.tests ## all of infra/ that needs no Azure: both languages, Terraform's plans, applies and tests; minutes
	@VISIONLINE_INFRA=1 $(RUN) -m pytest -rs tests/unit/test_infra_*.py tests/template/test_infra_*.py tests/integration/test_infra_*.py

infra-plan: infra-kept ## what would change on Azure, in .plans/STAGE.json: STAGE=dev|qa|production|shared LANGUAGE=terraform|bicep
	@mkdir -p .plans
	@$(MAKE) --no-print-directory infra-plan-$(LANGUAGE)

infra-apply: infra-kept ## do what was planned, and keep the outputs in runs/infra/STAGE.outputs.json for `python -m mlops fill`
	@mkdir -p runs/infra
	@$(MAKE) --no-print-directory infra-apply-$(LANGUAGE)

infra-kept:
	@test -d infra/$(LANGUAGE) || (echo "infra/$(LANGUAGE) is not there: choose by LANGUAGE, in pipelines by VISIONLINE_INFRA" >&2; exit 1)

infra-init-terraform: $(filter $(FETCHED),$(FOUND))
	$(TERRAFORM) init -input=false -reconfigure -backend-config=../state.tfbackend -backend-config=key=$(STAGE).tfstate

$(FETCHED):
	@test "$$(uname -sm)" = "Linux x86_64" || (echo "terraform is not there: install it; it is fetched for Linux on x86_64 only" >&2; exit 1)
	@mkdir -p $(@D)
	curl --fail --silent --show-error --location --retry 3 --output $@.zip $(TERRAFORM_RELEASE)
	echo "$(TERRAFORM_DIGEST)  $@.zip" | sha256sum --check --quiet
	@$(PYTHON) -m zipfile -e $@.zip $(@D)/new && chmod +x $(@D)/new/terraform && mv $(@D)/new/terraform $@ && rm $@.zip

# Who plans may only read, so it registers no provider of Azure's and locks no state: a plan that is stale is not applied.
infra-plan-terraform: infra-init-terraform
	ARM_RESOURCE_PROVIDER_REGISTRATIONS=none $(TERRAFORM) plan -input=false -lock=false -var-file=$(STAGE).tfvars \
		-out=$(PLAN).tfplan
	$(TERRAFORM) show -json $(PLAN).tfplan > $(PLAN).json

infra-apply-terraform: infra-init-terraform
	@test -f $(PLAN).tfplan || (echo ".plans/$(STAGE).tfplan is not there: make infra-plan STAGE=$(STAGE), and read it" >&2; exit 1)
	$(TERRAFORM) apply -input=false $(PLAN).tfplan
	$(TERRAFORM) output -json > $(OUTPUTS)

infra-plan-bicep:
	az deployment sub what-if --name $(STAGE) --location $(REGION) --parameters infra/bicep/$(STAGE).bicepparam \
		--validation-level ProviderNoRbac --no-pretty-print > $(PLAN).json

infra-apply-bicep:
	az deployment sub create --name $(STAGE) --location $(REGION) --parameters infra/bicep/$(STAGE).bicepparam \
		--output json > $(OUTPUTS)

lock: $(VENV)/.tests ## write environments/constraints.txt from what is installed
	@(echo '# Every package that the requirements files bring in, at the version tested together. Made by `make lock`.'; \
	$(BIN)/python -m pip freeze --exclude-editable --exclude pip --exclude setuptools | sed 's/+cpu$$//') > environments/constraints.txt

stop: ## stop the endpoints that run on this machine; the next deploy starts them again
	@test ! -x $(BIN)/python || $(RUN) -m mlops.adapters.local.stop

clean: stop ## remove the virtual environment, the local platform's state and all runs
	rm -rf $(VENV) .visionline runs

$(VENV)/.runtime: $(RUNTIME) environments/constraints.txt setup.cfg
	@echo "installing the runtime into $(VENV) (once; about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(INSTALL) $(foreach file,$(RUNTIME),-r $(file))
	@$(INSTALL) --no-deps --editable .
	@touch $@

$(VENV)/.tests: $(VENV)/.runtime $(TESTS)
	@echo "installing the test tools into $(VENV) (once; about a minute)"
	@$(INSTALL) -r $(TESTS)
	@touch $@

# No build of atheris for this Python or system is no failure: hypothesis, of the test tools, makes the inputs then.
$(VENV)/.fuzz: $(VENV)/.tests environments/fuzz/requirements.txt
	@echo "installing the fuzzer into $(VENV) (once)"
	@$(INSTALL) -r environments/fuzz/requirements.txt || true
	@touch $@
