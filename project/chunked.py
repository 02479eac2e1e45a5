"""Bodies without a length: callers that stream (HTTP/1.1 chunks) get the same treatment as those that say how much they send.

Django reads as much of a body as Content-Length says, so without it every such request would look empty.
"""

import io
import json
from collections.abc import Callable, Iterable
from typing import Any

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
TOO_LARGE = json.dumps({"error": {"code": "too_large", "message": "The request is too large; send it in parts."}}).encode()


class WholeBodies:
    """WSGI application around another one: reads a chunked body, at most `limit` bytes, and says how long it is."""

    def __init__(self, application: Application, *, limit: int) -> None:
        self.application, self.limit = application, limit

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "HTTP_TRANSFER_ENCODING" in environ and not environ.get("CONTENT_LENGTH") and environ.get("wsgi.input_terminated"):
            body = environ["wsgi.input"].read(self.limit + 1)
            if len(body) > self.limit:
                headers = [("Content-Type", "application/json"), ("Content-Length", str(len(TOO_LARGE)))]
                start_response("413 Content Too Large", headers)
                return [TOO_LARGE]
            environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
            del environ["HTTP_TRANSFER_ENCODING"]
        return self.application(environ, start_response)
