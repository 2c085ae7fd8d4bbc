CREATE TABLE "achievements_held" (
	"partner_id" bigint NOT NULL,
	"achievement" text NOT NULL,
	"units" numeric NOT NULL,
	"points" integer NOT NULL,
	"since" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "achievements_held_pkey" PRIMARY KEY("partner_id","achievement")
);
--> statement-breakpoint
CREATE TABLE "clock" (
	"id" integer DEFAULT 1 NOT NULL,
	"ticked_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "clock_pkey" PRIMARY KEY("id"),
	CONSTRAINT "clock_one_row_check" CHECK ("clock"."id" = 1)
);
--> statement-breakpoint
CREATE TABLE "connections" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "connections_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"source" text NOT NULL,
	"key" text NOT NULL,
	"partner_id" bigint,
	"secret" text,
	"attributes" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"active" boolean DEFAULT true NOT NULL,
	"cursor" jsonb,
	"cursor_run" bigint,
	"last_complete_at" timestamp (3) with time zone,
	"state" text DEFAULT 'new' NOT NULL,
	"reason" text,
	"retry_at" timestamp (3) with time zone,
	"lease_token" uuid,
	"lease_until" timestamp (3) with time zone,
	"loss_approved" boolean DEFAULT false NOT NULL,
	CONSTRAINT "connections_pkey" PRIMARY KEY("id"),
	CONSTRAINT "connections_source_key" UNIQUE("source","key"),
	CONSTRAINT "connections_state_check" CHECK ("connections"."state" in ('new', 'complete', 'partial', 'held', 'failed'))
);
--> statement-breakpoint
CREATE TABLE "evidence" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "evidence_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"source" text NOT NULL,
	"connection_id" bigint NOT NULL,
	"external_id" text NOT NULL,
	"partner_id" bigint,
	"namespace" text,
	"identity_key" text,
	"kind" text NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"ended_at" timestamp (3) with time zone,
	"quantity" numeric(20, 4) DEFAULT '1' NOT NULL,
	"attributes" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"title" text,
	"link" text,
	"digest" text NOT NULL,
	"run_id" bigint,
	"recorded_at" timestamp (3) with time zone NOT NULL,
	"superseded_at" timestamp (3) with time zone,
	CONSTRAINT "evidence_pkey" PRIMARY KEY("id"),
	CONSTRAINT "evidence_ended_check" CHECK ("evidence"."ended_at" is null or "evidence"."ended_at" >= "evidence"."occurred_at"),
	CONSTRAINT "evidence_superseded_check" CHECK ("evidence"."superseded_at" is null or "evidence"."superseded_at" >= "evidence"."recorded_at"),
	CONSTRAINT "evidence_attributes_check" CHECK (pg_column_size("evidence"."attributes") <= 1024),
	CONSTRAINT "evidence_kind_check" CHECK (length("evidence"."kind") between 1 and 64),
	CONSTRAINT "evidence_external_id_check" CHECK (length("evidence"."external_id") between 1 and 512)
);
--> statement-breakpoint
CREATE TABLE "identities" (
	"namespace" text NOT NULL,
	"key" text NOT NULL,
	"partner_id" bigint NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "identities_pkey" PRIMARY KEY("namespace","key")
);
--> statement-breakpoint
CREATE TABLE "ledger" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "ledger_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"partner_id" bigint NOT NULL,
	"score_version" bigint NOT NULL,
	"achievement" text NOT NULL,
	"delta" integer NOT NULL,
	"cause" text NOT NULL,
	"programme_version" bigint NOT NULL,
	"run_id" bigint,
	"at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "ledger_pkey" PRIMARY KEY("id"),
	CONSTRAINT "ledger_award_key" UNIQUE("partner_id","score_version","achievement"),
	CONSTRAINT "ledger_delta_check" CHECK ("ledger"."delta" <> 0)
);
--> statement-breakpoint
CREATE TABLE "listings" (
	"run_id" bigint NOT NULL,
	"connection_id" bigint NOT NULL,
	"external_id" text NOT NULL,
	CONSTRAINT "listings_pkey" PRIMARY KEY("run_id","connection_id","external_id")
);
--> statement-breakpoint
CREATE TABLE "partners" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "partners_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"slug" text NOT NULL,
	"name" text NOT NULL,
	"website" text,
	"profile" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"status" text DEFAULT 'active' NOT NULL,
	"merged_into" bigint,
	"listed" boolean DEFAULT true NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "partners_pkey" PRIMARY KEY("id"),
	CONSTRAINT "partners_slug_key" UNIQUE("slug"),
	CONSTRAINT "partners_slug_check" CHECK ("partners"."slug" ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
	CONSTRAINT "partners_status_check" CHECK ("partners"."status" in ('active', 'suspended', 'merged')),
	CONSTRAINT "partners_merged_check" CHECK (("partners"."status" = 'merged') = ("partners"."merged_into" is not null))
);
--> statement-breakpoint
CREATE TABLE "pending_partners" (
	"partner_id" bigint NOT NULL,
	"since" timestamp (3) with time zone NOT NULL,
	"cause" text NOT NULL,
	"run_id" bigint,
	CONSTRAINT "pending_partners_pkey" PRIMARY KEY("partner_id")
);
--> statement-breakpoint
CREATE TABLE "pending_standings" (
	"partner_id" bigint NOT NULL,
	"mark" uuid DEFAULT gen_random_uuid() NOT NULL,
	CONSTRAINT "pending_standings_pkey" PRIMARY KEY("partner_id")
);
--> statement-breakpoint
CREATE TABLE "programme_versions" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "programme_versions_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"document" text NOT NULL,
	"digest" text NOT NULL,
	"effective_from" timestamp (3) with time zone NOT NULL,
	"published_at" timestamp (3) with time zone NOT NULL,
	"published_by" text NOT NULL,
	CONSTRAINT "programme_versions_pkey" PRIMARY KEY("id")
);
--> statement-breakpoint
CREATE TABLE "run_connections" (
	"run_id" bigint NOT NULL,
	"connection_id" bigint NOT NULL,
	"state" text DEFAULT 'queued' NOT NULL,
	"error_class" text,
	"reason" text,
	"due_at" timestamp (3) with time zone NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"pages" integer DEFAULT 0 NOT NULL,
	"total" integer,
	"seen" integer DEFAULT 0 NOT NULL,
	"added" integer DEFAULT 0 NOT NULL,
	"changed" integer DEFAULT 0 NOT NULL,
	"absent" integer DEFAULT 0 NOT NULL,
	"unmatched" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "run_connections_pkey" PRIMARY KEY("run_id","connection_id"),
	CONSTRAINT "run_connections_state_check" CHECK ("run_connections"."state" in ('queued', 'running', 'deferred', 'complete', 'partial', 'held', 'failed'))
);
--> statement-breakpoint
CREATE TABLE "run_ranges" (
	"run_id" bigint NOT NULL,
	"first_partner" bigint NOT NULL,
	"last_partner" bigint NOT NULL,
	"done_at" timestamp (3) with time zone,
	"changed" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "run_ranges_pkey" PRIMARY KEY("run_id","first_partner")
);
--> statement-breakpoint
CREATE TABLE "runs" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "runs_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"kind" text NOT NULL,
	"source" text,
	"parent_id" bigint,
	"full" boolean DEFAULT false NOT NULL,
	"asked_by" text NOT NULL,
	"scope" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"state" text DEFAULT 'running' NOT NULL,
	"reason" text,
	"started_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone,
	"awards" integer DEFAULT 0 NOT NULL,
	"drift" integer,
	CONSTRAINT "runs_pkey" PRIMARY KEY("id"),
	CONSTRAINT "runs_kind_check" CHECK ("runs"."kind" in ('sync', 'rescore', 'reconcile')),
	CONSTRAINT "runs_state_check" CHECK ("runs"."state" in ('running', 'complete', 'partial', 'held', 'failed')),
	CONSTRAINT "runs_finished_check" CHECK (("runs"."state" = 'running') = ("runs"."finished_at" is null))
);
--> statement-breakpoint
CREATE TABLE "scores" (
	"partner_id" bigint NOT NULL,
	"points" integer NOT NULL,
	"reached_at" timestamp (3) with time zone NOT NULL,
	"version" bigint NOT NULL,
	CONSTRAINT "scores_pkey" PRIMARY KEY("partner_id")
);
--> statement-breakpoint
CREATE TABLE "sources" (
	"key" text NOT NULL,
	"connector" text NOT NULL,
	"settings_digest" text NOT NULL,
	"last_attempt_at" timestamp (3) with time zone,
	"last_complete_at" timestamp (3) with time zone,
	"state" text DEFAULT 'new' NOT NULL,
	"reason" text,
	CONSTRAINT "sources_pkey" PRIMARY KEY("key"),
	CONSTRAINT "sources_state_check" CHECK ("sources"."state" in ('new', 'complete', 'partial', 'held', 'failed'))
);
--> statement-breakpoint
ALTER TABLE "achievements_held" ADD CONSTRAINT "achievements_held_partner_fkey" FOREIGN KEY ("partner_id") REFERENCES "public"."partners"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "connections" ADD CONSTRAINT "connections_source_fkey" FOREIGN KEY ("source") REFERENCES "public"."sources"("key") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "connections" ADD CONSTRAINT "connections_partner_fkey" FOREIGN KEY ("partner_id") REFERENCES "public"."partners"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "evidence" ADD CONSTRAINT "evidence_connection_fkey" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "evidence" ADD CONSTRAINT "evidence_partner_fkey" FOREIGN KEY ("partner_id") REFERENCES "public"."partners"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "identities" ADD CONSTRAINT "identities_partner_fkey" FOREIGN KEY ("partner_id") REFERENCES "public"."partners"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ledger" ADD CONSTRAINT "ledger_partner_fkey" FOREIGN KEY ("partner_id") REFERENCES "public"."partners"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ledger" ADD CONSTRAINT "ledger_programme_version_fkey" FOREIGN KEY ("programme_version") REFERENCES "public"."programme_versions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "partners" ADD CONSTRAINT "partners_merged_into_fkey" FOREIGN KEY ("merged_into") REFERENCES "public"."partners"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "pending_partners" ADD CONSTRAINT "pending_partners_partner_fkey" FOREIGN KEY ("partner_id") REFERENCES "public"."partners"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "pending_standings" ADD CONSTRAINT "pending_standings_partner_fkey" FOREIGN KEY ("partner_id") REFERENCES "public"."partners"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_connections" ADD CONSTRAINT "run_connections_run_fkey" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_connections" ADD CONSTRAINT "run_connections_connection_fkey" FOREIGN KEY ("connection_id") REFERENCES "public"."connections"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_ranges" ADD CONSTRAINT "run_ranges_run_fkey" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_source_fkey" FOREIGN KEY ("source") REFERENCES "public"."sources"("key") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_parent_fkey" FOREIGN KEY ("parent_id") REFERENCES "public"."runs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "scores" ADD CONSTRAINT "scores_partner_fkey" FOREIGN KEY ("partner_id") REFERENCES "public"."partners"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "evidence_current_key" ON "evidence" USING btree ("source","external_id") WHERE "evidence"."superseded_at" is null;--> statement-breakpoint
CREATE INDEX "evidence_connection_idx" ON "evidence" USING btree ("connection_id") WHERE "evidence"."superseded_at" is null;--> statement-breakpoint
CREATE INDEX "evidence_unmatched_idx" ON "evidence" USING btree ("namespace","identity_key") WHERE "evidence"."superseded_at" is null and "evidence"."partner_id" is null;--> statement-breakpoint
CREATE INDEX "evidence_occurred_idx" ON "evidence" USING btree ("occurred_at") WHERE "evidence"."superseded_at" is null;--> statement-breakpoint
CREATE INDEX "evidence_ended_idx" ON "evidence" USING btree ("ended_at") WHERE "evidence"."superseded_at" is null and "evidence"."ended_at" is not null;--> statement-breakpoint
CREATE INDEX "identities_partner_idx" ON "identities" USING btree ("partner_id");--> statement-breakpoint
CREATE INDEX "ledger_run_idx" ON "ledger" USING btree ("run_id");--> statement-breakpoint
CREATE INDEX "programme_versions_effective_idx" ON "programme_versions" USING btree ("effective_from","id");--> statement-breakpoint
CREATE INDEX "run_connections_open_idx" ON "run_connections" USING btree ("due_at") WHERE "run_connections"."state" in ('queued', 'running', 'deferred');--> statement-breakpoint
CREATE INDEX "runs_open_idx" ON "runs" USING btree ("kind") WHERE "runs"."state" = 'running';--> statement-breakpoint
CREATE INDEX "runs_source_idx" ON "runs" USING btree ("source","id");--> statement-breakpoint
CREATE INDEX "runs_parent_idx" ON "runs" USING btree ("parent_id");