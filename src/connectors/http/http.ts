// The connector a document describes (docs/connectors/http.md). Everything a system is known by is in the document; what
// every system must be watched for (ends, counts, caps, links, secrets) is here, and no document can leave it out.
import { SourceError } from "../../platform/errors.ts";
import { describe, quote } from "../client/answers.ts";
import type { Connector } from "../connector.ts";
import { callSystem, toAsk } from "./call.ts";
import { pull, toListings } from "./pull.ts";
import type { HttpDocument } from "./schema.ts";
import { openSession, type Settings, secretTexts } from "./session.ts";
import { settingsSchemaOf } from "./settings.ts";
import { fill } from "./templates.ts";

/** `revision`: another one for a document that may yield other facts. */
export function toConnector(document: HttpDocument, revision: string): Connector<Settings> {
  const streams = Object.values(document.streams).filter(({ evidence }) => evidence !== undefined);
  const { budget } = document.limits;
  const canList = streams.every(({ complete }) => complete);
  return {
    settings: settingsSchemaOf(document.settings),
    alwaysComplete: canList && streams.every(({ incremental }) => incremental === undefined),
    canList: () => canList,
    perAccount: document["per-account"],
    revision,
    budget: budget && { requests: budget.requests, perMs: budget.per, atOnce: budget["at-once"] },
    kinds: (settings) => [
      ...new Set(
        streams.flatMap(({ evidence }) =>
          [evidence ?? []].flat().map(({ kind }) => fill(kind, { $settings: settings }) ?? ""),
        ),
      ),
    ],
    async *pull(input) {
      yield* pull(openSession(document, input));
    },
    listings: (input) => toListings(openSession(document, input)),
    async check(input) {
      const session = openSession(document, input);
      const { request, says } = document.check;
      const ask = toAsk(session, request, session.scope);
      const answer = await callSystem(session, ask);
      const text = fill(says, { ...session.scope, "": answer?.body });
      if (text === undefined) {
        throw new SourceError(
          "data",
          `${describe(ask.method, ask.url)} answered without what the check says: ${says}`,
        );
      }
      return quote(text, secretTexts(session, []));
    },
  };
}
