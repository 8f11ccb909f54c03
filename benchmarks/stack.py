"""The whole stack as the public meets it, for tests and measurements: Caddy, workers and the one for SQL."""

import hashlib
import json
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

from benchmarks.api import ROOT, matched
from benchmarks.client import Request, Sending
from census.serve.stack import State
from census.serve.worker import free_port

UNVERIFIED = ssl.create_default_context()
UNVERIFIED.check_hostname, UNVERIFIED.verify_mode = False, ssl.CERT_NONE  # a certificate of Caddy's own authority


class Stack:
    """A running stack. log: where Caddy and the workers write; home: its folder, with state.json."""

    def __init__(self, database: Path, home: Path, log: Path, workers: int = 2, **environment: str) -> None:
        self.database, self.home, self.log, self.port = database, home, log, free_port()
        self.base = environment.get("SITE_ADDRESS", f"http://127.0.0.1:{self.port}")
        command = [sys.executable, ROOT / "serve_many.py", "--database", database, "--home", home]
        command += ["--port", self.port, "--workers", workers]
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [*map(str, command)],
                cwd=ROOT,
                stdout=out,
                stderr=out,
                env={**os.environ, "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home), **environment},
            )
        end = time.monotonic() + 60
        while not (home / "state.json").exists() or self.status("/-/ready") != 200:
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.terminate()
                told = log.read_text("utf-8", errors="replace")[-2000:] if log.is_file() else ""  # /dev/full never ends
                raise AssertionError(f"the stack did not come up: {told}")
            time.sleep(0.1)
        for path in ("/census", "/graphql?query={__typename}", "/"):  # what the first request makes once
            self.status(path)

    @property
    def state(self) -> State:
        """What state.json says."""
        state: State = json.loads((self.home / "state.json").read_text("utf-8"))
        return state

    @property
    def pids(self) -> list[int]:
        """Caddy's process and the workers'."""
        state = self.state
        return [state["caddy"], *(worker["pid"] for worker in state["workers"])]

    def memory(self) -> float:
        """Return the MiB that the workers hold of their own, without the pages of the mapped database."""
        return sum(rss_anon(worker["pid"]) for worker in self.state["workers"])

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> SimpleNamespace:
        """Return the answer to a request: status, headers, body."""
        request = urllib.request.Request(f"{self.base}{path}", body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60, context=UNVERIFIED) as answer:
                return SimpleNamespace(status=answer.status, headers=answer.headers, body=answer.read())
        except urllib.error.HTTPError as error:
            return SimpleNamespace(status=error.code, headers=error.headers, body=error.read())

    def status(self, path: str) -> int:
        """Return the status of the answer to a request, 0 where there is none."""
        try:
            status: int = self.ask(path).status
        except OSError:
            return 0
        return status

    def sql(self, sql: str) -> SimpleNamespace:
        """Return the answer to anyone's SQL."""
        return self.ask(f"/census.json?sql={quote(sql)}&_shape=array")

    def lookups(self, count: int = 50) -> list[Request]:
        """Return requests for postcodes by the API and the canned query, each with the answer that is right now."""
        codes = self.postcodes(count)
        paths = [f"/api/v1/postcodes/{quote(code)}?fields=postcode,status,index_id,decile,edition" for code in codes]
        paths += [f"/census/imd_by_postcode.json?postcode={quote(code)}&_shape=array" for code in codes[: count // 5]]
        return [self.answered({"path": path}) for path in paths]

    def list_of_lookups(self) -> Request:
        """Return the same of a list that is posted."""
        return self.answered({"path": "/api/v1/postcodes", "method": "POST", "body": json.dumps(self.postcodes(50))})

    def postcodes(self, count: int) -> list[str]:
        """Return the first `count` postcodes."""
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            return [row[0] for row in connection.execute("select postcode from postcodes limit ?", (count,))]

    def answered(self, request: Request) -> Request:
        """Return the request with the status and body that are right now."""
        body = request.get("body", "").encode() or None
        answer = self.ask(request["path"], request.get("method", "GET"), body, **{"Content-Type": "application/json"})
        return {**request, "statuses": [answer.status], "bodies": [hashlib.sha256(answer.body).hexdigest()]}

    def sending(self, seconds: float, requests: list[Request] | None = None, **more: Any) -> Sending:
        """Start to send `requests`, by default lookups; `more` as for Sending."""
        return Sending(self.port, seconds, requests or self.lookups(), **more)

    def settled(self) -> None:
        """Return when every worker is there and ready."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                ports = [worker["port"] for worker in self.state["workers"]]
                for port in (*ports, self.port):
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the stack did not settle")

    def end(self) -> None:
        """End the stack. Raises AssertionError where it ends with an error."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0


def rss_anon(pid: int) -> float:
    """Return the MiB of memory of a process's own, without the pages of mapped files."""
    return int(matched(r"RssAnon:\s+(\d+)", Path(f"/proc/{pid}/status").read_text("utf-8"))[1]) / 1024
