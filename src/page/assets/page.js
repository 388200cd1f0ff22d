// The page is whole without this. With it: the page follows what happens, says when it no longer does, filters as one types,
// and has buttons where they are allowed.
"use strict";

(() => {
  const body = document.body;
  const base = body.dataset.base;
  const live = document.getElementById("live");
  const told = document.getElementById("told");
  const SPACING = 1000; // from one refresh to the next, in milliseconds
  const PATIENCE = 10000; // a daemon that takes longer does not answer
  let last = 0;
  let timer = null;
  let loading = false;
  let again = false;

  const clock = () => document.getElementById("asof");

  function state(name) {
    body.classList.toggle("is-live", name === "live");
    body.classList.toggle("is-lost", name === "lost");
    live.textContent = name === "live" ? "live, as of" : name === "lost" ? "no answer since" : "as of";
  }

  // The page again, and of it what may have changed; what is being typed or chosen stays.
  async function refresh() {
    if (loading) { again = true; return; }
    loading = true;
    last = performance.now();
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store", signal });
      if (!answer.ok) throw new Error(answer.status);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      swap(fresh);
      state(source && source.readyState === EventSource.OPEN ? "live" : "");
    } catch {
      state("lost");
    }
    loading = false;
    if (again) { again = false; soon(); }
  }

  function swap(fresh) {
    const main = document.getElementById("main");
    const next = fresh.getElementById("main");
    if (!next) return;
    const active = document.activeElement;
    const field = document.getElementById("filter");
    const typed = field && active === field ? [field.value, field.selectionStart, field.selectionEnd] : null;
    const chosen = [...main.querySelectorAll("select")].map((one) => one.value);
    const link = active && main.contains(active) && active.getAttribute("href");
    const scrolled = [...main.querySelectorAll("pre")].map((one) => one.scrollTop);
    main.replaceChildren(...next.childNodes);
    document.title = fresh.title;
    clock().replaceWith(fresh.getElementById("asof"));
    [...main.querySelectorAll("select")].forEach((one, at) => { if (chosen[at]) one.value = chosen[at]; });
    [...main.querySelectorAll("pre")].forEach((one, at) => { one.scrollTop = scrolled[at] || 0; });
    const again = document.getElementById("filter");
    if (typed && again) {
      again.value = typed[0];
      again.focus({ preventScroll: true });
      again.setSelectionRange(typed[1], typed[2]);
    } else if (link) {
      const same = [...main.querySelectorAll("a")].find((one) => one.getAttribute("href") === link);
      if (same) same.focus({ preventScroll: true });
    }
    filter();
    buttons();
  }

  function soon() {
    if (timer || document.hidden) { again = document.hidden || again; return; }
    timer = setTimeout(() => { timer = null; refresh(); }, Math.max(0, last + SPACING - performance.now()));
  }

  // Which rows are shown while one types; Enter asks the server, which knows all pages.
  function filter() {
    const field = document.getElementById("filter");
    if (!field) return;
    const words = field.value.trim().toLowerCase();
    for (const row of document.querySelectorAll(".jobs tbody tr")) {
      row.hidden = words !== field.defaultValue.toLowerCase() && !words.includes("*") && !words.startsWith("tag:")
        && !row.textContent.toLowerCase().includes(words);
    }
  }

  function buttons() {
    if (!("control" in body.dataset)) return;
    for (const one of document.querySelectorAll(".acts")) one.hidden = false;
  }

  async function act(button) {
    const { act, job, id } = button.dataset;
    const choice = button.parentElement.querySelector("select");
    const length = choice ? choice.value : null;
    const hold = { kind: act, pattern: job };
    if (act === "silence" && length === "until-ok") { hold.until_ok = true; hold.for = "30d"; } else if (length) hold.for = length;
    const [method, path, what] = act === "trigger" ? ["POST", "api/v1/trigger", { job }]
      : act === "end" ? ["DELETE", "api/v1/holds/" + id, null]
      : ["POST", "api/v1/holds", hold];
    button.disabled = true;
    let words;
    try {
      const headers = { accept: "application/json" };
      if (what) headers["content-type"] = "application/json";
      const answer = await fetch(base + path, { method, headers, body: what && JSON.stringify(what) });
      const said = await answer.json().catch(() => ({}));
      words = answer.ok ? done(act, job, said) : said.error ? said.error.message + (said.error.help ? ": " + said.error.help : "") : "refused (" + answer.status + ")";
    } catch {
      words = "slack-alert does not answer";
    }
    button.disabled = false;
    told.textContent = words;
    setTimeout(() => { if (told.textContent === words) told.textContent = ""; }, 6000);
    refresh();
  }

  function done(act, job, said) {
    switch (act) {
      case "trigger": return "run " + said.run + " of " + job + (said.waits ? " waits for " + said.waits.what : " starts");
      case "end": return "ended";
      case "ack": return job + " is acknowledged";
      case "pause": return job + " is paused";
      default: return job + " is silenced";
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-act]");
    if (button) act(button);
  });
  document.addEventListener("input", (event) => { if (event.target.id === "filter") filter(); });
  document.addEventListener("keydown", (event) => {
    const field = document.getElementById("filter");
    if (event.key === "/" && field && !event.ctrlKey && !event.metaKey && !event.altKey && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
      event.preventDefault();
      field.focus();
      field.select();
    }
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { again = false; soon(); } });

  let source = null;
  if ("live" in body.dataset && window.EventSource) {
    const listen = () => {
      source = new EventSource(base + "api/v1/events");
      source.addEventListener("open", () => { state("live"); if (last) soon(); });
      source.addEventListener("changed", () => { soon(); });
      source.addEventListener("error", () => {
        state("lost");
        // The browser tries again by itself, but not after an answer that is no stream.
        if (source.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
      });
    };
    listen();
  }
  // Ages ("3 min ago") and what no event tells of.
  setInterval(() => { if (!document.hidden && performance.now() - last > 30000) refresh(); }, 10000);
  buttons();
})();
