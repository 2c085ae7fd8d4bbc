// How long a property test looks for a counterexample: 100 cases in `npm test`, 1,000 in `npm run test:deep`, any other
// number with DEEP=<cases> npx vitest run <file>.

/** The cases of a property test. */
export const numRuns = Number(process.env["DEEP"] ?? 100);

/** The time that a test of so many cases may take; `caseMs` is what the dearest of them takes on a busy machine. */
export const timeFor = (caseMs: number): number => 60_000 + numRuns * caseMs;
