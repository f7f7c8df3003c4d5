/** What clients asked and heard, as the checker reads it. */

/** One call of one client. */
export interface Operation<Call> {
  /** What was asked, together with what was answered when there was an answer. */
  readonly call: Call;
  /** When it was asked, on any scale that only grows: virtual milliseconds, positions in a log. */
  readonly invokedAt: number;
  /** When the answer was there, not before `invokedAt`; Infinity when none came: it may take effect later, or never. */
  readonly returnedAt: number;
}

/** What a state does not allow; see {@link Model}. */
export const IMPOSSIBLE = -1;

/**
 * What one object does when nobody interferes. A state is a whole number from 0 below 2^53, so that the search can keep
 * millions of them: a number that the model gave to a value, or a hash of it.
 */
export interface Model<Call> {
  readonly initial: number;
  /**
   * The effect of a call, from the state before to the state after; {@link IMPOSSIBLE} when the answer it had cannot be
   * given in that state. It is asked for once and applied often. For a call without an answer every result is possible.
   */
  effectOf(call: Call, answered: boolean): (state: number) => number;
}
