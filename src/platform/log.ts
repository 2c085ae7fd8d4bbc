// Structured lines on standard error, so that standard output stays the command's answer.
import { destination, type Logger, pino } from "pino";

/** The query of a URL, and a user and password in one, are where credentials stand: the last net, for errors of others. */
function masked(text: string): string {
  return text.replace(/\b([a-z][a-z\d+.-]*:\/\/)([^\s"'<>]+)/gi, (_url, scheme: string, rest: string) => {
    const [place = "", query] = rest.split("?", 2);
    return `${scheme}${place.replace(/^[^/]*@/, "***@")}${query === undefined ? "" : "?***"}`;
  });
}

/** What a person needs of an error. Its other properties may be whole clients, with what they know of a session. */
function toLogged(error: unknown): object {
  if (!(error instanceof Error)) return { message: masked(String(error)) };
  const { name, message, stack, cause } = error;
  const code = (error as NodeJS.ErrnoException).code;
  return {
    type: name,
    message: masked(message),
    ...(code === undefined ? {} : { code }),
    stack: stack === undefined ? undefined : masked(stack),
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
        paths: ["secret", "*.secret", "password", "*.password", "headers", "*.headers"],
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
