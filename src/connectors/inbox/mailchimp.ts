// Mailchimp, with a signing secret: X-Mailchimp-Signature over the body, which is a form. Webhooks that were made without one are
// `url-secret`.
import { anySecret, type Scheme } from "./scheme.ts";
import { asStripe, verifyStamped } from "./stamped.ts";

export const mailchimp: Scheme = {
  signsContent: true,
  needs: [],
  secret: anySecret,
  verify: (delivery, terms) => verifyStamped(asStripe("X-Mailchimp-Signature"), delivery, terms),
};
