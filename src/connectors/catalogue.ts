// Every connector there is, by the name sources.yaml calls it. To add one in code: its file, one line here, its conformance
// test. To add one as a document: its YAML in documents/ (docs/connectors/README.md says what else).
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ical } from "./calendar/ical.ts";
import type { Connector } from "./connector.ts";
import { copernica } from "./copernica.ts";
import { feed } from "./feed/feed.ts";
import { parseConnector } from "./http/document.ts";
import { inbox } from "./inbox/inbox.ts";
import { linkBack } from "./link-back.ts";
import { openBadges } from "./open-badges/open-badges.ts";
import { sql } from "./sql.ts";
import { table } from "./table.ts";
import { wordpress } from "./wordpress.ts";

export const connectors: Record<string, Connector> = {
  copernica,
  feed,
  ical,
  inbox,
  "link-back": linkBack,
  "open-badges": openBadges,
  sql,
  table,
  wordpress,
};

const documents = new URL("./documents/", import.meta.url);
const parsed = new Map<string, Connector>();

/** The systems described by a document that ships with Standings. */
export function documentNames(): string[] {
  return readdirSync(documents)
    .flatMap((file) => (file.endsWith(".yaml") ? file.slice(0, -".yaml".length) : []))
    .sort();
}

/** What `connector` may be in sources.yaml. */
export function connectorNames(): string[] {
  return [...Object.keys(connectors), "http", ...documentNames()];
}

/** The connector of a name, in code or as a document that ships; undefined where there is none (`http` names its own document). */
export function findConnector(name: string): Connector | undefined {
  if (Object.hasOwn(connectors, name)) return connectors[name];
  if (!documentNames().includes(name)) return undefined;
  const known = parsed.get(name);
  if (known !== undefined) return known;
  const file = fileURLToPath(new URL(`${name}.yaml`, documents));
  const connector = parseConnector(readFileSync(file, "utf8"), file);
  parsed.set(name, connector);
  return connector;
}
