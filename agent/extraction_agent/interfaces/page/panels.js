// What the state document says of this agent: figures, pools, guard and breakers, threads, cache, log.

import { attribute, bar, byId, element, list, show, text } from "./dom.js";
import { count, milliseconds, moment, percent, plural, span } from "./format.js";
import { sparkline } from "./sparkline.js";

const BREAKERS = { closed: "✓ closed", "half-open": "◐ half-open", open: "✕ open" };

function makeMeter() {
  const track = element("div", "bar");
  track.setAttribute("aria-hidden", "true"); // the words beside it say the same
  return element("li", "", element("span", "name"), element("span", "value"), track, element("p", "note"));
}

// One meter: {name, value, parts, note, wrong}; parts null: it has no bar. wrong: it asks for somebody.
function fillMeter(item, { name, value, parts, note, wrong }) {
  const [title, figure, track, words] = item.children;
  text(title, name);
  text(figure, value);
  show(track, parts !== null);
  if (parts !== null) bar(track, parts);
  text(words, note);
  attribute(item, "data-wrong", wrong ? "" : null);
}

const meters = (id, items) => list(byId(id), items, (item) => item.name, makeMeter, fillMeter);

// Parts that are there, each on one line.
const sentence = (...parts) => parts.filter(Boolean).map((part) => part.replaceAll(" ", "\u00a0")).join(" · ");

function poolMeter(pool) {
  const wrong = pool.timeouts + pool.leaks > 0 || (pool.pending > 0 && pool.active >= pool.maximum);
  return {
    name: pool.name,
    value: `${count(pool.active)} of ${count(pool.maximum)} in use`,
    parts: [
      { share: pool.active / Math.max(pool.maximum, 1), kind: "done" },
      { share: pool.idle / Math.max(pool.maximum, 1), kind: "idle" },
    ],
    note: sentence(
      `${count(pool.idle)} idle`,
      `${count(pool.pending)} waiting`,
      pool.timeouts > 0 && `⚠ ${plural(pool.timeouts, "time-out")}`,
      pool.leaks > 0 && `⚠ ${plural(pool.leaks, "leak")}`,
    ),
    wrong,
  };
}

function databaseMeter({ name, breaker, guard }) {
  const meter = { name, value: `breaker ${BREAKERS[breaker]}`, parts: null, note: "", wrong: breaker !== "closed" };
  if (guard === null) return meter;
  meter.parts = [
    { share: guard.in_flight / guard.maximum, kind: "done" },
    { share: (guard.limit - guard.in_flight) / guard.maximum, kind: "idle" },
  ];
  meter.note = sentence(
    `${count(guard.in_flight)} in flight, ${count(guard.limit)} of ${count(guard.maximum)} allowed`,
    guard.in_flight > 0 && `${percent(guard.share_of_time)} of the time`,
    guard.quiet && "quiet hours",
    guard.others && "others at work",
    guard.round_trip_seconds !== null && `round trip ${milliseconds(guard.round_trip_seconds)}`,
  );
  return meter;
}

function threadMeter(threads) {
  return {
    name: "threads",
    value: `${count(threads.active)} of ${count(threads.maximum)} at work`,
    parts: [
      { share: threads.active / threads.maximum, kind: "done" },
      { share: (threads.threads - threads.active) / threads.maximum, kind: "idle" },
    ],
    note: sentence(
      `core ${count(threads.core)}`,
      `${count(threads.queued)} of ${count(threads.queue)} queued`,
      `${count(threads.completed)} done`,
      threads.rejected > 0 && `⚠ ${count(threads.rejected)} refused`,
    ),
    wrong: threads.queued >= threads.queue && threads.queue > 0,
  };
}

function cacheMeter(cache) {
  const asked = cache.hits + cache.misses;
  return {
    name: "cache extraction-configs",
    value: !cache.enabled ? "off" : asked > 0 ? `${percent(cache.hits / asked)} hits` : "not asked yet",
    parts: cache.enabled ? [{ share: asked > 0 ? cache.hits / asked : 0, kind: "done" }] : null,
    note: sentence(
      cache.shared ? "in Redis" : "in this process",
      plural(cache.hits, "hit"),
      plural(cache.misses, "miss", "misses"),
      plural(cache.evictions, "eviction"),
      cache.errors > 0 && `⚠ ${plural(cache.errors, "error")}`,
    ),
    wrong: false,
  };
}

function showHead(state) {
  const lived = span((Date.parse(state.at) - Date.parse(state.started_at)) / 1000);
  const tuning = state.generation === null ? "no generation applied" : `generation ${count(state.generation)}`;
  text(byId("host"), state.host);
  text(byId("about"), sentence(`version ${state.version}`, `up ${lived}`, state.store, `profile ${state.profile}, ${tuning}`));
  show(byId("about"), true);
  const ready = byId("ready");
  text(ready, state.unready.length > 0 ? `⚠ not ready: ${state.unready.join("; ")}` : "✓ ready");
  attribute(ready, "data-state", state.unready.length > 0 ? "failed" : "succeeded");
  show(ready, true);
}

function showFigures({ work, pools, errors }) {
  const peak = Math.max(...work.records_per_second, 0);
  text(byId("rate"), count(work.records_per_minute));
  text(byId("moved"), `${plural(work.records, "record")} committed since the start`);
  sparkline(
    byId("line"),
    work.records_per_second,
    `Records moved in each second of the last minute, ${count(peak)} at most`,
  );
  text(byId("chunks"), count(work.chunks_in_flight));
  text(byId("chunks-note"), `chunks, at most ${count(work.chunks_at_most)}`);
  const store = pools.find((pool) => pool.name === "store");
  text(byId("connections"), store ? percent(store.active / store.maximum) : "–");
  text(byId("connections-note"), store ? `${count(store.active)} of ${count(store.maximum)} in use` : "");
  const all = Object.entries(errors).filter(([, number]) => number > 0);
  text(byId("errors"), count(all.reduce((sum, [, number]) => sum + number, 0)));
  text(byId("errors-note"), all.map(([side, number]) => `${side} ${count(number)}`).join(" · ") || "since the start");
}

function makeEntry() {
  return element("li", "", element("time", "note"), element("span", "sign"), element("p"));
}

function fillEntry(item, { at, level, message, extraction_id: id }) {
  const [when, sign, words] = item.children;
  text(when, moment(at));
  attribute(when, "datetime", at);
  text(sign, level === "warning" ? "⚠ warning" : `✕ ${level}`);
  attribute(sign, "data-state", level === "warning" ? "warning" : "failed");
  text(words, id === null || message.includes(`extraction ${id}`) ? message : `Extraction ${id}: ${message}`);
}

function showLog(log) {
  show(byId("log"), log.length > 0);
  show(byId("log-empty"), log.length === 0);
  list(byId("log"), log, (entry) => `${entry.at} ${entry.message}`, makeEntry, fillEntry);
}

export function showState(state) {
  showHead(state);
  showFigures(state);
  meters("pools", state.pools.map(poolMeter));
  meters("databases", state.databases.map(databaseMeter));
  meters("threads", [threadMeter(state.threads), cacheMeter(state.cache)]);
  showLog(state.log);
}
