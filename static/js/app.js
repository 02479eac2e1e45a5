// Behavior that every page shares. Pages work without it; it only makes them quicker to use.
(() => {
  "use strict";
  const YEAR = 31536000;
  const remember = (name, value, age) => {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `${name}=${encodeURIComponent(value)}; Path=/; Max-Age=${age}; SameSite=Lax${secure}`;
  };
  const recall = (name) => decodeURIComponent((document.cookie.match(new RegExp(`(?:^|; )${name}=([^;]*)`)) || [])[1] || "");

  // The server writes absolute times in this zone.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && recall("tz") !== zone) remember("tz", zone, YEAR);

  // --- Light and dark -----------------------------------------------------------------------------------------------
  const root = document.documentElement;
  const showTheme = () => {
    const chosen = root.dataset.theme || "system";
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      const on = button.dataset.themeChoice === chosen;
      button.setAttribute("aria-pressed", String(on));
    }
  };
  const chooseTheme = (choice) => {
    if (choice === "system") {
      delete root.dataset.theme;
      remember("theme", "", 0);
    } else {
      root.dataset.theme = choice;
      remember("theme", choice, YEAR);
    }
    showTheme();
    document.dispatchEvent(new CustomEvent("causeway:theme"));
  };

  // Paper is white: a page that is shown dark is printed light.
  let printed = "";
  window.addEventListener("beforeprint", () => {
    printed = root.dataset.theme || "";
    root.dataset.theme = "light";
  });
  window.addEventListener("afterprint", () => {
    if (printed) root.dataset.theme = printed;
    else delete root.dataset.theme;
  });

  // --- Toasts -------------------------------------------------------------------------------------------------------
  const toast = (text) => {
    const box = document.getElementById("toasts");
    if (!box) return;
    const item = document.createElement("div");
    item.className = "toast";
    const words = document.createElement("span");
    words.textContent = text;
    item.append(words);
    box.append(item);
    setTimeout(() => item.remove(), 4000);
  };
  // A toast stays while somebody points at it or is in it; with Undo it stays ten seconds.
  const fade = (item, left) => {
    setTimeout(() => {
      if (item.matches(":hover, :focus-within")) fade(item, 1500);
      else item.remove();
    }, left);
  };
  const scheduleToasts = () => {
    for (const item of document.querySelectorAll(".toast-success, .toast-info")) fade(item, item.querySelector("form") ? 10000 : 8000);
  };

  // --- Clicks -------------------------------------------------------------------------------------------------------
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
      toast("Copied");
    } catch {
      toast("Copying is not allowed here; select the text instead.");
    }
  };
  const tickAll = (box) => {
    const scope = box.closest("form, table, section") || document;
    for (const other of scope.querySelectorAll(`input[type=checkbox][name="${box.dataset.tickAll}"]`)) other.checked = box.checked;
  };
  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target) return;
    const themeButton = target.closest("[data-theme-choice]");
    if (themeButton) chooseTheme(themeButton.dataset.themeChoice);
    const copyButton = target.closest("[data-copy]");
    if (copyButton) copy(copyButton.dataset.copy);
    const foldLink = target.closest("[data-fold]");
    const folded = foldLink && document.getElementById(foldLink.dataset.fold);
    if (folded && !(event.ctrlKey || event.metaKey || event.shiftKey)) {
      event.preventDefault();
      folded.hidden = !folded.hidden;
      foldLink.setAttribute("aria-expanded", String(!folded.hidden));
    }
    if (target.closest("[data-print]")) window.print();
    const dismiss = target.closest("[data-dismiss]");
    if (dismiss) dismiss.closest(".toast, .notice").remove();
  });

  // --- Forms: sent once, kept when leaving by mistake ---------------------------------------------------------------
  const dirty = new Set(document.querySelectorAll("form[data-guard][data-dirty]"));
  document.addEventListener("input", (event) => {
    const form = event.target.closest && event.target.closest("form[data-guard]");
    if (form) dirty.add(form);
  });
  document.addEventListener("change", (event) => {
    const field = event.target;
    if (field.matches("[data-tick-all]")) tickAll(field);
    if (field.matches("[data-autosubmit]") && field.form) field.form.requestSubmit();
  });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method === "dialog") return;
    dirty.delete(form);
    if (form.method !== "post" || form.hasAttribute("hx-post")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    setTimeout(() => delete form.dataset.sent, 4000);
  });
  window.addEventListener("beforeunload", (event) => {
    if (dirty.size) event.preventDefault();
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // --- Keyboard -----------------------------------------------------------------------------------------------------
  const PLACES = { h: "/", c: "/connections/", r: "/runs/", k: "/okr/" };
  let awaiting = 0;
  const typing = (element) => element && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName));
  const movePicker = (event) => {
    const picker = event.target.closest && event.target.closest("[data-picker]");
    if (!picker || !["ArrowDown", "ArrowUp"].includes(event.key)) return false;
    const items = [...picker.querySelectorAll(".picker-item:not(:disabled)")];
    if (!items.length) return false;
    const at = items.indexOf(document.activeElement);
    const input = picker.querySelector("input[type=search]");
    event.preventDefault();
    if (event.key === "ArrowUp" && at <= 0) {
      if (input) input.focus();
    } else {
      items[Math.min(Math.max(at + (event.key === "ArrowDown" ? 1 : -1), 0), items.length - 1)].focus();
    }
    return true;
  };
  // Search everywhere: Enter in the box asks the page, so that hits of an earlier text are never opened by mistake.
  const closeSuggestions = (focus) => {
    const box = document.getElementById("search-suggestions");
    if (!box) return;
    box.replaceChildren();
    const input = box.closest("form").querySelector("input[type=search]");
    if (focus) input.blur();
  };
  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element) || !event.target.closest(".search-box")) closeSuggestions(false);
  });
  document.addEventListener("focusin", (event) => {
    if (!event.target.closest(".search-box")) closeSuggestions(false);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || movePicker(event)) return;
    if (event.key === "Escape" && event.target.closest && event.target.closest(".search-box")) {
      closeSuggestions(true);
      return;
    }
    if (event.key === "Enter" && event.target.matches && event.target.matches("[data-picker]:not([data-search]) input[type=search]")) {
      const first = event.target.closest("[data-picker]").querySelector(".picker-item:not(:disabled)");
      if (first) {
        event.preventDefault();
        first.click();
      }
      return;
    }
    if (event.key === " " && event.target.matches && event.target.matches("[data-fold]")) {
      event.preventDefault();
      event.target.click();
      return;
    }
    if (typing(event.target)) return;
    if (event.key === "/") {
      const search = document.querySelector("main input[type=search]") || document.querySelector(".search-box input[type=search]");
      if (search) {
        event.preventDefault();
        search.focus();
      }
    } else if (event.key === "?") {
      const help = document.getElementById("shortcuts");
      if (help) help.togglePopover();
    } else if (event.key === "g") {
      awaiting = Date.now();
    } else if (Date.now() - awaiting < 1500 && event.key === "o") {
      const choices = document.getElementById("choose-connection");
      if (choices) choices.showPopover();
    } else if (Date.now() - awaiting < 1500 && PLACES[event.key]) {
      location.href = PLACES[event.key];
    }
  });

  // --- Long lists of people become type-ahead -----------------------------------------------------------------------
  const enhance = (scope) => {
    if (!window.TomSelect) return;
    for (const select of scope.querySelectorAll("select[data-typeahead]:not(.tomselected)")) {
      new window.TomSelect(select, { maxOptions: 100, create: false, allowEmptyOption: true, hidePlaceholder: true });
      select.setAttribute("aria-hidden", "true"); // its label now names the visible control
    }
  };

  const start = () => {
    showTheme();
    scheduleToasts();
    enhance(document);
    for (const link of document.querySelectorAll("[data-fold]")) {
      link.setAttribute("role", "button"); // with script it folds on the spot instead of leading somewhere
      link.setAttribute("aria-expanded", "false");
    }
    for (const details of document.querySelectorAll("form[data-guard] [aria-invalid=true]")) {
      details.focus();
      break;
    }
  };
  document.addEventListener("DOMContentLoaded", start);
  document.addEventListener("htmx:afterSwap", (event) => enhance(event.target));
  document.addEventListener("htmx:beforeSwap", (event) => {
    // The session has ended: show the sign-in page, not a part of it inside this one.
    if (new URL(event.detail.xhr.responseURL || location.href).pathname.startsWith("/accounts/login/")) {
      event.detail.shouldSwap = false;
      dirty.clear();
      location.reload();
    }
  });
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    toast(status === 403 ? "You may not do that, or your session has ended. Reload the page." : `That did not work (${status}). Try again.`);
  });
  document.addEventListener("htmx:sendError", () => toast("No answer from the server. Check your connection and try again."));
})();
