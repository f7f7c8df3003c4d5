import type { EasynetError } from "../kernel/index.ts";
import type { GroupMessage } from "./writer-protocol.ts";
import type { CommitDurability, Write } from "./types.ts";

/** First size of a group's buffer, bytes; it doubles when it is full. */
const BUFFER_BYTES_INITIAL = 16 * 1024;

/** One commit of a group: what it asks for, and how it is answered. */
export interface GroupedCommit {
  /** Bytes that it counts for in the queue. */
  readonly weight: number;
  readonly durability: CommitDurability;
  readonly resolve: () => void;
  readonly reject: (error: EasynetError) => void;
}

/** Commits that will share one transaction, packed while they arrive: one copy of each value, one transfer for all. */
export class CommitGroup {
  readonly #names: string[] = [];
  readonly #lengths: number[] = [];
  readonly #ends: number[] = [];
  readonly commits: GroupedCommit[] = [];
  #bytes = new Uint8Array(BUFFER_BYTES_INITIAL);
  #used = 0;
  #weight = 0;
  #durability: CommitDurability = "process";

  /** Sum of the weights of its commits, bytes. */
  get weight(): number {
    return this.#weight;
  }

  add(writes: readonly Write[], commit: GroupedCommit): void {
    for (const write of writes) {
      this.#names.push(write.space, write.key);
      this.#lengths.push(write.kind === "put" ? this.#copy(write.value) : -1);
    }
    this.#ends.push(this.#lengths.length);
    this.#weight += commit.weight;
    if (commit.durability === "disk") this.#durability = "disk";
    this.commits.push(commit);
  }

  /** The message for the writer; the buffer in it is to be transferred, so the group cannot grow any more. */
  toMessage(): GroupMessage & { readonly bytes: Uint8Array<ArrayBuffer> } {
    return {
      kind: "group",
      durability: this.#durability,
      names: this.#names,
      lengths: this.#lengths,
      ends: this.#ends,
      bytes: this.#bytes,
    };
  }

  #copy(value: Uint8Array): number {
    const needed = this.#used + value.byteLength;
    if (needed > this.#bytes.byteLength) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.byteLength * 2));
      grown.set(this.#bytes.subarray(0, this.#used));
      this.#bytes = grown;
    }
    this.#bytes.set(value, this.#used);
    this.#used = needed;
    return value.byteLength;
  }
}
