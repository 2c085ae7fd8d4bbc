// Structured lines on standard error, so that standard output stays the command's answer.
import { destination, type Logger, pino } from "pino";

/** Synchronous on purpose: the last lines before an exit are the ones somebody needs. */
export function openLog(level: string): Logger {
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
    destination({ fd: 2, sync: true }),
  );
}
