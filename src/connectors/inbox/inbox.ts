// What other systems send to us. The web server proves who sent a message and stores it (src/web/inbox.ts); here the stored ones
// are this source's listing, in the order they came, so that they become evidence the way everything does. A message tells what
// has happened and never what is no more: nothing is ever absent for it.
import { z } from "zod";
import { SourceError } from "../../platform/errors.ts";
import { quote } from "../client/answers.ts";
import { defineConnector, type Message, type PullInput } from "../connector.ts";
import { holds } from "../http/conditions.ts";
import { type MappedRows, mapRows } from "../http/mapping.ts";
import type { EvidenceMapping } from "../http/mapping-schema.ts";
import { type Scope, valueAt } from "../http/templates.ts";
import type { Scheme } from "./scheme.ts";
import { schemes } from "./schemes.ts";
import { type InboxSettings, type MessageMapping, settingsSchema } from "./settings.ts";

/** Of 256 KB at most each. */
const MESSAGES_A_PAGE = 50;

const cursorSchema = z.object({ after: z.int() });

/** The connection's secret is what the sender signs with: one, or two of them with a space in between while it is being changed. */
export const inbox = defineConnector<InboxSettings>({
  settings: settingsSchema,
  alwaysComplete: false,
  canList: () => false,
  perAccount: false,
  kinds: ({ map }) => [...new Set([map?.evidence ?? []].flat().map(({ kind }) => kind))],
  wakes: ({ hint }) => hint,
  async *pull(input) {
    const { map } = input.settings;
    let { after } = cursorSchema.safeParse(input.cursor).data ?? { after: 0 };
    for (;;) {
      input.signal.throwIfAborted();
      // Where a message is a hint at most there is nothing to read in any.
      const messages = map === undefined ? [] : await input.messages({ after, most: MESSAGES_A_PAGE });
      const page: MappedRows = { evidence: [], quarantined: [] };
      for (const message of messages) {
        if (map !== undefined) collectRows(page, message, map, input);
        after = message.position;
      }
      yield { ...page, cursor: { after } };
      if (messages.length < MESSAGES_A_PAGE) return;
    }
  },
  async check({ settings, connection, messages }) {
    const wrong = wrongSecret(settings, connection.secret);
    if (wrong !== undefined) throw new SourceError("auth", wrong);
    const [last] = await messages({ last: true });
    const came =
      last === undefined
        ? "no message has come yet"
        : `the last message came ${last.receivedAt.toISOString()}`;
    const use =
      settings.hint === undefined ? "messages are evidence" : `messages are hints at ${settings.hint}`;
    return `waits for ${settings.scheme}, ${use}; ${came}`;
  },
});

/** The secrets a message may be signed with. */
export function secretsOf(secret: string | undefined): string[] {
  return (secret ?? "").split(/\s+/).filter((text) => text !== "");
}

/** What is wrong with the secret of a connection, for a person; undefined: nothing is. */
export function wrongSecret({ scheme: name }: InboxSettings, secret: string | undefined): string | undefined {
  const { secret: needed }: Scheme = schemes[name];
  const secrets = secretsOf(secret);
  if (needed === undefined) return undefined;
  return secrets.length > 0 && secrets.every((one) => needed.form.test(one))
    ? undefined
    : `the connection main has no secret for ${name}: expected ${needed.expected}`;
}

/** The rows of a message, each by itself: a broken one is set aside, and the others are not its hostages. */
function collectRows(
  page: MappedRows,
  message: Message,
  map: MessageMapping,
  input: PullInput<InboxSettings>,
): void {
  // Erased: it was evidence before, or is to be none.
  if (message.content === null) return;
  const place = `message ${message.position}`;
  const content: unknown = JSON.parse(message.content);
  const rows = rowsOf(content, map);
  if (rows === undefined) {
    const reason = `${quote(place)}: there is no list at ${map.records ?? ""}`;
    page.quarantined.push({ externalId: place, reason, unidentified: true });
    return;
  }
  for (const [index, row] of rows.entries()) {
    const number = Array.isArray(content) || map.records !== undefined ? `/${index + 1}` : "";
    const scope = {
      $connection: { key: input.connection.key },
      $message: { id: message.id + number, "received-at": message.receivedAt.toISOString() },
    };
    // A sender tells of more than is asked for: what no mapping means is not held to the schema of those it means.
    if (![map.evidence].flat().some((mapping) => isMeant(mapping, { ...scope, "": row }))) continue;
    const reader = { document: { "per-account": false }, input };
    const { evidence, quarantined } = mapRows(reader, "event", map, [row], scope, place + number);
    page.evidence.push(...evidence);
    page.quarantined.push(...quarantined);
  }
}

/** Whether a row may be a fact of this mapping: by what is wanted of it, and by any of its items where they are the facts. */
function isMeant({ when, each }: EvidenceMapping, scope: Scope): boolean {
  if (each === undefined) return holds(when, scope);
  const items = valueAt(scope, each);
  if (Array.isArray(items)) return items.some((item: unknown) => holds(when, { ...scope, $item: item }));
  // There is no item to ask: what is wanted of the row decides, so that the schema can say what it lacks.
  const ofRow = Object.entries(when ?? {}).filter(([path]) => !/^\$item\b/.test(path));
  return holds(Object.fromEntries(ofRow), scope);
}

function rowsOf(content: unknown, { records }: MessageMapping): unknown[] | undefined {
  if (records === undefined) return Array.isArray(content) ? (content as unknown[]) : [content];
  const rows = valueAt({ "": content }, records);
  return Array.isArray(rows) ? rows : undefined;
}
