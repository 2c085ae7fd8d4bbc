// standings connectors conform <document> --fixture <file>: the conformance suite over a document of yours. It opens no database
// and sends no request: a local server replays the recorded answers.
import { type CaseOutcome, conform } from "../conformance/conform.ts";
import type { Output } from "../platform/terminal/output.ts";
import { readText } from "./read-text.ts";

const SIGNS: Record<CaseOutcome["outcome"], string> = { ok: "ok  ", failed: "FAIL", untried: "-   " };

/** Returns whether no case failed. */
export async function conformDocument(
  output: Output,
  options: { document: string; fixture: string; json: boolean },
): Promise<boolean> {
  const read = async (file: string) => ({ text: await readText(file), file });
  const texts = { document: await read(options.document), fixture: await read(options.fixture) };
  const outcomes = await conform(texts, (outcome) => {
    if (!options.json) output.print(toLine(outcome));
  });
  const count = (outcome: CaseOutcome["outcome"]) => outcomes.filter((one) => one.outcome === outcome).length;
  if (options.json) output.print(JSON.stringify({ cases: outcomes }, null, 2));
  else
    output.print(`${count("ok")} cases hold, ${count("failed")} fail, ${count("untried")} cannot be tried.`);
  return count("failed") === 0;
}

function toLine({ case: key, title, outcome, reason }: CaseOutcome): string {
  // A comparison of facts is many lines long; what differs is in the first of them.
  const why = reason === null ? "" : `\n      ${reason.split("\n").slice(0, 8).join("\n      ")}`;
  return `${SIGNS[outcome]}  ${key}: ${title}${why}`;
}
