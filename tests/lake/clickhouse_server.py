"""A small HTTP server that speaks ClickHouse's protocol and hands statements to ClickHouse's own engine (chdb)."""

import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

USER, PASSWORD, DATABASE = "lake", "p@ss/w:rd", "default"
FORMAT = re.compile(r"\s+FORMAT\s+ArrowStream\s*\Z")


class Server(ThreadingHTTPServer):
    """Counts requests; `fault` makes the next answers bad."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        from chdb import session

        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.lock = folder, threading.Lock()
        self.seen: list[dict[str, Any]] = []
        self.fault = ""
        self.open_session = lambda name: session.Session(str(folder / f"session-{name}"))
        self.session, self.engine = "", self.open_session("")

    def use_session(self, name: str) -> None:
        """Temporary tables belong to a session; the engine in this process has one at a time."""
        if name != self.session:
            self.engine.close()
            self.session, self.engine = name, self.open_session(name)

    @property
    def url(self) -> str:
        return f"clickhouse://{USER}:p%40ss%2Fw%3Ard@127.0.0.1:{self.server_port}/{DATABASE}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: object) -> None: ...

    def do_POST(self) -> None:
        body = self.read_body()
        query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        self.server.seen.append(
            {"query": query, "statement": query.get("query") or body.decode(), "headers": dict(self.headers)}
        )
        if self.fault():
            return
        if (self.headers["X-ClickHouse-User"], self.headers["X-ClickHouse-Key"]) != (USER, PASSWORD):
            self.answer(403, b"Code: 516. DB::Exception: lake: Authentication failed: password 'secret' is incorrect")
            return
        try:
            with self.server.lock:
                self.answer(200, self.perform(query, body))
        except Exception as error:  # noqa: BLE001 - as the server does: every failure is an answer
            self.answer(500, str(error).encode())

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def fault(self) -> bool:
        """Whether the answer was a bad one."""
        kind = self.server.fault
        if kind == "redirect":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif kind == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"\xff\xff\xff\xff")
            self.close_connection = True
        elif kind == "locked":
            self.server.fault = ""
            self.answer(500, b"Code: 373. DB::Exception: Session 1234567 is locked by a concurrent client. (SESSION_IS_LOCKED)")
        elif kind == "silent":
            threading.Event().wait(3)
            self.close_connection = True
        return bool(kind)

    def perform(self, query: dict[str, str], body: bytes) -> bytes:
        self.server.use_session(query["session_id"])
        for name, value in query.items():
            if not name.startswith(("param_", "session_id", "session_timeout")) and name not in ("query", "max_memory_usage"):
                self.server.engine.query(f"SET {name} = {value if value.isdigit() else repr(value)}")
        params = {name.removeprefix("param_"): value for name, value in query.items() if name.startswith("param_")}
        statement = query.get("query") or body.decode()
        if statement.startswith("INSERT"):
            with tempfile.NamedTemporaryFile(dir=self.server.folder, suffix=".arrows") as file:
                file.write(body)
                file.flush()
                into = FORMAT.sub("", statement)
                self.server.engine.query(f"{into} SELECT * FROM file('{file.name}', 'ArrowStream')")
            return b""
        wants_rows = FORMAT.search(statement) is not None
        answer = self.server.engine.query(FORMAT.sub("", statement), "ArrowStream" if wants_rows else "CSV", params=params)
        return bytes(answer.bytes() or b"")

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """The server on a free port of this machine."""
    server = Server(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        server.engine.close()
