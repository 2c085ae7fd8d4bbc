// Every table of Standings, in the words of the glossary (ARCHITECTURE.md). Constraints and indexes are named by hand.
// What drizzle cannot say (INCLUDE columns, UNLOGGED) stands in db/migrations/*_beyond_drizzle.sql.
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  numeric,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";

/** Instants carry milliseconds, as JavaScript's do, so that a value read and written back is the same value. */
const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3, mode: "date" });
const id = (name: string) => bigint(name, { mode: "number" });

/** Organisations that are scored. */
export const partners = pgTable(
  "partners",
  {
    id: id("id").generatedAlwaysAsIdentity(),
    slug: text("slug").notNull(),
    name: text("name").notNull(),
    website: text("website"),
    profile: jsonb("profile").notNull().default({}),
    status: text("status", { enum: ["active", "suspended", "merged"] })
      .notNull()
      .default("active"),
    mergedInto: id("merged_into"),
    listed: boolean("listed").notNull().default(true),
    createdAt: instant("created_at").notNull().defaultNow(),
    /** What was known of it has been erased: only its number, its ledger and this are left. */
    forgottenAt: instant("forgotten_at"),
    forgottenBy: text("forgotten_by"),
  },
  (t) => [
    primaryKey({ name: "partners_pkey", columns: [t.id] }),
    unique("partners_slug_key").on(t.slug),
    foreignKey({ name: "partners_merged_into_fkey", columns: [t.mergedInto], foreignColumns: [t.id] }),
    check("partners_slug_check", sql`${t.slug} ~ '^[a-z0-9]+(-[a-z0-9]+)*$'`),
    check("partners_status_check", sql`${t.status} in ('active', 'suspended', 'merged')`),
    check("partners_merged_check", sql`(${t.status} = 'merged') = (${t.mergedInto} is not null)`),
    check(
      "partners_forgotten_check",
      sql`(${t.forgottenAt} is null) = (${t.forgottenBy} is null) and (${t.forgottenAt} is null or ${t.status} <> 'active')`,
    ),
    // Those the standings leave out: few, so that they are subtracted instead of the others counted.
    index("partners_hidden_idx").on(t.id).where(sql`not (${t.status} = 'active' and ${t.listed})`),
  ],
);

/** Names under which sources know a partner: (namespace, key) belongs to at most one partner. */
export const identities = pgTable(
  "identities",
  {
    namespace: text("namespace").notNull(),
    key: text("key").notNull(),
    partnerId: id("partner_id").notNull(),
    createdAt: instant("created_at").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "identities_pkey", columns: [t.namespace, t.key] }),
    foreignKey({ name: "identities_partner_fkey", columns: [t.partnerId], foreignColumns: [partners.id] }),
    index("identities_partner_idx").on(t.partnerId),
  ],
);

/** Configured external systems, one row for each key in sources.yaml. */
export const sources = pgTable(
  "sources",
  {
    key: text("key").notNull(),
    connector: text("connector").notNull(),
    settingsDigest: text("settings_digest").notNull(),
    lastAttemptAt: instant("last_attempt_at"),
    /** The start of the last run that ended `complete`: the evidence is at least as fresh as this. */
    lastCompleteAt: instant("last_complete_at"),
    state: text("state", { enum: ["new", "complete", "partial", "held", "failed"] })
      .notNull()
      .default("new"),
    reason: text("reason"),
  },
  (t) => [
    primaryKey({ name: "sources_pkey", columns: [t.key] }),
    check("sources_state_check", sql`${t.state} in ('new', 'complete', 'partial', 'held', 'failed')`),
  ],
);

