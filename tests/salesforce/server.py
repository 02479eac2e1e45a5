"""A small real HTTP server that answers as told: refusals, cut bodies, silence, redirects."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Told:
    """One answer: JSON data or raw bytes; `cut` sends only so many bytes of the announced body; `delay` in seconds."""

    status: int = 200
    data: Any = None
    raw: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0
    cut: int | None = None
    chunked: bool = False
    drip: float = 0
    drip_headers: float = 0
    hang_up: bool = False

    def body(self) -> bytes:
        if self.raw is not None:
            return self.raw
        return b"" if self.data is None else json.dumps(self.data).encode()


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}


class FaultServer:
    """Answers requests whose path contains a told part, in the order told; the last one told stays."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.told: list[tuple[str, list[Told]]] = []
        self.lock = threading.Lock()
        self.connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                with outer.lock:
                    outer.connections += 1
                    self.number = outer.connections

            def answer(self) -> None:
                outer.answer(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815  names that http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def tell(self, part: str, *answers: Told) -> None:
        """Requests whose path contains `part` get these answers in turn (newest told first)."""
        self.told.insert(0, (part, list(answers)))

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def requests(self, part: str = "") -> list[Seen]:
        return [item for item in self.seen if part in item.path]

    def next_answer(self, path: str) -> Told:
        for part, answers in self.told:
            if part in path:
                return answers.pop(0) if len(answers) > 1 else answers[0]
        return Told(404, [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}])

    def answer(self, handler: Any) -> None:
        parts = urlsplit(handler.path)
        if handler.headers.get("Transfer-Encoding", "") == "chunked":
            raise AssertionError("no chunked requests expected")
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with self.lock:
            query = parse_qs(parts.query, keep_blank_values=True)
            self.seen.append(Seen(handler.command, parts.path, query, dict(handler.headers), body, handler.number))
            told = self.next_answer(parts.path)
        if told.delay:
            time.sleep(told.delay)
        if told.hang_up:
            handler.close_connection = True
            handler.connection.close()
            return
        self.send(handler, told)

    def send(self, handler: Any, told: Told) -> None:
        body = told.body()
        if told.drip_headers:
            for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 500:
                try:
                    handler.wfile.write(bytes([byte]))
                except OSError:
                    break
                time.sleep(told.drip_headers)
            handler.close_connection = True
            return
        handler.send_response(told.status)
        kinds = {"Content-Type": "application/json;charset=UTF-8"} if told.raw is None else {}
        for name, value in {**kinds, **told.headers}.items():
            handler.send_header(name, value)
        if told.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        elif told.status not in (204, 304):
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if told.chunked:
            body = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
        body = body if told.cut is None else body[: told.cut]
        try:
            for place in range(0, len(body), 1 if told.drip else len(body) or 1):
                handler.wfile.write(body[place : place + 1] if told.drip else body)
                handler.wfile.flush()
                time.sleep(told.drip)
        except OSError:
            pass
        if told.cut is not None:
            handler.close_connection = True
