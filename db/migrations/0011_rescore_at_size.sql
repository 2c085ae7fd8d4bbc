CREATE TABLE "job_failures" (
	"job" text NOT NULL,
	"attempts" integer NOT NULL,
	"reason" text NOT NULL,
	"failed_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "job_failures_pkey" PRIMARY KEY("job")
);
--> statement-breakpoint
ALTER TABLE "ledger" DROP CONSTRAINT "ledger_partner_fkey";
--> statement-breakpoint
ALTER TABLE "ledger" DROP CONSTRAINT "ledger_programme_version_fkey";
