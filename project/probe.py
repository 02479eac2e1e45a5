"""Asks the web server in this container whether it is well: `python -m project.probe [ready]`; ends with 0 or 1. Stdlib only.

The name that the server answers to is that of BASE_URL, and the call says that it came by TLS, as the proxy's do.
"""

import os
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit


def main(arguments: list[str]) -> int:
    """0 when `/healthz` (or `/readyz`, with the word ready) answers 200 within four seconds."""
    path = "readyz" if "ready" in arguments else "healthz"
    host = urlsplit(os.environ.get("BASE_URL", "")).hostname or "localhost"
    address = f"http://127.0.0.1:{os.environ.get('PORT', '8000')}/{path}"
    request = urllib.request.Request(address, headers={"Host": host, "X-Forwarded-Proto": "https"})
    try:
        with urllib.request.urlopen(request, timeout=4) as answer:  # noqa: S310  our own address
            return 0 if answer.status == 200 else 1
    except (urllib.error.URLError, OSError):
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
