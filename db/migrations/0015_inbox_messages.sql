CREATE TABLE "inbox_messages" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "inbox_messages_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"source" text NOT NULL,
	"message_id" text NOT NULL,
	"digest" text NOT NULL,
	"received_at" timestamp (3) with time zone NOT NULL,
	"wakes" text NOT NULL,
	"state" text DEFAULT 'waiting' NOT NULL,
	"run_id" bigint,
	"content" text,
	CONSTRAINT "inbox_messages_pkey" PRIMARY KEY("id"),
	CONSTRAINT "inbox_messages_message_key" UNIQUE("source","message_id"),
	CONSTRAINT "inbox_messages_state_check" CHECK ("inbox_messages"."state" in ('waiting', 'handled'))
);
--> statement-breakpoint
ALTER TABLE "inbox_messages" ADD CONSTRAINT "inbox_messages_source_fkey" FOREIGN KEY ("source") REFERENCES "public"."sources"("key") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "inbox_messages_order_idx" ON "inbox_messages" USING btree ("source","id");--> statement-breakpoint
CREATE INDEX "inbox_messages_received_idx" ON "inbox_messages" USING btree ("received_at");--> statement-breakpoint
CREATE INDEX "inbox_messages_waiting_idx" ON "inbox_messages" USING btree ("wakes") WHERE "inbox_messages"."state" = 'waiting';