"""The data calls of the SOAP partner and enterprise APIs: what they answer, in which elements, with which faults."""

import gzip
import re

import pytest

from tests.demo_org.oauth.test_soap import call, envelope, fault, text_of

ACCOUNT = "<sObjects><type>Account</type><Name>{0}</Name></sObjects>"


@pytest.fixture
def session(small) -> str:
    return small.server_token()["access_token"]


@pytest.fixture
def soap(small, session):
    """Run one call and give the body inside the operation's answer."""

    def run(body: str, *, header: str = "", **options) -> str:
        text = envelope(body, session).replace("</s:Header>", f"{header}</s:Header>")
        flavor = options.get("flavor", "u")
        if flavor == "c":
            text = text.replace("urn:partner.soap", "urn:enterprise.soap")
        answer = small.http.post(
            f"{small.url}/services/Soap/{flavor}/60.0",
            data=text.encode(),
            headers={"Content-Type": "text/xml", "SOAPAction": '""'},
        )
        assert answer.status_code == 200, answer.text
        return re.search(r"<(\w+)Response>(.*)</\1Response>", answer.text, re.DOTALL)[2]

    return run


def made(soap, *names: str) -> list[str]:
    """Ids of fresh accounts."""
    answer = soap(f"<u:create>{''.join(ACCOUNT.format(name) for name in names)}</u:create>")
    return re.findall(r"<id>(001\w{15})</id>", answer)


def test_create_gives_one_result_for_each_record(soap):
    answer = soap(f"<u:create>{ACCOUNT.format('One')}<sObjects><type>Account</type><Site>x</Site></sObjects></u:create>")
    assert re.sub(r"001\w{15}", "ID", answer) == (
        "<result><id>ID</id><success>true</success></result>"
        "<result><errors><fields>Name</fields><message>Required fields are missing: [Name]</message>"
        '<statusCode>REQUIRED_FIELD_MISSING</statusCode></errors><id xsi:nil="true"/><success>false</success></result>'
    )


def test_all_or_none_undoes_the_good_records(soap):
    header = "<u:AllOrNoneHeader><u:allOrNone>true</u:allOrNone></u:AllOrNoneHeader>"
    body = f"<u:create>{ACCOUNT.format('Undone')}<sObjects><type>Account</type></sObjects></u:create>"
    answer = soap(body, header=header)
    assert re.findall(r"<statusCode>(\w+)</statusCode>", answer) == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "REQUIRED_FIELD_MISSING",
    ]
    counted = soap("<u:query><u:queryString>SELECT COUNT() FROM Account WHERE Name = 'Undone'</u:queryString></u:query>")
    assert counted == '<result xsi:type="QueryResult"><done>true</done><queryLocator xsi:nil="true"/><size>0</size></result>'


def test_records_of_the_partner_api_name_their_type_and_repeat_a_selected_id(soap):
    own = made(soap, "Typed &amp; true")[0]
    answer = soap(f"<u:query><u:queryString>SELECT Id, Name, Site FROM Account WHERE Id = '{own}'</u:queryString></u:query>")
    assert answer == (
        '<result xsi:type="QueryResult"><done>true</done><queryLocator xsi:nil="true"/><records xsi:type="sf:sObject">'
        f"<sf:type>Account</sf:type><sf:Id>{own}</sf:Id><sf:Id>{own}</sf:Id><sf:Name>Typed &amp; true</sf:Name>"
        '<sf:Site xsi:nil="true"/></records><size>1</size></result>'
    )


def test_records_of_the_enterprise_api_have_a_typed_element(soap):
    own = made(soap, "Strong")[0]
    query = f"<u:query><u:queryString>SELECT Id, Name FROM Account WHERE Id = '{own}'</u:queryString></u:query>"
    assert f'<records xsi:type="sf:Account"><sf:Id>{own}</sf:Id><sf:Name>Strong</sf:Name></records>' in soap(query, flavor="c")
    body = '<u:create><u:sObjects xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="o:Account"><Name>By type</Name>'
    assert "<success>true</success>" in soap(f"{body}</u:sObjects></u:create>", flavor="c")


def test_parents_children_and_aggregates_nest(soap):
    own = made(soap, "Parent")[0]
    contact = f"<sObjects><type>Contact</type><LastName>Child</LastName><AccountId>{own}</AccountId></sObjects>"
    assert "<success>true</success>" in soap(f"<u:create>{contact}</u:create>")
    parent = soap(
        f"<u:query><u:queryString>SELECT Account.Name FROM Contact WHERE AccountId = '{own}'</u:queryString></u:query>"
    )
    assert (
        '<sf:Account xsi:type="sf:sObject"><sf:type>Account</sf:type><sf:Id xsi:nil="true"/><sf:Name>Parent</sf:Name></sf:Account>'
        in parent
    )
    text = f"SELECT Name, (SELECT LastName FROM Contacts), (SELECT Subject FROM Tasks) FROM Account WHERE Id = '{own}'"
    children = soap(f"<u:query><u:queryString>{text}</u:queryString></u:query>")
    assert '<sf:Contacts xsi:type="QueryResult"><done>true</done><queryLocator xsi:nil="true"/>' in children
    assert '<sf:Tasks xsi:nil="true"/>' in children
    counted = soap(f"<u:query><u:queryString>SELECT COUNT(Id) FROM Contact WHERE AccountId = '{own}'</u:queryString></u:query>")
    assert (
        '<sf:type>AggregateResult</sf:type><sf:Id xsi:nil="true"/><sf:expr0 xsi:type="xsd:int">1</sf:expr0></records>'
        in counted
    )


