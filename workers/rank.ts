// Brings changed scores into the cached standings. Twice is harmless: an older score version never replaces a newer one.
import { refreshStandings } from "../src/standings/refresh.ts";
import { noting } from "./failing.ts";
import type { Handler } from "./handler.ts";

export const rank: Handler<"rank"> = async (_payload, work) => {
  const { applied, rebuilt } = await noting("rank", work, () => refreshStandings(work.db, work.cache));
  return applied === 0 && !rebuilt ? undefined : { applied, rebuilt };
};
