// node check.mjs FILE…: holds dashboards against Grafana's types. Prints what does not fit; exit status 1 then.
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const here = dirname(fileURLToPath(import.meta.url));
const kinds = ["BarGauge", "Heatmap", "Stat", "StateTimeline", "Table", "TimeSeries"];

// Where each version of the package has its types, and those of a kind of panel.
const versions = {
  "11.6": { types: "dist/esm", file: (kind) => `${kind}PanelCfg_types.gen.d.ts` },
  "13.2": { types: "dist/types", file: () => "types.gen.d.ts" },
};

/** Each file as TypeScript, so that its literals are checked as what they are. */
function sources(files) {
  const text = (file) => `import type { Board } from "./board";\nexport const board: Board = ${readFileSync(file, "utf8")};`;
  return new Map(files.map((file, place) => [join(here, `${place}-${basename(file)}.ts`), text(file)]));
}

function paths(version, { types, file }) {
  const folder = join(here, "node_modules", `schema-${version}`, types);
  const panel = (kind) => join(folder, "raw", "composable", kind.toLowerCase(), "panelcfg", "x", file(kind));
  const panels = kinds.map((kind) => [`panel/${kind.toLowerCase()}`, [panel(kind)]]);
  return { "@grafana/schema": [join(folder, "index.d.ts")], ...Object.fromEntries(panels) };
}

function misfits(version, places, made) {
  const options = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    target: ts.ScriptTarget.ES2022,
    paths: paths(version, places),
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => made.has(name) || fileExists(name);
  host.readFile = (name) => made.get(name) ?? readFile(name);
  host.getSourceFile = (name, target, ...rest) =>
    made.has(name) ? ts.createSourceFile(name, made.get(name), target) : getSourceFile(name, target, ...rest);
  const program = ts.createProgram([...made.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map((one) => {
    const { line } = one.file ? ts.getLineAndCharacterOfPosition(one.file, one.start) : { line: 0 };
    const where = one.file ? `${basename(one.file.fileName, ".ts").replace(/^\d+-/, "")}:${line}` : "";
    return `Grafana ${version}: ${where}: ${ts.flattenDiagnosticMessageText(one.messageText, "\n  ")}`;
  });
}

const made = sources(process.argv.slice(2));
const found = Object.entries(versions).flatMap(([version, places]) => misfits(version, places, made));
console.log(found.length ? found.join("\n") : `${made.size} dashboards fit Grafana ${Object.keys(versions).join(" and ")}`);
process.exitCode = found.length ? 1 : 0;
