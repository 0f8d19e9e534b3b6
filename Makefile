# Everything a person needs: `make up` runs a cluster, `make test` proves it works. Both set up what they need.
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
KUBUS := $(VENV)/bin/kubus
PYTEST := $(VENV)/bin/pytest -q

.PHONY: help setup setup-test setup-vm up down purge lint test test-vm unit bench wheels debs

help:  ## what there is to type
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/ready: requirements.lock pyproject.toml
	@cli/up/setup.sh venv $(VENV)
	@touch $@

setup: $(VENV)/ready  ## virtual environment, package, Docker when none answers
	@cli/up/setup.sh docker

setup-test: setup
	@cli/up/setup.sh test

up: setup  ## start a cluster here, deploy three web servers, show them (Ctrl-C or `make down` stops it)
	@$(KUBUS) up --demo

down:  ## stop the cluster; its state stays
	@$(KUBUS) down

purge: $(VENV)/ready  ## stop the cluster and remove every trace of it
	@$(KUBUS) down --purge

lint: $(VENV)/ready  ## style, types, import contracts, house rules
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PYTEST) tests/test_house.py
	$(VENV)/bin/yamllint ansible
	cd ansible && PATH="$(CURDIR)/$(VENV)/bin:$$PATH" ANSIBLE_LIBRARY=library ansible-lint -q --offline -c ../.ansible-lint

test: setup-test  ## set up and pass all tests
	$(PYTEST) tests; passed=$$?; $(PY) -m tests.dockerd stop; exit $$passed

setup-vm: setup-test
	@cli/up/setup.sh vm

test-vm: setup-vm  ## boot virtual machines and prove a cluster on them, from bare to reset (root; tens of minutes)
	$(PYTEST) tests -m vm -s

unit: $(VENV)/ready  ## the fast pure tests only
	$(PYTEST) tests -m unit

bench: setup-test  ## every benchmark, each with its baseline
	$(PY) -m benchmarks

WHEELS ?= wheels
wheels: $(VENV)/ready  ## all that a machine without internet needs from PyPI, in $(WHEELS)
	$(PY) -m master.provision.wheels $(WHEELS)

DEBS ?= debs
debs: $(VENV)/ready  ## Docker's Debian packages for machines without internet, in $(DEBS)
	$(PY) -m master.provision.debs $(DEBS)
