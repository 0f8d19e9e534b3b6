PY := .venv/bin/python
lint:
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
.PHONY: lint
