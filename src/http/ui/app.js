// SPDX-License-Identifier: Apache-2.0
// The status page. It asks the routes of this node that anyone may ask (see /openapi.json) and draws
// what they say; nothing is kept but a token, in this tab. Text from the server is only ever set as
// text, never as HTML.
"use strict";

const POLL_MS = 2000;
const HISTORY = 90; // points of a small chart
const $ = (id) => document.getElementById(id);
const state = {
  alarms: [], problem: null, sent: new Map(),
  view: "overview", paused: false, cluster: null, slots: [], metrics: null, previous: null,
  history: {}, slot: null, channel: null, page: null, failures: 0, timer: 0,
};

// ---- asking ---------------------------------------------------------------------------------------
class Problem extends Error {
  constructor(status, body) {
    super((body && body.detail) || "status " + status);
    this.status = status;
    this.code = body && body.code;
  }
}

async function ask(path, options) {
  const headers = new Headers({ Accept: (options && options.accept) || "application/json" });
  const token = sessionStorage.getItem("lethe-token");
  if (token) headers.set("Authorization", "Bearer " + token);
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), 8000);
  try {
    const reply = await fetch(path, { headers, signal: abort.signal, cache: "no-store" });
    const isJson = (reply.headers.get("Content-Type") || "").includes("json");
    const body = isJson ? await reply.json() : await reply.text();
    if (!reply.ok) throw new Problem(reply.status, isJson ? body : null);
    return body;
  } finally {
    clearTimeout(timer);
  }
}

// ---- drawing --------------------------------------------------------------------------------------
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "on") for (const [event, f] of Object.entries(value)) node.addEventListener(event, f);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  for (const child of children.flat())
    if (child !== null && child !== undefined) node.append(child);
  return node;
}

function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// Replaces what is in `id`, and keeps the keyboard's place: the focused element's data-key.
function fill(id, ...nodes) {
  const place = $(id), focused = document.activeElement;
  const key = focused && place.contains(focused) ? focused.dataset.key : null;
  place.replaceChildren(...nodes.flat().filter((node) => node !== null));
  if (key) {
    const again = [...place.querySelectorAll("[data-key]")].find((node) => node.dataset.key === key);
    if (again) again.focus({ preventScroll: true });
  }
}

const empty = (text) => el("p", { class: "empty" }, text);

function table(columns, rows, none) {
  if (rows.length === 0) return empty(none);
  return el("table", {},
    el("thead", {}, el("tr", {}, columns.map((c) => el("th", { scope: "col", class: c.class }, c.name)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, columns.map((c) => {
      const value = c.of(row);
      return value instanceof Node && value.tagName === "TD" ? value : el("td", { class: c.class }, value);
    })))));
}

const count = (n) => Number(n).toLocaleString("en").replaceAll(",", "\u202f");
function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) { n /= 1024; i++; }
  return (i === 0 ? n : n.toFixed(n < 10 ? 1 : 0)) + " " + units[i];
}
const rate = (n) => n >= 1000 ? count(Math.round(n)) : n.toFixed(n < 10 ? 1 : 0);
function time(ms) {
  const date = new Date(ms), today = new Date();
  const clock = date.toLocaleTimeString("en-GB");
  return date.toDateString() === today.toDateString() ? clock : date.toISOString().slice(0, 10) + " " + clock;
}
function ago(ms) {
  if (ms < 1000) return ms + " ms";
  if (ms < 120000) return Math.round(ms / 1000) + " s";
  return ms < 7200000 ? Math.round(ms / 60000) + " min" : Math.round(ms / 3600000) + " h";
}

