// Runs a few lines of JavaScript in a process of their own. Imports of "./…" are those of the project, compiled.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { compiledUrl } from "../compiled.ts";

const ROOT = join(import.meta.dirname, "..", "..");

export interface Script {
  process: ChildProcess;
  /** The next line it prints. */
  line: () => Promise<string>;
  ended: Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>;
}

export function startScript(source: string, args: string[], env: NodeJS.ProcessEnv = process.env): Script {
  const compiled = source.replace(/"\.\/([^"]+\.ts)"/g, (_, path: string) =>
    JSON.stringify(compiledUrl(path)),
  );
  const command = ["--input-type=module", "--eval", compiled, "--", ...args];
  const child = spawn(process.execPath, command, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  let read = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "close").then(() => ({
    code: child.exitCode,
    signal: child.signalCode,
    stdout,
    stderr,
  }));
  const line = async (): Promise<string> => {
    for (;;) {
      const end = stdout.indexOf("\n", read);
      if (end >= 0) {
        const text = stdout.slice(read, end);
        read = end + 1;
        return text;
      }
      const over = await Promise.race([once(child.stdout, "data").then(() => false), ended.then(() => true)]);
      if (over) throw new Error(`The script ended:\n${stderr}`);
    }
  };
  return { process: child, line, ended };
}

export function runScript(source: string, args: string[], env?: NodeJS.ProcessEnv): Script["ended"] {
  return startScript(source, args, env).ended;
}
