"""Comparisons of OAuth and SOAP login."""

import time
from typing import Any
from xml.sax.saxutils import escape

import jwt

from tests.conformity.api import SOAP_LOGIN, Answer
from tests.conformity.cases import Case
from tests.conformity.world import World

BOTH = ("error", "error_description")
OLD = "sent by newer releases"
INVALID_CALL = """<?xml version="1.0"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Header>
<SessionHeader xmlns="urn:partner.soap.sforce.com"><sessionId>nothing</sessionId></SessionHeader></env:Header>
<env:Body><getUserInfo xmlns="urn:partner.soap.sforce.com"/></env:Body></env:Envelope>"""


def wrong_audience(world: World) -> Answer:
    client = next(each for each in world.org.info()["oauth_clients"] if each.get("private_key"))
    claims = {"iss": client["client_id"], "sub": world.org.user("administrator")["username"],
              "aud": "https://elsewhere.example.com", "exp": int(time.time()) + 120}  # fmt: skip
    assertion = jwt.encode(claims, client["private_key"], algorithm="RS256")
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    return world.anonymous.call("POST", "/services/oauth2/token", form=form)


def by_password(world: World, *, right: bool) -> Answer:
    user = world.org.user("administrator")
    world.org.settings(password_flow_enabled=True)
    try:
        password = user["password"] + user["security_token"] if right else "wrong"
        return world.token_call(grant_type="password", username=user["username"], password=password)
    finally:
        world.org.settings(password_flow_enabled=False)


def refresh(world: World) -> Answer:
    return world.token_call(grant_type="refresh_token", refresh_token=world.web_tokens().data["refresh_token"])


def wrong_client(world: World) -> Answer:
    return world.token_call(grant_type="refresh_token", refresh_token="5Aepnothing", client_secret="wrong")


def identity(world: World) -> Answer:
    tokens = world.web_tokens().data
    path = tokens["id"].removeprefix(world.org.url)
    return world.anonymous.call("GET", f"{path}?format=json", token=tokens["access_token"])


def userinfo(world: World) -> Answer:
    return world.anonymous.call(
        "GET", "/services/oauth2/userinfo", token=world.web_tokens("api openid profile email id").data["access_token"]
    )


def soap(world: World, body: str) -> Answer:
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
    return world.anonymous.call("POST", "/services/Soap/u/60.0", text=body, headers=headers)


def soap_login(world: World, *, right: bool = True) -> Answer:
    user = world.org.user("administrator")
    password = user["password"] + user["security_token"] if right else "wrong"
    return soap(world, SOAP_LOGIN.format(escape(user["username"]), escape(password)))


def soap_switched_off(world: World) -> Answer:
    world.org.settings(soap_login_enabled=False)
    try:
        return soap_login(world)
    finally:
        world.org.settings(soap_login_enabled=True)


def result_of(tree: dict[str, Any]) -> dict[str, Any]:
    return tree["Envelope"]["Body"]["loginResponse"]["result"]


def fault_of(tree: dict[str, Any]) -> dict[str, Any]:
    return tree["Envelope"]["Body"]["Fault"]


TOKENS = {
    "extra scope": OLD, "extra token_type": OLD, "extra id_token": "the app was approved for openid",
    "order $": "keys come in no fixed order: it differs between recorded token answers",
}  # fmt: skip
CASES = (
    Case("oauth/identity-url-shape.json", identity, allowed={
        "extra urls.*": "recorded from documentation, which shortens the list of addresses"}),
    Case("oauth/token-audience-validation-failed.json", wrong_audience, BOTH),
    Case("oauth/token-invalid-client.json", wrong_client, BOTH),
    Case("oauth/token-invalid-password.json", lambda world: by_password(world, right=False), BOTH),
    Case("oauth/token-refresh-expired.json",
         lambda world: world.token_call(grant_type="refresh_token", refresh_token="5Aepnothing"), BOTH),
    Case("oauth/token-refresh.json", refresh, allowed=TOKENS),
    Case("oauth/token-unsupported-grant-type.json", lambda world: world.token_call(grant_type="magic"), BOTH),
    Case("oauth/token-username-password.json", lambda world: by_password(world, right=True), allowed=TOKENS),
    Case("oauth/token-web-server-shape.json", lambda world: world.web_tokens()),
    Case("oauth/userinfo.json", userinfo, allowed={"extra *": "the recording was stripped of names and addresses"}),
    Case("soap-login/fault-invalid-login.xml", lambda world: soap_login(world, right=False),
         ("faultcode", "faultstring", "detail"), ours=fault_of, theirs=fault_of),
    Case("soap-login/fault-invalid-session.xml", lambda world: soap(world, INVALID_CALL),
         ("faultcode", "faultstring", "detail"), ours=fault_of, theirs=fault_of),
    Case("soap-login/fault-login-disabled-in-org.xml", soap_switched_off, ("faultcode", "faultstring"), ours=fault_of,
         theirs=fault_of, allowed={"extra detail": "assembled from a report that quotes only code and text"}),
    Case("soap-login/login-success-reportforce.xml", soap_login, ours=result_of, theirs=result_of),
    Case("soap-login/login-success-v23.xml", soap_login, ours=result_of, theirs=result_of, allowed={
        "extra userInfo.chatterExternal": OLD, "extra userInfo.orgDefaultCurrencyLocale": OLD}),
)  # fmt: skip
