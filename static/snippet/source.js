// The Causeway snippet: product events out; in-app messages, surveys and help in. Readable source of causeway.js, which
// `npm run snippet` makes of it (under 5,000 bytes). No dependency, no eval, no inline style. What the server sends is never
// parsed as markup of the page: elements are made by name, from a list, and articles are shown in a frame without rights.
((window, document) => {
  const script = document.currentScript;
  const options = { ...script?.dataset };
  const early = window.causeway?.q || []; // calls from before this file had come
  const WAIT = 2000; // ms from the first event to its batch
  const MOST_KEPT = 500; // events; the oldest go first
  const MOST_SENT = 50; // events a batch: below the 64 kB that a browser takes along on leaving
  const TRIES = 6; // failures in a row; then it waits for the network to come back or for the next page
  const TAGS = /^(p|[uo]l|li|strong|em|br)$/;
  const ADDRESS = /^(https?:|mailto:|\/(?![/\\]))/i;
  const STYLE =
    ":host{all:initial;font:14px/1.4 system-ui;color:#123}section,.o{position:fixed;right:16px;bottom:16px;z-index:9999}" +
    "section{bottom:72px;width:328px;max-width:84vw;max-height:70vh;overflow:auto;padding:16px;border-radius:8px;background:#fff;box-shadow:0 4px 32px #0006}" +
    "h2{font-size:16px;margin:0}a{color:#066}button,.g,.t{font:inherit;color:inherit;padding:8px 12px;margin:4px 0;border:1px solid #788;border-radius:6px;background:#fff}" +
    ".g,.o{background:#066;color:#fff;display:inline-block;text-decoration:none}.x{float:right}.t{box-sizing:border-box;width:100%;text-align:left}" +
    "form div{display:flex}label{flex:1;text-align:center}iframe{width:100%;height:50vh;border:0}";
  let base;
  let slot; // where this tab keeps its events
  let who = {}; // user, account and signature of events from now on; none before somebody is identified
  let queue = []; // events leave it when the server has answered for them
  let sending;
  let tries = 0;
  let timer;
  let checking;
  let root;
  let shown; // the open message

  // The host page never breaks because of us.
  const quietly = (work) => {
    try {
      return work();
    } catch {}
  };
  const store = quietly(() => localStorage);

  // --- Events ---------------------------------------------------------------------------------------------------------
  const known = () => queue.filter((event) => event.user); // nobody is sent before somebody is identified
  const ready = () => known().slice(0, MOST_SENT);
  const text = (batch) => JSON.stringify({ batch, sent_at: new Date() }); // the server corrects a wrong clock
  const keep = () => quietly(() => store.setItem(slot, JSON.stringify(known())));
  const address = (path, query) => `${base}/api/v1/${path}/?` + new URLSearchParams({ key: options.key, ...query });
  const ask = (path, query) => fetch(address(path, query)).then((answer) => answer.json());
  const later = (wait) => {
    timer ||= setTimeout(send, wait);
  };
  const send = () => {
    timer = clearTimeout(timer);
    const batch = ready();
    if (sending || !batch[0] || tries >= TRIES) return;
    sending = 1;
    fetch(address("events"), { method: "POST", body: text(batch) })
      .then(({ ok, status }) => {
        if (!ok && status != 400 && status != 413) throw 0; // these two would never be taken
        queue = queue.filter((event) => !batch.includes(event));
        tries = 0;
      })
      .catch(() => tries++)
      .then(() => {
        sending = 0;
        keep();
        if (ready()[0]) later(tries && 1000 * 2 ** tries * (1 + Math.random()));
      });
  };
  // Nobody hears the answer, so the events stay in the slot for the next page; the server counts each id once.
  const leave = () => {
    if (document.hidden && ready()[0]) navigator.sendBeacon(address("events"), text(ready()));
  };
  const event = (type, more) => {
    const id = crypto.randomUUID?.() || Date.now() + "-" + Math.random();
    queue.push({ id, type, at: new Date(), ...who, ...more });
    queue = queue.slice(-MOST_KEPT);
    keep();
    later(WAIT);
  };
  const did = (engagement, action) => event("engagement", { properties: { engagement, action } });
  const answer = (score, comment, survey) => event("nps", { properties: { score, comment, survey } });

  // --- Elements --------------------------------------------------------------------------------------------------------
  const make = (tag, given, ...children) => {
    const element = Object.assign(document.createElement(tag), given);
    element.append(...children);
    return element;
  };
  const link = (href, className, ...children) =>
    make("a", ADDRESS.test(href) && { href, className, target: href[0] == "/" ? "" : "_blank" }, ...children);
  const build = (node) => {
    if (node.trim) return node; // a text
    const [tag, ...rest] = node;
    if (tag == "a") return link(rest[0], "", ...rest.slice(1).map(build));
    return make(TAGS.test(tag) ? tag : "span", 0, ...rest.map(build));
  };
  const add = (element) => {
    if (!root) {
      const host = make("div");
      root = host.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet(); // needs no style-src of the host's policy
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
      document.documentElement.append(host); // the body may not be there yet
    }
    root.append(element);
    return element;
  };
  const panel = (title, close, ...children) =>
    add(
      make(
        "section",
        { role: "dialog", ariaLabel: title, ariaLive: "polite" },
        make("button", { className: "x", ariaLabel: "Close", onclick: close }, "\u00d7"),
        make("h2", 0, title),
        ...children,
      ),
    );

  // --- Messages and surveys ----------------------------------------------------------------------------------------------
  const check = () => {
    tries = 0;
    later(0);
    clearTimeout(checking);
    checking = setTimeout(() => {
      const now = who;
      const url = location.href.split(/[?#]/)[0]; // not the query: it may hold secrets
      if (now.user && !shown)
        ask("in-app", { ...now, url })
          .then(({ messages }) => now == who && !shown && messages[0] && show(messages[0]))
          .catch(quietly);
    }, 50);
  };
  const close = () => {
    shown?.remove();
    shown = 0;
  };
  const show = ({ id, kind, title, body, button, survey }) => {
    const act = (action) => {
      did(id, action);
      close();
    };
    const comment = make("textarea", { className: "t", ariaLabel: "Comment", placeholder: "Why? (optional)", maxLength: 2000 });
    const box = panel(
      title,
      () => act("dismissed"),
      ...body.map(build),
      button ? link(button.url, "g", button.label) : "",
      kind == "nps"
        ? make(
            "form",
            {
              onsubmit: (submit) => {
                const form = submit.target;
                submit.preventDefault();
                answer(+form.s.value, comment.value, survey);
                did(id, "answered");
                send();
                form.replaceWith("Thank you!");
                setTimeout(() => box == shown && close(), 4000);
              },
            },
            make(
              "div",
              { role: "radiogroup", ariaLabel: "Score" },
              ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((value) =>
                make("label", 0, make("input", { type: "radio", name: "s", value, required: true }), value),
              ),
            ),
            "0 = not likely, 10 = very likely",
            comment,
            make("button", { className: "g" }, "Send"),
          )
        : "",
    );
    shown = box;
    box.onclick = ({ target }) => target.closest("a") && act("clicked");
    did(id, "shown");
  };

  // --- Help: search and read knowledge articles ----------------------------------------------------------------------------
  const help = () => {
    const before = root?.activeElement || document.activeElement;
    const results = make("div");
    const put = (...children) => results.replaceChildren(...children);
    const fail = () => put("No answer.");
    const read = (id) =>
      ask(`knowledge/${id}`)
        .then(({ title, html }) => {
          // The frame has neither the right to run a script nor an origin, whatever the article holds. It inherits the policy
          // of the page, which may forbid it a style; an attribute is always allowed.
          const srcdoc = "<base target=_blank><font face=arial size=2>" + html.trim();
          put(make("h2", 0, title), make("iframe", { title, sandbox: "allow-popups", srcdoc }));
        })
        .catch(fail);
    let asked;
    const field = make("input", {
      type: "search",
      className: "t",
      ariaLabel: "Search help",
      placeholder: "Search help",
      oninput() {
        const q = field.value.trim();
        clearTimeout(asked);
        asked = setTimeout(
          () =>
            q[1] &&
            ask("knowledge", { q })
              .then(({ results: found }) =>
                put(
                  ...found.map(({ id, title }) => make("button", { className: "t", onclick: () => read(id) }, title)),
                  found[0] ? "" : "Nothing found.",
                ),
              )
              .catch(fail),
          300,
        );
      },
    });
    const box = panel(
      "Help",
      () => {
        box.remove();
        before.focus();
      },
      field,
      results,
    );
    field.focus();
  };

  // --- What the host page calls ----------------------------------------------------------------------------------------------
  const calls = {
    init(given) {
      Object.assign(options, given);
      if (!options.key || slot) return;
      base = options.base || new URL(script.src).origin;
      const prefix = `causeway:${options.key}:`;
      slot = prefix + Math.random();
      document.addEventListener("visibilitychange", leave);
      document.addEventListener("keydown", ({ key }) => key == "Escape" && root?.querySelector("section:last-of-type .x")?.click());
      window.addEventListener("online", check);
      if (options.help) add(make("button", { className: "o", onclick: help }, "Help"));
      for (const name in store) {
        if (name.startsWith(prefix)) {
          const left = store[name]; // by a page before this one; an id that came through counts once
          store.removeItem(name);
          queue.push(...JSON.parse(left));
        }
      }
      keep();
      later(0);
    },
    identify(user, traits, { account = who.account || "", signature = "" } = {}) {
      who = { user, account, signature };
      for (const each of queue) if (!each.user) Object.assign(each, who);
      event("identify", { traits });
      check();
    },
    group(account, traits) {
      who = { ...who, account };
      event("group", { traits });
      check();
    },
    track: (name, properties) => event("track", { event: name, properties }),
    page(name = document.title, properties) {
      event("page", { event: name, properties: { path: location.pathname, ...properties } });
      check();
    },
    nps: answer,
    help,
    reset() {
      queue = known();
      who = {};
      close();
    },
  };
  window.causeway = (name, ...given) => quietly(() => calls[name](...given));
  causeway("init");
  for (const call of early) causeway(...call);
})(window, document);
