"""Where the installed real clients are, and how to get them."""

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent
CLIENTS = Path(os.environ.get("CAUSEWAY_CLIENTS") or HERE.parents[1] / "var" / "clients")
NODE = CLIENTS / "node_modules" / ".bin" / "node"
SF = CLIENTS / "node_modules" / ".bin" / "sf"
HOW = "not installed: run tests/conformity/install_clients.sh"
QUIET = {
    "SF_DISABLE_TELEMETRY": "true", "SF_AUTOUPDATE_DISABLE": "true", "SF_SKIP_NEW_VERSION_CHECK": "true", "NO_COLOR": "1",
    "SF_CONTENT_TYPE": "JSON", "SF_USE_PROGRESS_BAR": "false", "SF_DISABLE_DNS_CHECK": "true",
}  # fmt: skip


def environment(home: Path) -> dict[str, str]:
    """The environment of a client: its own home directory, Node 22 first on the path, no telemetry, no proxies."""
    kept = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    return {**kept, **QUIET, "HOME": str(home), "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"}
