/** A place in the stream of one (sender, lane): everything up to it is settled. Epochs first, then sequences. */
export interface Position {
  readonly epoch: number;
  readonly sequence: number;
}

/** Before the first message of the first epoch. */
export const START: Position = { epoch: 0, sequence: 0 };

/** Negative when `left` lies before `right`. */
export function comparePositions(left: Position, right: Position): number {
  return left.epoch === right.epoch ? left.sequence - right.sequence : left.epoch - right.epoch;
}

/** Consecutive messages of one (sender, epoch, lane): the unit on the wire, in the store and of acknowledgement. */
export interface BatchRange {
  readonly epoch: number;
  readonly first: number;
  readonly count: number;
}

/** Of its last message. */
export function endOf({ epoch, first, count }: BatchRange): Position {
  return { epoch, sequence: first + count - 1 };
}
