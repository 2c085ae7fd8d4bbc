// The layout of the repository and the habits of its code, held where neither the compiler nor the linter does.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import * as files from "./house/files.ts";
import * as habits from "./house/habits.ts";
import * as layout from "./house/layout.ts";
import { type Rule, readTree, toTree } from "./house/tree.ts";

const rules: Record<string, Rule> = {
  "db is imported by src and src by workers, never the other way": layout.topFolders,
  "rooms of src import rooms below them only": layout.roomOrder,
  "no file imports itself by way of others": layout.noCycles,
  "connectors see no database, and what decides about points no HTTP": layout.secludedRooms,
  "command line, API and pages hold no SQL": layout.noSqlInSurfaces,
  "every package has one home": layout.packageHomes,
  "only the configuration reads the environment": habits.environmentInConfig,
  "only the command line ends the process": habits.exitInCommandLine,
  "the time is a parameter": habits.timeIsAParameter,
  "no statement copies": habits.noCopy,
  "every test runs": habits.testsRun,
  "no test sleeps": habits.testsDoNotSleep,
  "names say what is in a file": files.namesSaySomething,
  "names are kebab-case": files.namesAreKebabCase,
  "files are short": files.filesAreShort,
  "migrations are in the journal, each later than the one before": files.migrationsAreJournaled,
  "the lock file is whole": files.lockIsWhole,
  "nothing in it holds on one machine only": files.nothingOfOneMachine,
  "links lead somewhere": files.linksLeadSomewhere,
};

const house = readTree(fileURLToPath(new URL("../", import.meta.url)));

describe("in this repository", () => {
  test("the files are seen", () => {
    expect([...house.keys()]).toEqual(
      expect.arrayContaining([
        "src/cli/main.ts",
        "db/schema.ts",
        "workers/main.ts",
        "test/house.test.ts",
        ".gitignore",
      ]),
    );
  });

  test.each(Object.entries(rules))("%s", (_, rule) => {
    expect(rule(house)).toEqual([]);
  });

  test("every room of the order exists", () => {
    const there = [...house.keys()].filter((path) => path.startsWith("src/"));
    const empty = layout.rooms.filter(
      (room) => !there.some((path) => path === `src/${room}.ts` || path.startsWith(`src/${room}/`)),
    );
    expect(empty).toEqual([]);
  });

  test("the map in ARCHITECTURE.md is that of the rooms", () => {
    const file = fileURLToPath(new URL("../ARCHITECTURE.md", import.meta.url));
    const page = readFileSync(file, "utf8");
    const marked = /(<!-- rooms -->\n\n)[\s\S]*?(\n\n<!-- \/rooms -->)/;
    const made = page.replace(marked, (_, before, after) => `${before}${layout.mapOfRooms()}${after}`);
    if (process.env["UPDATE_MAP"] !== undefined) writeFileSync(file, made);
    expect(page).toMatch(marked);
    expect(page).toBe(made);
  });
});

/** Where a rule sees an offence in an invented tree: the text before the colon of each line. */
function offences(rule: Rule, texts: Record<string, string>): string[] {
  return rule(toTree(texts)).map((line) => line.replace(/: .*/, ""));
}

