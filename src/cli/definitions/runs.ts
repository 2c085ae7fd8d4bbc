// The commands that begin runs and show them: sync, reconcile, rescore, runs.
import type { Command } from "commander";
import { readAdministrator } from "../administrator.ts";
import { BY, type By, type Calls, type Json, positive } from "../calls.ts";

type RescoreCall = Json & {
  partner?: string;
  achievement?: string;
  source?: string;
  all: boolean;
  resume?: number;
};

export function addRuns(program: Command, { output, reading, working, failing }: Calls): void {
  program
    .command("sync")
    .description("pulls sources now, all of them or those named, and says what changed")
    .argument("[source...]", "keys of sources.yaml")
    .option("--full", "ask for complete listings, so that what is gone is found", false)
    .option("--now", "also where a source asked to be left alone (Retry-After)", false)
    .option("--json", "the runs and the changes as JSON", false)
    .action(async (sources: string[], { full, now, json }: Json & { full: boolean; now: boolean }) => {
      await working(async ({ context }, signal) => {
        const respect = now ? "nothing" : "waits";
        const { beginSync } = await import("../../operations/sync.ts");
        const runIds = await beginSync(context, { sources, full, askedBy: "command line", respect });
        const { finishAndReport } = await import("../sync.ts");
        failing(await finishAndReport(context, output, { runIds, json, signal }));
      });
    });

  program
    .command("reconcile")
    .description(
      "a complete listing of every source, then every score held against its evidence and repaired",
    )
    .option("--json", "the run as JSON", false)
    .action(async ({ json }: Json) => {
      await working(async ({ context }, signal) => {
        const { beginReconcile } = await import("../../operations/sync.ts");
        const { runId } = await beginReconcile(context, "command line");
        const { finishAndReport } = await import("../sync.ts");
        failing(await finishAndReport(context, output, { runIds: [runId], json, signal }));
      });
    });

  program
    .command("rescore")
    .description("evaluates stored evidence again; done when the standings show the result")
    .option("--partner <slug>", "only this partner")
    .option("--achievement <key>", "only where this achievement differs")
    .option("--source <key>", "only partners with evidence from this source")
    .option("--all", "everybody", false)
    .option("--resume <run>", "go on with a rescore that was cancelled or interrupted", positive)
    .option("--json", "the run and the changes as JSON", false)
    .action(async (options: RescoreCall) => {
      await working(async ({ context }, signal) => {
        const { beginRescore } = await import("../../operations/rescore.ts");
        const runId = await beginRescore(context, options);
        const { finishAndReport } = await import("../sync.ts");
        failing(await finishAndReport(context, output, { runIds: [runId], json: options.json, signal }));
      });
    });

  const runs = program
    .command("runs")
    .description("the latest runs and how they ended; about losses that were held, and rescores to end")
    .option("--limit <n>", "how many", positive, 20)
    .option("--json", "as JSON", false)
    .action((options: Json & { limit: number }) =>
      reading(async ({ context }) => (await import("../runs.ts")).printRuns(context, output, options)),
    );
  runs
    .command("held")
    .description(
      "the evidence whose loss a run has held; without a number, all runs whose losses wait or were rejected",
    )
    .argument("[run]", "its number", positive)
    .option("--json", "as JSON", false)
    .action((runId: number | undefined, _: Json, command: Command) => {
      const { json } = command.optsWithGlobals<Json>();
      return reading(async ({ context }) =>
        (await import("../runs.ts")).printHeld(context, output, { runId, json }),
      );
    });
  for (const [name, decision, description] of decisions) {
    runs
      .command(name)
      .description(description)
      .argument("<run>", "its number", positive)
      .option(...BY)
      .action((runId: number, { by }: By) =>
        reading(async ({ context }) =>
          (await import("../runs.ts")).decide(context, output, {
            runId,
            decision,
            by: readAdministrator(by, context.config.admin),
          }),
        ),
      );
  }
  runs
    .command("cancel")
    .description("end a rescore between two of its ranges; rescore --resume goes on with it")
    .argument("<run>", "its number", positive)
    .option(...BY)
    .action((runId: number, { by }: By) =>
      reading(async ({ context }) =>
        (await import("../runs.ts")).cancel(context, output, {
          runId,
          by: readAdministrator(by, context.config.admin),
        }),
      ),
    );
}

const decisions = [
  ["approve", "approved", "believe the loss that held a run: the next complete listing takes the points"],
  ["reject", "rejected", "do not believe the loss that held a run: the evidence stays, unconfirmed"],
] as const;
