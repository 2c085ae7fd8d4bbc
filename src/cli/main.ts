// The command line: `standings <command>`. Answers go to standard output, everything else to standard error.
// Exit codes: 0 done, 1 failed (or not everything is complete), 2 the call was wrong.
import { Command, CommanderError, Help } from "commander";
import { type Output, openOutput } from "../platform/terminal/output.ts";
import { openCalls } from "./calls.ts";
import { addChecks } from "./definitions/checks.ts";
import { addConnectors } from "./definitions/connectors.ts";
import { addEvidence } from "./definitions/evidence.ts";
import { addForget } from "./definitions/forget.ts";
import { addPartners } from "./definitions/partners.ts";
import { addProgramme } from "./definitions/programme.ts";
import { addRuns } from "./definitions/runs.ts";
import { addScores } from "./definitions/scores.ts";
import { addServing } from "./definitions/serving.ts";
import { addWins } from "./definitions/wins.ts";
import { reportFailure } from "./failure.ts";
import { environmentHelp, helpStyle } from "./help.ts";
import type { CommandParts } from "./open.ts";

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
  const calls = openCalls(parts, output);
  for (const add of [
    addServing,
    addRuns,
    addScores,
    addWins,
    addProgramme,
    addPartners,
    addForget,
    addConnectors,
    addEvidence,
    addChecks,
  ])
    add(program, calls);
  return program;
}
