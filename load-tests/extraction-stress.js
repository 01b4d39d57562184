// 200 users, held to the user's figures, then more and more: where does it break?
import { load } from "./lib/load.js";

const test = load({ script: "extraction-stress.js", profile: "optimized", shape: "stress" });

export const options = test.options;
export const setup = test.setup;
export default test.visit;
export const teardown = test.teardown;
export const handleSummary = test.summary;
