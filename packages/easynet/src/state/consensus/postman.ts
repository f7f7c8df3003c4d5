import type { Did } from "../../identity/index.ts";
import { isEasynetError } from "../../kernel/index.ts";
import type { Mesh } from "../../mesh/index.ts";
import { decodeValue, encodeValue, FRAME_TYPES } from "../../wire/index.ts";
import type { Message } from "../raft/types.ts";
import { sumOf } from "./group-disk.ts";
import { GroupState } from "./group-state.ts";
import { APPEND_BYTES_MAX, SNAPSHOT_BYTES_MAX, SNAPSHOT_CHUNK_BYTES } from "./limits.ts";
import { bytes, count, list, malformed, messageFields, messageFrom, text } from "./message-codec.ts";

const MESSAGES_COUNT_MAX = 10_000;

/** Where the messages of a group's members go. */
export interface Envelope {
  readonly group: string;
  readonly generation: number;
}

export type Receiver = (from: Did, envelope: Envelope, message: Message) => void;

interface Arriving {
  readonly total: number;
  readonly sum: Uint8Array;
  readonly chunks: Uint8Array[];
  received: number;
}

/** Carries messages of Raft over links of the mesh; whatever cannot leave now is dropped, as Raft allows. */
export class Postman {
  readonly #mesh: Mesh;
  readonly #receive: Receiver;
  /** One snapshot at a time from each member and group. */
  readonly #arriving = new Map<string, Arriving>();

  constructor(mesh: Mesh, receive: Receiver) {
    this.#mesh = mesh;
    this.#receive = receive;
    mesh.handle(FRAME_TYPES["raft-messages"], ({ from, body }) => {
      const [group, generation, messages] = list(decodeValue(body), 3);
      const envelope = { group: text(group), generation: count(generation) };
      for (const fields of list(messages, MESSAGES_COUNT_MAX)) {
        const message = messageFrom(fields);
        if (message.type !== "MsgSnap") this.#receive(from, envelope, message);
      }
    });
    mesh.handle(FRAME_TYPES["raft-snapshot"], ({ from, body }) => this.#take(from, decodeValue(body)));
    mesh.on("peer-left", ({ did }) => {
      for (const key of this.#arriving.keys()) if (key.startsWith(`${did} `)) this.#arriving.delete(key);
    });
  }

  /** Everything but snapshots, several in one frame. */
  send(to: Did, { group, generation }: Envelope, messages: readonly Message[]): void {
    let batch: (readonly unknown[])[] = [];
    let size = 0;
    const flush = (): void => {
      if (batch.length > 0) this.#post(to, encodeValue([group, generation, batch]));
      batch = [];
      size = 0;
    };
    for (const message of messages) {
      const fields = messageFields(message);
      if (!fields) continue;
      const bytesOf = message.entries.reduce((sum, { data }) => sum + data.length + 32, 64);
      if (size > 0 && size + bytesOf > APPEND_BYTES_MAX) flush();
      batch.push(fields);
      size += bytesOf;
    }
    flush();
  }

  /** Resolves when every piece left this node; false: the link broke. */
  async sendSnapshot(to: Did, { group, generation }: Envelope, message: Message): Promise<boolean> {
    const { data } = message.snapshot ?? {};
    const fields = messageFields(message);
    if (!data || !fields) return false;
    const sum = sumOf(data);
    try {
      for (let offset = 0; offset < Math.max(1, data.length); offset += SNAPSHOT_CHUNK_BYTES) {
        const chunk = data.subarray(offset, offset + SNAPSHOT_CHUNK_BYTES);
        const body = encodeValue([group, generation, fields, offset, data.length, sum, chunk]);
        const room = this.#mesh.send(to, { lane: "bulk", type: FRAME_TYPES["raft-snapshot"], body });
        if (!room) await this.#mesh.drained(to, "bulk");
      }
      return true;
    } catch (error) {
      if (isEasynetError(error)) return false;
      throw error;
    }
  }

  #post(to: Did, body: Uint8Array): void {
    try {
      this.#mesh.send(to, { lane: "high", type: FRAME_TYPES["raft-messages"], body });
    } catch (error) {
      if (!isEasynetError(error)) throw error;
    }
  }

  /** One piece. A snapshot is handed on only when it is whole, its sum is right and its content reads. */
  #take(from: Did, value: unknown): void {
    const [group, generation, fields, at, size, sum, chunk] = list(value, 7);
    const envelope = { group: text(group), generation: count(generation) };
    const key = `${from} ${envelope.group}`;
    const total = count(size);
    if (total > SNAPSHOT_BYTES_MAX) throw malformed("a snapshot beyond the limit");
    if (count(at) === 0) this.#arriving.set(key, { total, sum: bytes(sum), chunks: [], received: 0 });
    const arriving = this.#arriving.get(key);
    if (!arriving || arriving.received !== at || arriving.total !== total) return;
    const piece = bytes(chunk);
    arriving.chunks.push(piece);
    arriving.received += piece.length;
    if (arriving.received < total) return;
    this.#arriving.delete(key);
    const data = new Uint8Array(Buffer.concat(arriving.chunks));
    if (arriving.received !== total || Buffer.compare(sumOf(data), arriving.sum) !== 0) return;
    GroupState.decode(data);
    this.#receive(from, envelope, messageFrom(fields, data));
  }
}