/** One credential within a source. A source without accounts of its own has one connection, `main`. */
export const connections = pgTable(
  "connections",
  {
    id: id("id").generatedAlwaysAsIdentity(),
    source: text("source").notNull(),
    key: text("key").notNull(),
    /** The partner all evidence of this connection belongs to; null where the evidence itself names its partner. */
    partnerId: id("partner_id"),
    /** AES-256-GCM under STANDINGS_SECRET_KEY (src/platform/secrets.ts); null where the system asks for no credential. */
    secret: text("secret"),
    attributes: jsonb("attributes").$type<Record<string, string>>().notNull().default({}),
    active: boolean("active").notNull().default(true),
    /** Where the next pull goes on, as the connector wrote it. */
    cursor: jsonb("cursor"),
    /** The run that wrote the cursor: a complete listing may only go on from its own run's cursor. */
    cursorRun: id("cursor_run"),
    lastCompleteAt: instant("last_complete_at"),
    state: text("state", { enum: ["new", "complete", "partial", "held", "failed"] })
      .notNull()
      .default("new"),
    reason: text("reason"),
    /** Not before this instant: the system asked us to wait (Retry-After). */
    retryAt: instant("retry_at"),
    /** Who collects this connection now. Taken over once it has passed. */
    leaseToken: uuid("lease_token"),
    leaseUntil: instant("lease_until"),
    /** By which the source can say that nothing has changed since the last complete listing; null from its next page on. */
    validators: jsonb("validators"),
    /** Failed runs in a row, also those with pages recorded before the failure. Then backoff begins (src/ingest/runs/circuit.ts). */
    failures: integer("failures").notNull().default(0),
    /** Tried rarely: no schedule calls it before this instant. */
    restUntil: instant("rest_until"),
    /** The system refused the credential: no schedule calls it before it has another one. */
    refused: boolean("refused").notNull().default(false),
  },
  (t) => [
    primaryKey({ name: "connections_pkey", columns: [t.id] }),
    unique("connections_source_key").on(t.source, t.key),
    foreignKey({ name: "connections_source_fkey", columns: [t.source], foreignColumns: [sources.key] }),
    foreignKey({ name: "connections_partner_fkey", columns: [t.partnerId], foreignColumns: [partners.id] }),
    check("connections_state_check", sql`${t.state} in ('new', 'complete', 'partial', 'held', 'failed')`),
  ],
);

/** What the workers share about how often a host may be asked under one credential (src/ingest/requests/budgets.ts). */
export const requestBudgets = pgTable(
  "request_budgets",
  {
    /** A keyed hash of host and credential. */
    key: text("key").notNull(),
    /** When the latest requests began, in milliseconds since 1970, oldest first. */
    taken: bigint("taken", { mode: "number" }).array().notNull().default(sql`'{}'`),
    /** Requests under way: an id each, and the time at which it expires if its end is not recorded. */
    leases: jsonb("leases").$type<Record<string, number>>().notNull().default({}),
    /** The host asked everybody to wait until then. */
    blockedUntil: instant("blocked_until"),
    usedAt: instant("used_at").notNull(),
  },
  (t) => [primaryKey({ name: "request_budgets_pkey", columns: [t.key] })],
);

/** Credentials made from a connection's secret (a JWT, an access token), shared by all workers until they expire. */
export const derivedCredentials = pgTable(
  "derived_credentials",
  {
    /** The connection: source/key. */
    owner: text("owner").notNull(),
    /** A keyed hash of the secret it was made from: with another secret it is worth nothing. */
    madeFrom: text("made_from").notNull(),
    /** Sealed as a secret is: the value and what the next one is made with. null: being made for the first time. */
    sealed: text("sealed"),
    expiresAt: instant("expires_at"),
    /** Who makes a new one now. Taken over once it has passed. */
    makerToken: uuid("maker_token"),
    makerUntil: instant("maker_until"),
  },
  (t) => [primaryKey({ name: "derived_credentials_pkey", columns: [t.owner] })],
);

