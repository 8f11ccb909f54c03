"""Build and run the container image without a registry: podman with runc, over a base made of Debian's packages.

The base stands in for the Dockerfile's `FROM python:…-slim-bookworm`: the same Debian release with its own Python of
the same minor version, under the name that the Dockerfile gives. It is kept in build/image/, since it takes half a
minute. All else that podman stores is in a temporary folder, which goes at the end.
"""

import ast
import configparser
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import ROOT, unavailable

BASES = ROOT / "build" / "image"
TOOLS = ("mmdebstrap", "podman", "runc")
# What the official image has and the Dockerfile needs: its minimal Debian, Python, venv with pip, and certificates.
PACKAGES = "python3,python3-venv,ca-certificates"
# Without what the official image leaves out too; nothing needs to survive a power cut while the base is made.
OPTIONS = (
    "--mode=root",
    "--variant=minbase",
    f"--include={PACKAGES}",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    '--aptopt=Acquire::Languages "none"',
)
# Podman's defaults are higher than a container that runs the tests may set.
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")


def run(command: list, seconds: float) -> subprocess.CompletedProcess:
    """Run a command in a process group of its own, and end the whole group where it takes longer than `seconds`."""
    process = subprocess.Popen(
        [*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def base_archive(suite: str) -> Path:
    """Return a tar archive of the Debian release `suite` with Python, made now if build/image/ has none."""
    BASES.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256("\0".join((suite, *OPTIONS)).encode()).hexdigest()[:16]
    archive = BASES / f"{suite}-{key}.tar"
    with (BASES / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            part = archive.with_suffix(".part.tar")
            done = run(["mmdebstrap", *OPTIONS, suite, part, *_debian_mirror(suite)], 600)
            assert done.returncode == 0, done.stderr[-4000:]
            part.rename(archive)
    return archive


def _debian_mirror(suite: str) -> list[str]:
    """Return where this machine's apt takes a release from, if it knows that release."""
    listed = ["apt-get", "indextargets", "--format", "$(REPO_URI)", f"Codename: {suite}", "Component: main"]
    return subprocess.run(listed, capture_output=True, text=True).stdout.split()[:1]


def _memory() -> Path | None:
    """Return a folder in memory with room for the storage; podman waits for the disk at each of its 20,000 files."""
    folder = Path("/dev/shm")  # noqa: S108
    if not folder.is_dir() or os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return None
    return folder if shutil.disk_usage(folder).free > 4 * 2**30 else None


def pip_volumes(folder: Path) -> list[str]:
    """Return podman's options that give a build the pip configuration of this machine, read-only.

    The settings of all files and variables are written as one file into `folder`; the local files and folders that
    they name (certificates, constraints, wheels) are mounted where they are.
    """
    list_settings = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(list_settings, capture_output=True, text=True, check=True).stdout.splitlines()
    config = configparser.RawConfigParser()
    paths = set()
    # Variables last: they override every file.
    for line in sorted(lines, key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if option == "config-file":
            continue
        words = ast.literal_eval(value).split()
        section = "global" if section == ":env:" else section
        if not config.has_section(section):
            config.add_section(section)
        config.set(section, option, " ".join(words))
        for word in words:
            path = Path(word.removeprefix("file://"))
            if option.endswith("index-url"):  # the packages are next to an index, not in it
                path = path.parent
            if path.is_absolute() and len(path.parts) > 1 and path.exists():
                paths.add(path)
    written = folder / "pip.conf"
    with written.open("w") as out:
        config.write(out)
    volumes = [f"{written}:/etc/pip.conf:ro", *(f"{path}:{path}:ro" for path in sorted(paths))]
    return [part for volume in volumes for part in ("--volume", volume)]


class Engine:
    """Podman with a storage of its own, which has the bases of a Dockerfile; `seconds` says what each step took."""

    def __init__(self, dockerfile: str):
        missing = [tool for tool in TOOLS if not shutil.which(tool)]
        if missing or os.geteuid() != 0:
            unavailable(f"the image needs {', '.join(missing) or 'root'} to be built")
        self.seconds: dict[str, float] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="image", dir=_memory()))
        self.driver = "overlay"
        try:
            if self.podman("info").returncode:  # no overlay over an overlay
                self.driver = "vfs"
            [self.base] = set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE))
            started = time.monotonic()
            archive = base_archive(self.base.rpartition("-")[2])
            self.seconds["base"] = time.monotonic() - started
            started = time.monotonic()
            self.expect("import", "--quiet", archive, f"docker.io/library/{self.base}")
            self.seconds["import"] = time.monotonic() - started
            tried = self.run("--rm", self.base, "true")
            if tried.returncode:
                unavailable(f"no container can be run here: {tried.stderr}")
            self.pip = pip_volumes(self.folder)
        except BaseException:
            self.close()
            raise

    def podman(self, *arguments, seconds: float = 120) -> subprocess.CompletedProcess:
        """Run podman; its output is in `stdout` and `stderr`."""
        storage = {"--root": "store", "--runroot": "run", "--tmpdir": "tmp"}
        where = [part for option, name in storage.items() for part in (option, self.folder / name)]
        how = ["--storage-driver", self.driver, "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
        return run(["podman", *where, *how, *arguments], seconds)

    def expect(self, *arguments, seconds: float = 120) -> str:
        """Return what podman prints; it must succeed."""
        done = self.podman(*arguments, seconds=seconds)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout.strip()

    def build(self, context: Path, name: str, *options, seconds: float = 600) -> subprocess.CompletedProcess:
        """Build the Dockerfile of `context`, with the network that pip needs and no registry."""
        # Docker's format: the other one has no HEALTHCHECK.
        build = ["build", "--pull=never", "--format", "docker", "--isolation", "chroot", *LIMITS, *self.pip]
        started = time.monotonic()
        try:
            return self.podman(*build, *options, "--tag", name, context, seconds=seconds)
        finally:
            self.seconds[f"build {name}"] = time.monotonic() - started

    def run(self, *arguments) -> subprocess.CompletedProcess:
        """Start a container that has its own loopback interface and no other."""
        return self.podman("run", "--network", "none", *LIMITS, *arguments)

    def inspect(self, name: str, kind: str = "image") -> dict:
        """Return what podman knows of an image or a container."""
        return json.loads(self.expect("inspect", "--type", kind, name))[0]

    def close(self) -> None:
        """Stop the containers that this engine started, and remove all that it stored."""
        self.podman("rm", "--all", "--force", "--time", "2")
        shutil.rmtree(self.folder, ignore_errors=True)
