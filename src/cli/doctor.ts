// standings doctor: one line for each part, with the remedy where it fails.
import type { Context } from "../context.ts";
import { examineAll, type Finding } from "../operations/doctor.ts";
import { UsageError } from "../platform/errors.ts";
import type { Output } from "../platform/terminal/output.ts";
import { UNUSABLE_DATABASE } from "./open.ts";

/**
 * Opens everything and checks configuration, database, queue, programme and every connection's credential. What cannot be
 * opened is a finding, too: then it is the only one. Returns whether all is well.
 */
export async function runDoctor(
  open: (work: (context: Context) => Promise<Finding[]>) => Promise<Finding[]>,
  output: Output,
  options: { json: boolean },
): Promise<boolean> {
  const findings = await open((context) =>
    examineAll(context, (line) => {
      output.progress(line);
    }),
  ).catch((error: unknown) => [whyNotOpened(error)]);
  output.endProgress();
  if (options.json) {
    output.print(JSON.stringify({ findings }, null, 2));
  } else {
    for (const finding of findings) {
      output.print(`${finding.ok ? "ok  " : "FAIL"}  ${finding.part}: ${finding.message}`);
    }
  }
  return findings.every((finding) => finding.ok);
}

function whyNotOpened(error: unknown): Finding {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UsageError) return { part: "configuration", ok: false, message };
  return { part: message.startsWith(UNUSABLE_DATABASE) ? "database" : "start", ok: false, message };
}