/** Executions of sync, rescore and reconcile: who asked, what they saw, what changed, how they ended. */
export const runs = pgTable(
  "runs",
  {
    id: id("id").generatedAlwaysAsIdentity(),
    kind: text("kind", { enum: ["sync", "rescore", "reconcile"] }).notNull(),
    /** The source of a sync. */
    source: text("source"),
    /** The reconcile run a sync belongs to. */
    parentId: id("parent_id"),
    /** A sync that asked for complete listings. */
    full: boolean("full").notNull().default(false),
    askedBy: text("asked_by").notNull(),
    /** What a rescore was asked for: {"partner": slug}, {"achievement": key} and/or {"source": key}; {} is everybody. */
    scope: jsonb("scope")
      .$type<{ partner?: string; achievement?: string; source?: string }>()
      .notNull()
      .default({}),
    state: text("state", { enum: ["running", "complete", "partial", "held", "failed"] })
      .notNull()
      .default("running"),
    reason: text("reason"),
    startedAt: instant("started_at").notNull(),
    finishedAt: instant("finished_at"),
    /** Ledger lines this run caused. */
    awards: integer("awards").notNull().default(0),
    /** Partners whose stored score differed from the evaluation, and cached standings that differed from Postgres. */
    drift: integer("drift"),
  },
  (t) => [
    primaryKey({ name: "runs_pkey", columns: [t.id] }),
    foreignKey({ name: "runs_source_fkey", columns: [t.source], foreignColumns: [sources.key] }),
    foreignKey({ name: "runs_parent_fkey", columns: [t.parentId], foreignColumns: [t.id] }),
    index("runs_open_idx").on(t.kind).where(sql`${t.state} = 'running'`),
    index("runs_source_idx").on(t.source, t.id),
    index("runs_parent_idx").on(t.parentId),
    check("runs_kind_check", sql`${t.kind} in ('sync', 'rescore', 'reconcile')`),
    check("runs_state_check", sql`${t.state} in ('running', 'complete', 'partial', 'held', 'failed')`),
    check("runs_finished_check", sql`(${t.state} = 'running') = (${t.finishedAt} is null)`),
  ],
);

/** The connections a sync run has to collect, and how each of them ended: the run's to-do list and its report. */
export const runConnections = pgTable(
  "run_connections",
  {
    runId: id("run_id").notNull(),
    connectionId: id("connection_id").notNull(),
    state: text("state", {
      enum: ["queued", "running", "deferred", "complete", "partial", "held", "failed"],
    })
      .notNull()
      .default("queued"),
    /** auth | config | quota | transient | data, where the state is `failed`, `partial` or `deferred`. */
    errorClass: text("error_class"),
    reason: text("reason"),
    /** Not before this instant (back-off, Retry-After). */
    dueAt: instant("due_at").notNull(),
    attempts: integer("attempts").notNull().default(0),
    pages: integer("pages").notNull().default(0),
    /** The total that the source declared, if any. */
    total: integer("total"),
    seen: integer("seen").notNull().default(0),
    /** Rows written to `listings`: when there are fewer, a crash has emptied it. null: no page of a complete listing yet. */
    listed: integer("listed"),
    /** How often its complete listing has begun again: what an earlier beginning named vouches for nothing. */
    beginning: integer("beginning").notNull().default(0),
    added: integer("added").notNull().default(0),
    changed: integer("changed").notNull().default(0),
    absent: integer("absent").notNull().default(0),
    unmatched: integer("unmatched").notNull().default(0),
    /** Rows that are there and cannot be read. */
    quarantined: integer("quarantined").notNull().default(0),
    /** Evidence that its complete listing did not name, without what was decided before. */
    missing: integer("missing").notNull().default(0),
    /** What was done about that: believed and taken, or held because of the connection's own loss or the whole source's. */
    loss: text("loss", { enum: ["believed", "connection", "source"] }),
  },
  (t) => [
    primaryKey({ name: "run_connections_pkey", columns: [t.runId, t.connectionId] }),
    foreignKey({ name: "run_connections_run_fkey", columns: [t.runId], foreignColumns: [runs.id] }),
    foreignKey({
      name: "run_connections_connection_fkey",
      columns: [t.connectionId],
      foreignColumns: [connections.id],
    }),
    index("run_connections_open_idx").on(t.dueAt).where(sql`${t.state} in ('queued', 'running', 'deferred')`),
    check(
      "run_connections_state_check",
      sql`${t.state} in ('queued', 'running', 'deferred', 'complete', 'partial', 'held', 'failed')`,
    ),
    check("run_connections_loss_check", sql`${t.loss} in ('believed', 'connection', 'source')`),
  ],
);