// ---- figures of /metrics ---------------------------------------------------------------------------
// Sums every line of a family, whatever its labels; the prefix may have been changed by configuration.
function parseMetrics(text) {
  const sums = new Map();
  for (const line of text.split("\n")) {
    if (line === "" || line[0] === "#") continue;
    const end = line.search(/[{ ]/), space = line.lastIndexOf(" ");
    const name = line.slice(0, end), value = Number(line.slice(space + 1));
    if (!name.endsWith("_bucket") && Number.isFinite(value)) sums.set(name, (sums.get(name) || 0) + value);
  }
  const known = [...sums.keys()].find((name) => name.endsWith("messages_appended_total"));
  const prefix = known ? known.slice(0, -"messages_appended_total".length) : "";
  return { at: performance.now(), get: (name) => sums.get(prefix + name) };
}

const CHARTS = [
  { key: "appends", title: "Messages sent", unit: "/s", of: perSecond("messages_appended_total") },
  { key: "deleted", title: "Messages deleted", unit: "/s", of: perSecond("messages_deleted_total") },
  { key: "reads", title: "Reads confirmed", unit: "/s", of: perSecond("reads_total") },
  { key: "fsync", title: "Sync of the log", unit: "ms", of: mean("fsync_seconds", 1000) },
  { key: "commit", title: "Proposed to committed", unit: "ms", of: mean("commit_seconds", 1000) },
  { key: "peer", title: "Sent to peers", unit: "/s", of: perSecond("peer_sent_bytes_total"), text: bytes },
];

function difference(name) {
  const now = state.metrics.get(name), before = state.previous.get(name);
  return now === undefined || before === undefined || now < before ? null : now - before;
}
function perSecond(name) {
  return () => {
    const change = difference(name);
    return change === null ? null : change * 1000 / (state.metrics.at - state.previous.at);
  };
}
function mean(name, scale) {
  return () => {
    const times = difference(name + "_count"), sum = difference(name + "_sum");
    return times === null || sum === null ? null : times === 0 ? 0 : sum * scale / times;
  };
}

function remember() {
  if (!state.previous) return;
  for (const chart of CHARTS) {
    const points = state.history[chart.key] || (state.history[chart.key] = []);
    const value = chart.of();
    if (value === null) continue;
    points.push(value);
    if (points.length > HISTORY) points.shift();
  }
}

function spark(points, label) {
  const top = Math.max(...points, 1e-9), step = 100 / (HISTORY - 1), from = HISTORY - points.length;
  const line = points.map((p, i) => (i ? "L" : "M") + ((from + i) * step).toFixed(2) + " " + (38 - 36 * p / top).toFixed(2)).join("");
  const area = line + "L100 40L" + (from * step).toFixed(2) + " 40Z";
  return svg("svg", { class: "spark", viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("path", { class: "area", d: area }), svg("path", { d: line }));
}

function drawCharts() {
  fill("charts", CHARTS.map((chart) => {
    const points = state.history[chart.key] || [];
    const last = points.length ? points[points.length - 1] : null;
    const shown = last === null ? "–" : chart.text ? chart.text(last) + chart.unit
      : chart.unit === "ms" ? last.toFixed(2) + " ms" : rate(last) + " " + chart.unit;
    return el("div", { class: "card plain" }, el("h4", {}, chart.title),
      el("div", { class: "big" }, shown),
      points.length > 1 ? spark(points, chart.title + ", the last " + ago(points.length * POLL_MS)) : null);
  }));
}

// ---- overview ---------------------------------------------------------------------------------------
const LAG_WORTH_SHOWING = 1000;
const SLOT_STATES = {
  ok: ["ok", "all replicas up to date"], busy: ["busy", "a replica takes a delta or a full copy"],
  slow: ["slow", "a replica lags or is being probed"], warn: ["warn", "a replica is down"],
  odd: ["odd", "replicas differ"], bad: ["bad", "no leader"],
};

function slotState(slot) {
  if (slot.leader === 0) return "bad";
  if (slot.undecided || slot.replica_state === "diverged" || slot.replica_state === "quarantined" ||
      slot.replicas.some((r) => r.checked === "diverged")) return "odd";
  if (slot.replicas.some((r) => r.state === "down")) return "warn";
  if (slot.replicas.some((r) => r.state === "delta" || r.state === "full")) return "busy";
  if (slot.replicas.some((r) => r.state === "probe" || r.lag > LAG_WORTH_SHOWING)) return "slow";
  return "ok";
}

function drawHealth() {
  const slots = state.cluster.slots, down = state.cluster.nodes.filter((n) => n.state === "down").length;
  const odd = state.slots.filter((s) => slotState(s) === "odd").length;
  const pill = $("health");
  if (slots.with_leader < slots.total) {
    pill.textContent = (slots.total - slots.with_leader) + " slots without a leader";
    pill.className = "pill bad";
  } else if (odd) {
    pill.textContent = odd + " slots whose replicas differ";
    pill.className = "pill bad";
  } else if (state.alarms.length) {
    pill.textContent = state.alarms.length === 1 ? "1 alarm" : state.alarms.length + " alarms";
    pill.className = "pill bad";
  } else if (down) {
    pill.textContent = down === 1 ? "1 node down" : down + " nodes down";
    pill.className = "pill warn";
  } else {
    pill.textContent = "healthy";
    pill.className = "pill ok";
  }
  $("cluster-id").textContent = state.cluster.cluster_id;
  $("served").textContent = "Lethe " + state.cluster.version + ", served by node " + state.cluster.served_by + ".";
}

function drawOverview() {
  const { nodes, slots } = state.cluster;
  const sum = (f) => state.slots.reduce((total, slot) => total + f(slot), 0);
  const facts = [
    [count(nodes.filter((n) => n.state === "up").length) + " of " + count(nodes.length), "nodes up"],
    [count(slots.with_leader) + " of " + count(slots.total), "slots with a leader"],
    [count(sum((s) => s.channels)), "channels"],
    [count(sum((s) => s.delete_log_count)), "deletes on record"],
    [count(sum((s) => s.log_count)), "log entries kept"],
    [count(sum((s) => s.replicas.filter((r) => r.lag > LAG_WORTH_SHOWING).length)), "replicas behind"],
  ];
  fill("facts", facts.map(([value, name]) => el("div", { class: "fact" }, el("b", {}, value), el("span", {}, name))));
  fill("nodes", nodes.map((node) => el("div", { class: "card " + (node.state === "up" ? "ok" : node.state === "down" ? "bad" : "warn") },
    el("h4", {}, "Node " + node.id + (node.self ? " (this one)" : ""), el("span", { class: "muted" }, node.state)),
    el("dl", {},
      el("dt", {}, "leads"), el("dd", {}, count(node.leaders) + " of " + count(node.slots) + " slots"),
      el("dt", {}, "HTTP"), el("dd", {}, node.http_address || "not known"),
      el("dt", {}, "peers"), el("dd", {}, node.address),
      el("dt", {}, "version"), el("dd", {}, node.version || "not told"),
      el("dt", {}, "heard"), el("dd", {}, node.self ? "–" : ago(node.last_contact_ms) + " ago")))));
  drawCharts();
  drawCatchup();
}

// Bytes a second since the last look, by slot and node.
function rateOf(slot, replica) {
  const key = slot.slot + "/" + replica.node, now = performance.now(), before = state.sent.get(key), t = replica.transfer;
  if (!t) { state.sent.delete(key); return null; }
  state.sent.set(key, { bytes: t.bytes, at: now });
  return before && t.bytes >= before.bytes && now > before.at ? 1000 * (t.bytes - before.bytes) / (now - before.at) : null;
}

function drawCatchup() {
  const running = [];
  for (const slot of state.slots)
    for (const replica of slot.replicas)
      if (replica.state === "delta" || replica.state === "full" || replica.lag > LAG_WORTH_SHOWING)
        running.push({ slot, replica });
  fill("catchup", table([
    { name: "Slot", class: "num", of: (r) => r.slot.slot },
    { name: "Node", class: "num", of: (r) => r.replica.node },
    { name: "By", of: (r) => r.replica.state },
    { name: "Behind", class: "num", of: (r) => count(r.replica.lag) + " entries" },
    { name: "Progress", of: (r) => {
      const t = r.replica.transfer;
      if (!t || !t.total_bytes) return "";
      const bar = el("progress", { max: 100, "aria-label": "slot " + r.slot.slot + " to node " + r.replica.node });
      bar.value = Math.min(100, 100 * t.bytes / t.total_bytes);
      return bar;
    } },
    { name: "Sent", class: "num", of: (r) => r.replica.transfer ? bytes(r.replica.transfer.bytes) : "" },
    { name: "Rate", class: "num", of: (r) => { const rate = rateOf(r.slot, r.replica); return rate === null ? "" : bytes(rate) + "/s"; } },
    { name: "Left", class: "num", of: (r) => r.replica.transfer && r.replica.transfer.eta_ms ? ago(r.replica.transfer.eta_ms) : "" },
  ], running, "Every replica has what its leader has."));
}

async function drawAlarms() {
  try {
    const { alarms } = await ask("/v1/alarms");
    fill("alarms", table([
      { name: "Alarm", of: (a) => a.kind || a.alarm || a.id },
      { name: "Node", class: "num", of: (a) => a.node ?? "" },
      { name: "Slot", class: "num", of: (a) => a.slot ?? "" },
      { name: "Since", of: (a) => a.raised_at || a.since ? time(a.raised_at || a.since) : "" },
      { name: "What", class: "wrap", of: (a) => a.detail || a.text || "" },
    ], alarms, "None."));
  } catch (problem) {
    fill("alarms", empty(problem.code === "not_supported" ? "This version has no alarms." : problem.message));
  }
}

// ---- slots --------------------------------------------------------------------------------------------
function drawSlots() {
  if (!$("slot-legend").childElementCount)
    fill("slot-legend", Object.values(SLOT_STATES).map(([name, text]) => el("li", { class: name + "-bg" }, text)));
  fill("slot-grid", state.slots.map((slot) => {
    const [name, text] = SLOT_STATES[slotState(slot)];
    return el("button", {
      type: "button", class: "tile " + name, "data-key": "slot-" + slot.slot,
      "aria-expanded": String(state.slot === slot.slot),
      "aria-label": "Slot " + slot.slot + ": " + text + "; leader " + (slot.leader || "none"),
      on: { click: () => { state.slot = state.slot === slot.slot ? null : slot.slot; drawSlots(); } },
    }, el("b", {}, String(slot.slot)), slot.leader ? "node " + slot.leader : "none");
  }));
  const slot = state.slots.find((s) => s.slot === state.slot);
  if (!slot) { fill("slot-detail"); return; }
  fill("slot-detail",
    el("h3", {}, "Slot " + slot.slot + ": " + SLOT_STATES[slotState(slot)][1]),
    slot.view === "local" ? el("p", { class: "muted" }, "Its leader could not be asked; this is what this node knows itself.") : null,
    el("div", { class: "cards" },
      el("div", { class: "card plain" }, el("h4", {}, "Log"), el("dl", {},
        el("dt", {}, "term"), el("dd", {}, count(slot.term)),
        el("dt", {}, "kept"), el("dd", {}, count(slot.first_index) + " to " + count(slot.last_index)),
        el("dt", {}, "committed"), el("dd", {}, count(slot.commit_index)),
        el("dt", {}, "size"), el("dd", {}, bytes(slot.log_bytes)))),
      el("div", { class: "card plain" }, el("h4", {}, "Delete log"), el("dl", {},
        el("dt", {}, "records"), el("dd", {}, count(slot.delete_log_count)),
        el("dt", {}, "complete above"), el("dd", {}, count(slot.delete_log_floor)),
        el("dt", {}, "channels"), el("dd", {}, count(slot.channels)))),
      el("div", { class: "card plain" }, el("h4", {}, "Digest"), el("dl", {},
        el("dt", {}, "at index"), el("dd", {}, count(slot.digest_index)),
        el("dt", {}, "value"), el("dd", {}, slot.digest)))),
    el("h3", {}, "Replicas"),
    el("div", { class: "scroll" }, table([
      { name: "Node", class: "num", of: (r) => r.node }, { name: "Role", of: (r) => r.role },
      { name: "State", of: (r) => r.state },
      { name: "Has", class: "num", of: (r) => count(r.match_index) },
      { name: "Durably applied", class: "num", of: (r) => count(r.applied_index) },
      { name: "Behind", class: "num", of: (r) => count(r.lag) },
      { name: "Digest compared", of: (r) => r.checked + (r.checked_index ? " at " + count(r.checked_index) : "") },
    ], slot.replicas, "Nothing is known of its replicas.")));
}

function moveInGrid(event) {
  const tiles = [...$("slot-grid").children], at = tiles.indexOf(document.activeElement);
  if (at < 0) return;
  const top = tiles[0].offsetTop, wide = tiles.findIndex((tile) => tile.offsetTop !== top);
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: wide < 0 ? 0 : -wide, ArrowDown: wide < 0 ? 0 : wide }[event.key];
  if (step === undefined) return;
  event.preventDefault();
  const to = tiles[at + step];
  if (to) to.focus();
}

// ---- deletes --------------------------------------------------------------------------------------------
const DELETES_SHOWN = 60;

// The newest deletes of all slots: the widest span of time whose deletes fit one answer.
async function newestDeletes(filter = "limit=1000") {
  for (const [hours, since] of [["-8760h", "year"], ["-720h", "30 days"], ["-24h", "24 h"], ["-1h", "hour"], ["-5m", "5 min"], ["-30s", "30 s"], ["-5s", "5 s"]]) {
    const reply = await ask("/v1/deletes?" + filter + "&since=" + hours);
    if (!reply.more || hours === "-5s")
      return { since, more: reply.more, deletes: reply.deletes.sort((a, b) => b.deleted_at - a.deleted_at || b.log_index - a.log_index) };
  }
}

function rangesText(record) {
  const texts = record.ranges.slice(0, 4).map(([start, end]) => start === end ? String(start) : start + "–" + end);
  return texts.join(", ") + (record.ranges.length > 4 ? " and " + (record.ranges.length - 4) + " more" : "");
}

async function drawDeletes() {
  const found = await newestDeletes(), nodes = state.cluster.nodes;
  const shown = found.deletes.slice(0, DELETES_SHOWN);
  const slots = new Map(state.slots.map((slot) => [slot.slot, slot]));
  const columns = [
    { name: "Delete", of: (d) => d.delete_id },
    ...nodes.map((node) => ({ name: "Node " + node.id, class: "cell", of: (d) => {
      const slot = slots.get(d.slot), replica = slot && slot.replicas.find((r) => r.node === node.id);
      if (slot && slot.view !== "local" && !replica)
        return el("td", { class: "cell", title: "holds no replica of this slot" }, "–");
      if (!replica || slot.view === "local" && node.id !== state.cluster.served_by)
        return el("td", { class: "cell unknown", title: "not known here" }, "?");
      const applied = replica.applied_index >= d.log_index;
      return el("td", { class: "cell " + (applied ? "applied" : "pending"),
        title: applied ? "durably applied" : replica.state === "down" ? "pending: the node is down" : "pending" },
      applied ? "✓" : replica.state === "down" ? "✗ down" : "… pending");
    } })),
    { name: "At", of: (d) => time(d.deleted_at) },
    { name: "Channel", class: "wrap", of: (d) => d.channel_type + "/" + d.channel_id },
    { name: "Seqs", class: "wrap", of: rangesText },
    { name: "Messages", class: "num", of: (d) => count(d.deleted_count) },
  ];
  const pending = shown.filter((d) => {
    const slot = slots.get(d.slot);
    return slot && slot.replicas.some((r) => r.applied_index < d.log_index);
  }).length;
  $("deletes-note").textContent = found.deletes.length === 0 ? "" :
    "The newest " + count(shown.length) + " of " + (found.more ? "more than " : "") + count(found.deletes.length) +
    " of the last " + found.since + ". " + (pending ? count(pending) + " of them are not yet applied everywhere." : "All of them are durably applied on every replica.");
  fill("matrix", table(columns, shown, "Nothing was deleted in the last year."));
}

// ---- channels -----------------------------------------------------------------------------------------------
const pathOf = (channel) => "/v1/channels/" + channel.channel_type + "/" + encodeURIComponent(channel.channel_id)
  .replace(/^\.{1,2}$/, (dots) => dots.replaceAll(".", "%2E"));

async function findChannels() {
  const query = new URLSearchParams({ limit: "100" });
  if ($("prefix").value) query.set("prefix", $("prefix").value);
  if ($("type").value) query.set("type", $("type").value);
  try {
    const found = await ask("/v1/channels?" + query);
    fill("channel-list", found.channels.length === 0 ? empty("No channel fits.") :
      el("ul", { class: "list" }, found.channels.map((channel) => el("li", {}, el("button", {
        type: "button", "data-key": "channel-" + channel.channel_type + "/" + channel.channel_id,
        "aria-current": state.channel && state.channel.channel_id === channel.channel_id &&
          state.channel.channel_type === channel.channel_type ? "true" : false,
        on: { click: () => openChannel(channel) },
      }, el("span", { class: "name" }, channel.channel_id),
      el("span", { class: "muted" }, "type " + channel.channel_type + (channel.message_count === undefined ? "" : ", " + count(channel.message_count)))))),
    ), found.more ? el("p", { class: "muted" }, "The first 100; give more of the name.") : null);
  } catch (problem) {
    fill("channel-list", empty(problem.message));
  }
}

async function openChannel(channel) {
  state.channel = channel;
  state.page = { query: "limit=20" };
  await drawChannel();
  findChannels();
}

function turnPage(query) {
  state.page = { query };
  drawChannel().catch(complain);
}

function decodePayload(message) {
  if (message.payload_encoding === "json") return JSON.stringify(message.payload, null, 1);
  if (message.payload_encoding !== "base64") return String(message.payload);
  const raw = atob(message.payload), data = Uint8Array.from(raw, (c) => c.charCodeAt(0));
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(data);
    if (!/[\u0000-\u0008\u000e-\u001f]/.test(text)) return text;
  } catch (_) { /* not text: shown as bytes */ }
  return [...data.slice(0, 256)].map((b) => b.toString(16).padStart(2, "0")).join(" ") + (data.length > 256 ? " …" : "");
}

