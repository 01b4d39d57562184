// A load test as k6 wants it: options, setup, one visit, teardown, summary.
import exec from "k6/execution";
import { Counter, Gauge } from "k6/metrics";
import { know } from "./api.js";
import { extentOf, scale, scenariosOf, shapeOf, stepsOf } from "./shapes.js";
import { summarize } from "./summary.js";
import { failed, visit } from "./users.js";

const OWN = "load-"; // how the names of configs begin that the users may change and start; they only look at others
const P95 = milliseconds("P95_SECONDS", 0.2); // the user's figures, unless a scenario asks for others
const P99 = milliseconds("P99_SECONDS", 0.5);
const ERRORS = figure("ERROR_RATE", 0.01);
const TIMEOUTS = figure("POOL_TIMEOUTS", 0);

const timeouts = new Counter("pool_timeouts"); // callers that got no connection in time
const records = new Counter("records_beside"); // that the agent extracted meanwhile
const plannedSeconds = new Gauge("planned_seconds"); // these three stand in every form of k6's output
const plannedScale = new Gauge("planned_scale");
const setupSeconds = new Gauge("setup_seconds"); // which k6 counts as part of the run

/** script: its file. profile: what the agent is to run. shape: without SHAPE. floors: whether the user's are asked. */
export function load({ script, profile: usual, shape: usually = "steady", floors = true }) {
  const profile = __ENV.PROFILE || usual;
  const shape = shapeOf(usually);
  const of = { script: script, profile: profile, shape: shape };
  return {
    options: {
      scenarios: scenariosOf(shape),
      thresholds: thresholdsOf(profile, shape, floors),
      tags: { profile: profile, shape: shape },
      summaryTrendStats: ["avg", "min", "med", "p(75)", "p(90)", "p(95)", "p(99)", "p(99.9)", "max", "count"],
      setupTimeout: "5m",
      teardownTimeout: "5m",
    },
    setup: () => setUp(script, profile, shape),
    visit: (at) => visit(at.configs),
    teardown: tearDown,
    summary: (data) => summarize(data, of),
  };
}

/** Each also names what is kept apart in the summary; what no floor is asked of is held by any figure. */
function thresholdsOf(profile, shape, floors) {
  const judged = `{profile:${profile},shape:${shape},scenario:default`;
  const strict = shape === "steady"; // where capacity is no excuse: a refusal is a failure
  const asked = {
    [`http_req_duration${judged},expected_response:true}`]: [`p(95)<${P95}`, `p(99)<${P99}`, "max>0"],
    [`http_req_failed${judged}}`]: [strict ? `rate<=${ERRORS}` : "rate>=0"],
    [`errors${judged}}`]: [`rate<=${ERRORS}`],
    [`refused${judged}}`]: ["rate>=0"],
    [`http_reqs${judged}}`]: ["count>0"],
    extractions_failed: ["count<1"],
    extractions_doubled: ["count<1"],
    pool_timeouts: [`count<=${TIMEOUTS}`],
  };
  for (const step of stepsOf(shape)) {
    asked[`http_req_duration{scenario:${step},expected_response:true}`] = ["max>=0"];
    asked[`errors{scenario:${step}}`] = ["rate>=0"];
    asked[`refused{scenario:${step}}`] = ["rate>=0"];
  }
  if (!floors) {
    for (const [name, rules] of Object.entries(asked)) {
      asked[name] = rules.map((rule) => rule.replace(/<.*$/, ">=0"));
    }
  }
  return asked;
}

function setUp(script, profile, shape) {
  const since = Date.now();
  if (!__ENV.EXTRACTION_TOKEN) {
    throw new Error("EXTRACTION_TOKEN is not set: put a token of the scopes read and operate into the environment.");
  }
  const running = know("/api/v1/tuning", true).json("profile");
  if (running !== profile) {
    throw new Error(
      `The agent runs the profile ${running}, and ${script} measures ${profile}: give the agent that profile, or say ` +
        `PROFILE=${running} to measure it as it is.`,
    );
  }
  const listed = know("/api/v1/configs?limit=1000", true).json("configs");
  const own = listed.filter((one) => one.name.startsWith(OWN));
  if (own.length === 0) {
    throw new Error(
      `No config's name begins with ${OWN}: users change and start those only. Make some of a small table, such as ` +
        `${OWN}1, or let load-tests/run.sh start an agent of its own.`,
    );
  }
  const extent = extentOf(exec.test.options.scenarios.default);
  const usual = extentOf(scenariosOf(shape).default);
  const stretched = Number(((scale * extent.seconds) / usual.seconds).toPrecision(6));
  plannedSeconds.add(extent.seconds);
  plannedScale.add(stretched);
  const numbers = (configs) => configs.map((one) => one.id);
  const configs = { all: numbers(listed), own: numbers(own) };
  const began = figures();
  const taken = (Date.now() - since) / 1000;
  setupSeconds.add(taken);
  return { ...extent, scale: stretched, setup: taken, configs: configs, began: began };
}

function tearDown(at) {
  failed.add(0); // so that it is told, too, when there was none
  const now = figures();
  if (now.process_start_time_seconds !== at.began.process_start_time_seconds) {
    console.error("The agent was started anew meanwhile: what its metrics counted is not known.");
    return;
  }
  timeouts.add(now.hikari_pool_timeouts_total - at.began.hikari_pool_timeouts_total);
  records.add(now.extraction_records_extracted_total - at.began.extraction_records_extracted_total);
}

/** Of the agent's metrics those that are needed, over all labels. */
function figures() {
  const found = {
    process_start_time_seconds: 0,
    hikari_pool_timeouts_total: 0,
    extraction_records_extracted_total: 0,
  };
  for (const line of know("/metrics", false).body.split("\n")) {
    const [, name, value] = /^(\w+)(?:\{.*\})? (\S+)$/.exec(line) || [];
    if (name in found) {
      found[name] += Number(value);
    }
  }
  return found;
}

function milliseconds(name, otherwise) {
  return Number((1000 * figure(name, otherwise)).toPrecision(6)); // 0.55 s are 550 ms, not 550.0000000000001
}

/** A floor from the environment. */
function figure(name, otherwise) {
  const value = Number(__ENV[name] || otherwise);
  if (!(value >= 0 && value < Infinity)) {
    throw new Error(`${name} is ${__ENV[name]}: it is a number of at least 0.`);
  }
  return value;
}