/** Rows of sources that are there and cannot be read. Gone once they can be, or once a complete listing lacks them. */
export const quarantinedRows = pgTable(
  "quarantined_rows",
  {
    connectionId: id("connection_id").notNull(),
    /** As a fact's; where the row has no readable id, its place in the listing. */
    externalId: text("external_id").notNull(),
    /** false: it may be any piece of evidence, so a listing that holds it can call nothing absent. */
    identified: boolean("identified").notNull().default(true),
    source: text("source").notNull(),
    /** What is wrong with it, without what it holds of people. */
    reason: text("reason").notNull(),
    /** The run that met it last, and which beginning of its listing. */
    runId: id("run_id").notNull(),
    runBeginning: integer("run_beginning").notNull().default(0),
    firstSeenAt: instant("first_seen_at").notNull(),
    lastSeenAt: instant("last_seen_at").notNull(),
  },
  (t) => [
    primaryKey({ name: "quarantined_rows_pkey", columns: [t.connectionId, t.externalId] }),
    foreignKey({
      name: "quarantined_rows_connection_fkey",
      columns: [t.connectionId],
      foreignColumns: [connections.id],
    }),
  ],
);

/**
 * Evidence that complete listings did not name and whose loss was held: what an administrator decides about. Gone once a
 * listing names it again, or its loss was taken.
 */
export const heldLosses = pgTable(
  "held_losses",
  {
    connectionId: id("connection_id").notNull(),
    externalId: text("external_id").notNull(),
    /** The run that held it last. */
    runId: id("run_id").notNull(),
    /** null: undecided. `rejected`: the evidence stays, and the loss is not held again until the rejection expires. */
    decision: text("decision", { enum: ["approved", "rejected"] }),
    decidedBy: text("decided_by"),
    decidedAt: instant("decided_at"),
    /** When the source last showed the evidence, as far as is known: since then it is unconfirmed. */
    confirmedAt: instant("confirmed_at"),
  },
  (t) => [
    primaryKey({ name: "held_losses_pkey", columns: [t.connectionId, t.externalId] }),
    foreignKey({
      name: "held_losses_connection_fkey",
      columns: [t.connectionId],
      foreignColumns: [connections.id],
    }),
    index("held_losses_run_idx").on(t.runId),
    check("held_losses_decision_check", sql`${t.decision} in ('approved', 'rejected')`),
  ],
);

/** The partner ranges a rescore has to evaluate: its to-do list, so that it goes on where it stopped. */
export const runRanges = pgTable(
  "run_ranges",
  {
    runId: id("run_id").notNull(),
    firstPartner: id("first_partner").notNull(),
    lastPartner: id("last_partner").notNull(),
    doneAt: instant("done_at"),
    /** Partners of this range whose evaluation differed from what was stored. */
    changed: integer("changed").notNull().default(0),
  },
  (t) => [
    primaryKey({ name: "run_ranges_pkey", columns: [t.runId, t.firstPartner] }),
    foreignKey({ name: "run_ranges_run_fkey", columns: [t.runId], foreignColumns: [runs.id] }),
  ],
);

/**
 * Facts about partners, bitemporal and append-only. Valid time is occurred_at..ended_at, known time is
 * recorded_at..superseded_at; both half-open. A row is written once; only superseded_at is ever set later.
 */
