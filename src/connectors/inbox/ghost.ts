// Ghost: X-Ghost-Signature "sha256=<hex>, t=<milliseconds>", HMAC-SHA256 of the body and the time right behind it, under the secret
// that was entered with the webhook. Versions of Ghost that signed the body alone are refused: their messages never age.
import { anySecret, type Scheme } from "./scheme.ts";
import { type Stamped, verifyStamped } from "./stamped.ts";

const signature: Stamped = {
  header: "X-Ghost-Signature",
  unitMs: 1,
  version: "sha256",
  signed: (stamp, body) => [body, stamp],
};

export const ghost: Scheme = {
  signsContent: true,
  needs: [],
  secret: anySecret,
  verify: (delivery, terms) => verifyStamped(signature, delivery, terms),
};
