CREATE TABLE "held_losses" (
	"connection_id" bigint NOT NULL,
	"external_id" text NOT NULL,
	"run_id" bigint NOT NULL,
	"decision" text,
	"decided_by" text,
	"decided_at" timestamp (3) with time zone,
	CONSTRAINT "held_losses_pkey" PRIMARY KEY("connection_id","external_id"),
	CONSTRAINT "held_losses_decision_check" CHECK ("held_losses"."decision" in ('approved', 'rejected'))
);
--> statement-breakpoint
CREATE TABLE "quarantined_rows" (
	"connection_id" bigint NOT NULL,
	"external_id" text NOT NULL,
	"identified" boolean DEFAULT true NOT NULL,
	"source" text NOT NULL,
	"reason" text NOT NULL,
	"run_id" bigint NOT NULL,
	"run_beginning" integer DEFAULT 0 NOT NULL,
	"first_seen_at" timestamp (3) with time zone NOT NULL,
	"last_seen_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "quarantined_rows_pkey" PRIMARY KEY("connection_id","external_id")
);
--> statement-breakpoint
ALTER TABLE "connections" ADD COLUMN "failures" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "connections" ADD COLUMN "rest_until" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "connections" ADD COLUMN "refused" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "evidence" ADD COLUMN "run_beginning" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "partners" ADD COLUMN "forgotten_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "partners" ADD COLUMN "forgotten_by" text;--> statement-breakpoint
ALTER TABLE "run_connections" ADD COLUMN "beginning" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "run_connections" ADD COLUMN "quarantined" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "run_connections" ADD COLUMN "missing" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "run_connections" ADD COLUMN "loss" text;--> statement-breakpoint
ALTER TABLE "held_losses" ADD CONSTRAINT "held_losses_connection_fkey" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "quarantined_rows" ADD CONSTRAINT "quarantined_rows_connection_fkey" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "held_losses_run_idx" ON "held_losses" USING btree ("run_id");--> statement-breakpoint
ALTER TABLE "partners" ADD CONSTRAINT "partners_forgotten_check" CHECK (("partners"."forgotten_at" is null) = ("partners"."forgotten_by" is null) and ("partners"."forgotten_at" is null or "partners"."status" <> 'active'));--> statement-breakpoint
ALTER TABLE "run_connections" ADD CONSTRAINT "run_connections_loss_check" CHECK ("run_connections"."loss" in ('believed', 'connection', 'source'));