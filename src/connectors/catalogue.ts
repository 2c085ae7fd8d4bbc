// Every connector there is, by the name sources.yaml calls it. To add one: its file, one line here, its conformance test.
import type { Connector } from "./connector.ts";
import { copernica } from "./copernica.ts";
import { feed } from "./feed.ts";
import { ical } from "./ical.ts";
import { linkBack } from "./link-back.ts";
import { sql } from "./sql.ts";
import { table } from "./table.ts";
import { wordpress } from "./wordpress.ts";

export const connectors: Record<string, Connector> = {
  copernica,
  feed,
  ical,
  "link-back": linkBack,
  sql,
  table,
  wordpress,
};