export const evidence = pgTable(
  "evidence",
  {
    id: id("id").generatedAlwaysAsIdentity(),
    source: text("source").notNull(),
    connectionId: id("connection_id").notNull(),
    externalId: text("external_id").notNull(),
    /** null: unmatched, no partner has this identity yet. */
    partnerId: id("partner_id"),
    /** The identity the source named; null where the connection's partner is meant. */
    namespace: text("namespace"),
    identityKey: text("identity_key"),
    kind: text("kind").notNull(),
    occurredAt: instant("occurred_at").notNull(),
    endedAt: instant("ended_at"),
    quantity: numeric("quantity", { precision: 20, scale: 4 }).notNull().default("1"),
    /** What rules may filter on or count distinct: strings, small (part of the scoring index). */
    attributes: jsonb("attributes").$type<Record<string, string>>().notNull().default({}),
    /** For people only, never for rules. */
    title: text("title"),
    link: text("link"),
    /** sha256 (hex, 32 characters of it) of everything above that came from the source. */
    digest: text("digest").notNull(),
    runId: id("run_id"),
    /** Which beginning of its run's listing recorded it (run_connections.beginning). */
    runBeginning: integer("run_beginning").notNull().default(0),
    recordedAt: instant("recorded_at").notNull(),
    supersededAt: instant("superseded_at"),
  },
  (t) => [
    primaryKey({ name: "evidence_pkey", columns: [t.id] }),
    foreignKey({
      name: "evidence_connection_fkey",
      columns: [t.connectionId],
      foreignColumns: [connections.id],
    }),
    foreignKey({ name: "evidence_partner_fkey", columns: [t.partnerId], foreignColumns: [partners.id] }),
    uniqueIndex("evidence_current_key").on(t.source, t.externalId).where(sql`${t.supersededAt} is null`),
    index("evidence_connection_idx").on(t.connectionId).where(sql`${t.supersededAt} is null`),
    index("evidence_unmatched_idx")
      .on(t.namespace, t.identityKey)
      .where(sql`${t.supersededAt} is null and ${t.partnerId} is null`),
    // For what was known at an instant: a partner's rows that are not current any more.
    index("evidence_history_idx")
      .on(t.partnerId)
      .where(sql`${t.supersededAt} is not null and ${t.partnerId} is not null`),
    // For a history: what a piece of evidence was before it changed, vanished or got its partner.
    index("evidence_versions_idx").on(t.source, t.externalId).where(sql`${t.supersededAt} is not null`),
    // For the clock: whose evidence starts, leaves a sliding window or ends between two ticks.
    index("evidence_occurred_idx").on(t.occurredAt).where(sql`${t.supersededAt} is null`),
    index("evidence_ended_idx")
      .on(t.endedAt)
      .where(sql`${t.supersededAt} is null and ${t.endedAt} is not null`),
    check("evidence_ended_check", sql`${t.endedAt} is null or ${t.endedAt} >= ${t.occurredAt}`),
    check(
      "evidence_superseded_check",
      sql`${t.supersededAt} is null or ${t.supersededAt} >= ${t.recordedAt}`,
    ),
    // An index row holds at most 2,704 bytes; the attributes and the kind are in the scoring index.
    check("evidence_attributes_check", sql`pg_column_size(${t.attributes}) <= 1024`),
    check("evidence_kind_check", sql`length(${t.kind}) between 1 and 64`),
    check("evidence_external_id_check", sql`length(${t.externalId}) between 1 and 512`),
  ],
);

/**
 * What a complete listing has seen unchanged so far (unlogged): what it has recorded itself bears its run's id and needs no
 * row here. Held against the evidence at the listing's end, then emptied.
 */
export const listings = pgTable(
  "listings",
  {
    runId: id("run_id").notNull(),
    connectionId: id("connection_id").notNull(),
    externalId: text("external_id").notNull(),
  },
  (t) => [primaryKey({ name: "listings_pkey", columns: [t.runId, t.connectionId, t.externalId] })],
);

