// Structured lines on standard error, so that standard output stays the command's answer.
import { destination, type Logger, pino } from "pino";

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
