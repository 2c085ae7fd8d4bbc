// Certificates as Open Badges: 2.0 hosted and signed, 3.0 as a token or a document with a proof. A list says which there are;
// each is verified in every pull, so one that is revoked is gone with the next, and nothing is evidence because a list says so.
import { z } from "zod";
import { quote, readJson } from "../client/answers.ts";
import { defineConnector, type EvidenceFact, type PullInput, type QuarantinedRow } from "../connector.ts";
import { sift } from "../facts.ts";
import { toEvidence, toExternalId } from "./badge.ts";
import { openDocuments } from "./documents.ts";
import type { Outcome } from "./entries.ts";
import { BadgeRefusal } from "./refusal.ts";
import type { StatusTrust } from "./status.ts";

const ROWS_A_PAGE = 100;

const settingsSchema = z.strictObject({
  /** A JSON array of badges, or of their addresses. */
  list: z.url({ protocol: /^https?$/ }),
  evidence: z.string().min(1).max(64).default("certification"),
  /** Whose badges count; no others do. */
  issuers: z
    .array(
      z
        .strictObject({
          id: z.string().regex(/^(https?:\/\/|did:key:z)/, "expected a web address or a did:key"),
          /** Where its badges and keys are, in place of its origin: for hosts many issuers share. */
          "starts-with": z
            .array(z.url({ protocol: /^https?$/ }))
            .min(1)
            .optional(),
        })
        .transform(({ id, "starts-with": startsWith }) => ({ id, startsWith })),
    )
    .min(1),
  attribution: z.strictObject({
    by: z.enum(["email-domain", "list"]),
    /** Of the identities. */
    namespace: z.string().min(1).max(100),
  }),
  /** Badge classes that count, and the attributes of their evidence, such as { level: advanced }; without any, all count. */
  badges: z.record(z.string(), z.record(z.string().min(1), z.string())).default({}),
});

type OpenBadgesSettings = z.output<typeof settingsSchema>;
type Input = PullInput<OpenBadgesSettings>;

/**
 * The connection's secret is optional: a bearer token, sent to the list only. The cursor holds nothing: a list is read as a whole.
 */
export const openBadges = defineConnector<OpenBadgesSettings>({
  settings: settingsSchema,
  alwaysComplete: true,
  perAccount: false,
  kinds: ({ evidence }) => [evidence],
  async *pull(input) {
    let begins: true | undefined = true;
    let page: { evidence: EvidenceFact[]; quarantined: QuarantinedRow[] } = { evidence: [], quarantined: [] };
    let total: number | undefined;
    for await (const verdict of judge(input)) {
      page.evidence.push(...verdict.evidence);
      page.quarantined.push(...verdict.quarantined);
      total = verdict.of;
      if (page.evidence.length + page.quarantined.length === ROWS_A_PAGE) {
        yield { ...page, cursor: {}, total, begins };
        begins = undefined;
        page = { evidence: [], quarantined: [] };
      }
    }
    yield { ...page, cursor: {}, total, begins };
  },
  async check(input) {
    const counts = { badges: 0, evidence: 0, revoked: 0, quarantined: 0 };
    for await (const { evidence, quarantined, isRevoked } of judge(input)) {
      counts.badges += 1;
      counts.evidence += evidence.length;
      counts.quarantined += quarantined.length;
      counts.revoked += isRevoked ? 1 : 0;
    }
    const kept = counts.quarantined === 0 ? "" : `, ${counts.quarantined} that do not count`;
    return `${whereOf(input)}, ${counts.badges} badges, ${counts.evidence} pieces of evidence, ${counts.revoked} revoked${kept}`;
  },
});

function whereOf({ settings }: Input): string {
  const { host, pathname } = new URL(settings.list);
  return `${host}${pathname}`;
}

interface Rows {
  evidence: EvidenceFact[];
  quarantined: QuarantinedRow[];
  isRevoked: boolean;
}

interface Verdict extends Rows {
  /** How many badges the list names. */
  of: number;
}

/** Each badge of the list, once. A SourceError of any is one of the whole: what cannot be checked now must not be called absent. */
async function* judge(input: Input): AsyncGenerator<Verdict, void, undefined> {
  const { settings, connection, fetch, now, signal } = input;
  const { secret } = connection;
  const answer = await fetch({
    url: settings.list,
    headers: secret === undefined ? {} : { authorization: `Bearer ${secret}` },
    expect: "json",
  });
  const entries = readJson(answer, z.array(z.unknown()), whereOf(input));
  const trust: StatusTrust = {
    issuers: settings.issuers,
    documents: openDocuments(fetch),
    now,
    statusLists: new Map(),
  };
  // The packages for signatures take a third of a second to load.
  const { verifyEntry } = await import("./entries.ts");
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    signal.throwIfAborted();
    const verdict = toVerdict(await verifyEntry(entry, trust), `entry ${index + 1}`, input);
    const rows = [...verdict.evidence, ...verdict.quarantined];
    // The same badge twice counts once, as it stands first.
    if (rows.some(({ externalId }) => seen.has(externalId))) continue;
    for (const { externalId } of rows) seen.add(externalId);
    yield { ...verdict, of: entries.length };
  }
}

/**
 * What was refused is kept aside under an id of its own, so that a complete listing calls absent what was evidence before. What
 * cannot be read is kept aside as the row it may be again.
 */
function toVerdict({ id, partner, found }: Outcome, place: string, input: Input): Rows {
  if (found instanceof BadgeRefusal) {
    if (found.kind === "revoked") return { evidence: [], quarantined: [], isRevoked: true };
    const externalId = id === undefined ? place : toExternalId(id);
    const row = {
      externalId: found.kind === "refused" ? `refused/${externalId}` : externalId,
      reason: `${quote(externalId)}: ${found.message}`,
      ...(id === undefined ? { unidentified: true as const } : {}),
    };
    return { evidence: [], quarantined: [row], isRevoked: false };
  }
  const rows = sift([found], {
    id: (badge) => toExternalId(badge.id),
    place: () => place,
    facts: (badge) => toEvidence(badge, partner, input),
  });
  return { ...rows, isRevoked: false };
}
