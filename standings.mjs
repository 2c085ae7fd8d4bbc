#!/usr/bin/env node
// The composition root: the only place that knows the command line, the job handlers and the example's sandbox at once.
// A build runs dist/. A clone runs the compiled copy of its sources, which is brought up to date first.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const inClone = existsSync(join(root, "src", "cli", "main.ts"));

/** The folder to run from, and the ending of its files. */
async function prepare() {
  if (!inClone) return { folder: join(root, "dist"), ending: "js" };
  if (!existsSync(join(root, "node_modules", "typescript"))) {
    const done = spawnSync(process.execPath, [join(root, "setup.mjs")], { stdio: "inherit" });
    if (done.status !== 0) process.exit(1);
  }
  const { bringUpToDate } = await import("./compiled.mjs");
  const folder = bringUpToDate(root);
  if (folder !== undefined) return { folder, ending: "js" };
  // The compiled files cannot be kept: the sources are loaded as they are, which is slower.
  const { register } = await import("tsx/esm/api");
  register();
  return { folder: root, ending: "ts" };
}

const { folder, ending } = await prepare();
const load = (path) => import(pathToFileURL(join(folder, `${path}.${ending}`)).href);
const { runCommand } = await load("src/cli/main");
await runCommand(process.argv.slice(2), {
  // Loaded when a command needs them: most commands only read.
  openWorkers: async (...args) => (await load("workers/main")).openWorkers(...args),
  openSandbox: async (...args) => (await load("examples/copernica/sandbox")).joinOrOpenSandbox(...args),
  exampleFolder: join(inClone ? root : folder, "examples", "copernica"),
});
// Everything is closed. A connection attempt to a server that is gone must not keep the process: this timer fires only if
// something else keeps it.
setTimeout(() => process.exit(), 2000).unref();
