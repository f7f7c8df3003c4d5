import { jointCommitted, type JointVoters } from "./quorum-core.ts";
import type { Message } from "./types.ts";

/** Reads that wait for a quorum's word; one more is dropped, as if its message had been lost. */
export const READS_COUNT_MAX = 10_000;
const CONTEXT_BYTES = 8;

interface WaitingRead {
  readonly request: Message;
  /** Commit index when the leader got the request. */
  readonly index: number;
}

/**
 * Reads that a leader answers once a quorum has confirmed that it still leads: ReadIndex (Ongaro's dissertation 2014,
 * section 6.4; after read_only.go of etcd-io/raft, Apache-2.0). Reads are numbered, and a heartbeat carries the number of the last one, so
 * that one round confirms all before it.
 */
export class ReadOnly {
  readonly #acks = new Map<number, number>();
  #waiting: WaitingRead[] = [];
  #confirmedCount = 0;

  /** False at the limit. */
  addRequest(index: number, request: Message): boolean {
    if (this.#waiting.length >= READS_COUNT_MAX) return false;
    this.#waiting.push({ request, index });
    return true;
  }

  /** What heartbeats carry to confirm all that wait; undefined when nothing does. */
  heartbeatContext(): Uint8Array | undefined {
    if (this.#waiting.length === 0) return undefined;
    const context = new Uint8Array(CONTEXT_BYTES);
    new DataView(context.buffer).setBigUint64(0, BigInt(this.#confirmedCount + this.#waiting.length), true);
    return context;
  }

  receiveAck(from: number, context: Uint8Array | undefined): void {
    if (context?.length !== CONTEXT_BYTES) return;
    const view = new DataView(context.buffer, context.byteOffset, CONTEXT_BYTES);
    const position = Number(view.getBigUint64(0, true));
    this.#acks.set(from, Math.max(this.#acks.get(from) ?? 0, position));
  }

  /** Takes the reads that a quorum has confirmed. */
  takeConfirmed(voters: JointVoters): readonly WaitingRead[] {
    const position = jointCommitted(voters, (id) => this.#acks.get(id));
    const count = Math.min(position - this.#confirmedCount, this.#waiting.length);
    if (count <= 0) return [];
    this.#confirmedCount += count;
    return this.#waiting.splice(0, count);
  }
}
