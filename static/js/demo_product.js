// What a product does: queue calls until the snippet is there, say who it is, and tell what people do. Only the log is extra.
(() => {
  "use strict";
  window.causeway = window.causeway || ((...call) => (window.causeway.q = window.causeway.q || []).push(call));
  const who = JSON.parse(document.getElementById("identity").textContent);
  const note = (text) => {
    const line = document.createElement("li");
    line.textContent = text;
    document.getElementById("log").prepend(line);
  };
  const tell = (...call) => {
    window.causeway(...call);
    note(`causeway(${call.map((each) => JSON.stringify(each)).join(", ")})`);
  };
  document.addEventListener("DOMContentLoaded", () => {
    tell("identify", who.user, { name: who.name }, { account: who.account, signature: who.signature });
    tell("page", document.querySelector("h1").textContent);
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-event]");
      if (button) tell("track", button.dataset.event, { place: document.querySelector("h1").textContent });
    });
    document.getElementById("as").addEventListener("change", (event) => event.target.form.requestSubmit());
  });
})();
