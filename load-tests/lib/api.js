// The agent's HTTP interface, and what its answers count as.
import http from "k6/http";
import { check, sleep } from "k6";
import { Counter, Rate } from "k6/metrics";

const THINK = 1; // s between two requests of a user, on average: people do not keep step
const PATIENCE = 10; // s that a user waits at most who is told to come again
const LONGEST = 180; // s that the test itself asks a busy agent again
const TIMED_OUT = 1050; // k6's error_code

export const url = (__ENV.EXTRACTION_URL || __ENV.EXTRACTION_AGENT || "http://127.0.0.1:8470").replace(/\/+$/, "");

const errors = new Rate("errors"); // neither served nor refused
const refused = new Rate("refused"); // 429 with Retry-After: beyond capacity, and told so
const conflicts = new Counter("conflicts"); // 409: another is at it, which is an answer

// Served is what was done, and 409; all else is k6's http_req_failed, 429 included.
http.setResponseCallback(http.expectedStatuses({ min: 200, max: 299 }, 409));

/** Ask, and think for a moment. name: the path without its numbers. */
export function ask(method, path, name, body, headers) {
  const answer = http.request(method, url + path, body === undefined ? null : JSON.stringify(body), {
    headers: {
      Authorization: `Bearer ${__ENV.EXTRACTION_TOKEN}`,
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    tags: { name: `${method} ${name}` },
    timeout: "60s",
  });
  note(answer);
  const told = answer.status === 429 ? Math.min(Number(answer.headers["Retry-After"]) || 0, PATIENCE) : 0;
  sleep(told + THINK * (0.5 + Math.random()));
  return answer;
}

/** Whether it was done. */
export function done(answer) {
  return answer.status >= 200 && answer.status < 300;
}

function note(answer) {
  const full = answer.status === 429 && answer.headers["Retry-After"] !== undefined;
  const served = done(answer) || answer.status === 409;
  errors.add(!served && !full);
  refused.add(full);
  if (answer.status === 409) {
    conflicts.add(1);
  }
  check(answer, { "served, or told when to come again": () => served || full });
}

/** Ask for what the test itself must know, apart from its users' figures; patient with a busy agent. Throws a sentence. */
export function know(path, authorized) {
  const headers = authorized ? { Authorization: `Bearer ${__ENV.EXTRACTION_TOKEN}` } : {};
  const since = Date.now();
  for (;;) {
    const answer = http.get(url + path, { headers: headers, tags: { name: `the test's own GET ${path}` } });
    if (done(answer)) {
      return answer;
    }
    const busy = answer.status === 429 || answer.status === 503 || answer.error_code === TIMED_OUT;
    if (!busy || Date.now() - since > 1000 * LONGEST) {
      const told = answer.status === 0 ? answer.error : `${answer.status}: ${answer.body}`;
      throw new Error(`The agent at ${url} does not give ${path} (${told}). EXTRACTION_URL says where it is.`);
    }
    sleep(THINK);
  }
}
