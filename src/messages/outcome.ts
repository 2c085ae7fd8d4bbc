// The sentence a person would say about an achievement: how far it is, and what comes next.
import type { Outcome } from "../programme/outcomes.ts";
import type { MessageKey, Messages } from "./messages.ts";

/** "1 of 2 advanced certified people; the second brings 8 points more". */
export function sayOutcome(messages: Messages, outcome: Outcome): string {
  const { units, progress, step } = outcome;
  const { target, comparison, next } = progress;
  const held = Math.max(0, units);
  const isUpTo = comparison === "at-least" && held <= target && isCounted(outcome);
  if (isUpTo) return join(sayOf(messages, outcome, held), sayStep(messages, outcome));
  const sentence = saySoMany(messages, outcome);
  if (step !== undefined) return join(sentence, sayStep(messages, outcome));
  if (comparison === "more-than") return join(sentence, messages.say("units.more-than", { target }));
  const isEnough = next === undefined && held > target && isCounted(outcome);
  return isEnough ? join(sentence, messages.say("units.enough", { target })) : sentence;
}

/** What else is to know: gates that are closed, a category that is full, evidence that has to be older. A sentence each. */
export function sayNotes(messages: Messages, outcome: Outcome): string[] {
  const { achievement, closedGates, category, progress, points } = outcome;
  const notes: string[] = [];
  if (closedGates.length > 0) {
    const titles = messages.list(closedGates.map(({ title }) => `“${title}”`));
    notes.push(messages.say("note.gates", { titles, count: closedGates.length }));
  }
  const isFull = category !== undefined && category.left === 0 && closedGates.length === 0;
  if (isFull && (category.over > 0 || (progress.next !== undefined && points > 0))) {
    const { title, cap, over } = category;
    notes.push(messages.say("note.category", { category: title, cap, over }));
  }
  if (achievement.matures !== undefined) {
    const { amount, unit } = achievement.matures;
    notes.push(messages.say(`note.matures.${unit}`, { amount }));
  }
  return notes;
}

/** A reading and a growth are not so many of something. */
function isCounted({ achievement: { measure } }: Outcome): boolean {
  return measure.type !== "latest" && measure.type !== "growth";
}

function sayOf(messages: Messages, outcome: Outcome, held: number): string {
  const { achievement, label, progress } = outcome;
  const { measure, unit } = achievement;
  const { target } = progress;
  if (unit !== undefined) return messages.say("units.of.unit", { held, target, unit });
  if (measure.type === "periods" || measure.type === "streak") {
    return messages.say(`units.of.${measure.type}.${measure.period}`, { held, target });
  }
  return messages.say("units.of.label", { label, held, target });
}

function saySoMany(messages: Messages, { achievement, label, units: held }: Outcome): string {
  const { measure, unit } = achievement;
  if (measure.type === "latest" || measure.type === "growth") {
    return messages.say(`units.${measure.type}`, { label: unit ?? label, held });
  }
  if (unit !== undefined) return messages.say("units.unit", { held, unit });
  if (measure.type === "periods" || measure.type === "streak") {
    return messages.say(`units.${measure.type}.${measure.period}`, { held });
  }
  return messages.say("units.label", { label, held });
}

function sayStep(messages: Messages, { achievement, units: held, points, progress, step }: Outcome) {
  if (step === undefined) return undefined;
  const { units, gain } = step;
  const more = Number((units - Math.max(0, held)).toFixed(4));
  const values = { units, gain, more, again: points > 0 ? "yes" : "no" };
  const { type } = achievement.measure;
  if (progress.comparison === "more-than") {
    return messages.say(type === "growth" ? "step.more-than-percent" : "step.more-than", values);
  }
  if (type === "growth") return messages.say("step.at-percent", values);
  if (type === "latest" || held < 0) return messages.say("step.at", values);
  const key: MessageKey = more === 1 && Number.isInteger(units) && type !== "sum" ? "step.nth" : "step.more";
  return messages.say(key, values);
}

function join(first: string, second: string | undefined): string {
  return second === undefined ? first : `${first}; ${second}`;
}
