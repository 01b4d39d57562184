// 100 users who look at a daemon and change it now and then, a second between two requests each.
// k6 run -e AGENT=URL -e TOKEN=… -e USERS=100 -e DURATION=5m api_load.js
import http from "k6/http";
import { check, sleep } from "k6";
import { Counter } from "k6/metrics";

const agent = __ENV.AGENT;
const configs = Number(__ENV.CONFIGS || 20);
const authorization = { headers: { Authorization: `Bearer ${__ENV.TOKEN}` } };
const refused = new Counter("refused"); // 429 with Retry-After: beyond capacity, and told so

export const options = {
  vus: Number(__ENV.USERS || 100),
  duration: __ENV.DURATION || "5m",
  summaryTrendStats: ["med", "p(95)", "p(99)", "max"],
};

function any(most) {
  return 1 + Math.floor(Math.random() * most);
}

function change(id) {
  const body = JSON.stringify({
    source_url: "postgresql://reader@127.0.0.1:1/none",
    definition: { table: "item", overlap_seconds: any(1000) },
  });
  const headers = { ...authorization.headers, "Content-Type": "application/json" };
  return http.put(`${agent}/api/v1/configs/${id}`, body, { headers, tags: { kind: "write" } });
}

function look() {
  const paths = [
    `/api/v1/configs/${any(configs)}`,
    `/api/v1/configs/${any(configs)}`,
    "/api/v1/extractions?limit=20",
    "/api/v1/extractions/1",
    "/api/v1/extractions/1/records?limit=50",
    "/api/v1/configs?limit=20",
  ];
  return http.get(agent + paths[Math.floor(Math.random() * paths.length)], { ...authorization, tags: { kind: "read" } });
}

export default function () {
  const answer = Math.random() < 0.1 ? change(any(configs)) : look();
  if (answer.status === 429) {
    refused.add(1);
    check(answer, { "a refusal says when to come again": (a) => a.headers["Retry-After"] !== undefined });
  } else {
    check(answer, { served: (a) => a.status === 200 });
  }
  sleep(1);
}
