-- What is written to standings_size, and when. A statement of its own for each kind of change, because each sees other rows.
CREATE FUNCTION "standings_size_changed"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  difference integer := 0;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    DELETE FROM "standings_size";
    RETURN NULL;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    difference := (SELECT count(*) FROM new_partners WHERE status = 'active' AND listed);
  END IF;
  IF TG_OP <> 'INSERT' THEN
    difference := difference - (SELECT count(*) FROM old_partners WHERE status = 'active' AND listed);
  END IF;
  IF difference <> 0 THEN
    INSERT INTO "standings_size" ("change") VALUES (difference);
  END IF;
  RETURN NULL;
END
$$;--> statement-breakpoint
CREATE TRIGGER "partners_inserted" AFTER INSERT ON "partners"
  REFERENCING NEW TABLE AS new_partners FOR EACH STATEMENT EXECUTE FUNCTION "standings_size_changed"();--> statement-breakpoint
CREATE TRIGGER "partners_updated" AFTER UPDATE ON "partners"
  REFERENCING OLD TABLE AS old_partners NEW TABLE AS new_partners FOR EACH STATEMENT EXECUTE FUNCTION "standings_size_changed"();--> statement-breakpoint
CREATE TRIGGER "partners_deleted" AFTER DELETE ON "partners"
  REFERENCING OLD TABLE AS old_partners FOR EACH STATEMENT EXECUTE FUNCTION "standings_size_changed"();--> statement-breakpoint
CREATE TRIGGER "partners_truncated" AFTER TRUNCATE ON "partners"
  FOR EACH STATEMENT EXECUTE FUNCTION "standings_size_changed"();--> statement-breakpoint
INSERT INTO "standings_size" ("change") SELECT count(*) FROM "partners" WHERE status = 'active' AND listed;
