// Runs jsforce against the demo org and prints one JSON line per scenario: {"name", "ok", "detail"}.
// Usage: node run.mjs CLIENTS_DIRECTORY < facts.json      (facts: url, user, client, code, verifier, redirect)
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(`${process.argv[2]}/package.json`);
const jsforce = require('jsforce');
const facts = JSON.parse(readFileSync(0, 'utf8'));
const VERSION = '60.0';
const { user } = facts;

async function signedIn() {
  const conn = new jsforce.Connection({ loginUrl: facts.url, version: VERSION });
  await conn.login(user.username, user.password + user.security_token);
  return conn;
}

async function drain(stream) {
  const rows = [];
  for await (const row of stream) rows.push(row);
  return rows;
}

const scenarios = {
  async soap_login() {
    const conn = new jsforce.Connection({ loginUrl: facts.url, version: VERSION });
    const info = await conn.login(user.username, user.password + user.security_token);
    assert.equal(info.id, user.user_id);
    assert.match(conn.accessToken, /^00D\w{12,15}!/);
    const identity = await conn.identity();
    assert.equal(identity.username, user.username);
  },
  async soap_login_with_a_wrong_password() {
    const conn = new jsforce.Connection({ loginUrl: facts.url, version: VERSION });
    await assert.rejects(conn.login(user.username, 'wrong'), /INVALID_LOGIN/);
  },
  async oauth_code_exchange_and_refresh() {
    const oauth2 = new jsforce.OAuth2({
      loginUrl: facts.url, clientId: facts.client.client_id, clientSecret: facts.client.client_secret, redirectUri: facts.redirect,
    });
    const conn = new jsforce.Connection({ oauth2, version: VERSION });
    const info = await conn.authorize(facts.code, { code_verifier: facts.verifier });
    assert.equal(info.organizationId.slice(0, 15), facts.org_id.slice(0, 15));
    let refreshed = 0;
    conn.on('refresh', () => { refreshed += 1; });
    conn.accessToken = '00DdM0000000000!expired.expired.expired.expired';
    assert.equal((await conn.query('SELECT Id FROM Account LIMIT 1')).totalSize, 1);
    assert.equal(refreshed, 1);
    await conn.logout();
  },
  async query_with_paging(conn) {
    const first = await conn.query('SELECT Id FROM OpportunityHistory');
    assert.equal(first.done, false);
    const next = await conn.queryMore(first.nextRecordsUrl);
    assert.ok(next.records.length > 0);
    const { records: all } = await conn.query('SELECT Id FROM OpportunityHistory', { autoFetch: true, maxFetch: 100000 });
    assert.equal(all.length, first.totalSize);
    assert.equal(new Set(all.map((each) => each.Id)).size, first.totalSize);
  },
  async query_builder_with_children(conn) {
    const found = await conn.sobject('Account').find({ Lifecycle__c: 'Live' }, 'Id, Name, Owner.Name').include('Contacts')
      .select('Id, Email').end().sort({ Name: 1 }).limit(5).execute();
    assert.equal(found.length, 5);
    assert.ok(found.every((each) => each.Owner.Name && each.Contacts.totalSize > 0));
  },
  async aggregates(conn) {
    const found = await conn.query('SELECT StageName, COUNT(Id) n, SUM(Amount) total FROM Opportunity GROUP BY StageName');
    assert.equal(found.totalSize, 11);
    assert.ok(found.records.every((each) => each.n > 0));
  },
  async describe_and_global_describe(conn) {
    const account = await conn.sobject('Account').describe();
    assert.ok(account.fields.some((each) => each.name === 'External_Id__c' && each.externalId));
    assert.ok(account.childRelationships.some((each) => each.relationshipName === 'Contacts'));
    const all = await conn.describeGlobal();
    assert.ok(all.sobjects.some((each) => each.name === 'Project__c' && each.custom));
  },
  async create_read_update_delete(conn) {
    const Account = conn.sobject('Account');
    const made = await Account.create({ Name: 'jsforce & “co”' });
    assert.equal(made.success, true);
    await Account.update({ Id: made.id, Site: 'HQ' });
    const read = await Account.retrieve(made.id);
    assert.deepEqual([read.Name, read.Site], ['jsforce & “co”', 'HQ']);
    await Account.destroy(made.id);
    await assert.rejects(Account.retrieve(made.id), /does not exist|NOT_FOUND|deleted/);
  },
  async many_records_in_collections(conn) {
    const rows = Array.from({ length: 250 }, (_, each) => ({ Name: `Many ${each}` }));
    const made = await conn.sobject('Account').create(rows, { allowRecursive: true });
    assert.equal(made.filter((each) => each.success).length, 250);
    const found = await conn.sobject('Account').retrieve(made.slice(0, 20).map((each) => each.id));
    assert.equal(found.length, 20);
    const gone = await conn.sobject('Account').destroy(made.map((each) => each.id), { allowRecursive: true });
    assert.ok(gone.every((each) => each.success));
  },
  async upsert_by_external_id(conn) {
    const Account = conn.sobject('Account');
    const first = await Account.upsert({ External_Id__c: 'jsf-1', Name: 'First' }, 'External_Id__c');
    assert.equal(first.success, true);
    const second = await Account.upsert({ External_Id__c: 'jsf-1', Name: 'Second' }, 'External_Id__c');
    assert.equal(second.success, true);
    const found = await Account.find({ External_Id__c: 'jsf-1' }, 'Name');
    assert.deepEqual(found.map((each) => each.Name), ['Second']);
  },
  async errors_have_code_and_fields(conn) {
    await assert.rejects(conn.sobject('Account').create({}), (error) => {
      assert.equal(error.errorCode, 'REQUIRED_FIELD_MISSING');
      return true;
    });
    await assert.rejects(conn.query('SELECT Nope FROM Account'), /No such column/);
  },
  async recent_updated_deleted(conn) {
    const made = await conn.sobject('Account').create({ Name: 'Seen' });
    const start = new Date(Date.now() - 3600e3).toISOString();
    const end = new Date(Date.now() + 120e3).toISOString();
    assert.ok((await conn.sobject('Account').updated(start, end)).ids.includes(made.id));
    await conn.sobject('Account').destroy(made.id);
    const removed = await conn.sobject('Account').deleted(start, end);
    assert.ok(removed.deletedRecords.some((each) => each.id === made.id));
    assert.ok(Array.isArray(await conn.recent('Account')));
  },
  async search(conn) {
    await conn.sobject('Account').create({ Name: 'Kingfisher Lamps' });
    const found = await conn.search('FIND {Kingfisher} IN ALL FIELDS RETURNING Account(Id, Name)');
    assert.deepEqual(found.searchRecords.map((each) => each.Name), ['Kingfisher Lamps']);
  },
  async limits_and_versions(conn) {
    assert.ok((await conn.limits()).DailyApiRequests.Max > 0);
    assert.ok((await conn.request('/services/data')).some((each) => each.version === '65.0'));
    assert.ok(conn.limitInfo.apiUsage.used > 0);
  },
  async composite_requests(conn) {
    const body = { compositeRequest: [
      { method: 'POST', url: `/services/data/v${VERSION}/sobjects/Account`, referenceId: 'a', body: { Name: 'Outer' } },
      { method: 'POST', url: `/services/data/v${VERSION}/sobjects/Contact`, referenceId: 'c',
        body: { LastName: 'Inner', AccountId: '@{a.id}' } },
    ] };
    const done = await conn.requestPost(`/services/data/v${VERSION}/composite`, body);
    assert.deepEqual(done.compositeResponse.map((each) => each.httpStatusCode), [201, 201]);
  },
  async bulk_2_load(conn) {
    const rows = Array.from({ length: 300 }, (_, each) => ({ External_Id__c: `jsb-${each}`, Name: each ? `Load ${each}` : '' }));
    const result = await conn.bulk2.loadAndWaitForResults({
      object: 'Account', operation: 'upsert', externalIdFieldName: 'External_Id__c', input: rows, pollInterval: 100, pollTimeout: 20000,
    });
    assert.equal(result.successfulResults.length, 299);
    assert.equal(result.failedResults.length, 1);
    assert.match(result.failedResults[0].sf__Error, /REQUIRED_FIELD_MISSING/);
    assert.equal(result.unprocessedRecords.length, 0);
  },
  async bulk_2_query_in_one_page(conn) {
    const expected = (await conn.query('SELECT COUNT() FROM Contact')).totalSize;
    conn.bulk2.pollInterval = 100;
    const rows = await drain(await conn.bulk2.query('SELECT Id, Name, Account.Name FROM Contact'));
    assert.equal(rows.length, expected);
    assert.ok(rows.every((each) => each.Id && each.Name));
  },
  async bulk_2_query_over_several_pages(conn) {
    const expected = (await conn.query('SELECT COUNT() FROM Contact')).totalSize;
    const made = await conn.requestPost(`/services/data/v${VERSION}/jobs/query`, { operation: 'query', query: 'SELECT Id FROM Contact' });
    let info = made;
    while (!['JobComplete', 'Failed'].includes(info.state)) {
      info = await conn.request(`/services/data/v${VERSION}/jobs/query/${made.id}`);
    }
    const seen = new Set();
    let locator = '';
    let pages = 0;
    do {
      const url = `${conn.instanceUrl}/services/data/v${VERSION}/jobs/query/${made.id}/results?maxRecords=100${locator && `&locator=${locator}`}`;
      const answer = await fetch(url, { headers: { Authorization: `Bearer ${conn.accessToken}` } });
      const lines = (await answer.text()).trim().split('\n');
      assert.equal(lines[0], '"Id"');
      lines.slice(1).forEach((each) => seen.add(each));
      locator = answer.headers.get('sforce-locator');
      pages += 1;
    } while (locator !== 'null');
    assert.equal(seen.size, expected);
    assert.equal(pages, Math.ceil(expected / 100));
  },
  async analytics(conn) {
    const found = await conn.query("SELECT Id FROM Report WHERE Name = 'Open pipeline by stage'");
    const report = conn.analytics.report(found.records[0].Id);
    const meta = await report.describe();
    assert.equal(meta.reportMetadata.reportFormat, 'SUMMARY');
    const result = await report.execute({ details: true });
    assert.ok(result.factMap['T!T'].aggregates[0].value > 0);
    assert.ok(result.factMap['0!T'].rows.length > 0);
    const instance = await report.executeAsync();
    let state;
    do { state = await report.instance(instance.id).retrieve(); } while (!['Success', 'Error'].includes(state.attributes.status));
    assert.equal(state.attributes.status, 'Success');
    assert.ok((await conn.analytics.reports()).some((each) => each.id === found.records[0].Id));
  },
};

const conn = await signedIn();
for (const [name, run] of Object.entries(scenarios)) {
  try {
    await run(conn);
    console.log(JSON.stringify({ name, ok: true }));
  } catch (error) {
    console.log(JSON.stringify({ name, ok: false, detail: `${error.name} ${error.errorCode ?? ''} ${error.stack ?? error.message}`.slice(0, 1500) }));
  }
}