/** Every published version of the programme. */
export const programmeVersions = pgTable(
  "programme_versions",
  {
    id: id("id").generatedAlwaysAsIdentity(),
    /** The YAML document as it was published. */
    document: text("document").notNull(),
    digest: text("digest").notNull(),
    effectiveFrom: instant("effective_from").notNull(),
    publishedAt: instant("published_at").notNull(),
    publishedBy: text("published_by").notNull(),
  },
  (t) => [
    primaryKey({ name: "programme_versions_pkey", columns: [t.id] }),
    index("programme_versions_effective_idx").on(t.effectiveFrom, t.id),
  ],
);

/** The to-do list of the score job. Written in the transaction of what made the partner pending, in partner order. */
export const pendingPartners = pgTable(
  "pending_partners",
  {
    partnerId: id("partner_id").notNull(),
    since: instant("since").notNull(),
    cause: text("cause").notNull(),
    runId: id("run_id"),
    /** The clock's last tick before the first mark: the stored score was right as of it. null: there was no tick yet. */
    settledAt: instant("settled_at"),
  },
  (t) => [
    primaryKey({ name: "pending_partners_pkey", columns: [t.partnerId] }),
    foreignKey({
      name: "pending_partners_partner_fkey",
      columns: [t.partnerId],
      foreignColumns: [partners.id],
    }),
  ],
);

/**
 * The outcome of the last evaluation: one row for each achievement with units. Its pages are left 40 % empty, so that a new
 * row version stays on its page and its index is not written (60 ms of processor time for a batch instead of 67 ms).
 */
export const achievementsHeld = pgTable(
  "achievements_held",
  {
    partnerId: id("partner_id").notNull(),
    achievement: text("achievement").notNull(),
    units: numeric("units").notNull(),
    points: integer("points").notNull(),
    since: instant("since").notNull(),
  },
  (t) => [
    primaryKey({ name: "achievements_held_pkey", columns: [t.partnerId, t.achievement] }),
    foreignKey({
      name: "achievements_held_partner_fkey",
      columns: [t.partnerId],
      foreignColumns: [partners.id],
    }),
  ],
);

/** Each partner's current total. A partner without a row has 0 points at version 0. */
export const scores = pgTable(
  "scores",
  {
    partnerId: id("partner_id").notNull(),
    points: integer("points").notNull(),
    /** When the partner reached this total: the first tie-breaker. */
    reachedAt: instant("reached_at").notNull(),
    /** Rises by one with every change of points, never falls. */
    version: id("version").notNull(),
  },
  (t) => [
    primaryKey({ name: "scores_pkey", columns: [t.partnerId] }),
    foreignKey({ name: "scores_partner_fkey", columns: [t.partnerId], foreignColumns: [partners.id] }),
    index("scores_order_idx").on(t.points.desc().nullsFirst(), t.reachedAt),
  ],
);

/**
 * Every change of points, append-only. The sum of a partner's deltas is its score, at every instant.
 *
 * Without foreign keys: they were a quarter of the processor time of a batch of the score job (89 ms for 500 partners with
 * 2,500 lines, 67 ms without), and hold nothing that is not held already. A line is written by the statement that writes the
 * partner's score, which has the key to partners, and names the version that its transaction has just read; neither partners
 * nor versions are ever deleted.
 */
export const ledger = pgTable(
  "ledger",
  {
    id: id("id").generatedAlwaysAsIdentity(),
    partnerId: id("partner_id").notNull(),
    /** The score version this line made: with the achievement, the key that makes a second award impossible. */
    scoreVersion: id("score_version").notNull(),
    achievement: text("achievement").notNull(),
    delta: integer("delta").notNull(),
    cause: text("cause").notNull(),
    programmeVersion: id("programme_version").notNull(),
    runId: id("run_id"),
    /** The points before this line were right at this instant: what caused it has happened, or become known, since. */
    settledAt: instant("settled_at"),
    at: instant("at").notNull(),
  },
  (t) => [
    primaryKey({ name: "ledger_pkey", columns: [t.id] }),
    unique("ledger_award_key").on(t.partnerId, t.scoreVersion, t.achievement),
    index("ledger_run_idx").on(t.runId),
    check("ledger_delta_check", sql`${t.delta} <> 0`),
  ],
);

