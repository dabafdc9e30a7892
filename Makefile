# make setup   everything wam needs, into this checkout     make demo   the main job, ten episodes over the ROS graph
# make test    set up, then every test                      make fast   the fast tests only      make lint   ruff, mypy
# make pictures   the pictures of the README and the docs, from this commit
SHELL := /bin/bash
ENTER := source scripts/env.sh &&

.PHONY: setup demo test fast lint pictures

setup:
	@scripts/setup.sh

demo: setup
	@$(ENTER) wam demo $(ARGS)

test: setup
	@$(ENTER) scripts/test.sh $(ARGS)

fast: setup
	@$(ENTER) FAST=1 scripts/test.sh $(ARGS)

lint: setup
	@$(ENTER) ruff check . && mypy

pictures: setup
	@$(ENTER) scripts/pictures.sh $(ARGS)
