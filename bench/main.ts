// npm run bench [-- collect rescore] [--size small]: runs the benches, prints one JSON line each, exits 1 where one misses
// its limit. With DATABASE_URL they run on that server, in databases of their own.
import { parseArgs } from "node:util";
import { collect } from "./collect.ts";
import { commands } from "./commands.ts";
import { isolation } from "./isolation.ts";
import { tell } from "./lines.ts";
import { openBenchServer } from "./postgres.ts";
import { rescore } from "./rescore.ts";
import { rescoreSizes } from "./rescore-sizes.ts";
import { rescoreUnderRead } from "./rescore-under-read.ts";

const benches = {
  collect,
  commands,
  isolation,
  rescore,
  "rescore-sizes": rescoreSizes,
  "rescore-under-read": rescoreUnderRead,
};
type BenchName = keyof typeof benches;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { size: { type: "string", default: "full" } },
  });
  const { size } = values;
  const unknown = positionals.filter((name) => !Object.hasOwn(benches, name));
  if (unknown.length > 0 || (size !== "full" && size !== "small")) {
    tell(`usage: npm run bench -- [${Object.keys(benches).join("] [")}] [--size full|small]`);
    return 2;
  }
  const names = (positionals.length > 0 ? positionals : Object.keys(benches)) as BenchName[];
  const server = await openBenchServer(process.env["DATABASE_URL"] || undefined);
  try {
    tell(`Postgres: ${JSON.stringify(server.settings)}`);
    let missed = 0;
    for (const name of names) {
      const line = await benches[name](server, size);
      process.stdout.write(`${JSON.stringify(line)}\n`);
      if (!line.ok) missed += 1;
    }
    // The small size is for trying out: its ratios mean nothing.
    return size === "full" && missed > 0 ? 1 : 0;
  } finally {
    await server.close();
  }
}

process.exitCode = await main();
