// Brings changed scores into the cached standings. Twice is harmless: an older score version never replaces a newer one.
import { refreshStandings } from "../src/standings/refresh.ts";
import { trackFailures } from "./failures.ts";
import type { Handler } from "./handler.ts";

export const rank: Handler<"rank"> = (_payload, work) =>
  trackFailures("rank", work, async () => {
    const { applied, rebuilt } = await refreshStandings(work.db, work.cache);
    return applied === 0 && !rebuilt ? undefined : { applied, rebuilt };
  });