describe("the layout", () => {
  test("catches an import against the direction, however it is written", () => {
    const found = offences(layout.topFolders, {
      "db/client.ts": 'import { log } from "../src/platform/log.ts";',
      "src/ingest/sources.ts": '\nexport { a } from "../../workers/main.ts";',
      "src/queue/catalogue.ts": 'import type { A } from "../../examples/copernica/world.ts";',
      "src/platform/documents/yaml.ts": 'const a = await import("../../../bench/main.ts");',
      "src/web/api/api.ts": 'let a: import("../../../test/database.ts").A;',
      "workers/main.ts":
        'import { a } from "../examples/a.ts"; import "../src/queue/catalogue.ts"; import "../db/client.ts";',
      "examples/a.ts": 'import { a } from "../src/platform/errors.ts";',
    });
    expect(found).toEqual([
      "db/client.ts:1",
      "src/ingest/sources.ts:2",
      "src/queue/catalogue.ts:1",
      "src/platform/documents/yaml.ts:1",
      "src/web/api/api.ts:1",
      "workers/main.ts:1",
      "examples/a.ts:1",
    ]);
  });

  test("catches a room that imports one above it, and a room nobody gave a place", () => {
    const found = offences(layout.roomOrder, {
      "src/scoring/score.ts":
        'import type { Run } from "../ingest/runs/runs.ts"; import "../programme/compile.ts";',
      "src/platform/errors.ts": 'import { a } from "../connectors/connector.ts";',
      "src/magic/wand.ts": "",
    });
    expect(found).toEqual(["src/magic/wand.ts", "src/scoring/score.ts:1", "src/platform/errors.ts:1"]);
  });

  test("catches a cycle through three files, and one of types", () => {
    const cycles = layout.noCycles(
      toTree({
        "src/a.ts": 'import "./b.ts";',
        "src/b.ts": 'import "./c.ts"; import "./d.ts";',
        "src/c.ts": 'import "./a.ts";',
        "src/d.ts": 'import type { E } from "./e.ts";',
        "src/e.ts": 'import { type D } from "./d.ts";',
      }),
    );
    expect(cycles).toEqual([
      "src/a.ts -> src/b.ts -> src/c.ts -> src/a.ts: a cycle",
      "src/d.ts -> src/e.ts -> src/d.ts: a cycle",
    ]);
  });

  test("catches a connector that knows more than its contract", () => {
    const found = offences(layout.secludedRooms, {
      "src/connectors/a.ts": 'import type { Database } from "../../db/client.ts";',
      "src/connectors/b.ts": 'import type { Logger } from "pino";',
      "src/connectors/c.ts": 'import { jobs } from "../queue/catalogue.ts";',
      "src/connectors/d.ts":
        'import "./a.ts"; import "../platform/errors.ts"; import "../platform/csv.ts"; import { z } from "zod";',
    });
    expect(found).toEqual(["src/connectors/a.ts:1", "src/connectors/b.ts:1", "src/connectors/c.ts:1"]);
  });

  test("catches HTTP where points are decided; evidence may name the contract's types", () => {
    const found = offences(layout.secludedRooms, {
      "src/evidence/a.ts": 'import type { EvidenceFact } from "../connectors/connector.ts";',
      "src/evidence/b.ts": 'import { defineConnector } from "../connectors/connector.ts";',
      "src/scoring/c.ts": 'import type { Page } from "../connectors/connector.ts";',
      "src/standings/d.ts": 'import { Hono } from "hono";',
      "src/programme/e.ts": 'import { request } from "undici";',
      "src/scoring/f.ts": 'import type { JobName } from "../queue/catalogue.ts";',
    });
    expect(found).toEqual([
      "src/evidence/b.ts:1",
      "src/scoring/c.ts:1",
      "src/standings/d.ts:1",
      "src/programme/e.ts:1",
      "src/scoring/f.ts:1",
    ]);
  });

  test("catches SQL in the command line and in the API", () => {
    const found = offences(layout.noSqlInSurfaces, {
      "src/cli/ranking.ts": "const rows = await db.execute(query);",
      "src/web/api/health.ts": "\nconst query = sql`select 1`;",
      "src/cli/help.ts": 'const text = "sql`select 1`";',
      "src/standings/order.ts": "const query = sql`select 1`;",
    });
    expect(found).toEqual(["src/cli/ranking.ts:1", "src/web/api/health.ts:2"]);
  });

  test("catches a package away from its home, and one without a home", () => {
    const found = offences(layout.packageHomes, {
      "package.json":
        '{ "dependencies": { "pg": "1", "left-pad": "1" }, "optionalDependencies": { "right-pad": "1" } }',
      "src/ingest/runs/sync.ts": 'import { Queue } from "bullmq";',
      "src/context.ts":
        'import postgres from "postgres"; import type { Logger } from "pino"; import { Redis } from "ioredis";',
      "src/web/server.ts": 'import { serve } from "@hono/node-server/serve-static";',
      "src/platform/csv.ts": 'import { parse } from "csv-parse/sync"; import { a } from "lodash/fp";',
      "workers/main.ts": 'import { pino } from "pino";',
      "test/a.ts": 'import { Queue } from "bullmq";',
    });
    expect(found).toEqual([
      "package.json",
      "package.json",
      "src/ingest/runs/sync.ts:1",
      "src/context.ts:1",
      "src/platform/csv.ts:1",
      "workers/main.ts:1",
    ]);
  });
});

