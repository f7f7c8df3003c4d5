import type { Inflights } from "./inflights-core.ts";
import type { ProgressState, ProgressStatus } from "./types.ts";

/**
 * What a leader knows about one member, and how it sends to it (after tracker.Progress of etcd-io/raft, Apache-2.0).
 * Always `match < next`; what lies between them is on its way. `match` never goes back.
 */
export class Progress {
  match: number;
  next: number;
  /** Highest commit index on its way to the member. */
  sentCommit = 0;
  state: ProgressState = "StateProbe";
  /** Index of the snapshot that is on its way, in `StateSnapshot`. */
  pendingSnapshot = 0;
  recentActive: boolean;
  /** Nothing more is sent until a heartbeat was answered: a probe is out, or the window is full. */
  flowPaused = false;
  readonly inflights: Inflights;
  isLearner: boolean;

  constructor(fields: Pick<Progress, "match" | "next" | "recentActive" | "inflights" | "isLearner">) {
    this.match = fields.match;
    this.next = fields.next;
    this.recentActive = fields.recentActive;
    this.inflights = fields.inflights;
    this.isLearner = fields.isLearner;
  }

  /** For a configuration that may be thrown away; the window is shared. */
  copy(): Progress {
    const copy = new Progress(this);
    copy.sentCommit = this.sentCommit;
    copy.state = this.state;
    copy.pendingSnapshot = this.pendingSnapshot;
    copy.flowPaused = this.flowPaused;
    return copy;
  }

  /** Probes from behind the snapshot, if one was on its way, else from behind what is known to match. */
  becomeProbe(): void {
    const { pendingSnapshot } = this;
    const next = this.state === "StateSnapshot" ? Math.max(this.match, pendingSnapshot) + 1 : this.match + 1;
    this.#enter("StateProbe");
    this.next = next;
    this.sentCommit = Math.min(this.sentCommit, next - 1);
  }

  becomeReplicate(): void {
    this.#enter("StateReplicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#enter("StateSnapshot");
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  #enter(state: ProgressState): void {
    this.flowPaused = false;
    this.pendingSnapshot = 0;
    this.state = state;
    this.inflights.clear();
  }

  /** An append of `count` entries from `next` on was sent. */
  sentEntries(count: number, bytes: number): void {
    if (this.state === "StateReplicate") {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      this.flowPaused = this.inflights.full;
    } else if (count > 0) {
      this.flowPaused = true;
    }
  }

  /** True when telling the member this commit index could let it commit more. */
  canBumpCommit(index: number): boolean {
    return index > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** The member has the log up to `index`. @returns false for old news */
  maybeUpdate(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.flowPaused = false;
    return true;
  }

  /** The member refused an append after `rejected`, and hints where its log may match. @returns false for old news */
  maybeDecreaseTo(rejected: number, matchHint: number): boolean {
    if (this.state === "StateReplicate") {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      this.sentCommit = Math.min(this.sentCommit, this.next - 1);
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, matchHint + 1), this.match + 1);
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    this.flowPaused = false;
    return true;
  }

  get isPaused(): boolean {
    return this.state === "StateSnapshot" || this.flowPaused;
  }

  status(id: number): ProgressStatus {
    const { state, match, next, isLearner, isPaused, recentActive, pendingSnapshot, inflights } = this;
    const { count: inflightCount, full: inflightFull } = inflights;
    return { id, state, match, next, isLearner, isPaused, recentActive, pendingSnapshot, inflightCount, inflightFull };
  }
}
