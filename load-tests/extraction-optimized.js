// The service to be accepted, held to the user's figures.
import { load } from "./lib/load.js";

const test = load({ script: "extraction-optimized.js", profile: "optimized" });

export const options = test.options;
export const setup = test.setup;
export default test.visit;
export const teardown = test.teardown;
export const handleSummary = test.summary;
