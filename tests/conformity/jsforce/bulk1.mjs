// Bulk API 1.0 through jsforce, and the queries that fall back to it.
import { assert, jsforce, runAll, stale } from './harness.mjs';

const accounts = (count, name) => Array.from({ length: count }, (_, each) => ({ Name: `${name} ${each}`, BillingState: 'CA' }));

const scenarios = {
  async insert_update_delete(conn) {
    conn.bulk.pollInterval = 50;
    const made = await conn.bulk.load('Account', 'insert', [...accounts(200, 'Batch'), { BillingState: 'CA' }]);
    assert.ok(made.slice(0, 200).every((each) => each.success && each.id));
    assert.deepEqual([made[200].id, made[200].success], [null, false]);
    assert.match(made[200].errors[0], /^REQUIRED_FIELD_MISSING:/);
    const found = await conn.sobject('Account').find({ Name: { $like: 'Batch %' } }, ['Id', 'Name']);
    const changed = await conn.bulk.load('Account', 'update', found.map((each) => ({ ...each, Name: `${each.Name} (Updated)` })));
    assert.ok(changed.every((each) => each.success && !each.created));
    const gone = await conn.bulk.load('Account', 'delete', found);
    assert.ok(gone.every((each) => each.success));
    assert.equal(await conn.sobject('Account').count({ Name: { $like: 'Batch %' } }), 0);
  },
  async upsert_by_external_id(conn) {
    const rows = [{ External_Id__c: 'b1-1', Name: 'One' }, { External_Id__c: 'b1-2', Name: 'Two' }];
    const first = await conn.bulk.load('Account', 'upsert', { extIdField: 'External_Id__c' }, rows);
    assert.deepEqual(first.map((each) => each.created), [true, true]);
    const again = await conn.bulk.load('Account', 'upsert', { extIdField: 'External_Id__c' }, rows);
    assert.deepEqual(again.map((each) => each.created), [false, false]);
  },
  async empty_input_is_a_client_input_error(conn) {
    await assert.rejects(async () => { await conn.bulk.load('Account', 'update', []); }, (error) => error.name === 'ClientInputError');
  },
  async query_as_a_stream(conn) {
    const expected = await conn.sobject('Contact').count({});
    const rows = [];
    for await (const row of await conn.bulk.query('SELECT Id, Name FROM Contact')) rows.push(row);
    assert.equal(rows.length, expected);
    assert.ok(rows.every((each) => each.Id && each.Name));
  },
  async sessions(conn) {
    const [refreshing, state] = stale(conn, true);
    refreshing.bulk.pollInterval = 50;
    assert.ok((await refreshing.bulk.load('Account', 'insert', accounts(1, 'Refreshed')))[0].success);
    assert.equal(state.refreshed, 1);
    const [other] = stale(conn, false);
    await assert.rejects(async () => { await other.bulk.load('Account', 'insert', accounts(1, 'Never')); }, (error) => error.name === 'InvalidSessionId');
  },
  async queried_records_are_updated_and_destroyed(conn) {
    await conn.bulk.load('Account', 'insert', accounts(250, 'Many'));
    const changes = { Name: '${Name} (Updated)', BillingState: null };
    for (const version of [1, 2]) {
      const changed = await conn.sobject('Account').find({ Name: { $like: 'Many %' } }).update(changes, { bulkApiVersion: version });
      assert.equal(changed.filter((each) => each.success).length, 250);
    }
    const found = await conn.sobject('Account').find({ Name: { $like: 'Many %' } }, 'Id, Name, BillingState');
    assert.ok(found.every((each) => each.Name.endsWith('(Updated)') && each.BillingState === null));
    const early = { CreatedDate: { $lt: new jsforce.SfDate('1970-01-01T00:00:00Z') } };
    assert.deepEqual(await conn.sobject('Account').find(early).destroy(), []);
    assert.equal((await conn.sobject('Account').find({ Name: { $like: 'Many %' } }).destroy()).length, 250);
  },
};

await runAll(scenarios);
