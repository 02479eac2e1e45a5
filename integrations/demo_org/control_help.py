"""What the control plane can do, as a page for people and as JSON for scripts, made from the code itself."""

import inspect
from collections.abc import Iterable
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from integrations.demo_org.faults import ACTIONS, Fault
from integrations.demo_org.page import POLICY, STYLE
from integrations.demo_org.settings import describe_settings


def help_route(routes: Iterable[Route]) -> Route:
    """The route of the help, which describes the given ones."""
    listed = list(routes)

    def show_help(request: Request) -> Response:
        """GET: this list. As JSON with `Accept: application/json`."""
        calls = [_described(each) for each in listed]
        settings = [{"name": name, "default": default, "help": text} for name, default, text in describe_settings()]
        fault = {"help": inspect.cleandoc(Fault.__doc__ or ""), "actions": sorted(ACTIONS - {""})}
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"calls": calls, "settings": settings, "faults": fault})
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        return HTMLResponse(_page(calls, settings, fault), headers=headers)

    return Route("/__demo__/help", show_help, methods=["GET"])


def _described(route: Route) -> dict[str, Any]:
    methods = sorted((route.methods or set()) - {"HEAD"})
    return {"path": route.path, "methods": methods, "help": inspect.cleandoc(route.endpoint.__doc__ or "")}


def _page(calls: list[dict[str, Any]], settings: list[dict[str, Any]], fault: dict[str, Any]) -> str:
    """The page."""
    rows = "".join(
        f"<tr><td><code>{escape(', '.join(each['methods']))} {escape(each['path'])}</code></td>"
        f"<td>{escape(each['help'])}</td></tr>"
        for each in calls
    )
    switches = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td><code>{escape(repr(each['default']))}</code></td>"
        f"<td>{escape(each['help'])}</td></tr>"
        for each in settings
    )
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!doctype html><html lang="en"><head>{head}<title>Control plane</title><style>{STYLE}</style></head><body><main>'
        "<h1>Control plane</h1><p>What a test can look at and change. Bodies are JSON; a refusal is 400 with an error.</p>"
        f'<h2>Calls</h2><div class="card"><table><tbody>{rows}</tbody></table></div>'
        f"<h2>Faults (POST /__demo__/faults)</h2><p>{escape(fault['help'])}</p>"
        f'<h2>Settings (POST /__demo__/settings)</h2><div class="card"><table><tbody>{switches}</tbody></table></div>'
        "</main></body></html>"
    )
