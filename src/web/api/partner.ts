// One partner's page: its place, its points, and the achievements they are made of.
import type { Messages } from "../../messages/messages.ts";
import { sayNotes, sayOutcome } from "../../messages/outcome.ts";
import type { Programme } from "../../programme/document.ts";
import { toOutcomes } from "../../programme/outcomes.ts";
import { adjustmentOf } from "../../scoring/evaluation.ts";
import type { PartnerAtOnce } from "../../standings/partner.ts";

interface ShownAchievement {
  key: string;
  title: string;
  units: number;
  points: number;
  /** null: not in the programme as it is now, so the next score takes the points away. */
  maximum: number | null;
  /** How far it is and what comes next; and what keeps points back. In the language asked for. */
  sentence: string;
  notes: string[];
  /** Only where there are points left to earn. */
  hint?: string;
}

interface PartnerPage extends Omit<PartnerAtOnce, "held"> {
  perfect: number;
  /** Their points add up to the partner's. */
  achievements: ShownAchievement[];
}

/**
 * Every achievement of the programme in its order, then those held from an earlier version of it, and adjustments. Without a
 * programme there is nothing but what is held.
 */
export function toPartnerPage(
  partner: PartnerAtOnce,
  programme: Programme | undefined,
  messages: Messages,
): PartnerPage {
  const held = new Map(partner.held.map((achievement) => [achievement.key, achievement]));
  const outcomes = programme === undefined ? [] : toOutcomes(programme, held);
  const achievements = outcomes.map((outcome): ShownAchievement => {
    const { achievement, units, points, maximum } = outcome;
    const { key, title, hint } = achievement;
    held.delete(key);
    return {
      ...{ key, title, units, points, maximum },
      sentence: sayOutcome(messages, outcome),
      notes: sayNotes(messages, outcome),
      ...(points < maximum && { hint }),
    };
  });
  const { slug, name, rank, points, scoreVersion, reachedAt } = partner;
  return {
    ...{ slug, name, rank, points, scoreVersion, reachedAt },
    perfect: programme?.perfect ?? 0,
    achievements: [...achievements, ...[...held.values()].map((rest) => toRest(rest, messages))],
  };
}

/** Why it was given is for those who may see it: not for everybody. */
function toRest(rest: PartnerAtOnce["held"][number], messages: Messages): ShownAchievement {
  const id = adjustmentOf(rest.key);
  const { key, points } = rest;
  const title = id === undefined ? key : messages.say("adjustment.title", { id: String(id) });
  const sentence =
    id === undefined
      ? messages.say("achievement.retired", { key, points })
      : messages.say("adjustment.line", { id: String(id), points });
  return { ...rest, title, maximum: null, sentence, notes: [] };
}