/**
 * Points given or taken by a named administrator, beside the rules: a line of their own in every evaluation. Valid time is
 * created_at..until, known time created_at..revoked_at; both half-open. A row is written once; only the revocation is set later.
 */
export const adjustments = pgTable(
  "adjustments",
  {
    id: id("id").generatedAlwaysAsIdentity(),
    partnerId: id("partner_id").notNull(),
    points: integer("points").notNull(),
    reason: text("reason").notNull(),
    author: text("author").notNull(),
    createdAt: instant("created_at").notNull(),
    /** null: until it is revoked. */
    until: instant("until"),
    revokedAt: instant("revoked_at"),
    revokedBy: text("revoked_by"),
    /** The adjustment of another partner that this one continues since the two were merged, or parted again. */
    continues: id("continues"),
  },
  (t) => [
    primaryKey({ name: "adjustments_pkey", columns: [t.id] }),
    foreignKey({ name: "adjustments_partner_fkey", columns: [t.partnerId], foreignColumns: [partners.id] }),
    foreignKey({ name: "adjustments_continues_fkey", columns: [t.continues], foreignColumns: [t.id] }),
    index("adjustments_partner_idx").on(t.partnerId),
    index("adjustments_until_idx").on(t.until).where(sql`${t.revokedAt} is null and ${t.until} is not null`),
    check("adjustments_points_check", sql`${t.points} <> 0 and abs(${t.points}) <= 1000000`),
    check("adjustments_until_check", sql`${t.until} is null or ${t.until} > ${t.createdAt}`),
    check("adjustments_revoked_check", sql`(${t.revokedAt} is null) = (${t.revokedBy} is null)`),
  ],
);

/** Partners that were found to be one: what moved with the merge, so that it can be undone. */
export const partnerMerges = pgTable(
  "partner_merges",
  {
    id: id("id").generatedAlwaysAsIdentity(),
    /** The partner that is no more, and the one that has its evidence now. */
    partnerId: id("partner_id").notNull(),
    intoId: id("into_id").notNull(),
    mergedAt: instant("merged_at").notNull(),
    mergedBy: text("merged_by").notNull(),
    undoneAt: instant("undone_at"),
    undoneBy: text("undone_by"),
    /** The identities and the connections that were the merged partner's. */
    identities: jsonb("identities").$type<{ namespace: string; key: string }[]>().notNull(),
    connections: jsonb("connections").$type<number[]>().notNull(),
  },
  (t) => [
    primaryKey({ name: "partner_merges_pkey", columns: [t.id] }),
    foreignKey({
      name: "partner_merges_partner_fkey",
      columns: [t.partnerId],
      foreignColumns: [partners.id],
    }),
    foreignKey({ name: "partner_merges_into_fkey", columns: [t.intoId], foreignColumns: [partners.id] }),
    uniqueIndex("partner_merges_open_key").on(t.partnerId).where(sql`${t.undoneAt} is null`),
    index("partner_merges_into_idx").on(t.intoId),
    check("partner_merges_undone_check", sql`(${t.undoneAt} is null) = (${t.undoneBy} is null)`),
  ],
);

