// The settings a document asks for, as the schema that checks them in sources.yaml.
import { z } from "zod";
import { timeZoneSchema } from "../facts.ts";
import type { HttpDocument } from "./schema.ts";

type Setting = HttpDocument["settings"][string];

export function settingsSchemaOf(settings: HttpDocument["settings"]): z.ZodType<Record<string, unknown>> {
  const shape = Object.entries(settings).map(([key, setting]) => [key, toSchema(setting)] as const);
  return z.strictObject(Object.fromEntries(shape));
}

function toSchema(setting: Setting): z.ZodType {
  const described = typeOf(setting).meta({ description: setting.description ?? "" });
  if (setting.default !== undefined) return described.prefault(setting.default);
  return setting.optional === true ? described.optional() : described;
}

function typeOf({ type, values = [] }: Setting): z.ZodType {
  switch (type) {
    case "url": {
      const expected = "expected an address such as https://api.example.com";
      return z.url({ protocol: /^https?$/, error: expected }).transform((url) => url.replace(/\/+$/, ""));
    }
    case "number":
      return z.number("expected a number");
    case "boolean":
      return z.boolean("expected true or false");
    case "choice":
      return z.enum(values, `expected one of ${values.join(", ")}`);
    case "date":
      return z.iso.date("expected a date such as 2026-01-31");
    case "time-zone":
      return timeZoneSchema;
    default:
      return z.string("expected some text").min(1, "expected some text");
  }
}