def test_a_page_has_500_records_unless_told_otherwise(soap):
    for _ in range(3):
        made(soap, *(f"Paged {each}" for each in range(200)))
    text = "<u:query><u:queryString>SELECT Id FROM Account WHERE Name LIKE 'Paged %'</u:queryString></u:query>"
    first = soap(text)
    assert (first.count("<records "), "<size>600</size>" in first, "<done>false</done>" in first) == (500, True, True)
    locator = re.search(r"<queryLocator>([\w-]+)</queryLocator>", first)[1]
    rest = soap(f"<u:queryMore><u:queryLocator>{locator}</u:queryLocator></u:queryMore>")
    assert (rest.count("<records "), "<done>true</done>" in rest) == (100, True)
    options = "<u:QueryOptions><u:batchSize>200</u:batchSize></u:QueryOptions>"
    assert soap(text, header=options).count("<records ") == 200


def test_update_clears_what_fields_to_null_names(soap):
    own = made(soap, "Clears")[0]
    row = f"<sObjects><type>Account</type><Id>{own}</Id><Site>HQ</Site><NumberOfEmployees>12</NumberOfEmployees></sObjects>"
    soap(f"<u:update>{row}</u:update>")
    row = f"<sObjects><type>Account</type><fieldsToNull>Site</fieldsToNull><Id>{own}</Id></sObjects>"
    soap(f"<u:update>{row}</u:update>")
    kept = soap(
        f"<u:retrieve><u:fieldList>Site,NumberOfEmployees</u:fieldList><u:sObjectType>Account</u:sObjectType><u:ids>{own}</u:ids></u:retrieve>"
    )
    assert kept.endswith('<sf:Site xsi:nil="true"/><sf:NumberOfEmployees>12</sf:NumberOfEmployees></result>')


def test_retrieve_is_nil_where_there_is_no_record(soap):
    answer = soap(
        "<u:retrieve><u:fieldList>Name</u:fieldList><u:sObjectType>Account</u:sObjectType><u:ids>001000000000000AAA</u:ids></u:retrieve>"
    )
    assert answer == '<result xsi:nil="true"/>'


def test_delete_and_what_was_deleted(soap):
    own = made(soap, "Goes")[0]
    assert soap(f"<u:delete><u:ids>{own}</u:ids></u:delete>") == f"<result><id>{own}</id><success>true</success></result>"
    again = soap(f"<u:delete><u:ids>{own}</u:ids></u:delete>")
    assert "<statusCode>ENTITY_IS_DELETED</statusCode>" in again
    assert "<statusCode>MALFORMED_ID</statusCode>" in soap("<u:delete><u:ids>nonsense</u:ids></u:delete>")


def test_describes_are_elements_without_what_is_null(soap):
    answer = soap(
        "<u:describeSObjects><u:sObjectType>Account</u:sObjectType><u:sObjectType>Contact</u:sObjectType></u:describeSObjects>"
    )
    assert answer.count("<result>") == 2
    assert "<keyPrefix>001</keyPrefix>" in answer
    assert re.search(r"<urlDetail>http://[\w.:]+/\{ID\}</urlDetail>", answer)
    assert "<referenceTo>Account</referenceTo>" in answer
    assert "xsi:nil" not in answer
    every = soap("<u:describeGlobal/>")
    assert every.startswith("<result><encoding>UTF-8</encoding><maxBatchSize>200</maxBatchSize><sobjects>")


def test_faults_of_queries_tell_row_and_column(small, session):
    answer = call(small, "<u:query><u:queryString>SELECT Nope FROM Account</u:queryString></u:query>", session=session)
    assert answer.status_code == 500
    assert '<sf:InvalidFieldFault xsi:type="sf:InvalidFieldFault">' in answer.text
    assert "<sf:row>1</sf:row><sf:column>8</sf:column>" in answer.text
    answer = call(small, "<u:query><u:queryString>SELECT Id FROM Nope</u:queryString></u:query>", session=session)
    assert "<sf:InvalidSObjectFault " in answer.text
    answer = call(small, "<u:queryMore><u:queryLocator>01g000000000000AAA-500</u:queryLocator></u:queryMore>", session=session)
    assert (answer.status_code, text_of(answer, "exceptionCode")) == (500, "INVALID_QUERY_LOCATOR")
    answer = call(small, "<u:describeSObject><u:sObjectType>Nope</u:sObjectType></u:describeSObject>", session=session)
    assert fault(answer) == (500, "INVALID_TYPE", "sObject type 'Nope' is not supported.")


def test_a_compressed_request_is_read(small, session):
    text = envelope("<u:getUserInfo/>", session).encode()
    headers = {"Content-Type": "text/xml", "SOAPAction": '""', "Content-Encoding": "gzip"}
    answer = small.http.post(f"{small.url}/services/Soap/u/60.0", data=gzip.compress(text), headers=headers)
    assert (answer.status_code, text_of(answer, "organizationId")) == (200, small.org.info.org_id)
    broken = small.http.post(f"{small.url}/services/Soap/u/60.0", data=b"plain", headers=headers)
    assert broken.status_code == 400


def test_more_than_200_records_are_refused(small, session):
    body = f"<u:create>{''.join(ACCOUNT.format(each) for each in range(201))}</u:create>"
    assert fault(call(small, body, session=session)) == (
        500, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 200 records into this call",
    )  # fmt: skip
