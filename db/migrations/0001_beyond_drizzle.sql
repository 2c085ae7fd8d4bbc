-- Rebuilt by the next listing when lost, so its writes need no log. After a crash it is empty: src/evidence/absence.ts
-- compares its count with the run's before it believes it.
ALTER TABLE "listings" SET UNLOGGED;--> statement-breakpoint
-- The index an evaluation reads instead of the table: everything the compiled programme asks of evidence in force today.
CREATE INDEX "evidence_scoring_idx" ON "evidence" ("partner_id")
  INCLUDE ("kind", "occurred_at", "ended_at", "quantity", "attributes")
  WHERE "superseded_at" IS NULL AND "partner_id" IS NOT NULL;
