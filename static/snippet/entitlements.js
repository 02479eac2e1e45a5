/* Causeway entitlements for JavaScript: cache, refresh in the background, fallbacks. No dependency; Node 18+ and browsers.
   An API key never belongs in a browser: there, let `url` lead to your own server, which adds the key and forwards.

   const entitlements = CausewayEntitlements({url: "https://causeway.example.com", apiKey: "...", fallbacks: {"feature-sso": true}});
   await entitlements.ready("acme");
   entitlements.check("acme", "feature-sso").granted;        // at once, from memory
   entitlements.report("acme", "feature-calls", 3);          // buffered, counted once
   await entitlements.consume("acme", "feature-exports");    // asks the server */
(function (root, make) {
  if (typeof module === "object" && module.exports) module.exports = make();
  else root.CausewayEntitlements = make();
})(typeof self === "undefined" ? globalThis : self, function () {
  "use strict";
  const BATCH = 500;
  const uuid = () => globalThis.crypto.randomUUID();
  const refusal = (status, told) => Object.assign(new Error((told && told.message) || `The server answered ${status}.`), {
    status, code: (told && told.code) || `http_${status}`,
  });

  return function CausewayEntitlements(options) {
    const { url, apiKey, fallbacks = {}, refresh = 30, timeout = 2, maxStale = 86400, maxCustomers = 10000, maxBuffered = 100000,
      headers = {}, onChange = () => {}, onError = () => {} } = options || {};
    if (!url) throw new TypeError("url is missing: the address of Causeway, or of your server that forwards to it.");
    const api = `${String(url).replace(/\/+$/, "")}/api/v1/`;
    const sent = { Accept: "application/json", ...(apiKey ? { Authorization: `Api-Key ${apiKey}` } : {}), ...headers };
    const known = new Map();
    const buffer = [];
    let timer = null, closed = false, dropped = 0, sending = null;

    async function call(method, path, body, more) {
      const abort = new AbortController();
      const deadline = setTimeout(() => abort.abort(), timeout * 1000);
      try {
        const answer = await fetch(api + path, {
          method, signal: abort.signal, cache: "no-store", credentials: apiKey ? "omit" : "same-origin",
          headers: { ...sent, ...more, ...(body ? { "Content-Type": "application/json" } : {}) },
          body: body ? JSON.stringify(body) : undefined,
        });
        if (answer.status === 304) return { etag: answer.headers.get("ETag") || "", data: null };
        const data = await answer.json().catch(() => null);
        if (!answer.ok) throw refusal(answer.status, data && data.error);
        return { etag: answer.headers.get("ETag") || "", data };
      } catch (error) {
        if (error.status) throw error;
        throw Object.assign(new Error("The server was not reached."), { code: "unreachable", status: 0, cause: error });
      } finally {
        clearTimeout(deadline);
      }
    }

    async function load(customer) {
      const before = known.get(customer);
      let etag, data;
      try {
        ({ etag, data } = await call("GET", `entitlements/?customer=${encodeURIComponent(customer)}`, null,
          before && before.etag ? { "If-None-Match": before.etag } : {}));
      } catch (error) {
        if (error.status !== 404) throw error;
        etag = ""; data = { entitlements: null };
      }
      const now = Date.now();
      if (data === null && before) { before.fetched = now; return before; }
      const rows = data.entitlements;
      const entry = {
        etag, fetched: now, asked: before ? before.asked : now, found: rows !== null, pending: new Map(),
        answers: new Map((rows || []).map((row) => [row.feature, row])),
      };
      for (const each of buffer) if (each.customer === customer && each.action === "delta") count(entry, each);
      known.delete(customer);
      known.set(customer, entry);
      while (known.size > maxCustomers) known.delete(known.keys().next().value);
      plan();
      if (before) onChange(customer);
      return entry;
    }

    function count(entry, report) {
      entry.pending.set(report.feature, (entry.pending.get(report.feature) || 0) + Number(report.amount));
    }

    function plan() {
      if (timer || closed) return;
      timer = setTimeout(work, Math.min(refresh, 1) * 1000);
      if (timer.unref) timer.unref();
    }

    async function work() {
      timer = null;
      try { if (buffer.length) await send(); } catch (error) { onError(error); }
      const now = Date.now();
      for (const [customer, entry] of [...known]) {
        if (now - entry.asked > 20000 * refresh) known.delete(customer);
        else if (now - entry.fetched >= 1000 * refresh || entry.due) await load(customer).catch(onError);
      }
      if (known.size || buffer.length) plan();
    }

    async function send() {
      if (!sending) sending = sendAll().finally(() => { sending = null; });
      return sending;
    }

    async function sendAll() {
      while (buffer.length) {
        const batch = buffer.slice(0, BATCH);
        let data = null;
        try {
          ({ data } = await call("POST", "usage/", { reports: batch }));
        } catch (error) {
          if (![400, 404, 409, 413, 422].includes(error.status)) throw error;
          onError(error);
        }
        for (const row of (data && data.results) || []) if (row.status === "failed") onError(refusal(422, row));
        buffer.splice(0, batch.length);
        for (const each of batch) { const entry = known.get(each.customer); if (entry) { entry.etag = ""; entry.due = true; } }
      }
    }

    const fallback = (feature, reason) => ({
      feature, granted: Boolean(fallbacks[feature]), reason: fallbacks[feature] ? "" : reason, fallback: feature in fallbacks, limit: null,
    });

    return {
      /** Ask once, so that checks of this customer are answered from memory; false when the server was not reached. */
      async ready(customer) {
        try { return (await load(customer)).found; } catch (error) { onError(error); return false; }
      },
      /** At once, from memory; the fallback when nothing is known, marked with `fallback`. */
      check(customer, feature, requested) {
        const entry = known.get(customer), now = Date.now();
        if (!entry) { load(customer).catch(onError); return fallback(feature, "unreachable"); }
        entry.asked = now;
        if (now - entry.fetched > 1000 * maxStale) return fallback(feature, "stale");
        const row = entry.answers.get(feature);
        if (!row) return fallback(feature, entry.found ? "feature_not_found" : "customer_not_found");
        const stale = now - entry.fetched > 3000 * refresh;
        if (row.unlimited || row.limit === null || row.limit === undefined || (!row.granted && row.reason !== "limit_exceeded")) return { ...row, stale };
        const limit = Number(row.limit);
        const metered = row.usage !== null && row.usage !== undefined;
        const usage = metered ? Number(row.usage) + (entry.pending.get(feature) || 0) : 0;
        if (!metered && requested === undefined) return { ...row, stale };
        const fits = row.soft || (requested === undefined ? usage < limit : usage + Number(requested) <= limit);
        return { ...row, granted: fits, reason: fits ? "" : "limit_exceeded", ...(metered ? { usage: String(usage) } : {}), stale };
      },
      /** Everything known of a customer, by feature. */
      list(customer) { const entry = known.get(customer); return entry ? Object.fromEntries(entry.answers) : {}; },
      /** Check and count in one step on the server; throws when it is not reached. Safe to repeat with the same key. */
      async consume(customer, feature, amount = 1, key = uuid()) {
        const { data } = await call("POST", "entitlements/consume/", { customer, feature, amount: String(amount), idempotency_key: key });
        const entry = known.get(customer);
        if (entry) entry.due = true;
        return data;
      },
      /** Buffer a report of usage; false when the buffer is full. */
      report(customer, feature, amount, { action = "delta", at = new Date(), key = uuid() } = {}) {
        if (buffer.length >= maxBuffered) { dropped += 1; return false; }
        const each = { customer, feature, amount: String(amount), action, at: at.toISOString(), idempotency_key: key };
        buffer.push(each);
        const entry = known.get(customer);
        if (entry && action === "delta") count(entry, each);
        plan();
        return true;
      },
      /** Send what is buffered now. */
      flush: () => send(),
      /** Send the rest and stop. */
      async close() { closed = true; clearTimeout(timer); timer = null; await send().catch(onError); },
      get dropped() { return dropped; },
    };
  };
});
