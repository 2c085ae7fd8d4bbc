// A standings command within the test's own process: what it printed and its exit code. What is signalled, piped or killed
// is spawned instead (Deployment.spawn).
import { fileURLToPath } from "node:url";
import { runCommand } from "../../src/cli/main.ts";
import type { CommandParts } from "../../src/cli/open.ts";
import { openWorkers } from "../../workers/main.ts";

export interface Called {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs one command under an environment; only one at a time, for the environment is the process's. */
export async function callUnder(env: Record<string, string>, ...args: string[]): Promise<Called> {
  const before = { ...process.env };
  Object.assign(process.env, { LOG_LEVEL: "silent" }, env);
  const stdout: string[] = [];
  const stderr: string[] = [];
  try {
    await runCommand(args, parts, {
      print: (text) => stdout.push(`${text}\n`),
      note: (text) => stderr.push(`${text}\n`),
      progress: () => undefined,
      endProgress: () => undefined,
    });
    return { code: Number(process.exitCode ?? 0), stdout: stdout.join(""), stderr: stderr.join("") };
  } finally {
    process.exitCode = undefined;
    process.env = before;
  }
}

/** The answer of a command that must end well. */
export async function answerOf(env: Record<string, string>, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await callUnder(env, ...args);
  if (code !== 0) throw new Error(`standings ${args.join(" ")} ended with ${code}: ${stderr}${stdout}`);
  return stdout;
}

/** What standings.mjs hands to the command line; the tests' deployments bring their own sandbox. */
export const parts: CommandParts = {
  openWorkers: (context, options) =>
    openWorkers(context, { ...options, backoff: { firstMs: 1000, mostMs: 1000 } }),
  openSandbox: () => Promise.reject(new Error("no test opens the example's sandbox")),
  exampleFolder: fileURLToPath(new URL("../../examples/copernica/", import.meta.url)),
};
