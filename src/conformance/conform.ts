// The suite, run over a document and a fixture: each case on a system of its own.
import { parseDocument } from "../connectors/http/document.ts";
import type { HttpDocument } from "../connectors/http/schema.ts";
import { SourceError } from "../platform/errors.ts";
import { type Case, stored, Trial } from "./bench.ts";
import { cases } from "./cases.ts";
import { parseFixture } from "./fixture.ts";
import { openRecorded } from "./recorded.ts";

export interface CaseOutcome {
  case: string;
  title: string;
  /** `untried`: the document or the fixture does not have what it takes. */
  outcome: "ok" | "failed" | "untried";
  /** Why not. */
  reason: string | null;
}

interface Text {
  text: string;
  file: string;
}

/**
 * Every case in turn; the first is that the fixture's own rows can be read. `tell` hears of each outcome as it comes. Throws a
 * UsageError for a document or a fixture that is none.
 */
export async function conform(
  texts: { document: Text; fixture: Text },
  tell: (outcome: CaseOutcome) => void,
): Promise<CaseOutcome[]> {
  const { document } = parseDocument(texts.document.text, texts.document.file);
  const fixture = parseFixture(texts.fixture.text, texts.fixture.file);
  const outcomes: CaseOutcome[] = [];
  for (const one of [undefined, ...cases]) {
    const { connector, bench, cannot, shared } = await openRecorded(document, fixture);
    const tried = one ?? readable(document, shared);
    const { key, title, needs } = tried;
    const trial = new Trial(connector, bench);
    const why = needs === undefined ? undefined : cannot[needs];
    const reason = why ?? (await failureOf(tried, trial));
    await trial.close();
    const outcome = why !== undefined ? "untried" : reason === null ? "ok" : "failed";
    outcomes.push({ case: key, title, outcome, reason });
    tell({ case: key, title, outcome, reason });
  }
  return outcomes;
}

const readable = (document: HttpDocument, shared: string | undefined): Case => ({
  key: "readable",
  title: "every row of the fixture can be read, and some are evidence",
  async run(trial) {
    const pages = await trial.pull();
    const [broken] = pages.flatMap(({ quarantined = [] }) => quarantined);
    if (broken !== undefined) throw new Error(`${broken.externalId} would be quarantined: ${broken.reason}`);
    if (shared !== undefined)
      throw new Error(`two rows are one piece of evidence, ${shared}: its external id is not unique`);
    if (pages.every(({ evidence }) => evidence.length === 0)) throw new Error("no row is evidence");
    const newest = stored(pages.at(-1)) as { newest?: Record<string, string> };
    for (const [name, { incremental, evidence }] of Object.entries(document.streams)) {
      if (incremental === undefined || evidence === undefined || newest.newest?.[name] !== undefined)
        continue;
      throw new Error(`no row of ${name} says when it changed: there is no date at ${incremental.field}`);
    }
  },
});

async function failureOf(tried: Case, trial: Trial): Promise<string | null> {
  try {
    await tried.run(trial);
    return null;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return error instanceof SourceError ? `${error.class}: ${message}` : message;
  }
}
