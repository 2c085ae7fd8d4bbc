// A header "t=<seconds>,v1=<hex>", with HMAC-SHA256 of "t.body" under the endpoint's secret: as Stripe began it
// (https://docs.stripe.com/webhooks#verify-manually) and Mailchimp has it. While a secret is being changed there are two v1;
// other versions prove nothing.
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

export function verifyStamped(header: string, delivery: Delivery, terms: Terms): Verdict {
  const pairs = pairsOf(delivery.header(header) ?? "");
  const stamp = pairs.find(([name]) => name === "t")?.[1];
  const at = readStamp(stamp, 1000);
  if (stamp === undefined || at === undefined) return refused(`it has no ${header} with a time`);
  const signatures = pairs.flatMap(([name, value]) => (name === "v1" ? value : []));
  if (!isSigned(signatures, "hex", terms.secrets, [`${stamp}.`, delivery.body]))
    return refused(`no signature of ${header} fits`);
  return isOfNow(at, terms) ? { genuine: true } : outsideWindow(at, terms);
}
