// A worker process that is ready and waits: everything is open, and only at "go" does it begin to work. So a test that kills
// workers does not wait for each of them to start.

import { openContext } from "../../src/context.ts";
import { loadSources } from "../../src/ingest/sources.ts";
import { loadProcessConfig } from "../../src/platform/config.ts";
import { openLog } from "../../src/platform/log.ts";
import { openWorkers } from "../../workers/main.ts";

const config = loadProcessConfig();
const context = await openContext(config, await loadSources(config.sourcesFile ?? ""), openLog("silent"));
process.once("message", () => {
  void openWorkers(context, { schedules: false, backoff: { firstMs: 1000, mostMs: 1000 } });
});
process.send?.("ready");
