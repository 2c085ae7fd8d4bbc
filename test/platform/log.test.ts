// What stands in a line of the log, whoever threw the error.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { compiledUrl } from "../compiled.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "standings-log-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** The lines a process of its own writes: the log goes to standard error itself. */
function linesOf(body: string): string {
  const script = join(folder, "script.mjs");
  const log = JSON.stringify(compiledUrl("src/platform/log.ts"));
  writeFileSync(script, `import { openLog } from ${log};\nconst log = openLog("info");\n${body}`);
  return execFileSync("sh", ["-c", `"${process.execPath}" "${script}" 2>&1`], {
    encoding: "utf8",
  });
}

test("queries and users of URLs are masked in messages, stacks and causes", () => {
  const lines = linesOf(`
    const cause = new Error("connect postgres://user:s3cret@db.example:5432/standings?password=s3cret");
    const error = Object.assign(new Error("GET https://api.example.com/list?key=s3cret&b=1 failed", { cause }), {
      request: { url: "https://x.example/?key=s3cret", headers: { authorization: "Bearer s3cret" } },
    });
    log.warn({ err: error }, "failed");
    log.warn({ err: "https://api.example.com/?key=s3cret" }, "failed");
    log.info({ headers: { cookie: "s3cret" }, secret: "s3cret", answer: { headers: "s3cret", status: 200 } }, "said");
  `);
  expect(lines.trim().split("\n")).toHaveLength(3);
  expect(lines).not.toContain("s3cret");
  expect(lines).toContain("GET https://api.example.com/list?*** failed");
  expect(lines).toContain("connect postgres://***@db.example:5432/standings?***");
  expect(lines).toContain('"status":200');
});

test("what is no secret is left alone", () => {
  const lines = linesOf(
    'log.warn({ err: new Error("is it? see https://docs.example/a#b, or file:///tmp/x@y") }, "failed")',
  );
  expect(lines).toContain('"message":"is it? see https://docs.example/a#b, or file:///tmp/x@y"');
});
