"""Start a demo org: `python -m integrations.demo_org --port 8600 --data DIR`."""

import argparse
import gc
import ipaddress
import logging
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn

from integrations.demo_org import removal
from integrations.demo_org.bulk.runner import RUNNERS
from integrations.demo_org.opening import open_org
from integrations.demo_org.server import create_app
from integrations.demo_org.tls import ensure_certificates

DEFAULT_PORT, DEFAULT_SIZE = 8600, 2000
GRACE_SECONDS = 5
COLLECT_AFTER = 100_000
NOT_LOOPBACK = (
    "The demo org shows its passwords to anyone who can reach it, so it listens on loopback addresses only. "
    "{} is not one: use 127.0.0.1, ::1 or localhost."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, shared with `manage.py demo_org`."""
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen on")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="port to listen on (default 8600)")
    parser.add_argument("--data", type=Path, default=Path("var/demo_org"), help="directory of the org's data")
    parser.add_argument("--size", type=int, default=DEFAULT_SIZE, help="accounts of a new org (default 2000)")
    parser.add_argument("--seed", type=int, default=1, help="another number makes another company")
    parser.add_argument("--tls", action="store_true", help="serve https with a certificate of a local authority")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Announcing(uvicorn.Server):
    """A server that says when it answers."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self.url = url

    async def startup(self, sockets: list | None = None) -> None:
        """Listen, then print the line that scripts wait for."""
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(f"demo org ready on {self.url}\n")
            sys.stdout.flush()


def calm_collector() -> None:
    """Let the garbage collector look less often, and never again at what lives as long as the process (the schema).

    Bulk loads make millions of small objects that hold no cycles; looking for some costs a tenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 100)


def serve(options: argparse.Namespace) -> int:
    """Open the org and serve it until SIGTERM or SIGINT; the exit code."""
    if not is_loopback(options.host):
        sys.stderr.write(NOT_LOOPBACK.format(options.host) + "\n")
        return 2
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    org = open_org(options.data, size=options.size, seed=options.seed)
    removal.purge_expired(org)
    calm_collector()
    RUNNERS.of(org)  # takes up the bulk jobs that an earlier process left unfinished
    org.automation.resume()  # and the flows and messages
    shown = f"[{options.host}]" if ":" in options.host else options.host
    org.info.base_url = f"{'https' if options.tls else 'http'}://{shown}:{options.port}"
    secure: dict[str, Any] = {}
    if options.tls:
        authority, certificate, key = ensure_certificates(options.data / "tls")
        secure = {"ssl_certfile": str(certificate), "ssl_keyfile": str(key)}
        sys.stdout.write(f"certificate authority: {authority}\n")
    config = uvicorn.Config(
        create_app(org),  # type: ignore[arg-type]
        host=options.host,
        port=options.port,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,  # answers carry the org's own time, which the control plane can move
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=30,
        **secure,
    )
    server = Announcing(config, org.info.base_url)
    if threading.current_thread() is threading.main_thread():
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: None)  # uvicorn stops on them and then raises them again: that must not kill us
    try:
        server.run()
    finally:
        RUNNERS.stop(org)
        org.close()
    return 0 if server.started else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="demo_org", description="A local org with Salesforce's interfaces.")
    add_arguments(parser)
    return serve(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
