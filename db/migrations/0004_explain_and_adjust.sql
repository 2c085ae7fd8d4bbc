CREATE TABLE "adjustments" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "adjustments_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"partner_id" bigint NOT NULL,
	"points" integer NOT NULL,
	"reason" text NOT NULL,
	"author" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"until" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"revoked_by" text,
	"continues" bigint,
	CONSTRAINT "adjustments_pkey" PRIMARY KEY("id"),
	CONSTRAINT "adjustments_points_check" CHECK ("adjustments"."points" <> 0 and abs("adjustments"."points") <= 1000000),
	CONSTRAINT "adjustments_until_check" CHECK ("adjustments"."until" is null or "adjustments"."until" > "adjustments"."created_at"),
	CONSTRAINT "adjustments_revoked_check" CHECK (("adjustments"."revoked_at" is null) = ("adjustments"."revoked_by" is null))
);
--> statement-breakpoint
CREATE TABLE "partner_merges" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "partner_merges_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"partner_id" bigint NOT NULL,
	"into_id" bigint NOT NULL,
	"merged_at" timestamp (3) with time zone NOT NULL,
	"merged_by" text NOT NULL,
	"undone_at" timestamp (3) with time zone,
	"undone_by" text,
	"identities" jsonb NOT NULL,
	"connections" jsonb NOT NULL,
	CONSTRAINT "partner_merges_pkey" PRIMARY KEY("id"),
	CONSTRAINT "partner_merges_undone_check" CHECK (("partner_merges"."undone_at" is null) = ("partner_merges"."undone_by" is null))
);
--> statement-breakpoint
ALTER TABLE "ledger" ADD COLUMN "settled_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "pending_partners" ADD COLUMN "settled_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "adjustments" ADD CONSTRAINT "adjustments_partner_fkey" FOREIGN KEY ("partner_id") REFERENCES "public"."partners"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "adjustments" ADD CONSTRAINT "adjustments_continues_fkey" FOREIGN KEY ("continues") REFERENCES "public"."adjustments"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "partner_merges" ADD CONSTRAINT "partner_merges_partner_fkey" FOREIGN KEY ("partner_id") REFERENCES "public"."partners"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "partner_merges" ADD CONSTRAINT "partner_merges_into_fkey" FOREIGN KEY ("into_id") REFERENCES "public"."partners"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "adjustments_partner_idx" ON "adjustments" USING btree ("partner_id");--> statement-breakpoint
CREATE INDEX "adjustments_until_idx" ON "adjustments" USING btree ("until") WHERE "adjustments"."revoked_at" is null and "adjustments"."until" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "partner_merges_open_key" ON "partner_merges" USING btree ("partner_id") WHERE "partner_merges"."undone_at" is null;--> statement-breakpoint
CREATE INDEX "partner_merges_into_idx" ON "partner_merges" USING btree ("into_id");--> statement-breakpoint
CREATE INDEX "evidence_history_idx" ON "evidence" USING btree ("partner_id") WHERE "evidence"."superseded_at" is not null and "evidence"."partner_id" is not null;