// A managed package: its objects are described under their namespace, upserted by external id, and found by account.
import { assert, facts, runAll } from './harness.mjs';

const scenarios = {
  async billing_package(conn) {
    const answer = await fetch(`${facts.url}/__demo__/packages`, { method: 'POST', body: JSON.stringify({ package: 'billing' }) });
    assert.equal((await answer.json()).objects.length, 8);
    const described = await conn.sobject('NOME__Metronome_Customer__c').describe();
    const key = described.fields.find((each) => each.name === 'NOME__Metronome_Customer_ID__c');
    assert.deepEqual([key.externalId, key.unique, key.caseSensitive, key.length], [true, true, false, 50]);
    const accounts = (await conn.query('SELECT Id FROM Account ORDER BY Id LIMIT 2')).records;
    const rows = accounts.map((each, n) => ({
      NOME__Metronome_Customer_ID__c: n ? `js-acme~0${n}` : 'js-acme', NOME__Name__c: 'Acme', NOME__Account__c: each.Id,
    }));
    const saved = await conn.sobject('NOME__Metronome_Customer__c').upsert(rows, 'NOME__Metronome_Customer_ID__c');
    assert.ok(saved.every((each) => each.success));
    for (const account of accounts) {
      const found = await conn.query('SELECT NOME__Metronome_Customer_ID__c, NOME__Name__c, NOME__Account__r.Name'
        + ` FROM NOME__Metronome_Customer__c WHERE NOME__Account__r.Id = '${account.Id}'`);
      assert.deepEqual(found.records.map((each) => [each.NOME__Name__c, typeof each.NOME__Account__r.Name]), [['Acme', 'string']]);
    }
    const invoice = { NOME__Metronome_Invoice_ID__c: 'js-1', Name: 'Acme', NOME__Customer__r: { NOME__Metronome_Customer_ID__c: 'js-acme' } };
    assert.ok((await conn.sobject('NOME__Metronome_Invoice__c').upsert(invoice, 'NOME__Metronome_Invoice_ID__c')).success);
    const own = await conn.query("SELECT Name, (SELECT Name FROM NOME__Invoices__r) FROM NOME__Metronome_Customer__c WHERE NOME__Metronome_Customer_ID__c = 'js-acme'");
    assert.equal(own.records[0].NOME__Invoices__r.totalSize, 1);
  },
};

await runAll(scenarios);
