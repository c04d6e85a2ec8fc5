"use strict";
(() => {
  // What models, agents and cases have written only ever becomes text nodes here: no markup is made
  // of any text. Data stands in blocks, each read when something of it is looked at.

  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);

  // What would draw nothing, or the words around it in another order; the terminal shows the same.
  const UNSHOWN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\p{Cs}]/gu;
  const drawn = (text) => text.replaceAll("\r\n", "\n").replace(UNSHOWN, "\ufffd");

  function el(name, told = {}, ...inside) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(told)) {
      if (value === undefined || value === null || value === false) continue;
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (key === "class") made.className = value;
      else made.setAttribute(key, value === true ? "" : value);
    }
    const shown = inside.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false);
    made.append(...shown.map((one) => typeof one === "string" ? drawn(one) : one));
    return made;
  }

  const LONE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
  const index = read("index");
  const runs = index.runs;
  const two = runs.length > 1;
  const SIDES = ["A", "B"];
  const blocks = new Map();

  function block(run, place) {
    const name = `run-${run}-${Math.floor(place / index.block)}`;
    if (!blocks.has(name)) blocks.set(name, read(name));
    return blocks.get(name);
  }
  const texts = (run, place) => block(run, place).texts;
  const session = (run, place) => block(run, place).sessions[place % index.block];

  // One entry for each line of the list: a session, or the same one in both runs.
  const entries = index.pairs.map((pair, place) => {
    const rows = pair.at.map((at, run) => (at === null ? null : runs[run].rows[at]));
    const first = rows.find((row) => row !== null);
    return { ...pair, place, rows, id: first.id, first, address: address(first.id) };
  });
  const byAddress = new Map(entries.map((one) => [one.address, one]));
  const severalTrials = entries.some((one) => one.first.trial > 1);

  function address(id) {
    // Lone surrogates have no place in an address; shown as U+FFFD, as everywhere.
    return encodeURIComponent(id.replace(LONE, "\ufffd"));
  }

  // Figures

  const count = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
  const named = (reason) => reason.replaceAll("_", " ");
  const seconds = (value) => (value === undefined ? null : `${value.toFixed(value < 10 ? 2 : 1)} s`);
  const cost = (value) => (value === undefined ? null : `$${value.toFixed(value >= 1 ? 2 : 4)}`);
  const joined = (parts) => parts.filter(Boolean).join(" · ");

  function tokens(one) {
    if (one.in == null && one.out == null) return null;
    const cached = one.cached ? ` (${one.cached.toLocaleString("en")} cached)` : "";
    return `${(one.in ?? 0).toLocaleString("en")}${cached} → ${(one.out ?? 0).toLocaleString("en")} tokens`;
  }

  // Prompts, put together as they were sent; the same rules as `convsim_fp.core.render`.

  const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g;
  const SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
  const ENDS = new RegExp(`^${SPACE}+|${SPACE}+$`, "g");
  const BEGINS = "[The conversation begins.]";

  const sendable = (text) => text.replace(CONTROLS, "\ufffd").replace(LONE, "\ufffd");
  const stripped = (text) => text.replace(ENDS, "");
  const quoted = (tag, text) =>
    `<${tag}>\n${sendable(text).replace(/<|&(?=lt;|amp;)/g, (it) => (it === "<" ? "&lt;" : "&amp;"))}\n</${tag}>`;

  function toUser(message) {
    if (message.by === "agent") return ["user", quoted("agent", message.text)];
    return ["assistant", stripped(sendable(message.text)) || "(says nothing)"];
  }

  function toJudge(message) {
    const called = (message.calls ?? []).map((call) => quoted("tool_call", call.judged));
    return [quoted(message.by, message.text), ...called].join("\n");
  }

  function merged(said) {
    const made = [];
    for (const [role, text] of said) {
      const last = made.at(-1);
      if (last && last[0] === role) last[1] += `\n\n${text}`;
      else made.push([role, text]);
    }
    return made;
  }

  function judgedTurns(messages) {
    const turns = [];
    messages.forEach((message, at) => {
      const begins = at === 0 || (message.by === "user" && messages[at - 1].by === "agent");
      if (begins) turns.push([]);
      turns.at(-1).push(toJudge(message));
    });
    const said = turns.map((turn) => turn.join("\n\n"));
    const first = ["user", said.length ? `${BEGINS}\n\n${said[0]}` : BEGINS];
    return [first, ...said.slice(1).flatMap((words) => [["assistant", "Noted."], ["user", words]])];
  }

  function rendered(prompt) {
    const system = sendable(prompt.system);
    const made = stripped(system) ? [["system", system]] : [];
    const said = prompt.voice === "user"
      ? merged([["user", BEGINS], ...prompt.messages.map(toUser)])
      : judgedTurns(prompt.messages);
    const question = sendable(prompt.question);
    if (stripped(question)) {
      if (said.at(-1)[0] === "user") said.at(-1)[1] += `\n\n${question}`;
      else said.push(["user", question]);
    }
    return [...made, ...said];
  }

  function sentFor(request, its, table) {
    const messages = request.messages ?? its.messages.slice(0, request.said ?? 0);
    const { voice, system, question } = request;
    if (voice === undefined) return messages.map((one) => [one.by === "user" ? "user" : "assistant", one.text]);
    return rendered({ voice, messages, system: table[system], question: table[question] });
  }

  // Search: every word of the query has to be somewhere in a session, "such as these" together.

  let haystacks = null;

  function haystack(entry) {
    const parts = [entry.id];
    entry.at.forEach((place, run) => {
      if (place === null) return;
      const its = session(run, place);
      const told = its.case;
      parts.push(told.goal, told.persona ?? "", told.context ?? "", told.expectations ?? "");
      parts.push(...(told.guidelines ?? []), ...(told.tags ?? []));
      parts.push(its.sentence, its.detail, named(entry.rows[run].reason));
      for (const one of its.messages) {
        parts.push(one.text);
        for (const call of one.calls ?? []) parts.push(call.judged);
      }
      for (const one of its.verdicts) parts.push(one.why);
      for (const one of its.requests) {
        if (one.kind) parts.push(`${one.kind}: ${one.detail}`);
        if (one.text) parts.push(one.text);
        if (one.errors) parts.push(...one.errors);
      }
    });
    return parts.join("\n").toLowerCase();
  }

  function prepare() {
    haystacks ??= entries.map(haystack);
    return haystacks;
  }

  const words = (query) =>
    [...query.matchAll(/"([^"]+)"|(\S+)/g)].map((found) => (found[1] ?? found[2]).toLowerCase());

  const pattern = (terms) =>
    terms.length ? new RegExp(terms.map((term) => term.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "gi") : null;

  function marked(text, found) {
    if (!found) return [text];
    const parts = [];
    let from = 0;
    for (const hit of text.matchAll(found)) {
      if (hit[0] === "") continue;
      parts.push(text.slice(from, hit.index), el("mark", {}, hit[0]));
      from = hit.index + hit[0].length;
    }
    return [...parts, text.slice(from)];
  }

  function firstHit(entry, found) {
    for (const [run, place] of entry.at.entries()) {
      if (place === null) continue;
      const its = session(run, place);
      for (const one of [...its.messages, ...its.verdicts.map((it) => ({ text: it.why, turn: it.turn }))]) {
        const at = one.text.search(found);
        if (at < 0) continue;
        const text = one.text.slice(Math.max(0, at - 40), at + 120);
        return { turn: one.turn, text: at > 40 ? `…${text}` : text };
      }
    }
    return null;
  }

  // The list

  const GROUPS = {
    achieved: "goal reached", missed: "goal missed", failed: "failed", cut: "cut short", unfinished: "unfinished",
  };
  const CHANGES = { changed: "ended otherwise", parts: "said otherwise", alone: "in one run only" };
  const TROUBLES = {
    again: "something asked again", retried: "something sent again", wasted: "something asked for nothing",
  };
  const URGENCY = { failed: 0, missed: 1, cut: 1, unfinished: 1, achieved: 2 };
  const most = (of) => (a, b) => of(b) - of(a);
  const highest = (name) => (one) => Math.max(...one.rows.map((row) => row?.[name] ?? -1));
  const urgency = (a, b) => URGENCY[a.first.outcome] - URGENCY[b.first.outcome];
  const ORDERS = {
    urgent: two ? ["changed first", () => 0] : ["what failed first", urgency],
    run: ["as they ran", (a, b) => (a.at[0] ?? Infinity) - (b.at[0] ?? Infinity)],
    slow: ["slowest first", most(highest("seconds"))],
    dear: ["dearest first", most(highest("cost"))],
    long: ["most turns first", most(highest("turns"))],
  };
  const narrow = matchMedia("(max-width: 760px)");
  const pageSize = () => (narrow.matches ? 25 : 80);

  const state = { shown: entries, rendered: 0, found: null, current: null, turn: null };
  const any = (entry, test) => entry.rows.some((row) => row !== null && test(row));

  function options(select, all, listed) {
    select.append(el("option", { value: "" }, all));
    for (const [value, label] of listed) select.append(el("option", { value }, label));
  }

  function counted(of) {
    const numbers = new Map();
    for (const entry of entries) {
      const values = new Set(entry.rows.flatMap((row) => (row === null ? [] : of(row))));
      for (const value of values) numbers.set(value, (numbers.get(value) ?? 0) + 1);
    }
    return [...numbers];
  }

  function fillFilters() {
    const outcomes = counted((row) => [row.outcome, ...Object.keys(TROUBLES).filter((name) => row[name])]);
    const order = [...Object.keys(GROUPS), ...Object.keys(TROUBLES)];
    outcomes.sort((a, b) => order.indexOf(a[0]) - order.indexOf(b[0]));
    const changes = Object.keys(two ? CHANGES : {}).map((name) => [name, entries.filter((one) => one[name]).length]);
    const labels = { ...CHANGES, ...GROUPS, ...TROUBLES };
    const labelled = (some, label) => some.map(([name, number]) => [name, `${label(name)} (${number})`]);
    options(byId("outcome"), "all", labelled([...changes, ...outcomes], (name) => labels[name]));
    options(byId("reason"), "all", labelled(counted((row) => row.reason).sort(), named));
    options(byId("case"), "all", labelled(counted((row) => row.case), (name) => name));
    for (const [name, [label]] of Object.entries(ORDERS)) byId("order").append(el("option", { value: name }, label));
  }

  function chosen() {
    const [outcome, reason, itsCase] = ["outcome", "reason", "case"].map((id) => byId(id).value);
    const tests = [];
    if (outcome in CHANGES) tests.push((one) => one[outcome]);
    else if (outcome in TROUBLES) tests.push((one) => any(one, (row) => row[outcome]));
    else if (outcome) tests.push((one) => any(one, (row) => row.outcome === outcome));
    if (reason) tests.push((one) => any(one, (row) => row.reason === reason));
    if (itsCase) tests.push((one) => any(one, (row) => row.case === itsCase));
    const terms = words(byId("query").value);
    if (terms.length) {
      const all = prepare();
      tests.push((one) => terms.every((term) => all[one.place].includes(term)));
    }
    state.found = pattern(terms);
    return tests;
  }

  function refresh() {
    const tests = chosen();
    const order = ORDERS[byId("order").value];
    state.shown = entries.filter((one) => tests.every((test) => test(one))).sort(order[1]);
    const all = entries.length;
    byId("count").textContent = tests.length
      ? `${state.shown.length.toLocaleString("en")} of ${count(all, "session")}`
      : count(all, "session");
    byId("clear").hidden = !tests.length;
    for (const one of document.querySelectorAll("[data-reason]")) {
      one.setAttribute("aria-pressed", String(one.dataset.reason === byId("reason").value));
    }
    byId("rows").replaceChildren();
    state.rendered = 0;
    showMore();
    byId("rows").scrollTop = 0;
  }

  function showMore(least = 0) {
    const to = Math.max(state.rendered + pageSize(), least);
    const some = state.shown.slice(state.rendered, to);
    byId("rows").append(...some.map(row));
    state.rendered += some.length;
    byId("more").hidden = state.rendered >= state.shown.length;
    byId("more").textContent = `show more (${(state.shown.length - state.rendered).toLocaleString("en")})`;
  }

  function reason(row) {
    if (row === null) return el("span", { class: "tag" }, "(none)");
    return el("span", { class: `tag ${row.outcome}` }, named(row.reason));
  }

  function row(entry) {
    const hit = state.found ? firstHit(entry, state.found) : null;
    const one = entry.first;
    const turn = hit?.turn ?? entry.parts?.turn;
    const figures = two
      ? entry.alone ? `only in ${SIDES[entry.at[0] === null ? 1 : 0]}`
        : entry.parts ? `departs at turn ${entry.parts.turn}` : "said the same"
      : joined([count(one.turns, "turn"), `${one.seconds.toFixed(1)} s`, one.costs === "–" ? null : one.costs]);
    const ends = !two || !entry.changed ? [reason(one)] : [reason(entry.rows[0]), " → ", reason(entry.rows[1])];
    const why = hit ? marked(hit.text, state.found) : [one.why || (entry.rows[1]?.why ?? "")];
    const name = el("span", { class: "name" }, el("bdi", {}, severalTrials ? one.id : one.case));
    return el("li", {},
      el("a", { href: link(entry, turn), "aria-current": entry === state.current ? "true" : null },
        el("span", { class: "row" }, name, el("span", { class: "figures" }, figures)),
        el("span", { class: "row" }, el("span", { class: "why" }, ends, " ", el("bdi", {}, why)))));
  }

  const link = (entry, turn) => `#${entry.address}${turn === null || turn === undefined ? "" : `/${turn}`}`;

  // A conversation

  function told(label, value, name = "span") {
    return value ? el("div", {}, el("dt", {}, label), el("dd", {}, el(name, { class: "text" }, value))) : null;
  }

  function about(its) {
    const one = its.case;
    const facts = [
      told("persona", one.persona),
      told("guidelines", (one.guidelines ?? []).join("\n")),
      told("tags", (one.tags ?? []).join(", ")),
      told("max turns", one.max_turns && String(one.max_turns)),
      ...["context", "expectations", "extra"].map((name) => told(name, one[name], "pre")),
      told("seed", its.seed),
    ];
    return el("details", { class: "about" }, el("summary", {}, "The case"), el("dl", { class: "facts" }, facts));
  }

  function usage(its, row) {
    const one = its.usage;
    const again = one.attempts - one.requests;
    return joined([
      count(row.turns, "turn"), `${row.seconds.toFixed(1)} s`, count(one.requests, "request"), tokens(one),
      row.costs === "–" ? null : row.costs,
      again > 0 && `${again} sent again`, one.wasted > 0 && `${one.wasted} wasted`,
      one.rebuilt > 0 && `${one.rebuilt} made again for the agent's memory`,
    ]);
  }

  function ending(its, row) {
    const { detail, failure, parent } = its;
    const origin = parent && `Forked from ${parent.session} of the run ${parent.run} at turn ${parent.turn}.`;
    return el("div", { class: `end ${row.outcome}` },
      el("p", { class: "sentence" }, its.sentence),
      detail && el("p", { class: "text" }, marked(detail, state.found)),
      el("p", { class: "line" }, el("code", {}, row.reason), failure && [" · ", el("code", {}, failure.kind)]),
      origin && el("p", { class: "line" }, origin));
  }

  function head(entry, run) {
    const place = entry.at[run];
    const name = two && side(run);
    if (place === null) return el("div", {}, name, el("p", { class: "absent" }, "This run does not have it."));
    const its = session(run, place);
    const row = entry.rows[run];
    return el("div", {}, name, ending(its, row), el("p", { class: "line" }, usage(its, row)), two && about(its));
  }

  const side = (run) => el("p", {}, el("span", { class: "side" }, SIDES[run]), " ", el("bdi", {}, runs[run].name));

  function tool(call) {
    return el("details", { class: "tool" },
      el("summary", {}, "called ", el("code", {}, call.name)),
      el("pre", {}, call.arguments), call.id && el("p", { class: "line" }, `id ${call.id}`));
  }

  const of = (its, lane, turn) => its.requests.filter((one) => one.lane === lane && one.turn === turn);
  const answering = (asked) => asked.filter((one) => !one.void);
  function figuresOf(some) {
    const spent = { in: sum(some, "in"), out: sum(some, "out"), cached: sum(some, "cached") };
    return joined([seconds(sum(some, "seconds")), tokens(spent), cost(sum(some, "cost"))]);
  }

  function sum(some, name) {
    const known = some.map((one) => one[name]).filter((value) => value !== undefined);
    return known.length ? known.reduce((a, b) => a + b, 0) : undefined;
  }

  function message(its, one, differs = false) {
    const who = one.by === "user" ? "simulated user" : "agent";
    const took = one.turn === null ? undefined : sum(answering(of(its, one.by, one.turn)), "seconds");
    return el("div", { class: `said ${one.by}${differs ? " differs" : ""}` },
      el("p", { class: "who" }, el("b", {}, who), took !== undefined && ` · ${seconds(took)}`),
      one.text !== "" && el("div", { class: "text", dir: "auto" }, marked(one.text, state.found)),
      (one.calls ?? []).map(tool));
  }

  function verdict(its, one) {
    const kind = one.failed ? "failed" : one.achieved ? "achieved" : "missed";
    const what = one.failed ? "The goal check failed" : one.achieved ? "Goal reached" : "Goal not reached";
    const took = sum(answering(of(its, "goal_check", one.turn)), "seconds");
    return el("div", { class: `verdict ${kind}` },
      el("p", {}, el("b", {}, what), one.why && [": ", el("span", { class: "text" }, marked(one.why, state.found))],
        took !== undefined && el("span", { class: "dim" }, ` · ${seconds(took)}`)));
  }

  const WHO = { user: "Simulated user", agent: "Agent", goal_check: "Goal check" };
  const VOID = {
    ahead: "was asked ahead for its next message, and the verdict made it needless",
    wasted: "was asked for nothing: nobody waited for the answer any more",
    rebuilt: "was called again, so that it knows what was said before",
    discarded: "was asked, and not counted, since it was tried again later",
  };

  // What did not go as it should, of one lane in one turn: asked again, sent again, failed, wasted.

  function troubles(its, lane, turn) {
    const asked = of(its, lane, turn);
    const tried = (one) => ((one.attempts ?? 1) > 1 ? `was asked ${count(one.attempts, "time")}` : "failed at first");
    return asked.flatMap((one) => [
      one.nth && !one.void && askedAgain(one, asked),
      one.errors && trouble(one, tried(one), "", one.errors),
      one.void && trouble(one, VOID[one.void], "", []),
      one.kind && !one.void && trouble(one, "failed", one.kind, [one.detail]),
    ]).filter(Boolean);
  }

  function askedAgain(one, asked) {
    const before = asked.find((it) => !it.void && (it.nth ?? 0) === one.nth - 1);
    const because = one.because ?? "";
    const reply = before?.text === undefined ? [] : [before.text || "(an empty reply)"];
    return trouble(one, "was asked again", `its reply could not be used${because && `: ${because}`}`, reply);
  }

  function trouble(one, what, why, quotes) {
    const cost = one.void ? figuresOf([one]) : "";
    return el("div", { class: "again" },
      el("p", {}, el("b", {}, joined([`${WHO[one.lane]} ${what}`.trim()])), why && `: ${why}`, cost && ` (${cost})`),
      quotes.filter(Boolean).map((text) => el("pre", {}, text)));
  }

  function onDemand(title, name, make) {
    const made = el("details", { class: name }, el("summary", {}, title));
    made.addEventListener("toggle", () => {
      if (made.open && made.children.length === 1) made.append(...make());
    });
    return made;
  }

  function chat(sent) {
    // To the letter, as a text that is not looked through.
    const exactly = (text) => el("pre", {}, document.createTextNode(text));
    const said = sent.map(([role, text]) => [el("p", { class: "role" }, role), exactly(text)]);
    return el("div", { class: "chat" }, said);
  }

  function request(its, one, table) {
    const what = WHO[one.lane];
    const again = one.nth ? `, question ${one.nth + 1}` : "";
    const reply = one.text ?? (one.at === undefined ? null : its.messages[one.at].text);
    const from = one.from === undefined ? null : `began at ${one.from.toFixed(1)} s`;
    const known = joined([
      from, figuresOf([one]), one.attempts > 1 && count(one.attempts, "attempt"),
      one.void && VOID[one.void], one.trace && `trace ${one.trace}`,
    ]);
    return el("div", { class: "request" },
      el("p", {}, el("b", {}, `${what}${again}`), known && ` · ${known}`),
      onDemand(one.voice ? "the prompt that was sent" : "what was sent", "sent", () => [
        chat(sentFor(one, its, table)),
        one.schema !== undefined && el("p", { class: "role" }, "reply schema"),
        one.schema !== undefined && el("pre", {}, table[one.schema]),
        one.lane === "agent" && its.case.context && el("p", { class: "line" }, "with the context of the case"),
      ].filter(Boolean)),
      reply !== null && onDemand("what came back", "sent", () => [el("pre", {}, reply)]),
      one.kind && el("pre", {}, `${one.kind}: ${one.detail}`));
  }

  function requests(its, turn, table) {
    const some = its.requests.filter((one) => one.turn === turn);
    if (!some.length) return null;
    const title = joined([count(some.length, "request"), figuresOf(some)]);
    return onDemand(title, "requests", () => some.map((one) => request(its, one, table)));
  }

  function part(entry, run, turn) {
    const place = entry.at[run];
    if (place === null) return null;
    const its = session(run, place);
    const said = its.messages.filter((one) => one.turn === turn);
    const asked = its.requests.some((one) => one.turn === turn);
    const name = two && el("span", { class: "side" }, SIDES[run]);
    if (!said.length && !asked) {
      const why = entry.rows[run].outcome === "unfinished" ? "It has not come so far." : "It had ended before.";
      return el("div", {}, name, el("p", { class: "absent" }, why));
    }
    const differing = its.messages[entry.parts?.message];
    const spoken = (by) => said.filter((one) => one.by === by).map((one) => message(its, one, one === differing));
    return el("div", {},
      name,
      troubles(its, "user", turn), spoken("user"),
      troubles(its, "agent", turn), spoken("agent"),
      troubles(its, "goal_check", turn),
      its.verdicts.filter((one) => one.turn === turn).map((one) => verdict(its, one)),
      requests(its, turn, texts(run, place)));
  }

  function turnsOf(entry) {
    const found = new Set();
    entry.at.forEach((place, run) => {
      if (place === null) return;
      const its = session(run, place);
      for (const one of its.messages) if (one.turn !== null) found.add(one.turn);
      for (const one of its.requests) if (one.turn !== undefined) found.add(one.turn);
    });
    return [...found].sort((a, b) => a - b);
  }

  function turnSection(entry, turn) {
    const title = turn === 0 ? "Opening" : `Turn ${turn}`;
    const parts = entry.parts?.turn === turn;
    const name = `turn-${turn}`;
    const heading = `${name}-title`;
    const copy = el("button", {
      type: "button", class: "link", "aria-label": `copy the link to ${title.toLowerCase()}`,
      onclick: (event) => copied(event.target, link(entry, turn)),
    }, "copy link");
    const mark = parts && el("span", { class: "parting" }, "first that differs");
    const told = { class: parts ? "turn parts" : "turn", id: name, tabindex: "-1", "aria-labelledby": heading };
    return el("section", told,
      el("h3", { id: heading }, el("a", { href: link(entry, turn) }, title), mark, copy),
      el("div", { class: two ? "sides" : "" }, entry.at.map((_, run) => part(entry, run, turn))));
  }

  function history(entry) {
    const its = entry.at.map((place, run) => (place === null ? null : session(run, place))).find((one) => one !== null);
    const said = its.messages.filter((one) => one.turn === null);
    if (!said.length) return null;
    return el("section", { class: "turn before", "aria-label": "Said before" },
      el("h3", {}, "Said before"), said.map((one) => message(its, one)));
  }

  function outside(entry) {
    const asked = entry.at.flatMap((place, run) => (place === null ? [] : session(run, place).requests));
    return asked.filter((one) => one.interrupted).map((one) =>
      el("p", { class: "outcome" }, `Ended from outside: ${[one.interrupted, one.detail].filter(Boolean).join(", ")}`));
  }

  function open(entry) {
    const at = state.shown.indexOf(entry);
    const [before, after] = [state.shown[at - 1], state.shown[at + 1]];
    const its = entry.at.map((place, run) => (place === null ? null : session(run, place))).find((one) => one !== null);
    const step = (to, label) => (to && at >= 0 ? el("a", { class: "button", href: link(to) }, label) : null);
    byId("session").replaceChildren(
      el("nav", { class: "path", "aria-label": "Between sessions" },
        el("a", { class: "button", href: "#" }, narrow.matches ? "All sessions" : "Overview"),
        el("span", { class: "grow" }),
        step(before, "Previous"), step(after, "Next"),
        el("button", { type: "button", onclick: (event) => copied(event.target, link(entry)) }, "Copy link")),
      el("h2", { id: "session-title", tabindex: "-1" }, el("bdi", {}, severalTrials ? entry.id : entry.first.case)),
      el("p", { class: "goal" },
        el("span", { class: "dim" }, "Goal: "), el("span", { class: "text" }, marked(its.case.goal, state.found))),
      el("div", { class: two ? "heads" : "" }, entry.at.map((_, run) => head(entry, run))),
      ...(two ? [] : [about(its)]),
      el("div", { class: "talk" },
        history(entry), turnsOf(entry).map((turn) => turnSection(entry, turn)), outside(entry)));
    document.title = drawn(`${entry.id} · ${runs.map((one) => one.name).join(" and ")}`);
  }

  async function copied(button, hash) {
    const whole = location.href.split("#")[0] + hash;
    const words = button.textContent;
    try {
      await navigator.clipboard.writeText(whole);
    } catch {
      // Where the clipboard is out of reach, the link stands in the address bar.
      moveTo(hash);
    }
    button.textContent = "copied";
    setTimeout(() => { button.textContent = words; }, 1500);
  }
  const moveTo = (hash) => window.history.replaceState(null, "", hash);

  // Where the page is: #session/turn

  function route({ focus = true } = {}) {
    const [entry, turn] = addressed(location.hash.slice(1).split("/"));
    const named = location.hash.length > 1;
    show(entry, turn ? Number(turn) : null, { focus });
    const gone = entry === null ? named : Boolean(turn) && !byId(`turn-${turn}`);
    const what = entry === null ? "no session of this report" : `no turn of ${entry.id}`;
    byId("lost").hidden = !gone;
    byId("lost").textContent = gone ? drawn(`The link leads to ${what}.`) : "";
  }

  function decoded(part) {
    try {
      return decodeURIComponent(part);
    } catch {
      return part; // a sign of percent that stands for itself
    }
  }

  // A mail program may have written the slash in a session's name as it is.
  function addressed(parts) {
    const whole = (some) => byAddress.get(encodeURIComponent(some.map(decoded).join("/")));
    if (byAddress.has(parts[0])) return [byAddress.get(parts[0]), parts[1]];
    if (whole(parts)) return [whole(parts), undefined];
    return [whole(parts.slice(0, -1)) ?? null, parts.at(-1)];
  }

  function show(entry, turn, { focus = true } = {}) {
    byId("lost").hidden = true;
    const other = entry !== state.current;
    state.current = entry;
    byId("session").hidden = entry === null;
    byId("overview").hidden = entry !== null;
    document.body.classList.toggle("opened", entry !== null);
    markRow();
    if (entry === null) {
      state.turn = null;
      byId("session").replaceChildren();
      document.title = title;
      if (other && focus) byId("overview-title").focus({ preventScroll: true });
      return;
    }
    if (other || state.drawnFor !== String(state.found)) open(entry);
    state.drawnFor = String(state.found);
    toTurn(turn, { focus, moved: other });
  }

  function toTurn(turn, { focus = true, moved = false } = {}) {
    state.turn = turn;
    for (const one of document.querySelectorAll(".turn.current")) {
      one.classList.remove("current");
      one.removeAttribute("aria-current");
    }
    const section = turn === null ? null : byId(`turn-${turn}`);
    if (section) {
      section.classList.add("current");
      section.setAttribute("aria-current", "true");
      section.scrollIntoView({ block: "start" });
      if (focus) section.focus({ preventScroll: true });
    } else if (moved) {
      byId("main").scrollIntoView({ block: "start" });
      if (focus) byId("session-title").focus({ preventScroll: true });
    }
  }

  function markRow() {
    for (const one of byId("rows").querySelectorAll("[aria-current]")) one.removeAttribute("aria-current");
    const at = state.shown.indexOf(state.current);
    if (at < 0) return;
    if (at >= state.rendered && !narrow.matches) showMore(at + 1);
    const its = byId("rows").children[at]?.firstElementChild;
    its?.setAttribute("aria-current", "true");
    if (!narrow.matches) its?.scrollIntoView({ block: "nearest" });
  }

  function go(entry, turn = null) {
    if (!entry) return;
    if (entry === state.current) moveTo(link(entry, turn));
    else window.history.pushState(null, "", link(entry, turn));
    show(entry, turn);
  }

  function nextSession(by) {
    const at = state.shown.indexOf(state.current);
    go(state.shown[at < 0 ? (by > 0 ? 0 : -1) : at + by]);
  }

  function nextTurn(by) {
    if (!state.current) return;
    const turns = turnsOf(state.current);
    const at = turns.indexOf(state.turn);
    const to = at < 0 ? (by > 0 ? 0 : turns.length - 1) : at + by;
    if (to in turns) {
      moveTo(link(state.current, turns[to]));
      toTurn(turns[to]);
    }
  }

  // Keys

  const KEYS = {
    j: () => nextSession(1), k: () => nextSession(-1),
    ArrowRight: () => nextTurn(1), ArrowLeft: () => nextTurn(-1),
    "/": () => byId("query").focus(), "?": help, Escape: back,
  };

  function help() {
    if (!byId("help").open) byId("help").showModal();
  }

  function back() {
    if (document.activeElement === byId("query")) byId("query").blur();
    else if (state.current) {
      window.history.pushState(null, "", "#");
      show(null, null);
    }
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || byId("help").open) return;
    const typing = event.target.matches("input, select, textarea");
    if ((typing && event.key !== "Escape") || event.target.matches("select")) return;
    if (!Object.hasOwn(KEYS, event.key)) return;
    if (!byId("keys").checked && event.key !== "Escape") return;
    event.preventDefault();
    KEYS[event.key]();
  }

  // Beginning

  const title = document.title;
  let waiting = 0;

  function soon() {
    clearTimeout(waiting);
    waiting = setTimeout(renew, 90);
  }

  function renew() {
    refresh();
    markRow();
  }

  fillFilters();
  refresh();
  byId("query").addEventListener("input", soon);
  byId("query").addEventListener("search", renew);
  byId("query").addEventListener("focus", () => setTimeout(prepare, 0), { once: true });
  for (const id of ["outcome", "reason", "case", "order"]) byId(id).addEventListener("change", renew);
  byId("filters").addEventListener("submit", (event) => {
    event.preventDefault();
    refresh();
    const [first] = state.shown;
    if (first) go(first, state.found ? firstHit(first, state.found)?.turn ?? null : null);
  });
  byId("clear").addEventListener("click", () => {
    byId("filters").reset();
    renew();
  });
  byId("more").addEventListener("click", () => showMore());
  byId("rows").addEventListener("scroll", () => {
    const { scrollTop, clientHeight, scrollHeight } = byId("rows");
    if (!byId("more").hidden && scrollTop + 2 * clientHeight > scrollHeight) showMore();
  }, { passive: true });
  for (const one of document.querySelectorAll("[data-reason]")) {
    one.addEventListener("click", () => {
      byId("reason").value = byId("reason").value === one.dataset.reason ? "" : one.dataset.reason;
      renew();
    });
  }
  byId("help-open").addEventListener("click", help);
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("main").focus();
    byId("main").scrollIntoView();
  });
  document.addEventListener("keydown", pressed);
  window.addEventListener("hashchange", () => route());
  window.addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("#session details.tool, #session details.about")) one.open = true;
  });
  route({ focus: false });
})();
