"""A demo org in a process of its own, and the handle that tests hold on it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 300


def free_port() -> int:
    """A port that nobody listens on now."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class DemoOrgHandle:
    """The control plane of a running demo org, as methods."""

    def __init__(self, url: str) -> None:
        self.url = url

    def control(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        """One call to `/__demo__/{path}`; POST when a body is given, else GET."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/__demo__/{path}",
            data=data,
            method=method or ("GET" if body is None else "POST"),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def info(self) -> dict[str, Any]:
        return self.control("info")

    def reset(self) -> None:
        self.control("reset", {})

    def fault(self, *, path: str = "", method: str = "", body_matches: str = "", times: int = 1, **answer: Any) -> None:
        """The next `times` matching requests answer so: status, body, headers, delay, cut, action."""
        match = {key: value for key, value in {"path": path, "method": method, "body": body_matches}.items() if value}
        self.control("faults", {"match": match, "times": times, **answer})

    def no_faults(self) -> None:
        self.control("faults", method="DELETE")

    def calls(self, path: str = "") -> list[dict[str, Any]]:
        """The ledger of requests whose path contains `path`, oldest first."""
        return [call for call in self.control("calls")["calls"] if path in call["path"]]

    def forget_calls(self) -> None:
        self.control("calls", method="DELETE")

    def settings(self, **changes: Any) -> dict[str, Any]:
        return self.control("settings", changes) if changes else self.control("settings")

    def clock(self, **change: Any) -> Any:
        return self.control("clock", change)

    def user(self, profile: str = "") -> dict[str, Any]:
        """The first user, or the first whose profile contains the word."""
        return next(each for each in self.info()["users"] if profile.lower() in each.get("profile", "").lower())

    def client(self, flow: str = "authorization_code") -> dict[str, Any]:
        """The first OAuth client that allows `flow`."""
        return next(each for each in self.info()["oauth_clients"] if flow in each["flows"])


@contextlib.contextmanager
def running_demo_org(data: Path, *, size: int = 200, port: int | None = None) -> Iterator[DemoOrgHandle]:
    """Start `python -m integrations.demo_org`, wait until it answers, and stop it at the end."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    log = data / "demo_org.log"
    data.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "integrations.demo_org", "--port", str(port), "--data", str(data), "--size", str(size)],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        handle = DemoOrgHandle(url)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                handle.info()
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"The demo org did not start:\n{log.read_text(errors='replace')[-3000:]}") from error
                time.sleep(0.05)
        yield handle
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
