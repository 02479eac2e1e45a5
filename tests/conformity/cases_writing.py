"""Comparisons of creating, changing and refusing records: single, collections, composite; and their errors."""

from tests.conformity.api import Answer
from tests.conformity.cases import Case
from tests.conformity.world import World

ERROR = ("[0].errorCode", "[0].message")
NOT_AN_ACCOUNT = {"object": "Account"}


def create_account(world: World) -> Answer:
    return world.api.call("POST", "sobjects/Account", body={"Name": "xyzzy"})


def create_with_slash(world: World) -> Answer:
    return world.api.call("POST", "sobjects/Account/", body={"Name": "xyzzy", "AccountNumber": "420"})


def create_topic(world: World) -> Answer:
    return world.api.call("POST", "/services/data/v42.0/sobjects/Topic", body={"Name": "(test) High Value2"})


def upsert_new(world: World) -> Answer:
    return world.api.call("PATCH", "/services/data/v42.0/sobjects/Account/External_Id__c/conf-new", body={"Name": "New"})


def duplicate_assignment(world: World) -> Answer:
    given = world.api.query(
        "SELECT AssigneeId, PermissionSetId FROM PermissionSetAssignment WHERE PermissionSetId != null LIMIT 1"
    )
    body = {key: given[0][key] for key in ("AssigneeId", "PermissionSetId")}
    return world.api.call("POST", "sobjects/PermissionSetAssignment", body=body)


def locked_row(world: World) -> Answer:
    world.org.settings(locked_records=[world.account])
    try:
        return world.api.call("PATCH", f"sobjects/Account/{world.account}", body={"Site": "x"})
    finally:
        world.org.settings(locked_records=[])


def daily_limit(world: World) -> Answer:
    world.org.settings(api_requests_used=10_000_000)
    try:
        return world.api.get("sobjects")
    finally:
        world.org.settings(api_requests_used=0)


def collection(world: World, method: str, records: list[dict], *, kind: str = "Account", all_or_none: bool = False,
               path: str = "composite/sobjects") -> Answer:  # fmt: skip
    rows = [{"attributes": {"type": kind}, **each} for each in records]
    return world.api.call(method, path, body={"allOrNone": all_or_none, "records": rows})


def update_some(world: World, count: int) -> Answer:
    ids = [world.new_account() for _ in range(count)]
    return collection(world, "PATCH", [{"id": each, "NumberOfEmployees": "10000"} for each in ids])


def update_contacts(world: World) -> Answer:
    found = world.api.query("SELECT Id FROM Contact LIMIT 2")
    return collection(world, "PATCH", [{"Id": each["Id"], "Department": "Finance"} for each in found], kind="Contact")


def delete_three(world: World) -> Answer:
    ids = ",".join(world.new_account() for _ in range(3))
    return world.api.call("DELETE", f"/services/data/v42.0/composite/sobjects?ids={ids}&allOrNone=true")


def partial_email(world: World) -> Answer:
    found = world.api.query("SELECT Id FROM Contact LIMIT 2")
    rows = [{"id": found[0]["Id"], "Department": "A"}, {"id": found[1]["Id"], "Email": "badone"}]
    return collection(world, "PATCH", rows, kind="Contact")


def unknown_field(world: World) -> Answer:
    found = world.api.query("SELECT Id FROM Contact LIMIT 2")
    rows = [{"id": found[0]["Id"], "LastName": "A"}, {"id": found[1]["Id"], "unknownField_LastName": "B"}]
    return collection(world, "PATCH", rows, kind="Contact", all_or_none=True)


def upsert_by_email(world: World) -> Answer:
    people = [
        {"FirstName": "Lindsay", "LastName": f"Sitwell {each}", "Email": f"lindsay{each}@example.com"} for each in range(3)
    ]
    return collection(world, "PATCH", people, kind="Contact", path="composite/sobjects/Contact/Email")


def upsert_by_null_id(world: World) -> Answer:
    rows = [{"Name": name, "CloseDate": "2021-10-03", "StageName": "In Progress", "Id": None} for name in ("One", "Two")]
    return collection(world, "PATCH", rows, kind="Opportunity", path="composite/sobjects/Opportunity/Id")


def batch(world: World) -> Answer:
    url = f"v60.0/sobjects/Account/{world.account}"
    requests = [{"method": "PATCH", "url": url, "richInput": {"Site": "HQ"}},
                {"method": "GET", "url": f"{url}?fields=Name,BillingPostalCode"}]  # fmt: skip
    return world.api.call("POST", "composite/batch", body={"batchRequests": requests})


def composite(world: World, *requests: tuple) -> Answer:
    body = []
    for method, url, reference, *sent in requests:
        each = {"method": method, "url": f"/services/data/v60.0/{url}", "referenceId": reference}
        body.append(each | ({"body": sent[0]} if sent else {}))
    return world.api.call("POST", "composite", body={"compositeRequest": body})


def composite_creates(world: World) -> Answer:
    return composite(world, *(("POST", "sobjects/Account", f"New{each}", {"Name": f"C{each}"}) for each in range(2)))


def composite_queries(world: World) -> Answer:
    names = ("Id", "Name", "Id", "Name")
    return composite(
        world, *(("GET", f"query?q=SELECT {name} FROM Account LIMIT 1", f"CCI__RefId__{at}__") for at, name in enumerate(names))
    )


