// The page's life: a token, then two polls, of the agent's state and of its extractions, until the token is refused.

import { ask, token, Trouble } from "./api.js";
import { attribute, byId, show, text } from "./dom.js";
import { showExtractions } from "./extractions.js";
import { moment } from "./format.js";
import { showState } from "./panels.js";
import { poll } from "./poll.js";
import { showTuning } from "./tuning.js";

const OFTEN = 1; // s between two looks while something moves
const SELDOM = 3; // s otherwise
const LATEST = 20; // extractions

let polls = [];
let here = new Set(); // extractions that this agent works on
let answered = null; // when the agent last did

async function lookAtState() {
  const state = await ask("/api/v1/state");
  answered = Date.now();
  here = new Set(state.work.extractions);
  showState(state);
  showTuning(state.tuning);
  document.title = `${state.host} · extraction-agent`;
  text(byId("notice"), "");
  attribute(document.body, "data-stale", null);
  attribute(byId("agent"), "aria-busy", null);
  return here.size > 0 ? OFTEN : SELDOM;
}

async function lookAtExtractions() {
  const { extractions } = await ask(`/api/v1/extractions?limit=${LATEST}`);
  const listed = new Set(extractions.map((one) => one.extraction_id));
  const older = [...here].filter((id) => !listed.has(id));
  extractions.push(...(await Promise.all(older.map((id) => ask(`/api/v1/extractions/${id}`)))));
  extractions.sort((one, other) => other.extraction_id - one.extraction_id);
  showExtractions(extractions, here);
  return extractions.some((one) => one.status === "running") ? OFTEN : SELDOM;
}

// What went wrong, in words; whatever is no trouble with the agent is a fault of this page.
function told(error) {
  if (error instanceof Trouble) return error.message;
  console.error(error);
  return "This page met an error of its own; reload it.";
}

function stateTrouble(error) {
  if (error.refused) return leave(told(error));
  const since = answered === null ? "No answer yet" : `No answer since ${moment(answered)}`;
  const slower = `The agent asks for fewer requests, so these figures are of ${moment(answered ?? Date.now())}`;
  text(byId("notice"), `⚠ ${error.status === 429 ? slower : since}. ${told(error)} It is asked again and again.`);
  attribute(document.body, "data-stale", "");
}

function extractionsTrouble(error) {
  if (error.refused) return leave(told(error));
  text(byId("extractions-notice"), `⚠ This list could not be brought up to date. ${told(error)}`);
}

function enter() {
  show(byId("enter"), false);
  show(byId("agent"), true);
  polls = [poll(lookAtState, stateTrouble), poll(lookAtExtractions, extractionsTrouble)];
}

// Back to the question for a token, with why.
function leave(why) {
  polls.forEach((end) => end());
  token.forget();
  answered = null;
  for (const id of ["agent", "about", "tuning", "ready"]) show(byId(id), false);
  attribute(document.body, "data-stale", null);
  text(byId("host"), "");
  text(byId("notice"), why ? `✕ ${why}` : "");
  show(byId("enter"), true);
  byId("token").focus();
}

byId("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(byId("token").value.trim());
  byId("token").value = "";
  text(byId("notice"), "");
  enter();
});
byId("leave").addEventListener("click", () => leave(""));

if (token.get() === null) leave("");
else enter();
