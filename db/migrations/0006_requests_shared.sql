CREATE TABLE "derived_credentials" (
	"owner" text NOT NULL,
	"made_from" text NOT NULL,
	"sealed" text,
	"expires_at" timestamp (3) with time zone,
	"maker_token" uuid,
	"maker_until" timestamp (3) with time zone,
	CONSTRAINT "derived_credentials_pkey" PRIMARY KEY("owner")
);
--> statement-breakpoint
CREATE TABLE "request_budgets" (
	"key" text NOT NULL,
	"taken" bigint[] DEFAULT '{}' NOT NULL,
	"leases" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"blocked_until" timestamp (3) with time zone,
	"used_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "request_budgets_pkey" PRIMARY KEY("key")
);
--> statement-breakpoint
ALTER TABLE "connections" ADD COLUMN "validators" jsonb;