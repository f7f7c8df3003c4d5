import type { EasynetError, ErrorCode } from "../kernel/index.ts";

/** Refusals before anything ran: asking another provider repeats nothing. */
const REFUSED: ReadonlySet<ErrorCode> = new Set([
  "OVERLOADED",
  "NODE_STOPPING",
  "CAPABILITY_UNKNOWN",
  "PEER_UNREACHABLE",
  "BACKPRESSURE",
  "STORAGE_FULL",
]);

/** The provider went away; whether it did the work is unknown. */
const LOST: ReadonlySet<ErrorCode> = new Set(["PROVIDER_LOST", "LINK_CLOSED"]);

export interface AttemptOutcome {
  readonly error: EasynetError;
  readonly idempotent: boolean;
  /** True once the caller got anything of the answer. */
  readonly answered: boolean;
  /** The provider stored the task: an end of it is the task's own, and not a refusal. */
  readonly accepted: boolean;
}

/** May another provider be asked after this failure, without any effect being done twice or shown twice? */
export function mayFailOver({ error, idempotent, answered, accepted }: AttemptOutcome): boolean {
  if (answered) return false;
  return (REFUSED.has(error.code) && !accepted) || (LOST.has(error.code) && idempotent);
}
