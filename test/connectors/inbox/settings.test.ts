import { describe, expect, test } from "vitest";
import { parseSources } from "../../../src/ingest/sources.ts";
import { UsageError } from "../../../src/platform/errors.ts";

const list = `
sources:
  list:
    connector: table
    every: 1 day
    settings: { file: list.csv, format: csv, evidence: registration, id: id, occurred-at: on, partner: { namespace: crm, column: crm } }`;

/** Line 7 is the source, line 10 the first of its settings. */
const inbox = (settings: string) => `${list}
  crm:
    connector: inbox
    every: 1 hour
    settings:
${settings.replace(/^/gm, "      ")}
`;

function refusalOf(settings: string): string[] {
  try {
    parseSources(inbox(settings), "sources.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message.split("\n");
  }
  throw new Error("The file was accepted.");
}

const url = 'url: "https://standings.example.com/inbox/crm"';
const map = (evidence: string, more = "") => `scheme: stripe
map:
  schema: { created: integer }
${more}  evidence: ${evidence}`;
const good = "{ kind: deal, occurred-at: created, identity: { namespace: crm, key: data.id } }";

const named = (when: string, more = "") =>
  `{ kind: deal, when: ${when}, occurred-at: created, identity: { namespace: crm, key: data.id }${more} }`;

describe("two mappings of a row", () => {
  const oneFact =
    /^sources.yaml:\d+: sources.crm.settings.map.evidence\[?.?1\]?: expected an external-id, or a when/;
  test("without an external-id are refused where a row may be meant by both, for they are one fact", () => {
    for (const [one, other] of [
      ["{ type: paid }", "{ type: paid }"],
      ["{ type: paid }", "{ type: [lost, paid] }"],
      ["{ type: paid }", "{ plan: gold }"],
      ["{ type: paid }", "{ type: { not: lost } }"],
    ])
      expect(refusalOf(map(`[${named(one!)}, ${named(other!)}]`))).toEqual([expect.stringMatching(oneFact)]);
  });

  test("are accepted where none is meant by both, or one has an external-id", () => {
    for (const evidence of [
      [named("{ type: paid }"), named("{ type: [lost, won] }")],
      [named("{ type: paid }"), named("{ type: paid }", ', external-id: "second/{$message.id}"')],
    ])
      expect(parseSources(inbox(map(`[${evidence.join(", ")}]`)), "sources.yaml").sources).toHaveLength(2);
  });
});

test("events of HubSpot are known by an id of their own, for what it repeats is another message", () => {
  const told = (key: string) => `scheme: hubspot\n${url}\nmap:\n${key}  evidence: ${good}`;
  for (const key of ["", "  key: $message.id\n"])
    expect(refusalOf(told(key))).toEqual([
      expect.stringMatching(
        /^sources.yaml:\d+: sources.crm.settings.map(.key)?: .*expected a path to the id of an event/,
      ),
    ]);
  expect(parseSources(inbox(told("  key: eventId\n")), "sources.yaml").sources).toHaveLength(2);
});

describe("the settings of an inbox", () => {
  test("say who sends and what a message is good for", () => {
    const { sources } = parseSources(inbox("scheme: ghost\nhint: list"), "sources.yaml");
    const source = sources.find(({ key }) => key === "crm");
    expect(source?.settings).toEqual({ scheme: "ghost", hint: "list", "replay-window": 300_000 });
    expect(source?.connector.kinds(source.settings)).toEqual([]);
    expect(source?.connector.wakes?.(source.settings)).toBe("list");
    const [, told] = parseSources(inbox(map(good)), "sources.yaml").sources;
    expect(told?.connector.kinds(told.settings)).toEqual(["deal"]);
    expect(told?.connector.wakes?.(told.settings)).toBeUndefined();
  });

  test.each([
    [
      "scheme: hubspt\nhint: list",
      /^sources.yaml:11: sources.crm.settings.scheme: expected one of .*"hubspt"; did you mean hubspot\?$/,
    ],
    [
      "hint: list",
      /^sources.yaml:10: sources.crm.settings.scheme: missing; expected one of copernica, ghost, /,
    ],
    [
      "scheme: ghost",
      /^sources.yaml:10: sources.crm.settings: expected either hint \(the source to sync\) or map/,
    ],
    [`${map(good)}\nhint: list`, /^sources.yaml:10: sources.crm.settings: expected either hint/],
    [
      "scheme: ghost\nhint: lits",
      /^sources.yaml:12: sources.crm.settings.hint: expected the key of a source that is pulled \(list\), not "lits"; did you mean list\?$/,
    ],
    [
      "scheme: ghost\nhint: crm",
      /^sources.yaml:12: sources.crm.settings.hint: expected the key of a source that is pulled/,
    ],
    [
      "scheme: hubspot\nhint: list",
      /^sources.yaml:10: sources.crm.settings.url: missing; expected the address as it is entered at the sender/,
    ],
    [
      `scheme: ghost\n${url}\nhint: list`,
      /^sources.yaml:12: sources.crm.settings.url: expected with other schemes than ghost/,
    ],
    [
      `scheme: copernica\n${url}\nhint: list`,
      /^sources.yaml:10: sources.crm.settings.account: missing; expected the number of the account/,
    ],
    [
      `scheme: copernica\n${url}\naccount: 1234\nhint: list`,
      /^sources.yaml:13: sources.crm.settings.account: expected the number of the account, such as "1234", not 1234$/,
    ],
    [
      "scheme: ghost\nhint: list\nreplay-window: 5",
      /^sources.yaml:13: sources.crm.settings.replay-window: expected a span such as/,
    ],
    [
      "scheme: ghost\nhint: list\nsecret: abc",
      /^sources.yaml:13: sources.crm.settings.secret: unknown key; expected one of scheme, /,
    ],
  ])("%j is refused at its line", (settings, message) => {
    expect(refusalOf(settings)).toEqual([expect.stringMatching(message) as string]);
  });

  test.each([
    [
      "url-secret",
      map(good).replace("stripe", "url-secret"),
      /^sources.yaml:12: sources.crm.settings.map: expected hint, for url-secret proves nothing about what is in a message$/,
    ],
    [
      "a function that is none",
      map("{ kind: deal, occurred-at: { dat: created }, identity: { namespace: crm, key: id } }"),
      /^sources.yaml:14: sources.crm.settings.map.evidence.occurred-at.*did you mean date\?$/,
    ],
    [
      "no identity",
      map("{ kind: deal, occurred-at: created }"),
      /^sources.yaml:14: sources.crm.settings.map.evidence.*: missing; expected an identity/,
    ],
    [
      "a kind that depends",
      map(good.replace("deal", '"{type}"')),
      /^sources.yaml:14: sources.crm.settings.map.evidence.kind: expected a kind without placeholders/,
    ],
    [
      "a name that is not there",
      map(good.replace("data.id", "$settings.partner")),
      /^sources.yaml:14: sources.crm.settings.map.evidence.identity.key: expected a path into the message, or one of \$message, \$connection, not "\$settings.partner"/,
    ],
    [
      "facts of a list with one id",
      map(good.replace("{ kind", "{ each: data.lines, kind")),
      /^sources.yaml:14: sources.crm.settings.map.evidence.each: expected an external-id with something of \{\$item\}/,
    ],
    [
      "a type that is none",
      map(good).replace("integer", "integre"),
      /^sources.yaml:13: sources.crm.settings.map.schema.created: expected one of text, .*did you mean integer\?$/,
    ],
    [
      "a key that is nowhere",
      map(good, "  key: $item.id\n"),
      /^sources.yaml:14: sources.crm.settings.map.key: expected a path into the message, or one of \$message/,
    ],
  ])("a mapping with %s is refused at its line", (_, settings, message) => {
    expect(refusalOf(settings)).toEqual([expect.stringMatching(message) as string]);
  });
});
