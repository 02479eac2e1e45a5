"""Comparisons of the Metadata API, Bulk API 1.0, list views and platform events."""

import base64
import re
import time
from xml.sax.saxutils import escape

from tests.conformity.api import Answer
from tests.conformity.cases import Case
from tests.conformity.packages import package
from tests.conformity.world import World

METADATA = 'xmlns="http://soap.sforce.com/2006/04/metadata" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
ASYNC = 'xmlns="http://www.force.com/2009/06/asyncapi/dataload"'
XML = {"Content-Type": "application/xml; charset=UTF-8"}
FINAL = re.compile(r"Completed|Failed|Succeeded|\"state\":\"NotProcessed\"")
CUSTOM_LAST = "the recorded org has standard objects only; our last one is a custom object, which has the other of the two"
RESULT = "Envelope.Body.{}Response.result"


def call(world: World, name: str, inner: str) -> Answer:
    """One SOAP call of the Metadata API."""
    header = f"<e:Header><SessionHeader><sessionId>{escape(world.api.token)}</sessionId></SessionHeader></e:Header>"
    body = (
        f'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" {METADATA}>{header}<e:Body><{name}>{inner}</{name}>'
    )
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
    return world.api.call("POST", "/services/Soap/m/60.0", text=f"{body}</e:Body></e:Envelope>", headers=headers)


def make_field(world: World, name: str = "Account.Conformity__c") -> Answer:
    inner = f"<fullName>{name}</fullName><label>Conformity</label><length>20</length><type>Text</type>"
    return call(world, "upsertMetadata", f'<metadata xsi:type="CustomField">{inner}</metadata>')


def make_set(world: World) -> Answer:
    make_field(world)
    inner = (
        "<fullName>Conformity_Set</fullName><fieldPermissions><editable>true</editable><field>Account.Conformity__c</field>"
        "<readable>true</readable></fieldPermissions><label>Conformity</label>"
    )
    return call(world, "upsertMetadata", f'<metadata xsi:type="PermissionSet">{inner}</metadata>')


def read_set(world: World) -> Answer:
    make_set(world)
    return call(world, "readMetadata", "<type>PermissionSet</type><fullNames>Conformity_Set</fullNames>")


def drop_field(world: World) -> Answer:
    make_field(world, "Account.Dropped__c")
    return call(world, "deleteMetadata", "<type>CustomField</type><fullNames>Account.Dropped__c</fullNames>")


def list_objects(world: World) -> Answer:
    return call(world, "listMetadata", "<queries><type>CustomObject</type></queries><asOfVersion>60.0</asOfVersion>")


def deploy(world: World, *, check: bool = False) -> Answer:
    packed = base64.b64encode(package(field="Conformity_Deployed__c")).decode()
    options = f"<checkOnly>{str(check).lower()}</checkOnly><rollbackOnError>true</rollbackOnError>"
    return call(world, "deploy", f"<ZipFile>{packed}</ZipFile><DeployOptions>{options}</DeployOptions>")


def deploy_status(world: World, *, seconds: int) -> Answer:
    """The status of a deployment that takes so long; the final one when it takes no time."""
    world.org.settings(deploy_seconds=seconds)
    try:
        deploy_id = re.search(r"<id>(0Af\w+)</id>", deploy(world, check=bool(seconds)).text)[1]
        inner = f"<asyncProcessId>{deploy_id}</asyncProcessId><includeDetails>true</includeDetails>"
        for _ in range(100):
            answer = call(world, "checkDeployStatus", inner)
            if seconds or FINAL.search(answer.text):
                return answer
            time.sleep(0.02)
        raise AssertionError(answer.text)
    finally:
        world.org.settings(deploy_seconds=0)


def bulk(world: World, method: str, path: str, body: object = None, **more: object) -> Answer:
    return world.api.call(method, f"/services/async/62.0/{path}", body=body, **more)


def open_xml_job(world: World) -> Answer:
    inner = "<operation>insert</operation><object>Event</object><concurrencyMode>Parallel</concurrencyMode>"
    text = f"<jobInfo {ASYNC}>{inner}<contentType>CSV</contentType></jobInfo>"
    return bulk(world, "POST", "job", text=text, headers=XML)


