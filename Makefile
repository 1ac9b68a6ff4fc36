# Every target sets itself up: it needs make, Python 3.11 or later, and a network the first time.
# Variables: PYTHON=… (of a new environment: `make clean` first), PORT=… (lab), ARGS=… (lab and bench)

# Kernels the extension is tested with, beside the one that requirements/lab.txt pins.
OLDER_KERNELS := 6.29.5 7.3.0

# Pythons that the tests of the library run on as well, where the machine has them.
OTHER_PYTHONS := 3.12 3.13
ON_OTHER_PYTHONS := tests/core tests/conformance tests/rpc tests/config

RUN := .venv/bin/python -m
OLDER := $(OLDER_KERNELS:%=$(CURDIR)/.venv-ik%/bin/python)

# Tests run on as many cores as there are, up to four; one that is done takes over what another has not begun.
SPREAD := --numprocesses=auto --maxprocesses=4 --dist=worksteal

# Where there is no Chromium, `tools/setup` prints nothing, and these tests skip themselves.
BROWSER_TESTS = \
    RPCLAB_CHROMIUM=$$(tools/setup program "the browser tests" \
    chromium chromium chromium-browser google-chrome) && export RPCLAB_CHROMIUM && \
    RPCLAB_KERNELS=$$(echo $(OLDER) | tr " " :) $(RUN) pytest tests/browser
SITE_TESTS = \
    RPCLAB_CHROMIUM=$$(tools/setup program "the tests of the site" \
    chromium chromium chromium-browser google-chrome) && export RPCLAB_CHROMIUM && \
    $(RUN) pytest tests/website
NOTEBOOK_TESTS = $(RUN) pytest --nbval --nbval-current-env --nbval-cell-timeout=60 notebooks

.PHONY: help lab site test bench check docs release-check lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

lab: .venv/.lab  ## open the notebooks in JupyterLab
	@mkdir -p notebooks .venv/share/jupyter/lab/settings
	@cp binder/overrides.json .venv/share/jupyter/lab/settings/
	@if [ "$$(id -u)" = 0 ]; then \
	    echo "you are root, so JupyterLab is started with --allow-root" >&2; set -- --allow-root; \
	fi; \
	if [ -z "$$DISPLAY$$WAYLAND_DISPLAY" ] && [ "$$(uname)" != Darwin ]; then \
	    echo "no display here: open the address that JupyterLab prints" >&2; set -- "$$@" --no-browser; \
	fi; \
	exec $(RUN) jupyterlab notebooks "$$@" $(if $(PORT),--port=$(PORT)) $(ARGS)

site: .venv-site/.ready  ## build documentation and sandbox as a static site, in site/
	@.venv-site/bin/python tools/website.py site

test: export IPYTHONDIR = $(CURDIR)/.venv/ipython
test: .venv/.dev .venv-site/.ready $(OLDER_KERNELS:%=.venv-ik%/.ready)  ## run the tests, on other Pythons too, the notebooks, and the extension on each kernel
	@tools/stages \
	    "tests" "$(RUN) pytest $(SPREAD) --ignore=tests/notebook --ignore=tests/browser --ignore=tests/website" \
	    "the library on Python $(OTHER_PYTHONS)" 'tools/on-pythons "$(OTHER_PYTHONS)" $(ON_OTHER_PYTHONS)' \
	    "the rules on Pyodide, Python for browsers" "tools/on-pyodide tests/conformance" \
	    "pages in a browser, on each kernel" '$(BROWSER_TESTS)' \
	    "the site in a browser: its pages, and the tutorials on Pyodide" '$(SITE_TESTS)' \
	    "the extension on ipykernel $(OLDER_KERNELS) and the pinned one" \
	    "$(RUN) pytest $(SPREAD) tests/notebook $(patsubst %,--kernel-python=%,$(CURDIR)/.venv/bin/python $(OLDER))" \
	    "notebooks, first run: each output must be the stored one" "$(NOTEBOOK_TESTS)" \
	    "notebooks, second run" "$(NOTEBOOK_TESTS)"

check: .venv/.dev  ## check format, lint and types
	@tools/stages format "$(RUN) ruff format --check ." lint "$(RUN) ruff check ." types "$(RUN) mypy"

bench: .venv/.dev  ## measure speed, beside JavaScript peers where npm is to be had
	@tools/setup program "the JavaScript peers" npm npm >/dev/null
	$(RUN) benchmarks $(ARGS)

docs: .venv/.dev  ## write docs/conformance.md, docs/pictures and the README's table anew
	.venv/bin/python tools/conformance.py
	.venv/bin/python tools/pictures.py

release-check: .venv/.dev  ## build sdist and wheel, and try the wheel in a new environment
	.venv/bin/python tools/release.py

lock:  ## pin the newest versions of everything anew
	@tools/setup lock

clean:  ## remove the environments, and the built site
	rm -rf .venv .venv-ik* .venv-py* .venv-site site

.venv/.lab: requirements/lab.txt pyproject.toml
	@tools/setup venv .venv -r $<
	@touch $@

.venv/.dev: requirements/dev.txt requirements/lab.txt pyproject.toml
	@tools/setup venv .venv -r $<
	@touch $@ .venv/.lab

.venv-site/.ready: requirements/site.txt requirements/lab.txt pyproject.toml
	@tools/setup venv .venv-site -r $<
	@touch $@

.venv-ik%/.ready: .venv/.dev
	@sed 's/^ipykernel==.*/ipykernel==$*/' requirements/lab.txt > .venv/ipykernel-$*.txt
	@tools/setup venv .venv-ik$* -c .venv/ipykernel-$*.txt \
	    ada-url anywidget click distributed httptools ipykernel ipywidgets Jinja2 msgpack multidict nest-asyncio2 \
	    pydantic python-multipart trustme uvicorn websockets
	@touch $@