function strip(info, ranges, page) {
  const last = Math.max(1, info.last_seq), x = (seq) => 1000 * (seq - 1) / last;
  const picture = svg("svg", { class: "strip", viewBox: "0 0 1000 26", preserveAspectRatio: "none", role: "img",
    "aria-label": count(info.deleted_count) + " of " + count(info.last_seq) + " messages are deleted" });
  for (const [start, end] of ranges)
    picture.append(svg("rect", { class: "gone", x: x(start), y: 0, width: Math.max(0.8, x(end + 1) - x(start)), height: 26 }));
  const seqs = page.messages.map((m) => m.message_seq);
  if (seqs.length)
    picture.append(svg("rect", { class: "window", x: x(seqs[0]), y: 1, width: Math.max(3, x(seqs[seqs.length - 1] + 1) - x(seqs[0])), height: 24 }));
  return picture;
}

function pageItems(page) {
  const items = page.messages.map((message) => ({ at: message.message_seq, node: el("article", { class: "message" },
    el("div", { class: "head" }, el("b", {}, "#" + message.message_seq), el("span", {}, message.from_uid || "no sender"),
      el("time", { datetime: new Date(message.timestamp).toISOString() }, time(message.timestamp)),
      el("span", {}, "id " + message.message_id)),
    el("pre", {}, decodePayload(message).slice(0, 4000))) }));
  for (const range of page.deleted)
    items.push({ at: range.start_seq, node: el("p", { class: "hole" }, range.start_seq === range.end_seq ? "#" + range.start_seq + " is deleted" :
      "#" + range.start_seq + " to #" + range.end_seq + " are deleted") });
  return items.sort((a, b) => a.at - b.at).map((item) => item.node);
}

