// The causes of a ledger line in words, as data: what the command prints and --json shows.
import type { Cause } from "../insight/causes.ts";
import type { EvidenceShown } from "../insight/evidence-behind.ts";
import type { ChangedEvidence, PassedEvidence } from "../insight/evidence-changes.ts";
import type { History, HistoryLine } from "../insight/history.ts";
import { adjustmentOf } from "../scoring/evaluation.ts";
import type { Messages } from "./messages.ts";

type ShownEvidence = Omit<EvidenceShown, "id" | "connectionId" | "recordedAt" | "before">;

interface SpokenEvidence extends ShownEvidence {
  how: (PassedEvidence | ChangedEvidence)["how"];
  /** "gone". */
  sentence: string;
  /** When it became known; null: it was known, and time passed. */
  knownAt: Date | null;
  run: number | null;
  /** Of a merge: the other partner's slug. */
  partner: string | null;
}

interface SpokenCause {
  type: Cause["type"];
  delta: number;
  sentence: string;
  version: number | null;
  adjustment: number | null;
  evidence: SpokenEvidence[];
}

interface SpokenLine extends Omit<HistoryLine, "causes"> {
  causes: SpokenCause[];
  /** A sentence where the cause is incomplete; else null. */
  doubt: string | null;
}

export interface SpokenHistory extends Omit<History, "lines"> {
  locale: string;
  lines: SpokenLine[];
}

export function toSpokenHistory(messages: Messages, history: History): SpokenHistory {
  const { lines, ...rest } = history;
  return {
    ...rest,
    locale: messages.locale,
    lines: lines.map((line) => ({
      ...line,
      title: sayTitle(messages, line),
      causes: line.causes.map((cause) => ({
        type: cause.type,
        delta: cause.delta,
        sentence: sayCause(messages, cause, line),
        version: cause.type === "rules" ? cause.version : null,
        adjustment: cause.type === "adjustment" ? cause.id : null,
        evidence:
          cause.type === "evidence"
            ? cause.evidence.map((one) => toChangedEvidence(messages, one))
            : cause.type === "time"
              ? cause.evidence.map((one) => toPassedEvidence(messages, one))
              : [],
      })),
      doubt: sayDoubt(messages, line),
    })),
  };
}

function sayTitle(messages: Messages, { achievement, title }: HistoryLine): string {
  const id = adjustmentOf(achievement);
  return id === undefined ? title : messages.say("adjustment.title", { id: String(id) });
}

/** "+5". */
export function signed(points: number): string {
  return points > 0 ? `+${points}` : String(points);
}

function sayCause(messages: Messages, cause: Cause, line: HistoryLine): string {
  const sentence = sayWhat(messages, cause);
  // Which part of the line it is, where there are several.
  if (cause.delta === line.delta) return sentence;
  return `${sentence}; ${messages.say("cause.delta", { delta: signed(cause.delta) })}`;
}

function sayWhat(messages: Messages, cause: Cause): string {
  switch (cause.type) {
    case "rules": {
      const { change, version, effectiveFrom: from, publishedBy: by } = cause;
      return messages.say("cause.rules", { change, version, from, by });
    }
    case "time": {
      const { before, after: held } = cause.units;
      return cause.evidence.length > 0
        ? messages.say("cause.time")
        : messages.say("cause.calendar", { held, before });
    }
    case "evidence": {
      // Those of the evidence: the run of the line is only the last that had the partner evaluated.
      const runs = [...new Set(cause.evidence.flatMap(({ run }) => run ?? []))].sort((a, b) => a - b);
      return messages.say("cause.evidence", { count: runs.length, runs: runs.join(", ") || "none" });
    }
    case "adjustment": {
      const { id, by, reason, revokedBy } = cause;
      return messages.say(`cause.adjustment.${cause.how}`, { id, by, reason, revokedBy: revokedBy ?? "" });
    }
    case "repair":
      return messages.say("cause.repair");
  }
}

function sayDoubt(messages: Messages, line: HistoryLine): string | null {
  const { unexplained, delta, mark } = line;
  if (unexplained === 0) return null;
  const run = line.run ?? "none";
  return unexplained === delta
    ? messages.say("cause.none", { mark, run })
    : messages.say("cause.partly", { delta: signed(delta - unexplained), mark });
}

function toChangedEvidence(messages: Messages, change: ChangedEvidence): SpokenEvidence {
  const { how, at, run, partner, fields, evidence } = change;
  const differences = fields.map(({ name, from, to }) => `${name} ${from} → ${to}`).join(", ");
  const sentence = messages.say(`cause.${how}`, { fields: differences, partner: partner ?? "–" });
  return { how, sentence, knownAt: at, run, partner, ...toShown(evidence) };
}

function toPassedEvidence(messages: Messages, { how, evidence }: PassedEvidence): SpokenEvidence {
  const sentence = messages.say(`cause.${how}`);
  return { how, sentence, knownAt: null, run: null, partner: null, ...toShown(evidence) };
}

function toShown({ id: _, connectionId: __, recordedAt: ___, before: ____, ...shown }: EvidenceShown) {
  return shown;
}
