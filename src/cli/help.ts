// How the command line describes itself.
/** Below the list of commands. */
export const environmentHelp = `
Configuration is in the environment: DATABASE_URL (none: an embedded Postgres under .standings/), REDIS_URL (none:
the queue runs on Postgres), STANDINGS_SECRET_KEY, STANDINGS_SOURCES (none: sources.yaml, or the example), STANDINGS_PORT,
LOG_LEVEL. Exit codes: 0 done, 1 failed, 2 the call was wrong.`;

interface Described<Self> {
  name(): string;
  readonly options: readonly unknown[];
  readonly commands: readonly Self[];
}

interface Switch {
  description: string;
  defaultValue?: unknown;
}

/** The parts of the usual help that are told otherwise here. */
interface HelpParts<Command, Option> {
  subcommandTerm(command: Command): string;
  subcommandDescription(command: Command): string;
  optionDescription(option: Option): string;
}

/** A group of one command stands in the list as that command, one of several names them; a switch that is off says nothing about it. */
export function helpStyle<Command extends Described<Command>, Option extends Switch>(
  usual: HelpParts<Command, Option>,
): HelpParts<Command, Option> {
  return {
    subcommandTerm(command) {
      const only = onlyOf(command);
      return only === undefined
        ? usual.subcommandTerm(command)
        : `${command.name()} ${usual.subcommandTerm(only)}`;
    },
    subcommandDescription(command) {
      const described = usual.subcommandDescription(onlyOf(command) ?? command);
      if (command.commands.length === 0 || onlyOf(command) !== undefined) return described;
      return `${described}: ${command.commands.map((one) => `${command.name()} ${one.name()}`).join(", ")}`;
    },
    optionDescription: (option) =>
      option.defaultValue === false ? option.description : usual.optionDescription(option),
  };
}

function onlyOf<Command extends Described<Command>>(group: Command): Command | undefined {
  // A command with options does something by itself.
  return group.options.length === 0 && group.commands.length === 1 ? group.commands[0] : undefined;
}
