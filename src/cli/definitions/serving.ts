// The commands that keep running: start, worker, api; and migrate.
import type { Command } from "commander";
import type { Calls } from "../calls.ts";
import { aborted, untilInterrupted } from "../interrupt.ts";

export function addServing(
  program: Command,
  { opening, output, openWorkers, reading, failing }: Calls,
): void {
  program
    .command("start")
    .description("everything in one process: first sync, standings, then live changes and the JSON API")
    .option("--once", "exit after the first complete sync", false)
    .action(async ({ once }: { once: boolean }) => {
      await opening({ callsSources: true, alive: !once }, ({ context }) =>
        untilInterrupted(async (signal) => {
          const { runFirstSync, serve, watch } = await import("../start.ts");
          // The port is opened first, so that a port in use is reported before minutes of syncing.
          const web = once ? undefined : await serve(context);
          try {
            const workers = await openWorkers(context, { schedules: !once });
            try {
              failing(await runFirstSync(context, output, signal));
              if (web !== undefined && !signal.aborted) await watch(context, output, web, signal);
            } finally {
              output.endProgress();
              await workers.close();
            }
          } finally {
            await web?.close();
          }
        }),
      );
    });

  program
    .command("worker")
    .description("runs jobs until it is told to stop (SIGTERM); as many as you like, side by side")
    .action(async () => {
      await opening({ callsSources: true, logLevel: "info" }, ({ context }) =>
        untilInterrupted(async (signal) => {
          const workers = await openWorkers(context, { schedules: true });
          output.note("The worker runs.");
          await aborted(signal);
          await workers.close();
        }),
      );
    });

  program
    .command("api")
    .description("serves the JSON API only")
    .action(async () => {
      await opening({ callsSources: false, logLevel: "info" }, ({ context }) =>
        untilInterrupted(async (signal) => {
          const { serve } = await import("../start.ts");
          const web = await serve(context);
          output.note(`The API is on http://${context.config.host}:${web.port}/api/standings.`);
          await aborted(signal);
          await web.close();
        }),
      );
    });

  program
    .command("migrate")
    .description("brings the database's schema up to date (every command does)")
    .action(() =>
      reading(() => {
        output.print("The schema is up to date.");
        return Promise.resolve();
      }),
    );
}
