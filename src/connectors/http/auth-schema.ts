// The shape of how a request is allowed: which part of the secret goes where, and what is exchanged for what.
import { z } from "zod";
import { duration } from "../../platform/durations.ts";
import { pathSchema, templateSchema, textOf } from "./words.ts";

const header = textOf("expected the name of a header");
const sends = templateSchema
  .optional()
  .meta({ description: "The value of the header Authorization; `Bearer {$token}` without it." });

/** A POST that gives a token. */
const exchange = {
  url: templateSchema.meta({
    description: "Where the token comes from: an address, or a path below the document's url.",
  }),
  form: z.record(z.string(), templateSchema).default({}).meta({ description: "Sent as a form." }),
  token: pathSchema.default("access_token").meta({ description: "Of the answer: the token." }),
  "expires-in": pathSchema
    .default("expires_in")
    .meta({ description: "Of the answer: the token's life in seconds." }),
  lifetime: duration
    .prefault("1 hour")
    .meta({ description: "Of a token that does not say how long it lives." }),
};

export const authSchema = z.discriminatedUnion(
  "type",
  [
    z.strictObject({ type: z.literal("none") }),
    z.strictObject({
      type: z.literal("basic"),
      user: templateSchema.optional(),
      password: z
        .union([z.literal(""), templateSchema])
        .optional()
        .meta({
          description: "Without user and password the secret is both, with a colon between them.",
        }),
    }),
    z.strictObject({ type: z.literal("bearer"), token: templateSchema.default("{$secret}") }),
    z.strictObject({ type: z.literal("header"), name: header, value: templateSchema.default("{$secret}") }),
    z.strictObject({ type: z.literal("query"), name: header, value: templateSchema.default("{$secret}") }),
    z.strictObject({
      type: z.literal("client-credentials"),
      ...exchange,
      "client-id": templateSchema.default("{$secret.client-id}"),
      "client-secret": templateSchema.default("{$secret.client-secret}"),
      in: z.enum(["form", "basic"], "expected form or basic").default("form"),
      sends,
    }),
    z.strictObject({ type: z.literal("token-exchange"), ...exchange, sends }),
    z.strictObject({
      type: z.literal("signed-jwt"),
      algorithm: z.enum(["HS256", "RS256", "ES256"], "expected HS256, RS256 or ES256"),
      key: templateSchema.default("{$secret}"),
      "key-encoding": z.enum(["text", "hex", "base64"], "expected text, hex or base64").default("text").meta({
        description: "Of an HS256 key. RS256 and ES256 keys are PEM.",
      }),
      "key-id": templateSchema.optional().meta({ description: "`kid` of the token's header." }),
      claims: z.record(z.string(), templateSchema).default({}).meta({ description: "Besides iat and exp." }),
      lifetime: duration.prefault("5 minutes"),
      exchange: z.strictObject(exchange).optional().meta({
        description: "Where the signed token ({$assertion}) is exchanged for the one that is sent.",
      }),
      sends,
    }),
  ],
  "expected how requests are allowed: { type: none | basic | bearer | header | query | client-credentials | token-exchange | signed-jwt }",
);

export type Auth = z.output<typeof authSchema>;
export type Exchange = Omit<Extract<Auth, { type: "token-exchange" }>, "type" | "sends">;
