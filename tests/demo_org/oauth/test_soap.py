"""SOAP login for v31-64, its faults, and the record calls."""

from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from defusedxml.ElementTree import fromstring
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from simple_salesforce.login import SalesforceLogin

from integrations.demo_org import saving
from tests.demo_org.oauth.rewriting import rewriting_session
from tests.demo_org.oauth.small_org import ADMIN, ADMIN_PASSWORD, ADMIN_TOKEN, READER, READER_PASSWORD, READER_TOKEN
from tests.effort import at_most

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "salesforce-recordings" / "soap-login"
PARTNER = "{urn:partner.soap.sforce.com}"


def envelope(body: str, session: str = "") -> str:
    header = f"<s:Header><u:SessionHeader><u:sessionId>{session}</u:sessionId></u:SessionHeader></s:Header>" if session else ""
    return (
        '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        f'xmlns:u="urn:partner.soap.sforce.com">{header}<s:Body>{body}</s:Body></s:Envelope>'
    )


def call(small, body: str, *, session: str = "", version: str = "64.0", flavor: str = "u"):
    return small.http.post(
        f"{small.url}/services/Soap/{flavor}/{version}",
        data=envelope(body, session).encode(),
        headers={"Content-Type": "text/xml", "SOAPAction": '""'},
    )


def login(small, username: str = ADMIN, password: str = ADMIN_PASSWORD + ADMIN_TOKEN, **options):
    names = f"<u:username>{escape(username)}</u:username><u:password>{escape(password)}</u:password>"
    return call(small, f"<u:login>{names}</u:login>", **options)


def tags(text: str | bytes, element: str) -> list[str]:
    """The local names of the children of the first element of that name."""
    found = next(each for each in fromstring(text).iter() if each.tag.rpartition("}")[2] == element)
    return [each.tag.rpartition("}")[2] for each in found]


def text_of(answer, name: str) -> str | None:
    return next((each.text for each in fromstring(answer.content).iter() if each.tag.rpartition("}")[2] == name), None)


def fault(answer) -> tuple[int, str, str]:
    return answer.status_code, text_of(answer, "exceptionCode"), text_of(answer, "exceptionMessage")


def recorded(name: str) -> bytes:
    path = RECORDINGS / name
    if not path.exists():
        pytest.skip(f"the recording {name} is not here")
    return path.read_bytes()


