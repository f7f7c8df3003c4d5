import type { EasynetError, ErrorCode } from "../kernel/index.ts";

/** Refusals before anything ran: asking another provider repeats nothing. */
const REFUSED: ReadonlySet<ErrorCode> = new Set([
  "OVERLOADED",
  "NODE_STOPPING",
  "CAPABILITY_UNKNOWN",
  "PEER_UNREACHABLE",
  "BACKPRESSURE",
]);

/** The provider went away; whether it did the work is unknown. */
const LOST: ReadonlySet<ErrorCode> = new Set(["PROVIDER_LOST", "LINK_CLOSED"]);

export interface AttemptOutcome {
  readonly error: EasynetError;
  readonly idempotent: boolean;
  /** True once the caller got anything of the answer. */
  readonly answered: boolean;
}

/** May another provider be asked after this failure, without any effect being done twice or shown twice? */
export function mayFailOver({ error, idempotent, answered }: AttemptOutcome): boolean {
  if (answered) return false;
  return REFUSED.has(error.code) || (LOST.has(error.code) && idempotent);
}