describe("the habits", () => {
  test("catch the environment read elsewhere", () => {
    const found = offences(habits.environmentInConfig, {
      "src/platform/config.ts": "export const a = process.env.A;",
      "src/platform/log.ts": '// process.env is not read here\nexport const a = process.env["A"];',
      "db/pool.ts": 'const { A } = process["env"];',
      "workers/main.ts": 'import { env } from "node:process";',
    });
    expect(found).toEqual(["src/platform/log.ts:2", "db/pool.ts:1", "workers/main.ts:1"]);
  });

  test("catch a process ended elsewhere", () => {
    const found = offences(habits.exitInCommandLine, {
      "src/cli/main.ts": "process.exit(130);",
      "src/web/server.ts": "process.on('SIGTERM', () => process.exit(1));",
      "workers/main.ts": "process.exitCode = 1;",
    });
    expect(found).toEqual(["src/web/server.ts:1"]);
  });

  test("catch the machine's clock where the time should be a parameter", () => {
    const found = offences(habits.timeIsAParameter, {
      "src/context.ts": "export const now = () => new Date();",
      "src/scoring/a.ts": "const at = Date.now();",
      "src/scoring/b.ts": "const at = new Date;",
      "src/scoring/c.ts": "const at = new Date(1); const text = 'new Date()'; const ms = performance.now();",
      "src/scoring/d.ts": "const at = Temporal.Now.instant();",
    });
    expect(found).toEqual(["src/scoring/a.ts:1", "src/scoring/b.ts:1", "src/scoring/d.ts:1"]);
  });

  test("catch COPY in statements and migrations, not in sentences", () => {
    const found = offences(habits.noCopy, {
      "db/pool.ts": "// COPY evidence FROM STDIN can hang\nconst a = `Copying the programs to a cache`;",
      "src/evidence/record.ts": "sql`copy evidence (id, kind) from stdin`;",
      "src/partners.ts": 'db.unsafe("COPY (select 1) TO STDOUT");',
      "db/migrations/0000_a.sql": "copy partners from '/tmp/partners.csv';",
      "test/database.ts": "sql`create database a template b strategy file_copy`;",
    });
    expect(found).toEqual(["src/evidence/record.ts:1", "src/partners.ts:1", "db/migrations/0000_a.sql"]);
  });

  test("catch a test that is left out", () => {
    const found = offences(habits.testsRun, {
      "test/a.test.ts": "test.skip('a', () => {});\ndescribe.only('a', () => {});\nit.todo('a');",
      "test/b.test.ts": "describe.runIf(redis)('a', () => {}); test.each([1])('a', () => {}); list.skip(1);",
      "test/c.test.ts": "test.concurrent.skip('a', () => {});",
    });
    expect(found).toEqual(["test/a.test.ts:1", "test/a.test.ts:2", "test/a.test.ts:3", "test/c.test.ts:1"]);
  });

  test("catch a test that sleeps; between two looks at a condition it may", () => {
    const found = offences(habits.testsDoNotSleep, {
      "test/a.test.ts": "await new Promise((resolve) => setTimeout(resolve, 100));",
      "test/b.test.ts": 'import { setTimeout as delay } from "node:timers/promises";\nawait delay(100);',
      "test/c.test.ts": 'import * as timers from "timers/promises";\nawait timers.setTimeout(100);',
      "test/d.test.ts": "await new Promise((done) => { setTimeout(() => { done(1); }, 9); });",
      "test/e.test.ts":
        'import { setTimeout as delay } from "node:timers/promises";\nwhile (!ready()) await delay(20);',
      "test/f.test.ts":
        "await new Promise((_, reject) => setTimeout(() => reject(new Error('too late')), 9));",
    });
    expect(found).toEqual(["test/a.test.ts:1", "test/b.test.ts:2", "test/c.test.ts:2", "test/d.test.ts:1"]);
  });
});

