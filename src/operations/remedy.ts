// What to do about a source that failed, by the class of its error.

import type { Source } from "../ingest/sources.ts";
import { formatDuration } from "../platform/durations.ts";
import type { SourceError } from "../platform/errors.ts";

export function remedyFor(error: SourceError, source: Source): string {
  switch (error.class) {
    case "auth":
      return `import a new credential with: standings connections import ${source.key} connections.csv`;
    case "config":
      return "check the source's settings in sources.yaml";
    case "quota":
      return error.retryAfterMs === undefined
        ? "the source asks us to wait; nothing to do"
        : `the source asks us to wait ${formatDuration(error.retryAfterMs)}; nothing to do`;
    case "transient":
      return "try again; if it stays, ask the operator of the system";
    case "data":
      return "the answer is not what the settings say; compare them with the system's export";
  }
}
