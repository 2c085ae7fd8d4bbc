CREATE TABLE "standings_cache" (
	"id" integer DEFAULT 1 NOT NULL,
	"writer" uuid NOT NULL,
	CONSTRAINT "standings_cache_pkey" PRIMARY KEY("id"),
	CONSTRAINT "standings_cache_one_row_check" CHECK ("standings_cache"."id" = 1)
);
