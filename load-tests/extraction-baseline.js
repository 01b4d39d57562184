// The service before: what is, measured. No floor is asked of it, so k6 fails only if nothing could be measured.
import { load } from "./lib/load.js";

const test = load({ script: "extraction-baseline.js", profile: "baseline", floors: false });

export const options = test.options;
export const setup = test.setup;
export default test.visit;
export const teardown = test.teardown;
export const handleSummary = test.summary;
