const MIB = 1024 * 1024;

export interface TaskLimits {
  /** How long an outcome is kept after the end of its task, ms. @default 24 hours */
  readonly keptMs: number;
  /** Tasks that are kept, running ones included; at the limit the oldest outcome is forgotten. @default 10,000 */
  readonly keptCountMax: number;
  /** Bytes of requests and events that are kept; at the limit the oldest outcome is forgotten. @default 1 GiB */
  readonly keptBytesMax: number;
  /** Unfinished tasks; above: OVERLOADED, nothing was accepted. @default 4096 */
  readonly unfinishedMax: number;
  /** Unfinished tasks of one caller; above: OVERLOADED. @default 1024 */
  readonly unfinishedPerCallerMax: number;
  /** Encoded request of one task, which is one row; above: INPUT_TOO_LARGE. @default 15 MiB */
  readonly requestBytesMax: number;
  /** One event; above: the task ends with RESULT_TOO_LARGE. @default 8 MiB */
  readonly eventBytesMax: number;
  /** All events of one task; above: the task ends with RESULT_TOO_LARGE. @default 64 MiB */
  readonly journalBytesMax: number;
  /** After a restart of the node an unfinished task waits this long for its capability to be offered. @default 60,000 */
  readonly resumeWaitMs: number;
}

export const defaultTaskLimits: TaskLimits = {
  keptMs: 24 * 3_600_000,
  keptCountMax: 10_000,
  keptBytesMax: 1024 * MIB,
  unfinishedMax: 4096,
  unfinishedPerCallerMax: 1024,
  requestBytesMax: 15 * MIB,
  eventBytesMax: 8 * MIB,
  journalBytesMax: 64 * MIB,
  resumeWaitMs: 60_000,
};

/** Events that wait for the disk; above, the agent is not asked for more until they are written. */
export const WAITING_BYTES_MAX = 4 * MIB;
/** Events of one row of the journal end at this size. */
export const SEGMENT_BYTES_MAX = 4 * MIB;
/** Tasks that a node remembers to have given away; at the limit the oldest one that has ended is forgotten. */
export const ASKED_COUNT_MAX = 10_000;
