// A header of pairs: a time, and HMAC-SHA256 of it and the body under a secret, one for each while the secret is being changed.
// Stripe, Mailchimp and Ghost have it, each in words of its own; versions that are not the one named prove nothing.
import {
  type Delivery,
  isOfNow,
  isSigned,
  outsideWindow,
  pairsOf,
  readStamp,
  refused,
  type Terms,
  type Verdict,
} from "./scheme.ts";

export interface Stamped {
  header: string;
  /** The unit of its time, `t`. */
  unitMs: 1 | 1000;
  /** The name of its signatures, in hex. */
  version: string;
  /** What they are over. */
  signed: (stamp: string, body: Buffer) => (string | Buffer)[];
}

/** As Stripe began it (https://docs.stripe.com/webhooks#verify-manually): "t=<seconds>,v1=<hex>", over "t.body". */
export const asStripe = (header: string): Stamped => ({
  header,
  unitMs: 1000,
  version: "v1",
  signed: (stamp, body) => [`${stamp}.`, body],
});

export function verifyStamped(
  { header, unitMs, version, signed }: Stamped,
  delivery: Delivery,
  terms: Terms,
): Verdict {
  const pairs = pairsOf(delivery.header(header) ?? "");
  const stamp = pairs.find(([name]) => name === "t")?.[1];
  const at = readStamp(stamp, unitMs);
  if (stamp === undefined || at === undefined) return refused(`it has no ${header} with a time`);
  const signatures = pairs.flatMap(([name, value]) => (name === version ? value : []));
  if (!isSigned(signatures, "hex", terms.secrets, signed(stamp, delivery.body)))
    return refused(`no signature of ${header} fits`);
  return isOfNow(at, terms) ? { genuine: true } : outsideWindow(at, terms);
}
