// In a clone, commands run compiled JavaScript: loading the TypeScript sources takes seconds of processor time at every start.
// The compiled files are below node_modules/.cache/standings, with the folders of the sources, and are brought up to date here.
// A file is compiled again when its size or its time of change differs from the manifest.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const FOLDERS = ["src", "workers", "db", "examples"];

/**
 * Returns the folder of the compiled files, or undefined where it cannot be written (a clone that belongs to another user).
 * Safe for any number of processes at once: every file is written aside and renamed, and the manifest last.
 */
export function bringUpToDate(root) {
  const target = join(root, "node_modules", ".cache", "standings");
  const manifestFile = join(target, "manifest.json");
  const known = readManifest(manifestFile);
  const version = versionOf(root);
  const sources = listSources(root);
  const isKnown = known.version === version;
  const changed = Object.keys(sources).filter((path) => !isKnown || known.sources[path] !== sources[path]);
  const gone = Object.keys(known.sources).filter((path) => !(path in sources));
  if (changed.length === 0 && gone.length === 0) return target;
  try {
    mkdirSync(target, { recursive: true });
    write(join(target, "package.json"), '{ "type": "module" }\n');
    const compile = changed.some(isCompiled) ? openCompiler(root) : undefined;
    for (const path of changed) {
      const text = readFileSync(join(root, path));
      if (isCompiled(path)) write(join(target, toOutput(path)), compile(path, text.toString("utf8")));
      else write(join(target, path), text);
    }
    for (const path of gone) rmSync(join(target, toOutput(path)), { force: true });
    write(manifestFile, JSON.stringify({ version, sources }));
    return target;
  } catch (error) {
    // Read-only folders, full disks: all errors of the file system have a code.
    if (typeof error.code === "string") return undefined;
    throw error;
  }
}

function readManifest(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return { version: undefined, sources: {} };
  }
}

/** Changes when the compiler, its settings or this file do. */
function versionOf(root) {
  const digest = createHash("sha256");
  for (const path of ["compiled.mjs", "tsconfig.json", "node_modules/typescript/package.json"]) {
    digest.update(readFileSync(join(root, path)));
  }
  return digest.digest("hex");
}

/** Size and time of change by path from the root, with forward slashes; declarations and notes are left out. */
function listSources(root) {
  const sources = {};
  for (const folder of FOLDERS) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || /\.(d\.ts|md)$/.test(entry.name)) continue;
      const file = join(entry.parentPath ?? entry.path, entry.name);
      const { size, mtimeMs } = statSync(file);
      sources[file.slice(root.length).replaceAll("\\", "/").replace(/^\//, "")] = `${size} ${mtimeMs}`;
    }
  }
  return sources;
}

function isCompiled(path) {
  return /\.tsx?$/.test(path);
}

function toOutput(path) {
  return path.replace(/\.tsx?$/, ".js");
}

/** Each file by itself and without type checks, as `npm run check:types` has those. */
function openCompiler(root) {
  const ts = createRequire(join(root, "package.json"))("typescript");
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  const compilerOptions = { ...options, noEmit: false, module: ts.ModuleKind.ESNext, inlineSourceMap: false };
  return (fileName, text) => ts.transpileModule(text, { fileName, compilerOptions }).outputText;
}

function write(file, content) {
  mkdirSync(dirname(file), { recursive: true });
  const aside = `${file}.${process.pid}`;
  writeFileSync(aside, content);
  renameSync(aside, file);
}
