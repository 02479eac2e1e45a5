"""The page that a person sees at the org's address: what this is, who can sign in, where to go on."""

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from integrations.demo_org.gate import is_local
from integrations.demo_org.oauth.accounts import describe_logins
from integrations.demo_org.oauth.clients import describe_clients
from integrations.demo_org.replies import origin_of
from integrations.demo_org.versions import NEWEST, OLDEST

STYLE = """
:root { color-scheme: light dark; --line: #d5d9e0; --soft: #6b7280; --link: #1d4ed8;
  --card: #ffffff; --back: #f6f7f9; --ink: #111827 }
@media (prefers-color-scheme: dark) {
  :root { --line: #374151; --soft: #9ca3af; --link: #93c5fd; --card: #1f2937; --back: #111827; --ink: #f3f4f6 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem }
h1 { font-size: 1.6rem; margin: 0 0 .25rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
p { margin: .25rem 0 } .soft { color: var(--soft) } a { color: var(--link) }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; overflow-x: auto }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .5rem .75rem; border-top: 1px solid var(--line) }
thead th { border-top: 0; font-size: .85rem; color: var(--soft); font-weight: 600 }
code { font-size: .9em; overflow-wrap: anywhere }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
LINKS = (
    ("/__demo__/help", "Everything that a test can look at and change"),
    ("/__demo__/info", "Facts for scripts: users, passwords, OAuth clients"),
    ("/__demo__/opportunities", "Deals: move them through the stages, change their products, see what flows do"),
    ("/__demo__/flows", "Flows, what they did, and what waits"),
    ("/__demo__/calls", "Every request that was made to this org"),
    ("/__demo__/settings", "Switches: limits, hidden fields, locks, late commits"),
    ("/__demo__/writes", "What was written since the last reset"),
    ("/services/data", "The API versions"),
)


def show_page(request: Request) -> Response:
    """The front page; only on the machine itself, because it shows passwords."""
    if not is_local(request):
        return HTMLResponse("<p>This page shows passwords, so it answers only on the machine itself.</p>", 403)
    org = request.app.state.org
    users = _table(
        ("User", "Password", "Security token", "Profile", "Time zone"),
        [
            (each["username"], each["password"], each["security_token"], each["profile"], each["time_zone"])
            for each in describe_logins(org)
        ],
    )
    clients = _table(
        ("App", "Client id", "Client secret", "Flows"),
        [
            (each["name"], each["client_id"], each["client_secret"] or "none", ", ".join(each["flows"]))
            for each in describe_clients(org)
        ],
    )
    links = "".join(
        f'<tr><td><a href="{path}"><code>{path}</code></a></td><td>{escape(text)}</td></tr>' for path, text in LINKS
    )
    body = f"""<main>
<h1>{escape(org.info.name)}</h1>
<p>A practice org with Salesforce's interfaces on this machine: nothing here is real, nothing leaves it.</p>
<p class="soft">Organization <code>{org.info.org_id}</code> at <code>{escape(origin_of(request))}</code>,
API versions {OLDEST}.0 to {NEWEST}.0</p>
<h2>Users</h2><div class="card">{users}</div>
<h2>OAuth clients</h2><div class="card">{clients}</div>
<h2>Look inside</h2><div class="card"><table><tbody>{links}</tbody></table></div>
<p class="soft">A test may call <code>POST /__demo__/reset</code> to return to the seeded data.</p>
</main>"""
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    title = f"<title>{escape(org.info.name)}</title>"
    page = f'<!doctype html><html lang="en"><head>{head}{title}<style>{STYLE}</style></head><body>{body}</body></html>'
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})


def _table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table of text."""
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in titles)
    lines = "".join("<tr>" + "".join(f"<td><code>{escape(str(cell))}</code></td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


routes = [Route("/", show_page, methods=["GET"])]