async function drawChannel() {
  if (!state.channel) { fill("channel", empty("Choose a channel.")); return; }
  const path = pathOf(state.channel);
  const [info, page, deletes] = await Promise.all([
    ask(path), ask(path + "/messages?" + state.page.query), ask(path + "/deletes?limit=1000")]);
  const ranges = deletes.deletes.flatMap((d) => d.ranges).concat(page.deleted.map((d) => [d.start_seq, d.end_seq]));
  const first = page.messages.length ? page.messages[0].message_seq : 0;
  const last = page.messages.length ? page.messages[page.messages.length - 1].message_seq : 0;
  const go = (name, query, usable) => el("button", { type: "button", "data-key": "go-" + name, disabled: !usable,
    on: { click: () => turnPage(query) } }, name);
  const seq = el("input", { inputmode: "numeric", size: 9, "aria-label": "Go to seq", placeholder: "seq" });
  const jump = (event) => {
    event.preventDefault();
    if (/^[1-9][0-9]*$/.test(seq.value)) turnPage("limit=20&from_seq=" + seq.value);
  };
  fill("channel",
    el("h3", {}, state.channel.channel_id + " ", el("span", { class: "muted" }, "type " + info.channel_type + ", slot " + info.slot + ", leader node " + info.leader)),
    el("p", { class: "muted" }, count(info.message_count) + " messages, " + bytes(info.bytes) + "; " + count(info.deleted_count) + " deleted; last seq " + count(info.last_seq)),
    strip(info, ranges, page),
    el("div", { class: "between" }, el("span", {}, "1"), el("span", {}, "deleted in red" + (deletes.more ? " (the first 1,000 deletes)" : "")), el("span", {}, count(info.last_seq))),
    el("form", { class: "row", on: { submit: jump } },
      go("Oldest", "limit=20&from_seq=1", first > info.first_seq), go("Older", "limit=20&before_seq=" + first, first > info.first_seq),
      go("Newer", "limit=20&after_seq=" + last, last > 0 && last < info.last_seq), go("Newest", "limit=20", true), seq,
      el("button", { type: "submit" }, "Go")),
    ...(page.messages.length + page.deleted.length ? pageItems(page) : [empty("No messages here.")]));
}

