// The command line: `standings <command>`. Answers go to standard output, everything else to standard error.
// Exit codes: 0 done, 1 failed (or not everything is complete), 2 the call was wrong.
import { Command, CommanderError, Help } from "commander";
import { reportFailure } from "../commands/failure.ts";
import { environmentHelp, helpStyle } from "../commands/help.ts";
import type { CommandParts } from "../commands/open.ts";
import { type Output, openOutput } from "../platform/terminal/output.ts";
import { openCalls } from "./calls.ts";
import { addChecks } from "./checks.ts";
import { addConnectors } from "./connectors.ts";
import { addEvidence } from "./evidence.ts";
import { addForget } from "./forget.ts";
import { addPartners } from "./partners.ts";
import { addProgramme } from "./programme.ts";
import { addRuns } from "./runs.ts";
import { addScores } from "./scores.ts";
import { addServing } from "./serving.ts";
import { addWins } from "./wins.ts";

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
