"""A bucket on this machine: as much of the S3 protocol as a lake needs, kept in memory."""

import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "lake"


class Bucket(ThreadingHTTPServer):
    """Objects by key; `broken` makes uploads fail."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.broken = False

    @property
    def url(self) -> str:
        place = f"127.0.0.1:{self.server_port}"
        return f"s3://key:secret@{BUCKET}/data?scheme=http&region=us-east-1&endpoint_override={place}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Bucket

    def log_message(self, *_: object) -> None: ...

    def length(self) -> int:
        return int(self.headers.get("Content-Length", 0))

    def chunks(self) -> bytes:
        """A body of which nobody knows the length beforehand."""
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def parse(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        key = unquote(parts.path).removeprefix(f"/{BUCKET}").lstrip("/")
        return key, dict(parse_qsl(parts.query, keep_blank_values=True))

    def body(self) -> bytes:
        raw = self.chunks() if "chunked" in self.headers.get("Transfer-Encoding", "") else self.rfile.read(self.length())
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return raw
        parts, at = [], 0
        while True:  # SIZE[;signature] CRLF DATA CRLF ... 0
            end = raw.index(b"\r\n", at)
            size = int(raw[at:end].split(b";")[0], 16)
            if not size:
                return b"".join(parts)
            parts.append(raw[end + 2 : end + 2 + size])
            at = end + 2 + size + 2

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self) -> None:
        key, query = self.parse()
        data = self.body()
        if self.server.broken:
            self.answer(400, b"<Error><Code>InvalidRequest</Code><Message>No.</Message></Error>")
        elif "uploadId" in query:
            self.server.uploads[query["uploadId"]][int(query["partNumber"])] = data
            self.answer(200, ETag='"part"')
        else:
            self.server.objects[key] = data
            self.answer(200, ETag='"whole"')

    def do_POST(self) -> None:
        key, query = self.parse()
        self.body()
        if "uploads" in query:
            name = uuid.uuid4().hex
            self.server.uploads[name] = {}
            self.answer(
                200, f"<InitiateMultipartUploadResult><UploadId>{name}</UploadId></InitiateMultipartUploadResult>".encode()
            )
        elif "uploadId" in query:
            parts = self.server.uploads.pop(query["uploadId"])
            self.server.objects[key] = b"".join(parts[number] for number in sorted(parts))
            self.answer(200, b'<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>')
        else:
            self.answer(400)

    def do_DELETE(self) -> None:
        key, query = self.parse()
        if "uploadId" in query:
            self.server.uploads.pop(query["uploadId"], None)
        else:
            self.server.objects.pop(key, None)
        self.answer(204)

    def do_HEAD(self) -> None:
        key, _ = self.parse()
        if not key:
            self.answer(200)
        elif key in self.server.objects:
            self.answer(
                200,
                Content_Length=str(len(self.server.objects[key])),
                Last_Modified="Sun, 01 Nov 2026 10:00:00 GMT",
                ETag='"x"',
            )
        else:
            self.answer(404)

    def do_GET(self) -> None:
        key, query = self.parse()
        if not key:
            self.answer(200, self.listing(query), Content_Type="application/xml")
            return
        data = self.server.objects.get(key)
        if data is None:
            self.answer(404, b"<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>")
            return
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked:
            begin, end = int(asked[1]), int(asked[2] or len(data) - 1)
            self.answer(206, data[begin : end + 1], Content_Range=f"bytes {begin}-{end}/{len(data)}")
        else:
            self.answer(200, data)

    def listing(self, query: dict[str, str]) -> bytes:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        keys, folders = [], set()
        for key in sorted(self.server.objects):
            rest = key.removeprefix(prefix)
            if key.startswith(prefix) and delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
            elif key.startswith(prefix):
                keys.append(key)
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.server.objects[key])}</Size>"
            "<LastModified>2026-11-01T10:00:00.000Z</LastModified></Contents>"
            for key in keys[: int(query.get("max-keys", 1000))]
        )
        found += "".join(f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in sorted(folders))
        return f"<ListBucketResult><Name>{BUCKET}</Name><KeyCount>{len(keys)}</KeyCount><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()


@contextmanager
def running_bucket() -> Iterator[Bucket]:
    """The bucket on a free port of this machine."""
    server = Bucket()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
