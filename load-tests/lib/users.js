// What a user does in one visit: mostly look, sometimes read records, now and then change a config or start it.
import { sleep } from "k6";
import exec from "k6/execution";
import { Counter } from "k6/metrics";
import { ask, done } from "./api.js";

const LIST = 20; // rows of a list that a person looks at
const PAGE = 100; // records of a page
const PAGES = 5; // that are read at most
const LOOKS = 30; // at an extraction's progress, at most

const started = new Counter("extractions_started");
const followed = new Counter("extractions_followed"); // to their end
export const failed = new Counter("extractions_failed"); // or cancelled
export const doubled = new Counter("extractions_doubled"); // begun once more by a retry
const pages = new Counter("record_pages");

/**
 * One visit. Of fifty, one starts an extraction, five change a config, ten read records, the others look around.
 * configs: numbers of those that there are, and of those that may be changed and started.
 */
export function visit({ all, own }) {
  const number = exec.scenario.iterationInTest;
  if (exec.vu.iterationInScenario === 0) {
    sleep(Math.random()); // nor do they all come in one instant
  }
  if (number % 50 === 0) {
    start(any(own));
  } else if (number % 10 === 5) {
    change(any(own));
  } else if (number % 4 === 1) {
    readLatest(any(all));
  } else {
    look(any(all));
  }
}

function any(list) {
  return list[Math.floor(Math.random() * list.length)];
}

function look(config) {
  ask("GET", `/api/v1/configs?limit=${LIST}`, "/api/v1/configs");
  show(config);
  const extraction = latest(config);
  if (extraction !== undefined) {
    ask("GET", `/api/v1/extractions/${extraction.extraction_id}`, "/api/v1/extractions/{id}");
  }
}

function show(config) {
  return ask("GET", `/api/v1/configs/${config}`, "/api/v1/configs/{id}");
}

function latest(config, status) {
  const answer = ask("GET", `/api/v1/extractions?config_id=${config}&limit=${LIST}`, "/api/v1/extractions");
  const listed = done(answer) ? answer.json("extractions") : [];
  return listed.find((one) => status === undefined || one.status === status);
}

function change(config) {
  const before = show(config);
  if (!done(before)) {
    return;
  }
  const { source_url, secret, definition } = before.json();
  const overlap = 1 + Math.floor(Math.random() * 1000); // of no meaning to a config without a watermark
  const body = { source_url: source_url, secret: secret, definition: { ...definition, overlap_seconds: overlap } };
  ask("PUT", `/api/v1/configs/${config}`, "/api/v1/configs/{id}", body);
}

function readLatest(config) {
  const extraction = latest(config, "succeeded");
  if (extraction !== undefined) {
    read(extraction.extraction_id);
  }
}

/** Page by page: each is asked for by the last one's `next`. */
function read(extraction) {
  let after = "";
  for (let page = 0; page < PAGES && after !== null; page += 1) {
    const place = after === "" ? "" : `&after=${encodeURIComponent(after)}`;
    const path = `/api/v1/extractions/${extraction}/records`;
    const answer = ask("GET", `${path}?limit=${PAGE}${place}`, "/api/v1/extractions/{id}/records");
    if (!done(answer)) {
      return;
    }
    pages.add(1);
    after = answer.json("next");
  }
}

function start(config) {
  const key = { "Idempotency-Key": crypto.randomUUID() };
  const body = { config_id: config };
  const answer = ask("POST", "/api/v1/extractions", "/api/v1/extractions", body, key);
  if (!done(answer)) {
    return;
  }
  started.add(1);
  const number = answer.json("extraction_id");
  const again = ask("POST", "/api/v1/extractions", "/api/v1/extractions", body, key); // as after a lost answer
  if (done(again)) {
    doubled.add(again.json("extraction_id") === number ? 0 : 1);
  }
  follow(number);
}

function follow(number) {
  for (let count = 0; count < LOOKS; count += 1) {
    const answer = ask("GET", `/api/v1/extractions/${number}`, "/api/v1/extractions/{id}");
    const status = done(answer) ? answer.json("status") : "unknown";
    if (status === "succeeded") {
      followed.add(1);
      read(number);
      return;
    }
    if (status === "failed" || status === "cancelled") {
      failed.add(1);
      return;
    }
  }
}
