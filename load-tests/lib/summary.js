// What is left of a run: some lines for people, and with OUTPUT=FILE the file that compare-results.sh and the report read.

const SLACK = 0.98; // of its length; a run that was shorter was aborted

export function summarize(data, of) {
  const told = measured(data, of);
  const lines = [...linesOf(told, data), ""].join("\n");
  if (!__ENV.OUTPUT) {
    return { stdout: `${lines}  OUTPUT=FILE keeps these figures for load-tests/compare-results.sh.\n` };
  }
  return { stdout: lines, [__ENV.OUTPUT]: `${JSON.stringify({ ...told, k6: data }, null, 1)}\n` };
}

/** In seconds, as the run folder's files have it. A figure that was not measured is null. */
function measured(data, { script, profile, shape }) {
  const at = data.setup_data || {};
  const lasted = data.state.testRunDurationMs / 1000 - (at.setup || 0);
  const latency = judged(data, "http_req_duration");
  const seconds = (name) => (latency.max > 0 ? Number((latency[name] / 1000).toFixed(6)) : null); // else none was served
  const moved = (data.metrics.records_beside || { values: {} }).values.count;
  return {
    kind: "load",
    version: 1,
    scenario: __ENV.SCENARIO || "Extraction Service Performance Optimization",
    measured_at: new Date().toISOString(),
    command: __ENV.COMMAND || `SHAPE=${shape} SCALE=${__ENV.SCALE || 1} k6 run load-tests/${script}`,
    profile: profile,
    shape: shape,
    scale: at.scale || null,
    users: at.users || null,
    seconds: Number(Math.min(lasted, at.seconds || lasted).toFixed(3)),
    aborted: !(lasted >= SLACK * at.seconds),
    requests: judged(data, "http_reqs").count || 0,
    failed: judged(data, "errors").passes || 0,
    refused: judged(data, "refused").passes || 0,
    latency_seconds: {
      p50: seconds("med"),
      p75: seconds("p(75)"),
      p90: seconds("p(90)"),
      p95: seconds("p(95)"),
      p99: seconds("p(99)"),
      p999: seconds("p(99.9)"),
      max: seconds("max"),
    },
    records_per_minute: moved === undefined ? null : Math.round((60 * moved) / lasted),
  };
}

function linesOf(told, data) {
  const ms = (seconds) => (seconds === null ? "not measured" : `${(1000 * seconds).toFixed(1)} ms`);
  const share = (count) => `${count} (${((100 * count) / Math.max(told.requests, 1)).toFixed(2)} %)`;
  const latency = told.latency_seconds;
  const count = (name) => ((data.metrics[name] || { values: {} }).values.count || 0).toString();
  return [
    "",
    `  ${told.profile}, ${told.shape}: ${told.users} users at most, ${told.seconds} s${told.aborted ? ", ABORTED" : ""}`,
    `  served      p50 ${ms(latency.p50)}, p95 ${ms(latency.p95)}, p99 ${ms(latency.p99)}, max ${ms(latency.max)}`,
    `  requests    ${told.requests}, refused ${share(told.refused)}, failed ${share(told.failed)}`,
    `  extractions ${count("extractions_started")} started, ${count("extractions_failed")} failed`,
    `  pool        ${count("pool_timeouts")} timeouts`,
    ...stepsOf(data),
    ...brokenOf(data),
  ];
}

/** Beyond the users that are judged: where it breaks. */
function stepsOf(data) {
  return Object.keys(data.metrics)
    .map((name) => [name, /^http_req_duration\{scenario:(climb_(\d+)),/.exec(name)])
    .filter(([, found]) => found)
    .sort(([, one], [, other]) => one[2] - other[2])
    .map(([name, [, step, users]]) => {
      const { "p(95)": p95, "p(99)": p99, max } = data.metrics[name].values;
      const latency = max > 0 ? `p95 ${p95.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms` : "nobody was served";
      const [errors, refused] = ["errors", "refused"].map((one) => data.metrics[`${one}{scenario:${step}}`].values.rate);
      const shares = `failed ${(100 * errors).toFixed(1)} %, refused ${(100 * refused).toFixed(1)} %`;
      return `  ${users.padStart(4)} users  ${latency}, ${shares}`;
    });
}

function brokenOf(data) {
  return Object.entries(data.metrics).flatMap(([name, metric]) =>
    Object.entries(metric.thresholds || {})
      .filter(([, { ok }]) => !ok)
      .map(([rule]) => `  NOT HELD    ${name.replace(/\{.*\}/, "")} ${rule}`),
  );
}

/** The values of a metric for the scenario that is judged. */
function judged(data, metric) {
  const name = Object.keys(data.metrics).find((one) => one.startsWith(`${metric}{profile:`));
  return name === undefined ? {} : data.metrics[name].values;
}