describe("the rules about files", () => {
  test("catch names that say nothing", () => {
    const found = offences(files.namesSaySomething, {
      "src/utils.ts": "",
      "src/web/index.ts": "",
      "src/services/score.ts": "",
      "test/helpers/a.test.ts": "",
      "src/scoring/score.ts": "",
      "docs/types.md": "",
    });
    expect(found).toEqual([
      "src/utils.ts",
      "src/web/index.ts",
      "src/services/score.ts",
      "test/helpers/a.test.ts",
    ]);
  });

  test("catch names that are not kebab-case", () => {
    const found = offences(files.namesAreKebabCase, {
      "src/openPull.ts": "",
      "src/open_pull.ts": "",
      "src/table-rows.ts": "",
      "test/a-b.test.ts": "",
      "vitest.config.ts": "",
    });
    expect(found).toEqual(["src/openPull.ts", "src/open_pull.ts"]);
  });

  test("catch a file that is too long, counting code only", () => {
    const code = (lines: number) => Array.from({ length: lines }, (_, line) => `f(${line});`).join("\n");
    const found = offences(files.filesAreShort, {
      "src/long.ts": code(301),
      "src/commented.ts": `${"// a reason\n\n".repeat(200)}/* and\nmore */\n${code(300)}\n`,
      "src/text.ts": `const a = \`\n${"select\n".repeat(300)}\`;`,
      "test/long.ts": code(400),
    });
    expect(found).toEqual(["src/long.ts", "src/text.ts"]);
  });

  test("catch a migration that would never be applied", () => {
    const entry = (idx: number, when: number) => ({ idx, tag: `000${idx}_a`, when });
    const found = offences(files.migrationsAreJournaled, {
      "db/migrations/0000_a.sql": "",
      "db/migrations/0001_a.sql": "",
      "db/migrations/0003_a.sql": "",
      "db/migrations/meta/_journal.json": JSON.stringify({
        entries: [entry(0, 20), entry(1, 10), entry(2, 30)],
      }),
    });
    expect(found).toEqual([
      "db/migrations/0003_a.sql",
      "db/migrations/0002_a.sql",
      "db/migrations/0001_a.sql",
    ]);
  });

  test("catch a lock file that was made where some packages were out of reach", () => {
    const packages = {
      "node_modules/a": { optionalDependencies: { "@a/linux": "1", "@a/darwin": "1", "@a/win32": "1" } },
      "node_modules/@a/linux": {},
      "node_modules/a/node_modules/@a/win32": {},
    };
    const found = files.lockIsWhole(toTree({ "package-lock.json": JSON.stringify({ packages }) }));
    expect(found).toEqual(["package-lock.json: node_modules/a may need @a/darwin, which has no entry"]);
  });

  test("catch what holds on one machine only", () => {
    const [slash, dot] = ["/", "."];
    const found = offences(files.nothingOfOneMachine, {
      "README.md": `cd ${slash}home/anna/standings`,
      "src/platform/config.ts": `const home = "${slash}root/.standings";`,
      ".npmrc": `registry=https://registry${dot}example${dot}com/`,
      "docs/a.md": "See https://example.com/work/list and src/home/page.ts.",
    });
    expect(found).toEqual(["README.md:1", "src/platform/config.ts:1", ".npmrc:1"]);
  });

  test("catch a link to a file that is not there", () => {
    const found = files.linksLeadSomewhere(
      toTree({
        "docs/a.md":
          "[b](b.md#top) [up](../README.md) [src](../src/) [web](https://example.com) [here](#a) [c](c.md)",
        "docs/b.md": "",
        "README.md": "",
        "src/cli/main.ts": "",
      }),
    );
    expect(found).toEqual(["docs/a.md: the link to c.md leads nowhere"]);
  });
});
