// A worker process that opens everything and begins to work at the first message from its parent. A test that kills workers
// does not wait for each of them to start. Its argument is the folder of the compiled sources.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder = ""] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(join(folder, path)).href);
const [{ openContext }, { loadSources }, { loadProcessConfig }, { openLog }, { openWorkers }] =
  await Promise.all(
    [
      "src/context.js",
      "src/ingest/sources.js",
      "src/platform/config.js",
      "src/platform/log.js",
      "workers/main.js",
    ].map(load),
  );

const config = loadProcessConfig();
const context = await openContext(config, await loadSources(config.sourcesFile), openLog("silent"));
process.once("message", () => {
  void openWorkers(context, { schedules: false, backoff: { firstMs: 1000, mostMs: 1000 } });
});
process.send?.("ready");
