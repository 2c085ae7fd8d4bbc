-- Room on each page for the next version of its rows: db/schema.ts says what it is worth.
ALTER TABLE "achievements_held" SET (fillfactor = 60);
