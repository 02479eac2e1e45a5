// The Metadata API through jsforce: components one by one, deployments, retrievals.
import { assert, facts, runAll, stale } from './harness.mjs';

const { Buffer } = globalThis;
const object = (name, more = {}) => ({
  fullName: name, label: name.slice(0, 20), pluralLabel: `${name}s`, nameField: { type: 'Text', label: 'Name' },
  deploymentStatus: 'Deployed', sharingModel: 'ReadWrite', ...more,
});

const scenarios = {
  async create_read_update_rename_delete_objects({ metadata }) {
    const names = ['Js_One__c', 'Js_Two__c'];
    const made = await metadata.create('CustomObject', [object(names[0]), object(names[1], { nameField: { type: 'AutoNumber', label: 'No' } })]);
    assert.deepEqual(made.map((each) => [each.fullName, each.success]), names.map((each) => [each, true]));
    const read = await metadata.read('CustomObject', names);
    assert.equal(read[0].nameField.label, 'Name');
    read[0].label = 'Changed';
    assert.ok((await metadata.update('CustomObject', read)).every((each) => each.success));
    const upserted = await metadata.upsert('CustomObject', [object(names[1], { nameField: { type: 'AutoNumber', label: 'No' } }), object('Js_Three__c')]);
    assert.deepEqual(upserted.map((each) => each.created), [false, true]);
    assert.ok((await metadata.rename('CustomObject', names[0], 'Js_Renamed__c')).success);
    assert.equal((await metadata.read('CustomObject', 'Js_Renamed__c')).label, 'Changed');
    const listed = (await metadata.list({ type: 'CustomObject' })).map((each) => each.fullName).filter((each) => each.startsWith('Js_'));
    assert.deepEqual(listed.sort(), ['Js_Renamed__c', 'Js_Three__c', 'Js_Two__c']);
    assert.ok((await metadata.delete('CustomObject', listed)).every((each) => each.success));
  },
  async a_component_twice_is_refused_and_says_why({ metadata }) {
    assert.ok((await metadata.create('CustomObject', object('Js_Twice__c'))).success);
    const again = await metadata.create('CustomObject', object('Js_Twice__c'));
    assert.equal(again.success, false);
    assert.equal(again.errors[0].statusCode, 'DUPLICATE_DEVELOPER_NAME');
    await metadata.delete('CustomObject', 'Js_Twice__c');
  },
  async a_new_field_is_invisible_until_it_is_granted(conn) {
    const field = { fullName: 'Account.Js_Score__c', label: 'Score', type: 'Number', precision: 6, scale: 2 };
    assert.ok((await conn.metadata.create('CustomField', field)).success);
    await assert.rejects(conn.query('SELECT Js_Score__c FROM Account LIMIT 1'), /No such column 'Js_Score__c'/);
    assert.ok(!(await conn.sobject('Account').describe()).fields.some((each) => each.name === 'Js_Score__c'));
    await conn.metadata.upsert('PermissionSet', {
      fullName: 'Js_Visible', label: 'Visible', fieldPermissions: [{ field: 'Account.Js_Score__c', readable: true, editable: true }],
    });
    const set = await conn.sobject('PermissionSet').findOne({ Name: 'Js_Visible' }, 'Id');
    await conn.sobject('PermissionSetAssignment').create({ AssigneeId: facts.user.user_id, PermissionSetId: set.Id });
    const made = await conn.sobject('Account').create({ Name: 'Scored', Js_Score__c: 4.25 });
    assert.equal((await conn.sobject('Account').retrieve(made.id)).Js_Score__c, 4.25);
    assert.ok((await conn.metadata.delete('CustomField', 'Account.Js_Score__c')).success);
    await assert.rejects(conn.query('SELECT Js_Score__c FROM Account LIMIT 1'), /No such column/);
  },
  async picklists_of_standard_fields_in_old_versions(conn) {
    const { metadata } = conn;
    conn.version = '37.0';
    try {
      const status = await metadata.read('CustomField', 'Lead.Status');
      assert.ok(status.picklist.picklistValues.some((each) => each.converted === 'true'));
    } finally {
      conn.version = '60.0';
    }
  },
  async a_layout_is_read_changed_and_saved({ metadata }) {
    const name = 'Account-Account Layout';
    const layout = await metadata.read('Layout', name);
    assert.equal(layout.fullName, name);
    assert.ok(layout.layoutSections[0].layoutColumns[0].layoutItems.length > 3);
    layout.layoutSections.splice(1, 0, {
      customLabel: 'true', detailHeading: 'true', editHeading: 'true', label: 'Js section', style: 'OneColumn',
      layoutColumns: [{ layoutItems: [{ behavior: 'Edit', field: 'Site' }] }],
    });
    assert.ok((await metadata.update('Layout', layout)).success);
    const again = await metadata.read('Layout', name);
    assert.equal(again.layoutSections[1].label, 'Js section');
    assert.equal(again.layoutSections[1].layoutColumns[0].layoutItems[0].field, 'Site');
  },
  async flows_credentials_and_messages_component_by_component(conn) {
    const { metadata } = conn;
    assert.ok((await metadata.upsert('ExternalCredential', {
      fullName: 'Js_Auth', label: 'Js', authenticationProtocol: 'Custom', externalCredentialParameters: [
        { parameterGroup: 'Js', parameterName: 'Js', parameterType: 'NamedPrincipal', sequenceNumber: 1 },
        { parameterName: 'Authorization', parameterType: 'AuthHeader', parameterValue: "{!'Bearer ' & $Credential.Js_Auth.Key}", sequenceNumber: 1 },
      ],
    })).success);
    assert.ok((await metadata.upsert('NamedCredential', {
      fullName: 'Js_Endpoint', label: 'Js', namedCredentialType: 'SecuredEndpoint', namedCredentialParameters: [
        { parameterName: 'Url', parameterType: 'Url', parameterValue: 'https://js.example' },
        { parameterName: 'ExternalCredential', parameterType: 'Authentication', externalCredential: 'Js_Auth' },
      ],
    })).success);
    const stored = await conn.request({
      method: 'POST', url: `/services/data/v${conn.version}/named-credentials/credential`, headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        externalCredential: 'Js_Auth', principalName: 'Js', principalType: 'NamedPrincipal', authenticationProtocol: 'Custom',
        credentials: { Key: { value: 'secret', encrypted: true } },
      }),
    });
    assert.equal(stored.credentials.Key.value, null);
    assert.ok((await metadata.upsert('WorkflowOutboundMessage', {
      fullName: 'Opportunity.Js_Won', name: 'Js won', apiVersion: 60.0, endpointUrl: 'https://js.example/soap', fields: ['Id', 'StageName'],
      includeSessionId: false, integrationUser: facts.user.username, protected: false, useDeadLetterQueue: false,
    })).success);
    const flow = {
      fullName: 'Js_Flow', apiVersion: 60.0, label: 'Js', processType: 'AutoLaunchedFlow', status: 'Active',
      actionCalls: [{ name: 'Tell', label: 'Tell', actionName: 'Opportunity.Js_Won', actionType: 'outboundMessage' }],
      start: {
        connector: { targetReference: 'Tell' }, doesRequireRecordChangedToMeetCriteria: true, filterLogic: 'and',
        filters: [{ field: 'IsWon', operator: 'EqualTo', value: { booleanValue: true } }], object: 'Opportunity',
        recordTriggerType: 'CreateAndUpdate', triggerType: 'RecordAfterSave',
      },
    };
    assert.ok((await metadata.upsert('Flow', flow)).success);
    assert.ok((await metadata.upsert('Flow', { ...flow, label: 'Js two' })).success);
    const [view] = (await conn.query("SELECT ApiName, IsActive, VersionNumber, Label FROM FlowDefinitionView WHERE ApiName = 'Js_Flow'")).records;
    assert.deepEqual([view.IsActive, view.VersionNumber, view.Label], [true, 2, 'Js two']);
    const found = await conn.tooling.query("SELECT Id, DeveloperName FROM FlowDefinition WHERE DeveloperName = 'Js_Flow'");
    await conn.tooling.sobject('FlowDefinition').update({ Id: found.records[0].Id, Metadata: { activeVersionNumber: 0 } });
    assert.equal((await conn.tooling.query("SELECT Id FROM Flow WHERE Status = 'Active' AND MasterLabel LIKE 'Js%'")).totalSize, 0);
    assert.ok((await metadata.list({ type: 'Flow' })).some((each) => each.fullName === 'Js_Flow'));
    const refused = await metadata.upsert('Flow', { ...flow, screens: [{ name: 'Ask' }] });
    assert.match(refused.errors[0].message, /screens \(Ask\)/);
    for (const [type, name] of [['FlowDefinition', 'Js_Flow'], ['WorkflowOutboundMessage', 'Opportunity.Js_Won'], ['NamedCredential', 'Js_Endpoint'],
      ['ExternalCredential', 'Js_Auth']]) {
      const gone = await metadata.delete(type, name);
      assert.ok(gone.success, JSON.stringify(gone));
    }
  },
  async retrieve_a_package({ metadata }) {
    metadata.pollInterval = 50;
    const types = [{ members: 'Project__c', name: 'CustomObject' }];
    const done = await metadata.retrieve({ apiVersion: '60.0', unpackaged: { types, version: '60.0' } }).complete();
    assert.equal(done.success, true);
    assert.ok(Buffer.from(done.zipFile, 'base64').includes('unpackaged/objects/Project__c.object'));
  },
  async deploy_by_soap_and_by_rest(conn) {
    conn.metadata.pollInterval = 50;
    const zip = Buffer.from(facts.zip, 'base64');
    const soap = await conn.metadata.deploy(zip, { checkOnly: true, singlePackage: true }).complete(true);
    assert.equal(soap.status, 'Succeeded');
    const rest = await conn.metadata.deployRest(zip, { checkOnly: true, singlePackage: true });
    assert.match(rest.id, /^0Af/);
    let seen;
    do { seen = await conn.metadata.checkDeployStatus(rest.id, true, true); } while (!seen.done);
    assert.equal(seen.status, 'Succeeded');
    assert.equal(seen.numberComponentsDeployed, seen.numberComponentsTotal);
    const quick = await conn.metadata.deployRecentValidation({ id: rest.id, rest: true });
    assert.notEqual(quick, rest.id);
  },
  async an_expired_session_is_refreshed(conn) {
    const [other, state] = stale(conn, true);
    assert.ok((await other.metadata.list({ type: 'CustomObject' })).length > 10);
    assert.equal(state.refreshed, 1);
  },
};

await runAll(scenarios);