// ---- audit, jobs --------------------------------------------------------------------------------------------
async function drawAudit() {
  const query = new URLSearchParams({ limit: "500" });
  for (const [name, id] of [["operator", "audit-operator"], ["reason", "audit-reason"], ["since", "audit-since"]])
    if ($(id).value) query.set(name, $(id).value);
  const found = $("audit-since").value ? await ask("/v1/deletes?" + query) : await newestDeletes(query);
  found.deletes.sort((a, b) => b.deleted_at - a.deleted_at);
  fill("audit", table([
    { name: "At", of: (d) => time(d.deleted_at) }, { name: "Operator", of: (d) => d.operator || "–" },
    { name: "Reason", class: "wrap", of: (d) => d.reason || "–" },
    { name: "Channel", class: "wrap", of: (d) => d.channel_type + "/" + d.channel_id },
    { name: "Seqs", class: "wrap", of: rangesText },
    { name: "Messages", class: "num", of: (d) => count(d.deleted_count) },
    { name: "Delete", of: (d) => d.delete_id }, { name: "Request", of: (d) => d.request_id },
  ], found.deletes, "No delete fits."), found.more ? el("p", { class: "muted" }, "500 of more" + (found.since ? ", all of them of the last " + found.since : "") + "; narrow the filter.") : null);
}

