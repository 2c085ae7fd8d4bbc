// An explanation in words, as data: what the command prints and --json shows.
import type { AchievementExplained, EvidenceExplained, Explanation } from "../insight/explain.ts";
import type { Messages } from "./messages.ts";
import { sayNotes, sayOutcome } from "./outcome.ts";

interface SpokenAchievement {
  key: string;
  title: string;
  /** Every point it can award is held. */
  achieved: boolean;
  units: number;
  points: number;
  maximum: number;
  sentence: string;
  notes: string[];
  /** What to do, while there are points left to earn. */
  hint: string | null;
  since: Date | null;
  unconfirmedPoints: number;
  evidence: Omit<EvidenceExplained, "id" | "connectionId">[];
}

export interface SpokenExplanation extends Omit<Explanation, "unconfirmed" | "achievements" | "retired"> {
  locale: string;
  unconfirmedPoints: number;
  unconfirmedSince: Date | null;
  achievements: SpokenAchievement[];
}

export function toSpoken(messages: Messages, explanation: Explanation): SpokenExplanation {
  const { unconfirmed, achievements, retired, ...rest } = explanation;
  return {
    ...rest,
    locale: messages.locale,
    unconfirmedPoints: unconfirmed?.points ?? 0,
    unconfirmedSince: unconfirmed?.since ?? null,
    achievements: [
      ...achievements.map((one) => toSpokenAchievement(messages, one)),
      ...retired.map(({ key, units, points, since }) => ({
        key,
        title: key,
        achieved: true,
        units,
        points,
        maximum: points,
        sentence: messages.say("achievement.retired", { key, points }),
        notes: [],
        hint: null,
        since,
        unconfirmedPoints: 0,
        evidence: [],
      })),
    ],
  };
}

function toSpokenAchievement(messages: Messages, explained: AchievementExplained): SpokenAchievement {
  const { achievement, points, maximum, units, since, evidence, maturing, unconfirmed } = explained;
  const notes = sayNotes(messages, explained);
  if (maturing !== undefined) notes.push(messages.say("note.maturing", maturing));
  if (unconfirmed !== undefined) notes.push(messages.say("note.unconfirmed", { ...unconfirmed }));
  return {
    key: achievement.key,
    title: achievement.title,
    achieved: points >= maximum,
    units,
    points,
    maximum,
    sentence: sayOutcome(messages, explained),
    notes,
    hint: points >= maximum ? null : achievement.hint,
    since,
    unconfirmedPoints: unconfirmed?.points ?? 0,
    evidence: evidence.map(({ id: _, connectionId: __, ...shown }) => shown),
  };
}
