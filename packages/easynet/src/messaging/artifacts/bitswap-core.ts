import { EasynetError } from "../../kernel/index.ts";
import { decodeProtobuf, decodeVarint, encodeProtobuf, encodeVarint, type ProtobufField } from "../../wire/index.ts";
import { type Cid, cidFromBytes, CID_BYTES, cidToBytes } from "./cid.ts";

/** How IPFS exchanges blocks (specs.ipfs.tech/bitswap-protocol, version 1.2.0). */
export const BITSWAP = "/ipfs/bitswap/1.2.0";

/** One wish of a message; CIDs that are none of ours are passed over. */
export interface Want {
  readonly cid: Cid;
  readonly cancel: boolean;
  /** Only whether it is there. */
  readonly haveOnly: boolean;
  /** Also to be told when it is not. */
  readonly tellMissing: boolean;
}

export interface BitswapMessage {
  readonly wants: readonly Want[];
  /** Views into what was read. */
  readonly blocks: readonly Uint8Array[];
  readonly have: readonly Cid[];
  readonly missing: readonly Cid[];
}

const NOTHING: BitswapMessage = { wants: [], blocks: [], have: [], missing: [] };

/** With its length before it. Blocks are told with the prefix of their CID, whose codec is the `raw` or `dag-pb` given. */
export function encodeBitswap(
  given: Partial<Omit<BitswapMessage, "blocks">> & {
    readonly blocks?: readonly { readonly cid: Cid; readonly bytes: Uint8Array }[];
  },
): Uint8Array {
  const { wants, have, missing } = { ...NOTHING, ...given };
  const presence = (cid: Cid, type: number): ProtobufField => ({
    number: 4,
    value: encodeProtobuf([
      { number: 1, value: cidToBytes(cid) },
      { number: 2, value: type },
    ]),
  });
  const wantlist = wants.map(({ cid, cancel, haveOnly, tellMissing }) => ({
    number: 1,
    value: encodeProtobuf([
      { number: 1, value: cidToBytes(cid) },
      { number: 2, value: 1 },
      { number: 3, value: Number(cancel) },
      { number: 4, value: Number(haveOnly) },
      { number: 5, value: Number(tellMissing) },
    ]),
  }));
  const message = encodeProtobuf([
    { number: 1, value: encodeProtobuf([...wantlist, { number: 2, value: 0 }]) },
    ...(given.blocks ?? []).map(({ cid, bytes }) => ({
      number: 3,
      value: encodeProtobuf([
        { number: 1, value: cidToBytes(cid).subarray(0, CID_BYTES - 32) },
        { number: 2, value: bytes },
      ]),
    })),
    ...have.map((cid) => presence(cid, 0)),
    ...missing.map((cid) => presence(cid, 1)),
  ]);
  return Buffer.concat([encodeVarint(message.length), message]);
}

/** @throws {EasynetError} FRAME_MALFORMED */
export function decodeBitswap(bytes: Uint8Array): BitswapMessage {
  const found = {
    wants: new Array<Want>(),
    blocks: new Array<Uint8Array>(),
    have: new Array<Cid>(),
    missing: new Array<Cid>(),
  };
  for (const { number, value } of decodeProtobuf(bytes)) {
    if (typeof value === "number") continue;
    if (number === 1) {
      for (const entry of decodeProtobuf(value)) {
        const want = entry.number === 1 && typeof entry.value !== "number" ? wantOf(entry.value) : undefined;
        if (want) found.wants.push(want);
      }
    } else if (number === 3) {
      const data = fieldsOf(value).get(2);
      if (data instanceof Uint8Array) found.blocks.push(data);
    } else if (number === 4) {
      const fields = fieldsOf(value);
      const cid = cidOf(fields.get(1));
      if (cid) (fields.get(2) === 1 ? found.missing : found.have).push(cid);
    }
  }
  return found;
}

function wantOf(bytes: Uint8Array): Want | undefined {
  const fields = fieldsOf(bytes);
  const cid = cidOf(fields.get(1));
  const flag = (number: number): boolean => fields.get(number) === 1;
  return cid && { cid, cancel: flag(3), haveOnly: flag(4), tellMissing: flag(5) };
}

function cidOf(value: ProtobufField["value"] | undefined): Cid | undefined {
  return value instanceof Uint8Array ? cidFromBytes(value) : undefined;
}

/** The last one of each number counts. */
function fieldsOf(bytes: Uint8Array): ReadonlyMap<number, ProtobufField["value"]> {
  return new Map([...decodeProtobuf(bytes)].map(({ number, value }) => [number, value] as const));
}

/** Cuts a stream into messages. */
export class BitswapReader {
  readonly #bytesMax: number;
  #parts: Uint8Array[] = [];
  #held = 0;
  /** Of the message that is arriving, with its length; 0 = not known yet. */
  #whole = 0;

  /** @param bytesMax a longer message is refused when its length is known */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Keeps a copy of what is not complete. @throws {EasynetError} FRAME_MALFORMED */
  *push(chunk: Uint8Array): Generator<BitswapMessage, void, void> {
    this.#parts.push(Uint8Array.from(chunk));
    this.#held += chunk.length;
    // What has arrived is put together once per message, and while its length is unknown.
    while (this.#held > 0 && this.#held >= this.#whole) {
      const all = Buffer.concat(this.#parts);
      this.#parts = [all];
      const length = decodeVarint(all, 0);
      if (!length) return;
      if (length.value > this.#bytesMax) {
        throw new EasynetError("FRAME_MALFORMED", { reason: `a message has more than ${this.#bytesMax} bytes` });
      }
      this.#whole = length.end + length.value;
      if (all.length < this.#whole) return;
      const message = all.subarray(length.end, this.#whole);
      this.#parts = [all.subarray(this.#whole)];
      this.#held = all.length - this.#whole;
      this.#whole = 0;
      yield decodeBitswap(message);
    }
  }
}