async function drawJobs() {
  try {
    const { jobs } = await ask("/v1/jobs");
    fill("jobs", table([
      { name: "Job", of: (j) => j.id }, { name: "Kind", of: (j) => j.kind }, { name: "State", of: (j) => j.state },
      { name: "Progress", of: (j) => {
        const bar = el("progress", { max: 1, "aria-label": "job " + j.id });
        bar.value = j.progress || 0;
        return bar;
      } },
      { name: "Started", of: (j) => j.started_at ? time(j.started_at) : "" },
      { name: "Left", class: "num", of: (j) => j.eta_ms ? ago(j.eta_ms) : "" },
    ], jobs, "No jobs."));
  } catch (problem) {
    fill("jobs", empty(problem.code === "not_supported" ? "This version has no jobs." : problem.message));
  }
}

// ---- turning ------------------------------------------------------------------------------------------------
const VIEWS = {
  overview: { draw: () => { drawOverview(); return drawAlarms(); }, live: true },
  slots: { draw: drawSlots, live: true }, deletes: { draw: drawDeletes, live: true },
  channels: { draw: drawChannel, open: findChannels }, audit: { draw: drawAudit }, jobs: { draw: drawJobs, live: true },
};

function complain(problem) {
  const banner = $("banner");
  banner.textContent = problem.status === 401 || problem.status === 403
    ? "This node wants a token that may do this: " + problem.message + ". Use the Token button."
    : problem.status ? problem.message : "This node does not answer (" + problem.message + "); asking again.";
  banner.hidden = false;
  $("health").textContent = problem.status ? "refused" : "unreachable";
  $("health").className = "pill bad";
}

