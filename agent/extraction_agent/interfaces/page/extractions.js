// The table of extractions: those this agent works on, and the latest of the fleet.

import { attribute, bar, byId, element, list, show, text } from "./dom.js";
import { bytes, count, moment, plural, span } from "./format.js";

const SIGNS = { pending: "…", running: "▸", succeeded: "✓", failed: "✕", cancelled: "–" };

const cell = (label, className, ...children) => {
  const made = element("td", className, ...children);
  made.setAttribute("role", "cell");
  made.dataset.label = label;
  return made;
};

function make() {
  const track = element("div", "bar");
  track.setAttribute("role", "progressbar");
  track.setAttribute("aria-valuemin", "0");
  const note = () => element("span", "note");
  const row = element(
    "tr",
    "",
    cell("Extraction", "name", element("b"), note()),
    cell("State", "state", element("span", "sign"), note()),
    cell("Progress", "progress", track, note(), element("p", "error")),
    cell("Records", "right", element("span"), note()),
    cell("A minute", "right"),
    cell("Time", "right", element("span"), note()),
  );
  row.setAttribute("role", "row");
  return row;
}

function left(one) {
  const rest = one.estimated_rows - one.rows;
  if (one.status !== "running" || rest <= 0 || one.rows_per_minute <= 0) return "";
  return `about ${span((rest / one.rows_per_minute) * 60)} left`;
}

function fill(row, one, here) {
  const [name, state, progress, records, rate, time] = row.children;
  attribute(row, "data-state", one.status);
  text(name.children[0], one.config);
  text(name.children[1], `${one.extraction_id}, ${one.format}`);
  text(state.children[0], `${SIGNS[one.status]} ${one.status}`);
  text(state.children[1], here ? "on this host" : "");
  const [track, chunks, error] = progress.children;
  attribute(track, "aria-valuemax", one.chunks);
  attribute(track, "aria-valuenow", one.chunks_done);
  attribute(track, "aria-label", `Chunks of extraction ${one.extraction_id} done`);
  bar(track, [
    { share: one.chunks_done / Math.max(one.chunks, 1), kind: "done" },
    { share: one.chunks_running / Math.max(one.chunks, 1), kind: "moving" },
  ]);
  const running = one.chunks_running > 0 ? `, ${count(one.chunks_running)} in flight` : "";
  text(chunks, `${count(one.chunks_done)} of ${plural(one.chunks, "chunk")}${running}`);
  const wrong = one.error ?? (one.trouble === null ? "" : `Tried again: ${one.trouble}`);
  text(error, wrong);
  show(error, wrong !== "");
  text(records.children[0], count(one.rows));
  text(records.children[1], one.bytes > 0 ? bytes(one.bytes) : "");
  text(rate, count(one.rows_per_minute));
  text(time.children[0], span(one.seconds));
  text(time.children[1], left(one) || moment(one.created_at));
}

// here: those that this agent works on.
export function showExtractions(extractions, here) {
  const table = byId("extractions");
  show(table, extractions.length > 0);
  text(byId("extractions-notice"), extractions.length > 0 ? "" : "There is none yet. `extractctl extract` begins one.");
  list(
    table.tBodies[0],
    extractions,
    (one) => one.extraction_id,
    make,
    (row, one) => fill(row, one, here.has(one.extraction_id)),
  );
}
