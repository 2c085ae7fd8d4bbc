// Every scheme there is, by the name sources.yaml calls it.
import { copernica } from "./copernica.ts";
import { ghost } from "./ghost.ts";
import { hubspot } from "./hubspot.ts";
import { mailchimp } from "./mailchimp.ts";
import type { Scheme } from "./scheme.ts";
import { standardWebhooks } from "./standard-webhooks.ts";
import { stripe } from "./stripe.ts";
import { urlSecret } from "./url-secret.ts";

export const schemes = {
  copernica,
  ghost,
  hubspot,
  mailchimp,
  "standard-webhooks": standardWebhooks,
  stripe,
  "url-secret": urlSecret,
} satisfies Record<string, Scheme>;

export type SchemeName = keyof typeof schemes;

export const schemeNames = Object.keys(schemes) as [SchemeName, ...SchemeName[]];
