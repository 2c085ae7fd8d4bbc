ALTER TABLE "pending_standings" ADD COLUMN "since" timestamp (3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
CREATE INDEX "partners_hidden_idx" ON "partners" USING btree ("id") WHERE not ("partners"."status" = 'active' and "partners"."listed");--> statement-breakpoint
CREATE INDEX "scores_order_idx" ON "scores" USING btree ("points" DESC NULLS FIRST,"reached_at");