def upsert_batch(world: World) -> Answer:
    inner = "<operation>upsert</operation><object>Contact</object><externalIdFieldName>Email</externalIdFieldName>"
    text = f"<jobInfo {ASYNC}>{inner}<contentType>CSV</contentType></jobInfo>"
    job = re.search(r"<id>(\w+)</id>", bulk(world, "POST", "job", text=text, headers=XML).text)[1]
    rows = "Email,LastName\n" + "".join(f"b{each}@async.example,Async\n" for each in range(3))
    batch = re.search(r"<id>(\w+)</id>", bulk(world, "POST", f"job/{job}/batch", text=rows).text)[1]
    wait_for(world, f"job/{job}/batch/{batch}")
    return bulk(world, "GET", f"job/{job}/batch/{batch}/result")


def query_batch(world: World) -> str:
    """The path of a finished query batch of a JSON job."""
    made = bulk(world, "POST", "job", {"operation": "query", "object": "Account", "contentType": "JSON"}).data
    headers = {"Content-Type": "application/json"}
    soql = "SELECT Id FROM Account LIMIT 3"
    batch = bulk(world, "POST", f"job/{made['id']}/batch", text=soql, headers=headers).data["id"]
    wait_for(world, f"job/{made['id']}/batch/{batch}")
    return f"job/{made['id']}/batch/{batch}"


def wait_for(world: World, path: str) -> Answer:
    for _ in range(200):
        answer = bulk(world, "GET", path)
        if FINAL.search(answer.text):
            return answer
        time.sleep(0.02)
    raise AssertionError(answer.text)


def view_results(world: World) -> Answer:
    views = world.api.get("sobjects/Account/listviews").data["listviews"]
    own = next(each for each in views if each["developerName"] == "AllAccounts")
    return world.api.get(f"sobjects/Account/listviews/{own['id']}/results")


CASES = (
    Case("metadata/upsertmetadata-customfields.xml", make_field),
    Case("metadata/upsertmetadata-permissionset.xml", make_set),
    Case("metadata/readmetadata-permissionset.xml", read_set),
    Case("metadata/deletemetadata-ok.xml", drop_field),
    Case("metadata/describemetadata.xml", lambda world: call(world, "describeMetadata", "<asOfVersion>60.0</asOfVersion>")),
    Case(
        "metadata/listmetadata-customobjects.xml", list_objects,
        allowed={f"missing {RESULT.format('listMetadata')}.namespacePrefix": CUSTOM_LAST,
                 f"extra {RESULT.format('listMetadata')}.manageableState": CUSTOM_LAST},
    ),
    Case("metadata/deploy-queued.xml", deploy),
    Case("metadata/checkdeploystatus-pending.xml", lambda world: deploy_status(world, seconds=3)),
    Case(
        "metadata/checkdeploystatus-succeeded.xml", lambda world: deploy_status(world, seconds=0),
        allowed={f"extra {RESULT.format('checkDeployStatus')}.details.componentSuccesses.id":
                 "settings, which were deployed there, have no id; fields and permission sets have"},
    ),
    Case("bulk-v1/job-open-insert-event.xml", open_xml_job),
    Case("bulk-v1/batch-info-json-completed.json", lambda world: bulk(world, "GET", query_batch(world))),
    Case("bulk-v1/batch-result-list.json", lambda world: bulk(world, "GET", f"{query_batch(world)}/result")),
    Case(
        "bulk-v1/batch-result-upsert-csv.csv", upsert_batch,
        ours=lambda text: re.sub(r"003\w{15}", "ID", text).splitlines()[:4],
        theirs=lambda text: re.sub(r"003\w{15}", "ID", text).splitlines()[:4],
    ),
    Case("listviews/results.json", view_results),
    Case(
        "events/platform-event-publish.json",
        lambda world: world.api.call("POST", "sobjects/Deal_Signal__e", body={"Signal__c": "won"}),
        same=("errors.[0].statusCode", "success"),
    ),
)  # fmt: skip
