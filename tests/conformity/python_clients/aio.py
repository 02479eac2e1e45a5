"""aiosalesforce: REST, composite and Bulk API 2.0 with httpx."""

import asyncio
import contextlib
import sys

import httpx
from aiosalesforce import ClientCredentialsFlow, Salesforce
from aiosalesforce.exceptions import NotFoundError
from harness import FACTS, at_org, run


class ToOrg(httpx.AsyncHTTPTransport):
    """aiosalesforce takes only addresses of my.salesforce.com."""

    async def handle_async_request(self, request):
        request.url = httpx.URL(at_org(request.url))
        return await super().handle_async_request(request)


def within(work):
    """Run `work(salesforce)` with a fresh client."""

    async def inside():
        async with httpx.AsyncClient(transport=ToOrg()) as http:
            app = FACTS["server_client"]
            login = ClientCredentialsFlow(app["client_id"], app["client_secret"])
            return await work(Salesforce(http, "https://demo.my.salesforce.com", login))

    return asyncio.run(inside())


def scenario_query_to_the_end():
    async def work(sf):
        counted = [row async for row in sf.query("SELECT COUNT(Id) n FROM OpportunityHistory")]
        total = counted[0]["n"]
        assert len([row async for row in sf.query("SELECT Id FROM OpportunityHistory")]) == total > 2000

    within(work)


def scenario_records_by_id_and_by_key():
    async def work(sf):
        made = await sf.sobject.upsert("Account", "aio-1", "External_Id__c", {"Name": "One"})
        again = await sf.sobject.upsert("Account", "aio-1", "External_Id__c", {"Name": "Two"})
        assert (made.created, again.created, made.id) == (True, False, again.id)
        assert (await sf.sobject.get("Account", "aio-1", "External_Id__c"))["Name"] == "Two"
        await sf.sobject.delete("Account", "aio-1", "External_Id__c")
        with contextlib.suppress(NotFoundError):
            await sf.sobject.get("Account", made.id)
            raise AssertionError("a deleted record was found")

    within(work)


def scenario_batch_halts_on_error():
    async def work(sf):
        async with sf.composite.batch(halt_on_error=True) as batch:
            query = batch.query("SELECT Id, Name FROM Account LIMIT 2")
            bad = batch.sobject.create("Contact", {"FirstName": "Jon"})
            batch.sobject.create("Contact", {"LastName": "Never"})
        assert len(query.records) == 2
        assert bad.response["statusCode"] == 400

    within(work)


def scenario_bulk_ingest():
    async def work(sf):
        result = await sf.bulk_v2.insert("Account", [{"Name": f"Aio {each}"} for each in range(5)])
        assert (len(result.successful_results), len(result.failed_results)) == (5, 0)

    within(work)


run(sys.modules[__name__])
