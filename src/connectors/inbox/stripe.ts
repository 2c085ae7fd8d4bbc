// Stripe (https://docs.stripe.com/webhooks#verify-manually): Stripe-Signature over the body, which names its event.
import { z } from "zod";
import type { Scheme } from "./scheme.ts";
import { asStripe, verifyStamped } from "./stamped.ts";

const eventSchema = z.object({ id: z.string() });

export const stripe: Scheme = {
  signsContent: true,
  needs: [],
  secret: { form: /^whsec_\S{16,}$/, expected: "the endpoint's signing secret, whsec_…" },
  verify: (delivery, terms) => verifyStamped(asStripe("Stripe-Signature"), delivery, terms),
  // An event that is sent again may say another number of pending_webhooks: its bytes are no id of it.
  idOf: (content) => eventSchema.safeParse(content).data?.id,
};
