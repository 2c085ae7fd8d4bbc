// The command line: `standings <command>`. Answers go to standard output, everything else to standard error.
// Exit codes: 0 done, 1 failed (or not everything is complete), 2 the call was wrong.
import { Command, CommanderError, Help, InvalidArgumentError } from "commander";
import { runDoctor } from "./commands/doctor.ts";
import { printExplanation } from "./commands/explain.ts";
import { reportFailure } from "./commands/failure.ts";
import { environmentHelp, helpStyle } from "./commands/help.ts";
import { aborted, untilInterrupted } from "./commands/interrupt.ts";
import { type CommandParts, type Opened, readText, requireQueue, withContext } from "./commands/open.ts";
import { publish } from "./commands/publish.ts";
import { printRanking } from "./commands/ranking.ts";
import { beginRescore } from "./commands/rescore.ts";
import { approve, printRuns } from "./commands/runs.ts";
import { runFirstSync, serve, serveAndWatch } from "./commands/start.ts";
import { beginReconcile, beginSync, finishAndReport } from "./commands/sync.ts";
import { importConnections } from "./connections.ts";
import type { Context } from "./context.ts";
import { UsageError } from "./errors.ts";
import { importPartners } from "./partners.ts";
import { verify } from "./scoring/verify.ts";
import { type Output, openOutput } from "./terminal/output.ts";

/** Runs one command and sets the process's exit code. Never throws. */
export async function runCommand(
  args: string[],
  parts: CommandParts,
  output = openOutput(process.stdout, process.stderr, () => performance.now()),
): Promise<void> {
  const program = describeCommands(parts, output);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    output.endProgress();
    if (!(error instanceof CommanderError)) process.exitCode = reportFailure(error, output);
    // Help that was asked for ends this way too, with 0.
    else if (error.exitCode !== 0) process.exitCode = 2;
  }
}

interface Json {
  json: boolean;
}