/** The to-do list of the rank job: scores the cached standings do not have yet. */
export const pendingStandings = pgTable(
  "pending_standings",
  {
    partnerId: id("partner_id").notNull(),
    /** New with every marking, so that a mark made while the old one is being applied is not deleted with it. */
    mark: uuid("mark").notNull().defaultRandom(),
    /** Of the first mark that has not been applied. */
    since: instant("since").notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ name: "pending_standings_pkey", columns: [t.partnerId] }),
    foreignKey({
      name: "pending_standings_partner_fkey",
      columns: [t.partnerId],
      foreignColumns: [partners.id],
    }),
  ],
);

/**
 * What other systems have sent to a source of the connector `inbox`: the to-do list of the syncs it calls for, and for a while
 * the memory of what has come already. A row is written once; only its state, its run and the erasure of its content come later.
 */
export const inboxMessages = pgTable(
  "inbox_messages",
  {
    /** The place in the order in which the source's connector reads them. */
    id: id("id").generatedAlwaysAsIdentity(),
    source: text("source").notNull(),
    /** The sender's id of it, the same when it is sent again; a digest of the body where it has none. */
    messageId: text("message_id").notNull(),
    /** sha256 (hex, 32 characters of it) of the body as it came. */
    digest: text("digest").notNull(),
    receivedAt: instant("received_at").notNull(),
    /** The source that is to be synced for it: its own, or the one it is a hint at. */
    wakes: text("wakes").notNull(),
    /** `handled`: a run of that source has begun since. */
    state: text("state", { enum: ["waiting", "handled"] })
      .notNull()
      .default("waiting"),
    runId: id("run_id"),
    /** JSON, of messages that become evidence; null: only the fact of it counts, or it was erased. */
    content: text("content"),
  },
  (t) => [
    primaryKey({ name: "inbox_messages_pkey", columns: [t.id] }),
    unique("inbox_messages_message_key").on(t.source, t.messageId),
    foreignKey({ name: "inbox_messages_source_fkey", columns: [t.source], foreignColumns: [sources.key] }),
    index("inbox_messages_order_idx").on(t.source, t.id),
    index("inbox_messages_received_idx").on(t.receivedAt),
    index("inbox_messages_waiting_idx").on(t.wakes).where(sql`${t.state} = 'waiting'`),
    check("inbox_messages_state_check", sql`${t.state} in ('waiting', 'handled')`),
  ],
);

/** Jobs whose last attempt failed, for the commands that wait for their effects: how often in a row, and why. */
export const jobFailures = pgTable(
  "job_failures",
  {
    job: text("job").notNull(),
    attempts: integer("attempts").notNull(),
    reason: text("reason").notNull(),
    failedAt: instant("failed_at").notNull(),
  },
  (t) => [primaryKey({ name: "job_failures_pkey", columns: [t.job] })],
);

/** One row: up to which instant the passing of time has been looked at. */
export const clock = pgTable(
  "clock",
  {
    id: integer("id").notNull().default(1),
    tickedAt: instant("ticked_at").notNull(),
  },
  (t) => [
    primaryKey({ name: "clock_pkey", columns: [t.id] }),
    check("clock_one_row_check", sql`${t.id} = 1`),
  ],
);

/** One row: who last wrote the cached standings. A cache that names another writer was restored from an older state. */
export const standingsCache = pgTable(
  "standings_cache",
  {
    id: integer("id").notNull().default(1),
    writer: uuid("writer").notNull(),
  },
  (t) => [
    primaryKey({ name: "standings_cache_pkey", columns: [t.id] }),
    check("standings_cache_one_row_check", sql`${t.id} = 1`),
  ],
);

/**
 * How many partners are in the standings, as changes that add up: counting 100,000 partners takes 10 ms, and every page of the
 * standings says how many they are. Triggers write a row for each statement that changes the number, so that
 * writers do not wait for each other; src/standings/size.ts sums the rows up.
 */
export const standingsSize = pgTable(
  "standings_size",
  {
    id: id("id").generatedAlwaysAsIdentity(),
    change: integer("change").notNull(),
  },
  (t) => [primaryKey({ name: "standings_size_pkey", columns: [t.id] })],
);
