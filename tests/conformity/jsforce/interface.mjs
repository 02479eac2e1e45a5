// What jsforce's own suite does beyond records: caches, layouts, list views, actions, tabs, tooling, queries in all forms.
import { assert, facts, jsforce, runAll } from './harness.mjs';

const scenarios = {
  async describe_caches(conn) {
    const so = await conn.sobject('Account').describe();
    assert.equal(await conn.sobject('Account').describe$(), so);
    assert.equal(conn.sobject('Account').describe$$(), so);
    const all = await conn.describeGlobal();
    assert.equal(await conn.describeGlobal$(), all);
    assert.ok(all.sobjects.every((each) => each.name && each.label && each.fields === undefined));
  },
  async layouts(conn) {
    for (const found of [await conn.sobject('Account').layouts(), await conn.sobject('User').layouts('UserAlt')]) {
      assert.ok(found.layouts.every((each) => each.buttonLayoutSection && Array.isArray(each.detailLayoutSections)
        && Array.isArray(each.editLayoutSections) && Array.isArray(each.quickActionList.quickActionListItems) && Array.isArray(each.relatedLists)));
      assert.ok(Array.isArray(found.recordTypeMappings) && Array.isArray(found.recordTypeSelectorRequired));
    }
    await assert.rejects(conn.sobject('Account').layouts('Nope'), /NOT_FOUND|does not exist/);
    const compact = await conn.sobject('Account').compactLayouts();
    assert.ok(compact.compactLayouts.every((each) => each.objectType === 'Account' && Array.isArray(each.fieldItems) && Array.isArray(each.actions)));
    assert.ok(Array.isArray((await conn.sobject('Account').approvalLayouts()).approvalLayouts));
  },
  async list_views(conn) {
    const Account = conn.sobject('Account');
    const { listviews } = await Account.listviews();
    const all = listviews.find((each) => each.developerName === 'AllAccounts');
    const described = await Account.listview(all.id).describe();
    assert.equal(described.sobjectType, 'Account');
    assert.ok((await conn.query(`${described.query} LIMIT 1`)).records.length === 1);
    const found = await Account.listview(all.id).results();
    assert.equal(found.size, found.records.length);
    assert.deepEqual(found.records[0].columns.map((each) => each.fieldNameOrPath), found.columns.map((each) => each.fieldNameOrPath));
  },
  async quick_actions(conn) {
    assert.ok((await conn.quickActions()).some((each) => each.name === 'LogACall' && each.urls));
    assert.ok((await conn.sobject('Account').quickActions()).length > 0);
    const action = conn.quickAction('LogACall');
    assert.equal((await action.describe()).targetSobjectType, 'Task');
    const { id } = await conn.sobject('Account').create({ Name: 'Called' });
    const defaults = await action.defaultValues(id);
    assert.deepEqual([defaults.WhatId, defaults.WhoId, defaults.Description], [id, null, null]);
    const done = await action.execute(id, { Subject: 'My call', Description: 'About it' });
    assert.ok(done.success && done.created && done.contextId === id && Array.isArray(done.feedItemIds));
    const task = await conn.sobject('Task').retrieve(done.id);
    assert.deepEqual([task.WhatId, task.IsClosed, task.Subject], [id, true, 'My call']);
  },
  async tabs_and_theme(conn) {
    assert.ok((await conn.tabs()).every((each) => typeof each.label === 'string' && typeof each.url === 'string' && each.name));
    const apps = await conn.soap.describeTabs();
    assert.ok(apps.every((each) => each.label && each.tabs.every((tab) => tab.name && tab.url && Array.isArray(tab.icons))));
    assert.ok((await conn.theme()).themeItems.every((each) => each.name && (each.colors === null || Array.isArray(each.colors))));
  },
  async identity_and_limits(conn) {
    const me = await conn.identity();
    assert.equal(me.user_id, facts.user.user_id);
    assert.ok(me.photos && me.urls && me.email);
    const limits = await conn.limits();
    assert.ok(limits.DataStorageMB.Max > 0 && limits.FileStorageMB.Remaining >= 0);
  },
  async tooling(conn) {
    assert.ok((await conn.tooling.describeGlobal()).sobjects.length > 0);
    assert.equal((await conn.tooling.sobject('User').describe()).name, 'User');
    assert.equal((await conn.tooling.query('SELECT Id, Name FROM User LIMIT 1')).totalSize, 1);
    await assert.rejects(conn.tooling.executeAnonymous("System.debug('x');"), /no Apex/);
  },
  async process_rules_and_approvals(conn) {
    assert.deepEqual(await conn.process.rule.list(), {});
    const { id } = await conn.sobject('Account').create({ Name: 'Ruled' });
    assert.equal((await conn.process.rule.trigger(id)).success, true);
    await assert.rejects(async () => { await conn.process.approval.submit(id, 'please'); }, /NO_APPLICABLE_PROCESS|No applicable/);
  },
  async find_sort_limit_skip_include(conn) {
    const Opportunity = conn.sobject('Opportunity');
    const sorted = await Opportunity.find({}, { 'Account.Name': 1, CloseDate: 1 }).sort('Account.Name -CloseDate').limit(20).exec();
    for (let at = 1; at < sorted.length; at += 1) {
      const [one, two] = [sorted[at - 1], sorted[at]];
      assert.ok(one.Account.Name.toLowerCase() <= two.Account.Name.toLowerCase());
      if (one.Account.Name === two.Account.Name) assert.ok(one.CloseDate >= two.CloseDate);
    }
    const page = await Opportunity.find({}, 'Id').sort({ Id: 1 }).limit(5).skip(5).exec();
    const ten = await Opportunity.find({}, 'Id').sort({ Id: 1 }).limit(10).exec();
    assert.deepEqual(page.map((each) => each.Id), ten.slice(5).map((each) => each.Id));
    const starred = await Opportunity.select('*, Account.*, Owner.Name').limit(2).exec();
    assert.ok(starred.every((each) => each.CloseDate && each.Account.Name && each.Owner.Name));
    const nested = await conn.sobject('Account').find(null, 'Id').include('Contacts').select('*').limit(2).end()
      .include('Opportunities', null, 'Id, Name', { limit: 2 }).end().limit(10).exec();
    assert.ok(nested.every((each) => each.Name === undefined && (!each.Opportunities || each.Opportunities.records.length < 3)));
    assert.ok((await conn.sobject('Account').findOne({ Id: nested[0].Id })).Id);
    const tasks = await conn.sobject('Task').select(['Id', 'Subject', 'ActivityDate', 'IsClosed', 'Owner.Username', 'What.Name'])
      .where({ IsClosed: false }).limit(10);
    assert.ok(tasks.every((each) => each.IsClosed === false && each.Owner.Username));
  },
  async queries_in_all_forms(conn) {
    const gone = await conn.sobject('Account').create({ Name: 'Deleting' });
    await conn.sobject('Account').record(gone.id).destroy();
    const all = await conn.query('SELECT Id, IsDeleted FROM Account WHERE IsDeleted = true').run({ scanAll: true });
    assert.ok(all.totalSize > 0);
    const { plans } = await conn.query('SELECT Id, Name FROM Account ORDER BY CreatedDate DESC LIMIT 10').explain();
    assert.ok(plans.every((each) => typeof each.cardinality === 'number' && Array.isArray(each.fields) && each.leadingOperationType
      && typeof each.relativeCost === 'number' && typeof each.sobjectCardinality === 'number' && each.sobjectType));
    const fields = await conn.query('SELECT FIELDS(ALL) FROM Account LIMIT 2');
    assert.ok(fields.records[0].External_Id__c !== undefined && fields.records[0].Name);
    let csv = '';
    for await (const part of conn.query('SELECT Id, Name FROM Account LIMIT 10').stream('csv')) csv += part;
    assert.equal(csv.split('\n')[0], 'Id,Name');
    const some = await conn.query('SELECT Id FROM OpportunityHistory').run({ autoFetch: true, maxFetch: 2100 });
    assert.equal(some.records.length, 2100);
    await conn.query('SELECT Id, Name FROM Account ORDER BY CreatedDate DESC LIMIT 2 FOR VIEW');
    assert.deepEqual((await conn.recent(2)).map((each) => each.attributes.type), ['Account', 'Account']);
  },
  async many_with_all_or_none_and_bad_rows(conn) {
    const mixed = await conn.sobject('Account').create([{ Name: 'Good' }, { Site: 'no name' }]);
    assert.deepEqual(mixed.map((each) => each.success), [true, false]);
    assert.equal(mixed[1].errors[0].statusCode, 'REQUIRED_FIELD_MISSING');
    const none = await conn.sobject('Account').create([{ Name: 'Good' }, { Site: 'no name' }], { allOrNone: true });
    assert.deepEqual(none.map((each) => each.errors[0].statusCode), ['ALL_OR_NONE_OPERATION_ROLLED_BACK', 'REQUIRED_FIELD_MISSING']);
    const ids = (await conn.sobject('Account').create([{ Name: 'A' }, { Name: 'B' }])).map((each) => each.id);
    await conn.sobject('Account').update(ids.map((Id) => ({ Id, Site: 'x' })));
    assert.deepEqual((await conn.sobject('Account').retrieve(ids)).map((each) => each.Site), ['x', 'x']);
    await conn.sobject('Account').destroy(ids);
    assert.deepEqual(await conn.sobject('Account').retrieve(ids), [null, null]);
  },
  async several_matches_of_an_external_id(conn) {
    await conn.sobject('Contact').create([{ LastName: 'a', Email: 'two@js.example' }, { LastName: 'b', Email: 'two@js.example' }]);
    await assert.rejects(conn.sobject('Contact').upsert({ LastName: 'c', Email: 'two@js.example' }, 'Email'),
      (error) => error.name === 'MULTIPLE_CHOICES' && typeof error.content[0] === 'string');
  },
  async dates_as_javascript_writes_them(conn) {
    const [start, end] = [new Date(Date.now() - 864e5), new Date(Date.now() + 120e3)];
    assert.ok(Array.isArray((await conn.sobject('Account').updated(start.toString(), end.toString())).ids));
    assert.ok(Array.isArray((await conn.sobject('Account').deleted(start, end)).deletedRecords));
  },
  async soap_convert_and_merge(conn) {
    const rows = [1, 2, 3, 4].map((each) => ({ FirstName: `L${each}`, LastName: 'Lead', Company: 'JS Test' }));
    const ids = (await conn.sobject('Lead').create(rows)).map((each) => each.id);
    const first = await conn.soap.convertLead({ leadId: ids[0], convertedStatus: 'Closed - Converted' });
    assert.ok(first.success && first.accountId && first.contactId && first.opportunityId);
    const second = await conn.soap.convertLead({
      leadId: ids[1], accountId: first.accountId, convertedStatus: 'Closed - Converted', doNotCreateOpportunity: true,
    });
    assert.ok(second.success && second.opportunityId == null);
    const merged = await conn.soap.merge({ masterRecord: { type: 'Lead', Id: ids[2] }, recordToMergeIds: [ids[3]] });
    assert.ok(merged.success && merged.id === ids[2] && merged.mergedRecordIds.length === 1);
  },
  async reports_are_cloned_and_destroyed(conn) {
    const { Id } = await conn.sobject('Report').findOne({ Name: 'Open pipeline by stage' }, 'Id');
    const copy = await conn.analytics.report(Id).clone('A copy');
    assert.equal(copy.reportMetadata.name, 'A copy');
    const result = await conn.analytics.report(copy.reportMetadata.id).execute();
    assert.equal(result.hasDetailRows, false);
    assert.equal(result.factMap['T!T'].rows, undefined);
    const filters = [{ column: 'AMOUNT', operator: 'greaterThan', value: '100000' }];
    const fewer = await conn.analytics.report(Id).execute({ metadata: { reportMetadata: { reportFilters: filters } }, details: true });
    assert.ok(Array.isArray(fewer.factMap['T!T'].aggregates));
    await conn.analytics.report(copy.reportMetadata.id).destroy();
    await assert.rejects(conn.analytics.report(copy.reportMetadata.id).describe(), (error) => error.name === 'NOT_FOUND');
    assert.ok((await conn.analytics.dashboards()).every((each) => each.id && each.name && each.url));
  },
  async parallel_calls_refresh_once(conn) {
    let refreshed = 0;
    const refreshFn = (_, done) => { refreshed += 1; setTimeout(() => done(null, conn.accessToken), 100); };
    const other = new jsforce.Connection({ instanceUrl: conn.instanceUrl, accessToken: 'invalid', version: conn.version, refreshFn });
    const [users, all, one] = await Promise.all([
      Promise.resolve(other.query('SELECT Id FROM User')), other.describeGlobal(), other.sobject('User').describe(),
    ]);
    assert.equal(refreshed, 1);
    assert.ok(users.records.length && all.sobjects.length && one.fields.length);
  },
};

await runAll(scenarios);
