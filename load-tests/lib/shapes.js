// The shapes of load: how many users, for how long. SCALE stretches all durations: 1 is the user's minutes.

export const SHAPES = ["steady", "ramp", "spike", "stress"];
const CLIMB = [400, 600, 800, 1000]; // users beyond the stress shape's 200, a minute each: where does it break?
const JUMP = "6s"; // to a spike's height and back, at every scale: in a thirtieth it would be another spike
const SHORTEST = 1000; // ms that k6 lets constant users last
const END = "0s"; // a visit under way is left where it is, so that the length is what was asked for

export const scale = parseScale(__ENV.SCALE || "1");

/** The shape that is asked for. */
export function shapeOf(otherwise) {
  const shape = __ENV.SHAPE || otherwise;
  if (!SHAPES.includes(shape)) {
    throw new Error(`SHAPE is ${shape}: it is one of ${SHAPES.join(", ")}.`);
  }
  return shape;
}

/** k6's scenarios of a shape. The one that is judged is called "default", as k6 calls that of --vus and --duration. */
export function scenariosOf(shape) {
  const judged = {
    steady: { executor: "constant-vus", vus: 100, duration: minutes(30), gracefulStop: END },
    ramp: ramping(0, [minutes(10), 200]),
    spike: ramping(100, [minutes(0.5), 100], [JUMP, 500], [minutes(5), 500], [JUMP, 100], [minutes(1), 100]),
    stress: ramping(0, [minutes(2), 200], [minutes(10), 200]),
  }[shape];
  const step = Math.max(SHORTEST, milliseconds(1));
  const climb = beyondOf(shape).map((users, number) => [
    stepOf(users),
    {
      executor: "constant-vus",
      vus: users,
      duration: `${step}ms`,
      startTime: `${milliseconds(12) + number * step}ms`,
      gracefulStop: END,
    },
  ]);
  return Object.fromEntries([["default", judged], ...climb]);
}

/** Names of the steps beyond what is judged. */
export function stepsOf(shape) {
  return beyondOf(shape).map(stepOf);
}

/** Users at most, and seconds, of one of k6's scenarios as it runs. */
export function extentOf(scenario) {
  const stages = scenario.stages || [{ duration: scenario.duration, target: scenario.vus }];
  return {
    users: Math.max(scenario.startVUs || 0, ...stages.map((stage) => stage.target)),
    seconds: stages.reduce((sum, stage) => sum + secondsOf(stage.duration), 0),
  };
}

function beyondOf(shape) {
  return shape === "stress" ? CLIMB : [];
}

function stepOf(users) {
  return `climb_${users}`;
}

function ramping(startVUs, ...stages) {
  return {
    executor: "ramping-vus",
    startVUs: startVUs,
    stages: stages.map(([length, target]) => ({ duration: length, target: target })),
    gracefulRampDown: END,
    gracefulStop: END,
  };
}

function minutes(count) {
  return `${milliseconds(count)}ms`;
}

function milliseconds(minutes) {
  return Math.max(1, Math.round(minutes * 60_000 * scale));
}

function parseScale(text) {
  const [, over, under] = /^(\d*\.?\d+)(?:\/(\d+))?$/.exec(text) || [];
  const value = Number(over) / Number(under || 1);
  if (!(value > 0 && value <= 100)) {
    throw new Error(`SCALE is ${text}: it is a number above 0 and up to 100, such as 1, 0.1 or 1/30.`);
  }
  return value;
}

function secondsOf(duration) {
  if (typeof duration === "number") {
    return duration / 1e9; // k6 counts in nanoseconds
  }
  const units = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600, d: 86_400 };
  let seconds = 0;
  for (const [, count, unit] of String(duration).matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h|d)/g)) {
    seconds += Number(count) * units[unit];
  }
  return seconds;
}
