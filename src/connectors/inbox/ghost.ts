// Ghost: X-Ghost-Signature "sha256=<hex>, t=<milliseconds>", HMAC-SHA256 of the body and the time right behind it, under the secret
// that was entered with the webhook. Versions of Ghost that signed the body alone are refused: their messages never age.
import {
  anySecret,
  isOfNow,
  isSigned,
  outsideWindow,
  pairsOf,
  readStamp,
  refused,
  type Scheme,
} from "./scheme.ts";

const HEADER = "X-Ghost-Signature";

export const ghost: Scheme = {
  signsContent: true,
  needs: [],
  secret: anySecret,
  verify(delivery, terms) {
    const pairs = pairsOf(delivery.header(HEADER) ?? "");
    const stamp = pairs.find(([name]) => name === "t")?.[1];
    const at = readStamp(stamp, 1);
    if (stamp === undefined || at === undefined) return refused(`it has no ${HEADER} with a time`);
    const signatures = pairs.flatMap(([name, value]) => (name === "sha256" ? value : []));
    if (!isSigned(signatures, "hex", terms.secrets, [delivery.body, stamp]))
      return refused(`the signature of ${HEADER} does not fit`);
    return isOfNow(at, terms) ? { genuine: true } : outsideWindow(at, terms);
  },
};
