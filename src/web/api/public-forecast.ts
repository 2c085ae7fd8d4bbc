// A forecast as everybody may see it.

import type { EvidenceMoved, Forecast, ForecastChange } from "../../insight/forecast.ts";
import type { Messages } from "../../messages/messages.ts";
import { adjustmentOf } from "../../scoring/evaluation.ts";

type PublicEvidence = Omit<EvidenceMoved, "source" | "externalId">;

export interface PublicForecast extends Omit<Forecast, "changes"> {
  changes: (Omit<ForecastChange, "evidence"> & { evidence: PublicEvidence[] })[];
}

/**
 * Why an adjustment was made is for those who may see it, as on the partner's page; and of evidence only
 * what is public by itself: its title where there is a page to it (a certificate's may be a person's name), and never what another
 * system calls it.
 */
export function toPublicForecast(forecast: Forecast, messages: Messages): PublicForecast {
  const changes = forecast.changes.map(({ evidence, ...change }) => {
    const id = adjustmentOf(change.achievement);
    const title = id === undefined ? change.title : messages.say("adjustment.title", { id: String(id) });
    return { ...change, title, evidence: evidence.map(toPublic) };
  });
  return { ...forecast, changes };
}

function toPublic({ kind, occurredAt, endedAt, title, link }: EvidenceMoved): PublicEvidence {
  return { kind, occurredAt, endedAt, title: link === null ? null : title, link };
}
