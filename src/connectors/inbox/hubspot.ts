// HubSpot, version 3 of its signatures (https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests):
// base64 of HMAC-SHA256, under the app's client secret, of method, address, body and the time in milliseconds. The address is the
// one the app was given, not what a proxy has made of it.
import { anySecret, isOfNow, isSigned, outsideWindow, readStamp, refused, type Scheme } from "./scheme.ts";

const SIGNATURE = "X-HubSpot-Signature-v3";
const TIME = "X-HubSpot-Request-Timestamp";

export const hubspot: Scheme = {
  signsContent: true,
  needs: ["url"],
  secret: anySecret,
  verify(delivery, terms) {
    const stamp = delivery.header(TIME);
    const at = readStamp(stamp, 1);
    if (stamp === undefined || at === undefined) return refused(`it has no ${TIME}`);
    const signatures = [delivery.header(SIGNATURE) ?? ""];
    const parts = ["POST", toSigned(terms.url ?? ""), delivery.body, stamp];
    if (!isSigned(signatures, "base64", terms.secrets, parts))
      return refused(
        `the ${SIGNATURE} does not fit; it is of the address in the app's settings: is that the url of this source?`,
      );
    return isOfNow(at, terms) ? { genuine: true } : outsideWindow(at, terms);
  },
};

/** The characters HubSpot signs as themselves where the address has them encoded. */
const SIGNED_DECODED = /%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)/gi;

const toSigned = (url: string) => url.replace(SIGNED_DECODED, (code) => decodeURIComponent(code));