async function refresh() {
  clearTimeout(state.timer);
  try {
    const [cluster, slots, metrics] = await Promise.all([ask("/v1/cluster"), ask("/v1/slots"),
      ask("/metrics", { accept: "text/plain" }).catch((problem) => { // charts alone need it, and a role that not all have
        if (problem.status !== 401 && problem.status !== 403) throw problem;
        return "";
      })]);
    state.alarms = (await ask("/v1/alarms").catch(() => ({ alarms: [] }))).alarms.filter((alarm) => alarm.active);
    const isFirst = state.cluster === null; // no view was drawn yet
    state.cluster = cluster;
    state.slots = slots.slots;
    state.previous = state.metrics;
    state.metrics = parseMetrics(metrics);
    remember();
    drawHealth();
    if (isFirst || VIEWS[state.view].live) await VIEWS[state.view].draw();
    $("banner").hidden = !state.problem;
    $("updated").textContent = "Updated " + new Date().toLocaleTimeString("en-GB") + ".";
  } catch (problem) {
    complain(problem);
  }
  if (!state.paused && !document.hidden) state.timer = setTimeout(refresh, POLL_MS);
}

async function show() {
  const wanted = location.hash.slice(1);
  state.view = Object.hasOwn(VIEWS, wanted) ? wanted : "overview";
  for (const name of Object.keys(VIEWS)) $("view-" + name).hidden = name !== state.view;
  for (const link of document.querySelectorAll("nav a"))
    if (link.hash === "#" + state.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  document.title = "Lethe: " + state.view;
  const view = VIEWS[state.view];
  state.problem = null;
  try {
    if (view.open) await view.open();
    if (state.cluster) await view.draw();
  } catch (problem) {
    state.problem = problem;
    complain(problem);
  }
}

function chooseTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

function nextTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  const theme = now === "dark" ? "light" : "dark";
  localStorage.setItem("lethe-theme", theme);
  chooseTheme(theme);
}

function start() {
  chooseTheme(localStorage.getItem("lethe-theme"));
  $("theme").addEventListener("click", nextTheme);
  $("pause").addEventListener("click", () => {
    state.paused = !state.paused;
    $("pause").setAttribute("aria-pressed", String(state.paused));
    $("pause").textContent = state.paused ? "Paused" : "Pause";
    refresh();
  });
  $("token").addEventListener("click", () => { $("token-value").value = ""; $("token-dialog").showModal(); });
  $("token-dialog").addEventListener("close", () => {
    const choice = $("token-dialog").returnValue;
    if (choice === "ok" && $("token-value").value) sessionStorage.setItem("lethe-token", $("token-value").value);
    if (choice === "clear") sessionStorage.removeItem("lethe-token");
    $("token-value").value = "";
    refresh();
  });
  $("slot-grid").addEventListener("keydown", moveInGrid);
  $("channel-find").addEventListener("submit", (event) => { event.preventDefault(); findChannels(); });
  $("audit-find").addEventListener("submit", (event) => { event.preventDefault(); drawAudit().catch(complain); });
  window.addEventListener("hashchange", show);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  show().then(refresh);
}

start();