def composite_long_query(world: World) -> Answer:
    text = "SELECT+Id+FROM+Account+WHERE+Name+=+'" + "x" * 100_000 + "'"
    return composite(world, ("GET", f"query?q={text}", "long"))


def tree(world: World) -> Answer:
    record = {"attributes": {"type": "Account", "referenceId": "ref1"}, "Name": "Tree"}
    child = {"attributes": {"type": "Contact", "referenceId": "ref4"}, "LastName": "Leaf"}
    return world.api.call("POST", "composite/tree/Account", body={"records": [record | {"Contacts": {"records": [child]}}]})


EITHER_ORDER = {"order []": "the order of the two keys differs between recordings of the same error"}
HEADERS = ("sforce-limit-info", "cache-control", "content-type")
CASES = (
    Case("create/account-201-v60.json", create_account),
    Case("create/account-201.json", create_with_slash),
    Case("create/topic-201.json", create_topic, headers=("location", *HEADERS)),
    Case("upsert/created-201.json", upsert_new, allowed={
        "order $": "the recording is a client's fixture with keys in its own order"}),
    Case("errors/duplicate-value-permission-set-assignment.json", duplicate_assignment, ("[0].errorCode", "[0].fields")),
    Case("errors/invalid-field-for-insert-update.json",
         lambda world: world.api.call("PATCH", f"sobjects/Account/{world.account}", body={"MasterRecordId": world.account}),
         (*ERROR, "[0].fields")),
    Case("errors/invalid-field-no-such-column.json",
         lambda world: world.api.call("POST", "sobjects/Account", body={"Name": "x", "AccountNumer": "1"}), ERROR),
    Case("errors/invalid-query-locator.json", lambda world: world.api.get("query/01gdM0000000000AAA-2000"), ERROR),
    Case("errors/invalid-session-id-401.json", lambda world: world.api.get("sobjects", token="00DdM0000000000!nothing"), ERROR),
    Case("errors/not-found-external-id-field.json",
         lambda world: world.api.call("PATCH", "sobjects/Account/rid/5", body={"Name": "x"}), ERROR, allowed=EITHER_ORDER),
    Case("errors/not-found-resource.json", lambda world: world.api.get("sobjects/Nope/describe"), ERROR, allowed=EITHER_ORDER),
    Case("errors/request-limit-exceeded-daily.json", daily_limit, ERROR),
    Case("errors/required-field-missing.json",
         lambda world: world.api.call("POST", "sobjects/Account", body={"AccountNumber": "1"}), (*ERROR, "[0].fields")),
    Case("errors/save-result-success-false.json",
         lambda world: collection(world, "PATCH", [{"id": "001RM000003oLrB000", "Name": "x"}]), ("errors.[0].statusCode",),
         ours=lambda body: body[0], allowed={"missing id": "a refused row has no id in every recorded collection"}),
    Case("errors/soql-too-long.json", composite_long_query, ERROR, ours=lambda body: body["compositeResponse"][0]["body"],
         status=200, status_reason="asked inside composite, because the address alone would be too long"),
    Case("errors/unable-to-lock-row.json", locked_row, ("[0].errorCode",)),
    Case("composite/batch-response.json", batch),
    Case("composite/create-two-with-location.json", composite_creates, allowed={
        "missing compositeResponse[].body.warnings": "added by the managed package whose object was recorded"}),
    Case("composite/four-queries-200.json", composite_queries),
    Case("composite/subrequest-404-not-found.json",
         lambda world: composite(world, ("GET", "sobjects/Foo", "CCI__RefId__0__")), ("compositeResponse.[0].body",)),
    Case("composite/subrequest-invalid-email.json",
         lambda world: composite(world, ("POST", "sobjects/Contact", "badContact",
                                         {"LastName": "x", "Email": "Not a real email address"})),
         ("body", "httpStatusCode", "referenceId"), ours=lambda body: body["compositeResponse"][0]),
    Case("composite/tree-success.json", tree),
    Case("composite-collections/create-6-allornone-false.json",
         lambda world: collection(world, "POST", [{"Name": f"Account {each}", "CleanStatus": "Pending"} for each in range(6)])),
    Case("composite-collections/create-one-compact.json", lambda world: collection(world, "POST", [{"Name": "Smith"}]),
         headers=HEADERS),
    Case("composite-collections/create-two-contacts.json",
         lambda world: collection(world, "POST", [{"LastName": "A"}, {"LastName": "B"}], kind="Contact")),
    Case("composite-collections/delete-three.json", delete_three, headers=HEADERS),
    Case("composite-collections/partial-invalid-email.json", partial_email,
         ("[1].errors.[0].statusCode",), headers=HEADERS),
    Case("composite-collections/update-6.json", lambda world: update_some(world, 6)),
    Case("composite-collections/update-allornone-unknown-field.json", unknown_field, ("[0]", "[1]")),
    Case("composite-collections/update-missing-ids.json",
         lambda world: collection(world, "PATCH", [{"LastName": "A"}, {"LastName": "B"}], kind="Contact"), ("[0]", "[1]")),
    Case("composite-collections/update-one.json", lambda world: update_some(world, 1), headers=HEADERS),
    Case("composite-collections/update-two-contacts.json", update_contacts),
    Case("composite-collections/upsert-contact-by-email-created.json", upsert_by_email),
    Case("composite-collections/upsert-opportunity-by-id-null.json", upsert_by_null_id),
)  # fmt: skip
