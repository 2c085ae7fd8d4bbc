#!/usr/bin/env node
// The composition root: the only place that knows the command line, the job handlers and the example's sandbox at once.
// In a clone it runs the TypeScript sources; from a build it runs dist/.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const inClone = existsSync(new URL("./src/cli/main.ts", import.meta.url));
if (inClone) {
  if (!existsSync(new URL("./node_modules/tsx", import.meta.url))) {
    const setup = fileURLToPath(new URL("./setup.mjs", import.meta.url));
    if (spawnSync(process.execPath, [setup], { stdio: "inherit" }).status !== 0) process.exit(1);
  }
  const { register } = await import("tsx/esm/api");
  register();
}
const at = (path) => new URL(inClone ? `./${path}.ts` : `./dist/${path}.js`, import.meta.url).href;
const { runCommand } = await import(at("src/cli/main"));
const { openWorkers } = await import(at("workers/main"));
const { joinOrOpenSandbox } = await import(at("examples/copernica/sandbox"));
await runCommand(process.argv.slice(2), { openWorkers, openSandbox: joinOrOpenSandbox });
// Everything is closed. What still tries to reach a server that is gone must not keep the process: this timer fires only if
// something else keeps it.
setTimeout(() => process.exit(), 2000).unref();
