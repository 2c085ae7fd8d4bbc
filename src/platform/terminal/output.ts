// Where a command's words go: the answer to standard output, what happens meanwhile to standard error.

export interface Output {
  /** A line of the answer. */
  print(text: string): void;
  /** A line about what goes on. */
  note(text: string): void;
  /** One line that replaces the previous one; on anything but a terminal it is printed now and then. */
  progress(text: string): void;
  /** Ends the line that is being replaced. */
  endProgress(): void;
}

/** Between two progress lines in a log file or a pipe. */
const PLAIN_EVERY_MS = 5000;

export function openOutput(
  stdout: NodeJS.WriteStream,
  stderr: NodeJS.WriteStream,
  now: () => number,
): Output {
  for (const stream of [stdout, stderr]) {
    // `standings ranking | head -1` closes the pipe early, which is no failure.
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  }
  let live = false;
  let lastPlainAt = now();
  const endProgress = () => {
    if (live) stderr.write("\r\u001b[2K");
    live = false;
  };
  return {
    print(text) {
      endProgress();
      stdout.write(`${toPlain(text)}\n`);
    },
    note(text) {
      endProgress();
      stderr.write(`${toPlain(text)}\n`);
    },
    progress(text) {
      if (stderr.isTTY) {
        live = true;
        const columns = stderr.columns > 0 ? stderr.columns : 80;
        stderr.write(`\r\u001b[2K${text.slice(0, columns - 1)}`);
      } else if (now() - lastPlainAt >= PLAIN_EVERY_MS) {
        lastPlainAt = now();
        stderr.write(`${text}\n`);
      }
    },
    endProgress,
  };
}

/** Names and titles are other people's text: on a terminal, a control character of theirs would be a command. */
function toPlain(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, " ");
}
