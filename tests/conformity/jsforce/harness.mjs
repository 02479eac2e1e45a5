// What the scenario scripts share: the client under test, the facts about the org, and the printing of outcomes.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

export { assert };
export const require = createRequire(`${process.argv[2]}/package.json`);
export const jsforce = require('jsforce');
export const facts = JSON.parse(readFileSync(0, 'utf8'));
export const VERSION = '60.0';

// A connection signed in as administrator.
export async function signedIn(version = VERSION) {
  const conn = new jsforce.Connection({ loginUrl: facts.url, version });
  await conn.login(facts.user.username, facts.user.password + facts.user.security_token);
  return conn;
}

// A connection whose token is wrong; `refresh` says whether it may fetch a good one.
export function stale(conn, refresh) {
  const state = { refreshed: 0 };
  const refreshFn = (_, done) => { state.refreshed += 1; done(null, conn.accessToken); };
  const made = new jsforce.Connection({
    instanceUrl: conn.instanceUrl, accessToken: 'invalid_token', version: conn.version, ...(refresh ? { refreshFn } : {}),
  });
  return [made, state];
}

// Runs all scenarios, one JSON line each.
export async function runAll(scenarios) {
  const conn = await signedIn();
  for (const [name, run] of Object.entries(scenarios)) {
    try {
      await run(conn);
      console.log(JSON.stringify({ name, ok: true }));
    } catch (error) {
      const detail = `${error.name} ${error.errorCode ?? ''} ${error.stack ?? error.message}`.slice(0, 1500);
      console.log(JSON.stringify({ name, ok: false, detail }));
    }
  }
}
