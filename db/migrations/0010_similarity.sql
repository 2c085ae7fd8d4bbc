-- Suggestions compare names by trigrams. The extension comes with Postgres and its owner may create it; where a server does
-- not have it, or does not let us, everything else works and the suggestions say what is missing (src/partners/suggest.ts).
DO $$
BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm;
EXCEPTION WHEN OTHERS THEN
  RAISE NOTICE 'pg_trgm cannot be created (%): no suggestions by name', SQLERRM;
END
$$;
