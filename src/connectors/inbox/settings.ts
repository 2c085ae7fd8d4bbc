// The settings of a source that is written to: who sends, how that is proven, and what a message is good for.
import { z } from "zod";
import { duration } from "../../platform/durations.ts";
import { strangeNames } from "../http/checks.ts";
import type { Conditions } from "../http/conditions.ts";
import { type EvidenceMapping, evidenceSchema, fieldSchema } from "../http/mapping-schema.ts";
import { placeholdersOf } from "../http/templates.ts";
import { pathSchema } from "../http/words.ts";
import type { Scheme } from "./scheme.ts";
import { schemeNames, schemes } from "./schemes.ts";

const urlText =
  "expected the address as it is entered at the sender, such as https://standings.example.com/inbox/crm";
const accountText = 'expected the number of the account, such as "1234"';

const mapSchema = z.strictObject(
  {
    /** Where the rows of a message are; without it the message is one, or the list of them. */
    records: pathSchema.optional(),
    /** What identifies a row among all rows of all messages. */
    key: pathSchema.default("$message.id"),
    schema: z.record(pathSchema, fieldSchema).default({}),
    evidence: z.union(
      [evidenceSchema, z.array(evidenceSchema).min(1)],
      "expected what a row becomes: { kind, occurred-at, identity }",
    ),
  },
  "expected what a message becomes: { key, schema, evidence }",
);

export type MessageMapping = z.output<typeof mapSchema>;

export const settingsSchema = z
  .strictObject({
    scheme: z.enum(schemeNames, `expected one of ${schemeNames.join(", ")}`),
    url: z.url({ protocol: /^https?$/, error: urlText }).optional(),
    account: z
      .string(accountText)
      .regex(/^\d{1,20}$/, accountText)
      .optional(),
    /** So much older than now, or ahead of it, a message may say that it is. */
    "replay-window": duration.prefault("5 minutes"),
    /** The source that is synced when a message comes. */
    hint: z.string("expected the key of another source").min(1).optional(),
    map: mapSchema.optional(),
  })
  .superRefine((settings, context) => {
    for (const { path, message } of problemsOf(settings)) {
      context.addIssue({ code: "custom", path: [...path], message });
    }
  });

export type InboxSettings = z.output<typeof settingsSchema>;

interface Problem {
  path: readonly PropertyKey[];
  message: string;
}

/** What the shape cannot say. */
function problemsOf({ scheme: name, hint, map, ...rest }: InboxSettings): Problem[] {
  const scheme: Scheme = schemes[name];
  const problems: Problem[] = [];
  for (const [key, message] of [
    ["url", urlText],
    ["account", accountText],
  ] as const) {
    const isNeeded = scheme.needs.includes(key);
    if (isNeeded && rest[key] === undefined)
      problems.push({ path: [key], message: `${message}, for the scheme ${name}` });
    if (!isNeeded && rest[key] !== undefined)
      problems.push({ path: [key], message: `expected with other schemes than ${name}` });
  }
  if ((hint === undefined) === (map === undefined))
    problems.push({
      path: [],
      message: "expected either hint (the source to sync) or map (what a message becomes)",
    });
  if (map !== undefined && !scheme.signsContent)
    problems.push({
      path: ["map"],
      message: `expected hint, for ${name} proves nothing about what is in a message`,
    });
  // It numbers its attempts within what it signs: repeated, a message has another digest and would count again.
  if (map !== undefined && name === "hubspot" && map.key.split(".")[0] === "$message")
    problems.push({
      path: ["map", "key"],
      message: "expected a path to the id of an event, such as eventId, for hubspot gives its messages none",
    });
  return map === undefined ? problems : [...problems, ...problemsIn(map)];
}

/** Whether no row can be meant by both: something has to be equal to other values for each. */
function areApart(one: Conditions = {}, other: Conditions = {}): boolean {
  const wanted = (test: Conditions[string] | undefined): string[] | undefined =>
    test === undefined || (typeof test === "object" && !Array.isArray(test))
      ? undefined
      : [test].flat().map(String);
  return Object.entries(one).some(([path, test]) => {
    const [here, there] = [wanted(test), wanted(other[path])];
    return here !== undefined && there !== undefined && !here.some((value) => there.includes(value));
  });
}

/** Mappings that a row of an earlier one may be meant by as well, both without a name of their own: one fact, and the later wins. */
function problemsOfNames(mappings: EvidenceMapping[]): Problem[] {
  const unnamed = [...mappings.entries()].filter(([, mapping]) => mapping["external-id"] === undefined);
  return unnamed.flatMap(([index, { when }]): Problem[] =>
    unnamed.some(([before, mapping]) => before < index && !areApart(mapping.when, when))
      ? [
          {
            path: ["map", "evidence", index],
            message:
              "expected an external-id, or a when that no row of an earlier mapping without one fits: they would be one fact",
          },
        ]
      : [],
  );
}

const KNOWN = ["$message", "$connection"];

function problemsIn(map: MessageMapping): Problem[] {
  const strange = (tree: unknown, path: (string | number)[], allowed: string[]) =>
    strangeNames({ settings: {}, secret: {} }, tree, path, allowed, true).map((problem) => ({
      path: problem.path,
      message: `expected a path into the message, or one of ${allowed.join(", ")}`,
    }));
  const isList = Array.isArray(map.evidence);
  return [
    ...strange(map.key, ["map", "key"], ["$message"]),
    ...problemsOfNames([map.evidence].flat()),
    ...[map.evidence].flat().flatMap((mapping, index): Problem[] => {
      const path = ["map", "evidence", ...(isList ? [index] : [])];
      const { kind, each, "external-id": externalId, identity, ...rest } = mapping;
      const isTold = placeholdersOf(externalId ?? "").some((name) => name.split(".")[0] === "$item");
      return [
        ...(placeholdersOf(kind).length === 0
          ? []
          : [{ path: [...path, "kind"], message: "expected a kind without placeholders" }]),
        ...strange(
          { identity, "external-id": externalId, ...rest },
          path,
          each === undefined ? KNOWN : [...KNOWN, "$item"],
        ),
        ...(each === undefined || isTold
          ? []
          : [
              {
                path: [...path, externalId === undefined ? "each" : "external-id"],
                message: "expected an external-id with something of {$item}, for a row has several facts",
              },
            ]),
        ...(identity === undefined
          ? [
              {
                path: [...path, "identity"],
                message: "expected an identity: { namespace: <name>, key: <path> }",
              },
            ]
          : []),
      ];
    }),
  ];
}
