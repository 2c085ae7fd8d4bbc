CREATE TABLE "standings_size" (
	"id" bigint GENERATED ALWAYS AS IDENTITY (sequence name "standings_size_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"change" integer NOT NULL,
	CONSTRAINT "standings_size_pkey" PRIMARY KEY("id")
);
