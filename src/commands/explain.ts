// standings explain <partner> [--json]: the achievements, reached or not, and the evidence behind each.
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { type EvidenceShown, explain } from "../scoring/explain.ts";
import type { Output } from "../terminal/output.ts";
import { formatCount } from "../terminal/table.ts";

/** Of the evidence behind one achievement; the rest is counted. --json shows all of it. */
const SHOWN = 12;

export async function printExplanation(
  context: Context,
  output: Output,
  options: { slug: string; json: boolean },
): Promise<void> {
  const explanation = await explain(context.db, context.programmes, {
    slug: options.slug,
    now: context.now(),
  });
  if (
    explanation === undefined &&
    (await context.programmes.inForce(context.db, context.now())) === undefined
  )
    throw new UsageError("no programme is published; publish one with: standings publish programme.yaml");
  if (explanation === undefined)
    throw new UsageError(`there is no partner ${options.slug}; see: standings ranking`);
  const { partnerId, ...shown } = explanation;
  const standing = await context.standings.of(partnerId);
  if (options.json) {
    output.print(JSON.stringify({ ...shown, rank: standing?.rank ?? null }, null, 2));
    return;
  }
  const { partner, points, perfect, achievements } = explanation;
  const rank = standing === undefined ? "" : `, rank ${standing.rank}`;
  output.print(`${partner.name}: ${points} of ${perfect} points${rank}`);
  output.print(
    `Programme version ${explanation.programmeVersion}, score version ${explanation.scoreVersion}${explanation.pending ? "; new evidence is being scored" : ""}`,
  );
  for (const achievement of achievements) {
    const mark = achievement.achieved ? "✔" : achievement.points > 0 ? "◐" : "✘";
    output.print("");
    output.print(`${mark} ${achievement.title}: ${achievement.points} of ${achievement.maximum} points`);
    if (achievement.hint !== null) output.print(`    → ${achievement.hint}`);
    for (const evidence of achievement.evidence.slice(0, SHOWN)) {
      output.print(`    ${toLine(evidence, explanation.timeZone)}`);
    }
    const hidden = achievement.evidence.length - SHOWN;
    if (hidden > 0) output.print(`    … and ${formatCount(hidden)} more (--json shows them)`);
    if (achievement.evidence.length === 0) output.print("    no evidence");
  }
  const sum = achievements.map((achievement) => achievement.points).join(" + ");
  output.print("");
  output.print(`${sum} = ${points} points`);
}

/** "2026-10-14  copernica  October newsletter (1,204; use own)". */
function toLine(evidence: EvidenceShown, timeZone: string): string {
  const date = (instant: Date) =>
    new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" }).format(instant);
  const until = evidence.endedAt === null ? "" : ` until ${date(evidence.endedAt)}`;
  const details = [
    ...(evidence.quantity === 1 ? [] : [formatCount(evidence.quantity)]),
    ...Object.entries(evidence.attributes).map(([key, value]) => `${key} ${value}`),
  ];
  const named = evidence.title ?? evidence.externalId;
  const link = evidence.link === null ? "" : `  ${evidence.link}`;
  return `${date(evidence.occurredAt)}${until}  ${evidence.source}  ${named}${details.length > 0 ? ` (${details.join("; ")})` : ""}${link}`;
}
