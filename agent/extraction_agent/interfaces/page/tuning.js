// This host's part in rollouts, below the head: its trial or its watch with the guards, and the last way back.

import { attribute, byId, show, text } from "./dom.js";
import { count, percent, span } from "./format.js";

const GUARDS = {
  throughput: ({ value, limit }) => `${count(value)} of at least ${count(limit)} records per busy minute`,
  error_rate: ({ value, limit }) => `${percent(value)} of at most ${percent(limit)} of attempts failed`,
  pool: ({ value, limit }) => `pool exhausted for ${count(value)} of ${count(limit)} s`,
};

function guardWords(figure) {
  if (figure.tripped !== null) return `⚠ ${figure.guard}: ${figure.tripped}`;
  return figure.value === null ? `${figure.guard}: too little to judge` : GUARDS[figure.guard](figure);
}

function standing({ trial, watch, restart }) {
  if (restart !== null) return `⚠ about to be started anew: ${restart}`;
  if (trial !== null) {
    const back = trial.back_to === null ? "the configuration's profile" : `generation ${count(trial.back_to)}`;
    return `◐ on trial for rollout ${trial.rollout}: back to ${back} in ${span(trial.seconds_left)} unless it is committed`;
  }
  return watch === null ? "" : `◉ rollout ${watch.rollout} is watched for ${span(watch.seconds_left)} more`;
}

function lastBack(ended) {
  if (ended === null) return "";
  const unknown = ended.recorded ? "" : " (the store does not know yet)";
  return `↩ generation ${count(ended.generation)} of rollout ${ended.rollout} was taken back: ${ended.reason}${unknown}`;
}

export function showTuning(tuning) {
  const guarded = tuning.trial !== null || tuning.watch !== null;
  const guards = guarded ? tuning.guards : [];
  const now = standing(tuning);
  text(byId("standing"), [now, ...guards.map(guardWords)].filter(Boolean).join(" · "));
  attribute(byId("standing"), "data-wrong", guards.some(({ tripped }) => tripped !== null) ? "" : null);
  text(byId("back"), lastBack(tuning.last_back));
  show(byId("tuning"), now !== "" || tuning.last_back !== null);
}