class TestLogin:
    @pytest.mark.parametrize("version", ["31.0", "42.0", "59.0", "64.0", "64"])
    def test_login_gives_a_session_that_works(self, small, version):
        answer = login(small, version=version)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/xml")
        assert text_of(answer, "serverUrl") == f"{small.url}/services/Soap/u/{version}/{small.org.info.org_id[:15]}"
        caller = small.org.sessions.caller_for(text_of(answer, "sessionId"))
        assert (caller.username, caller.user_id) == (ADMIN, text_of(answer, "userId"))

    def test_login_body_has_the_recorded_shape(self, small):
        wanted = recorded("login-success-reportforce.xml")
        answer = login(small)
        assert tags(answer.content, "result") == tags(wanted, "result")
        assert tags(answer.content, "userInfo") == tags(wanted, "userInfo")
        assert text_of(answer, "userTimeZone") == "America/Los_Angeles"
        assert text_of(answer, "sessionSecondsValid") == "7200"
        assert '<userDefaultCurrencyIsoCode xsi:nil="true"/>' in answer.text
        assert fromstring(answer.content).find(f".//{PARTNER}loginResponse") is not None

    def test_enterprise_flavor_has_its_own_namespace_and_address(self, small):
        answer = login(small, flavor="c")
        assert "urn:enterprise.soap.sforce.com" in answer.text
        assert "/services/Soap/c/64.0/" in text_of(answer, "serverUrl")

    def test_r_021_wrong_password_has_the_recorded_fault(self, small):
        answer = login(small, password="wrong")
        wanted = fromstring(recorded("fault-invalid-login.xml"))
        given = fromstring(answer.content)
        assert [(each.tag, (each.text or "").strip()) for each in given.iter()] == [
            (each.tag, (each.text or "").strip()) for each in wanted.iter()
        ]
        assert answer.status_code == 500

    def test_bw_21_the_security_token_follows_the_password(self, small):
        assert fault(login(small, password=ADMIN_PASSWORD))[:2] == (500, "LOGIN_MUST_USE_SECURITY_TOKEN")
        small.org.settings.trusted_addresses = ["127.0.0.1"]
        assert login(small, password=ADMIN_PASSWORD).status_code == 200
        small.org.settings.update({"trusted_addresses": [], "security_token_required": False})
        assert login(small, password=ADMIN_PASSWORD).status_code == 200

    def test_login_disabled_in_the_org_has_the_recorded_text(self, small):
        small.org.settings.soap_login_enabled = False
        answer = login(small)
        wanted = fromstring(recorded("fault-login-disabled-in-org.xml"))
        assert answer.status_code == 500
        assert text_of(answer, "faultstring") == wanted.find(".//faultstring").text

    def test_login_does_not_exist_from_v65_on(self, small):
        code, name, text = fault(login(small, version="65.0"))
        assert (code, name) == (500, "INVALID_OPERATION")
        assert text.startswith("The SOAP Login operation is not available in the API version specified (65.0).")

    @pytest.mark.parametrize("version", ["7.0", "30.0", "69.0", "abc", "nan", "1e1"])
    def test_retired_or_unknown_version(self, small, version):
        expected = (500, "UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL")
        assert fault(login(small, version=version)) == expected

    def test_api_disabled_inactive_and_restricted_users(self, small):
        small.http.patch(f"{small.url}/__demo__/logins/{READER}", json={"active": False})
        assert fault(login(small, READER, READER_PASSWORD + READER_TOKEN))[1] == "INVALID_LOGIN"
        small.http.patch(f"{small.url}/__demo__/logins/{READER}", json={"active": True, "ip_ranges": ["10.0.0.0/8"]})
        assert fault(login(small, READER, READER_PASSWORD + READER_TOKEN))[1] == "RESTRICTED_IP"
        small.org.settings.api_enabled = False
        assert fault(login(small))[1] == "API_DISABLED_FOR_ORG"

    def test_expired_password_is_a_success_that_says_so(self, small):
        small.http.patch(f"{small.url}/__demo__/logins/{ADMIN}", json={"password_expired": True})
        answer = login(small)
        assert (answer.status_code, text_of(answer, "passwordExpired")) == (200, "true")

    def test_s_056_soap_login_is_throttled_with_the_same_text(self, small):
        faults = {fault(login(small, password="wrong")) for _ in range(11)}
        assert len(faults) == 1
        assert fault(login(small)) in faults

    def test_simple_salesforce_logs_in_unmodified(self, small):
        session, instance = SalesforceLogin(
            username=ADMIN,
            password=ADMIN_PASSWORD,
            security_token=ADMIN_TOKEN,
            domain="acme.my",
            sf_version="59.0",
            session=rewriting_session(small.url),
        )
        assert small.org.sessions.caller_for(session).username == ADMIN
        assert instance == small.url.removeprefix("http://")
        with pytest.raises(SalesforceAuthenticationFailed, match="INVALID_LOGIN"):
            SalesforceLogin(
                username=ADMIN, password="no", security_token="", sf_version="59.0", session=rewriting_session(small.url)
            )


class TestSession:
    def test_user_info_timestamp_and_logout(self, small):
        session = text_of(login(small), "sessionId")
        assert text_of(call(small, "<u:getUserInfo/>", session=session), "userName") == ADMIN
        stamp = text_of(call(small, "<u:getServerTimestamp/>", session=session), "timestamp")
        assert stamp.endswith(".000Z")
        assert call(small, "<u:logout/>", session=session).status_code == 200
        assert small.org.sessions.caller_for(session) is None

    def test_bad_session_has_the_recorded_fault(self, small):
        answer = call(small, "<u:getUserInfo/>", session="none")
        wanted = fromstring(recorded("fault-invalid-session.xml"))
        assert [(each.tag, (each.text or "").strip()) for each in fromstring(answer.content).iter()] == [
            (each.tag, (each.text or "").strip()) for each in wanted.iter()
        ]

    def test_what_is_not_offered_is_refused(self, small):
        session = text_of(login(small), "sessionId")
        assert fault(call(small, "<u:sendEmail><u:messages/></u:sendEmail>", session=session))[1] == "INVALID_OPERATION"


BILLION = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


