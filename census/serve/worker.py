"""Run one Datasette process on a port of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from census.serve.database import ROOT, UTF8
from census.serve.files import Refused

START_S = 60  # a worker has this long to be ready
SEEN_S = 1.5  # after this long Caddy, which asks every half second, knows whether a worker is ready
DRAIN_S = 15  # a worker has this long to answer the requests that it has


class Worker:
    """One Datasette process on a port of its own."""

    def __init__(self, name: str, open_to_sql: bool) -> None:
        self.name, self.open_to_sql = name, open_to_sql
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.folder: Path | None = None
        self.started = 0.0

    def start(self, folder: Path) -> None:
        """Start it over `folder`."""
        command = [sys.executable, "-m", "datasette", folder, "--host", "127.0.0.1", "--port", self.port]
        self.process = subprocess.Popen(
            [*map(str, command)],
            cwd=ROOT,
            env={"MALLOC_ARENA_MAX": "2", **os.environ, **UTF8},
            stdin=subprocess.DEVNULL,
        )
        self.folder, self.started = folder, time.monotonic()
        if self.open_to_sql and sys.platform == "linux":
            os.setpriority(os.PRIO_PROCESS, self.process.pid, 10)  # what it starts has it too

    def wait_until_ready(self, digest: str) -> None:
        """Return when it answers from the database with this digest. Raises Refused where it does not."""
        address = f"http://127.0.0.1:{self.port}/-/ready?digest={digest}"
        end, answer = time.monotonic() + START_S, "no answer"
        while time.monotonic() < end:
            process = running(self.process, self.name)
            if process.poll() is not None:
                raise Refused(f"{self.name} ended with status {process.returncode}")
            try:
                urllib.request.urlopen(address, timeout=5).close()
                return
            except urllib.error.HTTPError as error:
                answer = error.read().decode(errors="replace")[:500]
            except OSError:
                pass
            time.sleep(0.05)
        raise Refused(f"{self.name} was not ready after {START_S} s: {answer}")

    def stop(self, drain: bool) -> None:
        """End it. drain: after Caddy has seen that it is about to stop, and it has answered its requests."""
        if self.process is None or self.process.poll() is not None:
            return
        if drain:
            self.process.send_signal(signal.SIGUSR1)
            time.sleep(SEEN_S)
        self.process.terminate()
        try:
            self.process.wait(DRAIN_S if drain else 3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def running(process: subprocess.Popen[bytes] | None, name: str) -> subprocess.Popen[bytes]:
    """Return the process. Raises Refused where `name` was not started yet."""
    if process is None:
        raise Refused(f"{name} was not started yet")
    return process


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
