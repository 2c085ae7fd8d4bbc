// A secret in the address: ?secret=… For senders that sign nothing (Mailchimp without a signing secret, Brevo, Eventbrite). The whole
// address is the proof, and every proxy on the way reads it: what is in such a message is never believed.
import { createHash, timingSafeEqual } from "node:crypto";
import { anySecret, refused, type Scheme } from "./scheme.ts";

export const urlSecret: Scheme = {
  signsContent: false,
  needs: [],
  secret: anySecret,
  verify(delivery, terms) {
    const given = delivery.query("secret").map(digestOf);
    const isKnown = terms.secrets
      .map(digestOf)
      .some((secret) => given.some((one) => timingSafeEqual(one, secret)));
    return isKnown ? { genuine: true } : refused("its address has not the secret");
  },
};

/** Of one length, whatever was given. */
const digestOf = (text: string) => createHash("sha256").update(text).digest();