class TestHostileXml:
    @pytest.mark.parametrize(
        "head",
        [
            '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
            '<!DOCTYPE r [<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]>',
            '<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]>',
            f'<!DOCTYPE r [<!ENTITY l0 "lol">{BILLION}]>',
            '<!DOCTYPE r SYSTEM "http://127.0.0.1:9/dtd">',
        ],
    )
    def test_s_039_entities_are_refused_within_a_second(self, small, head):
        entity = "&l11;" if "l11" in head else "&x;"
        body = envelope(f"<u:login><u:username>{entity}</u:username></u:login>").replace("?>", "?>" + head, 1)
        with at_most(1):
            answer = small.http.post(f"{small.url}/services/Soap/u/64.0", data=body, headers={"Content-Type": "text/xml"})
        assert answer.status_code == 500
        assert "root:" not in answer.text

    @pytest.mark.parametrize("body", [b"", b"<a", b"<a/>", b"\xff\xfe", b"<Envelope><Body/></Envelope>"])
    def test_garbage_is_a_fault(self, small, body):
        answer = small.http.post(f"{small.url}/services/Soap/u/64.0", data=body, headers={"Content-Type": "text/xml"})
        assert (answer.status_code, text_of(answer, "exceptionCode")) == (500, "UNKNOWN_EXCEPTION")


class TestRecords:
    def insert(self, small, name: str, *rows: dict) -> list[str]:
        results = saving.save(small.org, small.login_caller(), name, rows, operation="insert")
        assert all(each.success for each in results), results
        return [each.id for each in results]

    def row(self, small, name: str, record_id: str) -> dict:
        cursor = small.org.store.read().execute(f'SELECT * FROM "{name}" WHERE Id = ?', (record_id,))
        found = cursor.fetchone()
        return dict(zip([each[0] for each in cursor.description], found, strict=True)) if found else {}

    def session(self, small) -> str:
        return small.org.sessions.open(small.user_id(), scopes=("api",))

    def test_merge_moves_children_and_names_the_master(self, small):
        winner, loser = self.insert(small, "Account", {"Name": "Left"}, {"Name": "Right"})
        (contact,) = self.insert(small, "Contact", {"LastName": "Kim", "AccountId": loser})
        body = (
            f"<u:merge><u:request><u:masterRecord><u:type>Account</u:type><u:Id>{winner}</u:Id><u:Phone>123</u:Phone>"
            f"</u:masterRecord><u:recordToMergeIds>{loser}</u:recordToMergeIds></u:request></u:merge>"
        )
        answer = call(small, body, session=self.session(small))
        assert text_of(answer, "success") == "true"
        assert text_of(answer, "mergedRecordIds") == loser
        assert text_of(answer, "updatedRelatedIds") == contact
        assert self.row(small, "Account", loser)["MasterRecordId"] == winner
        assert self.row(small, "Contact", contact)["AccountId"] == winner
        assert self.row(small, "Account", winner)["Phone"] == "123"

    def test_undelete_and_empty_recycle_bin(self, small):
        (account,) = self.insert(small, "Account", {"Name": "Gone"})
        session = self.session(small)
        early = call(small, f"<u:emptyRecycleBin><u:ids>{account}</u:ids></u:emptyRecycleBin>", session=session)
        assert text_of(early, "success") == "false"
        saving.save(small.org, small.login_caller(), "Account", [{"Id": account}], operation="delete")
        back = call(small, f"<u:undelete><u:ids>{account}</u:ids><u:ids>bad</u:ids></u:undelete>", session=session)
        assert [each.text for each in fromstring(back.content).iter(f"{PARTNER}success")] == ["true", "false"]
        assert self.row(small, "Account", account)["IsDeleted"] == 0
        saving.save(small.org, small.login_caller(), "Account", [{"Id": account}], operation="delete")
        call(small, f"<u:emptyRecycleBin><u:ids>{account}</u:ids></u:emptyRecycleBin>", session=session)
        assert self.row(small, "Account", account) == {}

    def test_convert_lead(self, small):
        (lead,) = self.insert(small, "Lead", {"LastName": "Lee", "Company": "Lee & Co", "Email": "lee@lee.example"})
        body = (
            f"<u:convertLead><u:leadConverts><u:convertedStatus>Closed - Converted</u:convertedStatus>"
            f"<u:leadId>{lead}</u:leadId></u:leadConverts></u:convertLead>"
        )
        session = self.session(small)
        answer = call(small, body, session=session)
        assert text_of(answer, "success") == "true", answer.text
        row = self.row(small, "Lead", lead)
        assert (row["IsConverted"], row["Status"]) == (1, "Closed - Converted")
        assert self.row(small, "Contact", row["ConvertedContactId"])["AccountId"] == row["ConvertedAccountId"]
        assert self.row(small, "Opportunity", row["ConvertedOpportunityId"])["Name"] == "Lee & Co"
        again = call(small, body, session=session)
        assert (text_of(again, "success"), text_of(again, "statusCode")) == ("false", "CANNOT_UPDATE_CONVERTED_LEAD")
