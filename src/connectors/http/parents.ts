// The rows others are listed by: one level, read whole before its children.
import { SourceError } from "../../platform/errors.ts";
import { list } from "./listing.ts";
import type { Stream } from "./schema.ts";
import type { Session } from "./session.ts";
import { type Scope, toText, valueAt } from "./templates.ts";

const MOST_PARENTS = 100_000;

export interface Parent {
  key: string;
  /** false: the stream has no parents; this stands for all of it. */
  isReal: boolean;
  scope: Scope;
}

/** In the order of their keys, so that a broken-off pull knows which ones are done. */
export async function readParents(session: Session, stream: Stream): Promise<Parent[]> {
  const name = stream["for-each"];
  const parent = name === undefined ? undefined : session.document.streams[name];
  if (name === undefined || parent === undefined) return [{ key: "", isReal: false, scope: session.scope }];
  const found = new Map<string, Parent>();
  const { request, paging, records, total, key } = parent;
  const listing = {
    request,
    paging,
    records,
    total,
    key,
    isStable: false,
    cap: parent.cap,
    scope: session.scope,
  };
  for await (const { rows } of list(session, listing)) {
    for (const row of rows) {
      const id = toText(valueAt({ "": row }, key));
      if (id === "")
        throw new SourceError("data", `${name}: a row without ${key}, which others are listed by`);
      found.set(id, { key: id, isReal: true, scope: { ...session.scope, $parent: row } });
    }
    if (found.size > MOST_PARENTS)
      throw new SourceError("data", `${name}: more than ${MOST_PARENTS} rows others are listed by`);
    if (session.isLook === true) break;
  }
  return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}