/** Every command with its options; docs/cli.md is held against it. */
export function describeCommands(parts: CommandParts, output: Output): Command {
  const program = new Command("standings")
    .description("Partner scores that keep themselves: evidence in, points awarded, standings fresh.")
    .version("0.1.0")
    .exitOverride()
    .showHelpAfterError("(standings --help lists the commands)")
    .configureHelp(helpStyle(new Help()))
    .configureOutput({
      writeOut: (text) => {
        output.print(text.trimEnd());
      },
      writeErr: (text) => {
        output.note(text.trimEnd());
      },
    })
    .addHelpText("after", environmentHelp);
  const failing = (ok: boolean) => {
    if (!ok) process.exitCode = 1;
  };
  const openWorkers: CommandParts["openWorkers"] = async (context, options) => {
    await requireQueue(context);
    return parts.openWorkers(context, options);
  };
  const reading = <T>(work: (opened: Opened) => Promise<T>) =>
    withContext({ parts, output, callsSources: false }, work);
  const working = (work: (opened: Opened, signal: AbortSignal) => Promise<void>) =>
    withContext({ parts, output, callsSources: true }, (opened) =>
      untilInterrupted(async (signal) => {
        const workers = await openWorkers(opened.context, { schedules: false });
        try {
          await work(opened, signal);
        } finally {
          await workers.close();
        }
      }),
    );

  program
    .command("start")
    .description("everything in one process: first sync, standings, then live changes and the JSON API")
    .option("--once", "exit after the first complete sync", false)
    .action(async ({ once }: { once: boolean }) => {
      await withContext({ parts, output, callsSources: true, alive: !once }, ({ context }) =>
        untilInterrupted(async (signal) => {
          const workers = await openWorkers(context, { schedules: !once });
          try {
            failing(await runFirstSync(context, output, signal));
            if (!once && !signal.aborted) await serveAndWatch(context, output, signal);
          } finally {
            output.endProgress();
            await workers.close();
          }
        }),
      );
    });

  program
    .command("worker")
    .description("runs jobs until it is told to stop (SIGTERM); as many as you like, side by side")
    .action(async () => {
      await withContext({ parts, output, callsSources: true, logLevel: "info" }, ({ context }) =>
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
      await withContext({ parts, output, callsSources: false, logLevel: "info" }, ({ context }) =>
        untilInterrupted(async (signal) => {
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

  program
    .command("sync")
    .description("pulls sources now, all of them or those named, and says what changed")
    .argument("[source...]", "keys of sources.yaml")
    .option("--full", "ask for complete listings, so that what is gone is found", false)
    .option("--json", "the runs and the changes as JSON", false)
    .action(async (sources: string[], { full, json }: Json & { full: boolean }) => {
      await working(async ({ context }, signal) => {
        const runIds = await beginSync(context, { sources, full, askedBy: "command line" });
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
        const runId = await beginReconcile(context, "command line");
        failing(await finishAndReport(context, output, { runIds: [runId], json, signal }));
      });
    });

  program
    .command("rescore")
    .description("evaluates stored evidence again; done when the standings show the result")
    .option("--partner <slug>", "only this partner")
    .option("--achievement <key>", "only where this achievement differs")
    .option("--all", "everybody", false)
    .option("--json", "the run and the changes as JSON", false)
    .action(async (options: Json & { partner?: string; achievement?: string; all: boolean }) => {
      if (!options.all && options.partner === undefined && options.achievement === undefined) {
        throw new UsageError("rescore whom? expected --partner <slug>, --achievement <key> or --all");
      }
      await working(async ({ context }, signal) => {
        const runId = await beginRescore(context, options);
        failing(await finishAndReport(context, output, { runIds: [runId], json: options.json, signal }));
      });
    });

  program
    .command("ranking")
    .description("the standings")
    .option("--top <n>", "only the first n", positive)
    .option("--json", "as JSON", false)
    .action((options: Json & { top?: number }) =>
      reading(({ context }) => printRanking(context, output, options)),
    );

  program
    .command("explain")
    .description("why a partner's score is what it is")
    .argument("<partner>", "its slug")
    .option("--json", "as JSON", false)
    .action((slug: string, { json }: Json) =>
      reading(({ context }) => printExplanation(context, output, { slug, json })),
    );

  const runs = program
    .command("runs")
    .description("the latest runs and how they ended; runs approve <run> believes a loss that was held")
    .option("--limit <n>", "how many", positive, 20)
    .option("--json", "as JSON", false)
    .action((options: Json & { limit: number }) =>
      reading(({ context }) => printRuns(context, output, options)),
    );
  runs
    .command("approve")
    .description("believe the loss that held a run: the next complete listing takes the points")
    .argument("<run>", "its number", positive)
    .action((run: number) => reading(({ context }) => approve(context, output, run)));

  program
    .command("publish")
    .description("publishes a programme: checked, kept as a version, everybody scored under it")
    .argument("<file>", "programme.yaml")
    .action(async (file: string) => {
      const text = await readText(file);
      await working(async ({ context }, signal) => {
        failing(await publish(context, output, { text, file }, signal));
      });
    });

  program
    .command("partners")
    .description("partners and their identities")
    .command("import")
    .description("imports a CSV of slug,name[,website][,listed][,identities]")
    .argument("<csv>", "the file")
    .action(async (file: string) => {
      const text = await readText(file);
      await reading(async ({ context }) => {
        const { added, changed, unchanged, matched } = await importPartners(context.db, {
          text,
          file,
          now: context.now(),
        });
        await context.queues.nudge("score", {});
        output.print(
          `${added} added, ${changed} changed, ${unchanged} as before; ${matched} pieces of evidence matched.`,
        );
      });
    });

  program
    .command("connections")
    .description("credentials of a source")
    .command("import")
    .description("imports a CSV of key[,partner][,use][,secret]; secrets are stored encrypted")
    .argument("<source>", "a key of sources.yaml")
    .argument("<csv>", "the file")
    .action(async (source: string, file: string) => {
      const text = await readText(file);
      await reading(async ({ context }) => {
        const { added, changed, unchanged } = await importConnections(context.db, context.secrets, {
          source,
          text,
          file,
          now: context.now(),
        });
        output.print(`${added} added, ${changed} changed, ${unchanged} as before.`);
      });
    });

  program
    .command("verify")
    .description("holds every stored score against the evidence; the only acceptable drift is 0")
    .option("--json", "as JSON", false)
    .action(async ({ json }: Json) => {
      await reading(async ({ context }) => {
        const verification = await verify(context.db, context.programmes, context.now());
        if (json) output.print(JSON.stringify(verification));
        else {
          const { partners, pending, drift, evaluation, achievements, ledger } = verification;
          output.print(`${partners} partners, ${pending} waiting for their score, drift ${drift}.`);
          const named = { evaluation, achievements, ledger };
          for (const [comparison, slugs] of Object.entries(named)) {
            if (slugs.length > 0) output.print(`  ${comparison}: ${slugs.join(", ")}`);
          }
        }
        failing(verification.drift === 0);
      });
    });

  program
    .command("doctor")
    .description("checks configuration, database, queue and every source's credential, with the remedy")
    .option("--json", "as JSON", false)
    .action(async (options: Json) => {
      const open = <T>(work: (context: Context) => Promise<T>) =>
        withContext({ parts, output, callsSources: true }, ({ context }) => work(context));
      failing(await runDoctor(open, output, options));
    });

  return program;
}

function positive(value: string): number {
  if (!/^[1-9]\d{0,14}$/.test(value)) throw new InvalidArgumentError("Expected a whole number from 1.");
  return Number(value);
}
