// Structured lines on standard error, so that standard output stays the command's answer.
import { destination, type Logger, pino } from "pino";

/** What a person needs of an error. Its other properties may be whole clients, with what they know of a session. */
function toLogged(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  const code = (error as NodeJS.ErrnoException).code;
  return {
    type: name,
    message,
    ...(code === undefined ? {} : { code }),
    stack,
    ...(cause === undefined ? {} : { cause: toLogged(cause) }),
  };
}

/**
 * Synchronous on purpose: the last lines before an exit are the ones somebody needs. `beforeLine` is called before each
 * of them: for clearing a progress line, which it would be glued to.
 */
export function openLog(level: string, beforeLine: () => void = () => undefined): Logger {
  const standardError = destination({ fd: 2, sync: true });
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      serializers: { err: toLogged },
      redact: {
        paths: ["secret", "*.secret", "password", "*.password", "*.headers.authorization"],
        censor: "***",
      },
    },
    {
      write(line) {
        beforeLine();
        standardError.write(line);
      },
    },
  );
}
