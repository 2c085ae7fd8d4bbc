// How one connection's part of a run ends, and what that changes for the connection.
import type { SourceErrorClass } from "../../platform/errors.ts";
import type { KeptValidators } from "../requests/validators.ts";
import { restMs } from "./circuit.ts";

export type Settlement =
  /** `validators`: for conditional requests of the next listing; without them the stored ones stay. */
  | { state: "complete"; validators?: KeptValidators | undefined }
  | { state: "held" | "partial" | "failed"; errorClass: SourceErrorClass; reason: string; retryAt?: Date }
  /** Not over: the queue tries again at `dueAt`. */
  | { state: "queued"; errorClass: SourceErrorClass; reason: string; dueAt: Date }
  /** The source asked for a long wait: over for this run; the connection is not called before `retryAt`. */
  | { state: "deferred"; errorClass: SourceErrorClass; reason: string; retryAt: Date };

export interface BeforeSettlement {
  /** Pages that this part of the run has recorded. */
  pages: number;
  /** The run's beginning: a complete listing confirms what it names as of then. */
  startedAt: Date;
  state: string | null;
  lastCompleteAt: Date | null;
  failures: number;
  refused: boolean;
  hasSecret: boolean;
  /** An administrator has rejected a loss, or one waits for a decision: the evidence is more than the document contains. */
  hasHeldLosses: boolean;
}

export interface Settled {
  part: { state: string; errorClass: string | null; reason: string | null; dueAt: Date };
  connection: {
    state: string | null;
    reason: string | null;
    lastCompleteAt: Date | null;
    retryAt: Date | null;
    failures: number;
    restUntil: Date | null;
    refused: boolean;
    validators: "keep" | "clear" | KeptValidators;
  };
}

/** The next state of the part and of its connection. Pure. */
export function settle(before: BeforeSettlement, settlement: Settlement, now: Date): Settled {
  const failure = settlement.state === "complete" ? undefined : settlement;
  // Pages that were recorded before a failure stay, so the part is not failed as a whole.
  const state = settlement.state === "failed" && before.pages > 0 ? "partial" : settlement.state;
  const reason = failure?.reason ?? null;
  return {
    part: {
      state,
      errorClass: failure?.errorClass ?? null,
      reason,
      dueAt: settlement.state === "queued" ? settlement.dueAt : now,
    },
    connection: {
      state: state === "queued" ? before.state : state === "deferred" ? "partial" : state,
      reason,
      lastCompleteAt: state === "complete" ? before.startedAt : before.lastCompleteAt,
      retryAt: failure !== undefined && "retryAt" in failure ? (failure.retryAt ?? null) : null,
      ...toHealth(before, settlement, now),
      validators: toValidators(before, settlement),
    },
  };
}

/**
 * The failure counter of the circuit breaker. A postponed attempt does not change it. A listing that ended resets it, also
 * when rows of it were unreadable: the source works, and backoff would only make its evidence stale.
 */
function toHealth(
  before: BeforeSettlement,
  settlement: Settlement,
  now: Date,
): Pick<Settled["connection"], "failures" | "restUntil" | "refused"> {
  const same = { failures: before.failures, restUntil: null, refused: before.refused };
  if (settlement.state === "queued" || settlement.state === "deferred") return same;
  if (settlement.state !== "failed") return { failures: 0, restUntil: null, refused: false };
  // Without a stored credential there is none to replace, so this failure may pass like any other.
  if (settlement.errorClass === "auth" && before.hasSecret) return { ...same, refused: true };
  const failures = before.failures + 1;
  const ms = restMs(failures);
  return { ...same, failures, restUntil: ms === 0 ? null : new Date(now.getTime() + ms) };
}

/** Cleared while losses are held: the decision about them needs a listing, not "304 Not Modified". */
function toValidators(before: BeforeSettlement, settlement: Settlement): "keep" | "clear" | KeptValidators {
  if (settlement.state !== "complete") return "keep";
  if (before.hasHeldLosses) return "clear";
  return settlement.validators ?? "keep";
}
