// What goes where, and how a line that moves behaves on a terminal, in a pipe and among log lines.
import { spawnSync } from "node:child_process";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openOutput } from "../../../src/platform/terminal/output.ts";
import { compiledUrl } from "../../compiled.ts";

const clear = "\r\u001b[2K";

/** An output whose standard error is a terminal of some width, or no terminal; what was written can be read. */
function open(terminal?: { columns: number }) {
  let now = 0;
  const stdout = new PassThrough();
  const stderr: PassThrough = Object.assign(new PassThrough(), terminal && { isTTY: true, ...terminal });
  const output = openOutput(stdout as never, stderr as never, () => now);
  return {
    ...output,
    stdout,
    stderr,
    later: (ms: number) => {
      now += ms;
    },
    said: () => String((stderr.read() as Buffer | null) ?? ""),
    answered: () => String((stdout.read() as Buffer | null) ?? ""),
  };
}

describe("on a terminal", () => {
  test("progress is one line that replaces itself, and is gone before the next word", () => {
    const output = open({ columns: 40 });
    output.progress("1 of 3");
    output.progress("2 of 3");
    output.note("blog complete");
    output.progress("3 of 3");
    output.print("Nothing changed.");
    output.progress("4 of 3");
    output.endProgress();
    output.endProgress();
    expect(output.said()).toBe(
      `${clear}1 of 3${clear}2 of 3${clear}blog complete\n${clear}3 of 3${clear}${clear}4 of 3${clear}`,
    );
    expect(output.answered()).toBe("Nothing changed.\n");
  });

  test.each([
    { columns: 10, shown: 9 },
    { columns: 200, shown: 100 },
    // What some terminals say when they do not know.
    { columns: 0, shown: 79 },
  ])("of $columns columns it never wraps", ({ columns, shown }) => {
    const output = open({ columns });
    output.progress("x".repeat(100));
    expect(output.said()).toBe(clear + "x".repeat(shown));
  });
});

describe("in a pipe", () => {
  test("progress is a plain line now and then", () => {
    const output = open();
    for (let second = 1; second <= 11; second += 1) {
      output.later(1000);
      output.progress(`${second} s`);
    }
    output.endProgress();
    expect(output.said()).toBe("5 s\n10 s\n");
  });

  test("a reader that has gone is no failure, another error of the stream is", () => {
    const { stdout } = open();
    const fail = (code: string) => stdout.emit("error", Object.assign(new Error(code), { code }));
    expect(() => fail("EPIPE")).not.toThrow();
    expect(() => fail("EIO")).toThrow("EIO");
  });
});

test("a log line clears the progress it would be glued to, holds no secret, and is JSON", () => {
  const src = (path: string) => JSON.stringify(compiledUrl(`src/${path}`));
  const { stderr, status } = spawnSync(
    process.execPath,
    [
      ...["--input-type=module", "--eval"],
      `import { openLog } from ${src("platform/log.ts")};
       import { openOutput } from ${src("platform/terminal/output.ts")};
       Object.assign(process.stderr, { isTTY: true, columns: 40 });
       const output = openOutput(process.stdout, process.stderr, () => 0);
       const log = openLog("warn", () => output.endProgress());
       output.progress("2 of 3");
       log.info("not shown");
       log.warn({ secret: "s3cret", connection: { password: "s3cret" } }, "failed");`,
    ],
    { encoding: "utf8", cwd: fileURLToPath(new URL("../../../", import.meta.url)) },
  );
  expect(status, stderr).toBe(0);
  const [before = "", line = ""] = stderr.split(/(?=\{)/);
  expect(before).toBe(`${clear}2 of 3${clear}`);
  expect(stderr).not.toContain("s3cret");
  expect(JSON.parse(stderr.slice(before.length))).toMatchObject({ level: 40, msg: "failed", secret: "***" });
  expect(line).not.toBe("");
});

test("somebody else's text gives the terminal no commands", () => {
  const output = open({ columns: 40 });
  output.print("a\u001b[2Jb\rc\u0007d\u009b1me\n\tf");
  output.note("\u001b]0;title\u0007g");
  expect(output.answered()).toBe("a [2Jb c d 1me\n\tf\n");
  expect(output.said()).toBe(" ]0;title g\n");
});
