# The same commands for you, pre-commit and CI. `make` lists them.
PYTHON ?= python3

.DEFAULT_GOAL := help

help: ## List what make can do
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
