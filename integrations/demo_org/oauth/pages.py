"""The pages a person sees while authorizing an app: log in, allow or deny, and what went wrong. They need no script."""

import secrets
from collections.abc import Iterable, Mapping
from html import escape

from starlette.responses import HTMLResponse

from integrations.demo_org.oauth.clients import SCOPES, Client

STYLE = """
:root { color-scheme: light dark; --ink: #181818; --soft: #5c5c5c; --paper: #ffffff; --back: #f3f3f3; --line: #c9c9c9;
  --main: #0b5cab; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #f1f1f1; --soft: #b5b5b5; --paper: #1f2226; --back: #121417;
  --line: #4a4f55; --main: #1b6fc4; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--back);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { width: 100%; max-width: 26rem; background: var(--paper); border: 1px solid var(--line); border-radius: .5rem;
  padding: 2rem; }
body.popup { padding: .25rem; } body.popup main { padding: 1rem; border: 0; }
h1 { font-size: 1.25rem; margin: 0 0 1rem; }
p { margin: 0 0 1rem; } .soft { color: var(--soft); font-size: .875rem; }
ul { margin: 0 0 1.5rem; padding-left: 1.25rem; }
label { display: block; margin-bottom: .25rem; font-weight: 600; }
input[type=text], input[type=password] { width: 100%; padding: .6rem .7rem; margin-bottom: 1rem; font: inherit;
  color: inherit; background: transparent; border: 1px solid var(--line); border-radius: .25rem; }
.row { display: flex; gap: .75rem; } .row form { flex: 1; }
button { width: 100%; padding: .65rem 1rem; font: inherit; font-weight: 600; border-radius: .25rem; cursor: pointer;
  border: 1px solid var(--main); background: var(--main); color: #fff; }
button.plain { background: transparent; color: inherit; border-color: var(--line); }
:focus-visible { outline: 3px solid var(--main); outline-offset: 2px; }
.bad { color: var(--bad); font-weight: 600; } code { overflow-wrap: anywhere; }
"""


def login_page(
    parameters: Mapping[str, str], *, hint: str = "", refused: str = "", status: int = 200, redirect_origin: str = ""
) -> HTMLResponse:
    """Ask for user name and password; `refused` says why the last try failed."""
    alert = f'<p class="bad" role="alert">{escape(refused)}</p>' if refused else ""
    body = f"""<h1>Log in to the demo org</h1>{alert}
<form method="post" action="/services/oauth2/authorize">{_hidden(parameters)}
<label for="username">Username</label>
<input type="text" id="username" name="username" value="{escape(hint)}" autocomplete="username" required autofocus>
<label for="password">Password</label>
<input type="password" id="password" name="pw" autocomplete="current-password" required>
<button type="submit" name="action" value="login" id="Login">Log In</button>
</form>
<p class="soft">Users and passwords of this practice org are listed at <code>/__demo__/info</code>.</p>"""
    return _page("Log in", body, parameters, status=status, redirect_origin=redirect_origin)


def consent_page(
    parameters: Mapping[str, str],
    *,
    client: Client,
    scopes: Iterable[str],
    username: str,
    csrf: str,
    redirect_origin: str,
) -> HTMLResponse:
    """Ask whether the app may have the scopes."""
    wanted = "".join(f"<li>{escape(text)}</li>" for text in dict.fromkeys(SCOPES[each] for each in scopes))
    hidden = _hidden({**parameters, "csrf": csrf})
    body = f"""<h1>Allow access?</h1>
<p><strong>{escape(client.name)}</strong> is asking to:</p><ul>{wanted}</ul>
<div class="row">
<form method="post" action="/services/oauth2/authorize">{hidden}
<button type="submit" name="action" value="deny" class="plain" id="oadeny">Deny</button></form>
<form method="post" action="/services/oauth2/authorize">{hidden}
<button type="submit" name="action" value="allow" id="oaapprove">Allow</button></form>
</div>
<form method="post" action="/services/oauth2/authorize">{hidden}
<p class="soft">Logged in as {escape(username)}.</p>
<button type="submit" name="action" value="switch" class="plain">Use another user</button></form>"""
    return _page("Allow access", body, parameters, redirect_origin=redirect_origin)


def problem_page(error: str, description: str) -> HTMLResponse:
    """What is wrong with the request itself. It is shown here and never sent to an address that nobody registered."""
    body = f"""<h1>The app could not be authorized</h1>
<p class="bad" role="alert">error={escape(error)}&amp;error_description={escape(description)}</p>
<p class="soft">Check the client id and the callback address with whoever set up this app.</p>"""
    return _page("Authorization problem", body, {}, status=400)


def _hidden(parameters: Mapping[str, str]) -> str:
    """The request's parameters, carried through the form."""
    pairs = (f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in parameters.items())
    return "".join(pairs)


def _page(
    title: str, body: str, parameters: Mapping[str, str], *, status: int = 200, redirect_origin: str = ""
) -> HTMLResponse:
    """The frame around a page, with headers that keep it from being framed, cached or scripted."""
    nonce = secrets.token_urlsafe(16)
    kind = "popup" if parameters.get("display") in {"popup", "touch", "mobile"} else "page"
    # Browsers apply form-action to the redirect that follows the form, so the callback's origin has to be named.
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self' {redirect_origin}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} | Demo org</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style nonce="{nonce}">{STYLE}</style></head>'
        f'<body class="{kind}"><main>{body}</main></body></html>'
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    return HTMLResponse(html, status, headers)
