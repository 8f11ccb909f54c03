#!/bin/sh
# The steps of the image, which the Dockerfile runs: deploy/image.sh SOURCE TARGET [DIGEST]
# Makes TARGET/venv, a server's environment, from the lock files, and TARGET/app with a checked census.db: SOURCE's, or
# the extract's where it has none, built in an environment of its own that does not stay. With DIGEST the database must
# be that one.
set -eu
source=$1 target=$2 expected=${3:-}

check_digest() {
  found=$(python3 -c "import sqlite3, sys
print(*sqlite3.connect(sys.argv[1]).execute('select digest from edition').fetchone())" "$1")
  case $found in
    "$expected"*) ;;
    *) echo "deploy/image.sh: census.db has the digest $found, not $expected" >&2; exit 1 ;;
  esac
}

# install ENVIRONMENT OPTION...: with what pip is to install, from files with hashes.
install() {
  environment=$1
  shift
  "$environment/bin/python" -m pip install --quiet --no-cache-dir --require-hashes "$@"
}

# The wrong database is refused before anything is installed.
if [ -f "$source/census.db" ]; then check_digest "$source/census.db"; fi

python3 -m venv "$target/venv"
install "$target/venv" -r "$source/requirements.lock"
install "$target/venv" --no-deps -r "$source/requirements-maps.lock"

mkdir -p "$target/app"
cd "$source"
cp -R census sources plugins templates static metadata.yml settings.json build_db.py pyproject.toml README.md LICENSE \
  "$target/app"
mkdir "$target/app/deploy"
cp deploy/ready.py "$target/app/deploy"
"$target/venv/bin/python" -m pip install --quiet --no-cache-dir --no-deps --no-build-isolation --editable "$target/app"

if [ -f census.db ]; then
  cp census.db "$target/app"
  if [ -f inspect-data.json ]; then cp inspect-data.json "$target/app"; fi
  if [ -d downloads ]; then cp -R downloads "$target/app"; fi
  if [ -f maps/uk.mbtiles ]; then mkdir "$target/app/maps"; cp maps/uk.mbtiles "$target/app/maps"; fi
else
  build=$(mktemp -d)
  python3 -m venv "$build"
  install "$build" -r "$source/requirements.lock"
  install "$build" -r "$source/requirements-build.lock"
  mkdir "$target/app/tests"
  cp -R tests/extract "$target/app/tests"
  "$build/bin/python" "$target/app/build_db.py"
  "$build/bin/python" "$target/app/build_db.py" --maps
  rm -r "$target/app/tests" "$build"
fi
"$target/venv/bin/python" "$target/app/build_db.py" --check "$target/app/census.db"
check_digest "$target/app/census.db"
"$target/venv/bin/python" -m compileall -q "$target/app"
chmod -R a+rX,go-w "$target"
