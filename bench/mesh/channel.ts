/** What the mesh benchmark asks of each system: a message with a kind goes to the other process, and comes from it. */
export interface Channel {
  /** False: wait for `drained` before sending more. */
  send(kind: number, body: Uint8Array): boolean;
  drained(): Promise<void>;
  onMessage(handler: (kind: number, body: Uint8Array) => void): void;
  close(): Promise<void>;
}

export const KINDS = { ping: 201, pong: 202, data: 203, end: 204, window: 205 } as const;

/** The far end waits to be connected to; `address` is what the near end needs, as plain JSON. */
export interface Far {
  readonly address: unknown;
  readonly channel: Promise<Channel>;
}

export interface System {
  listen(): Promise<Far>;
  connect(address: unknown): Promise<Channel>;
}

export const FRAME_HEADER_BYTES = 5;

/** The smallest framing there is: u32 length, u8 kind. For the peers that have none. */
export function frameReader(handler: (kind: number, body: Uint8Array) => void): (chunk: Uint8Array) => void {
  let rest: Uint8Array | undefined;
  return (chunk) => {
    let bytes = chunk;
    if (rest) {
      bytes = Buffer.concat([rest, chunk]);
      rest = undefined;
    }
    let at = 0;
    while (bytes.length - at >= FRAME_HEADER_BYTES) {
      const length = readLength(bytes, at);
      const end = at + FRAME_HEADER_BYTES + length;
      if (end > bytes.length) break;
      handler(bytes[at + 4] ?? 0, bytes.subarray(at + FRAME_HEADER_BYTES, end));
      at = end;
    }
    if (at < bytes.length) rest = Uint8Array.from(bytes.subarray(at));
  };
}

function readLength(bytes: Uint8Array, at: number): number {
  const byte = (index: number): number => bytes[at + index] ?? 0;
  return byte(0) * 2 ** 24 + (byte(1) << 16) + (byte(2) << 8) + byte(3);
}

const SLAB_BYTES = 64 * 1024;

/** Frames that are sent within one turn of the event loop leave in one write. */
export function coalescingWriter(write: (bytes: Uint8Array) => boolean): (kind: number, body: Uint8Array) => boolean {
  let slab = Buffer.allocUnsafe(SLAB_BYTES);
  let used = 0;
  let scheduled = false;
  let ready = true;
  const flush = (): void => {
    scheduled = false;
    if (used === 0) return;
    ready = write(slab.subarray(0, used));
    slab = Buffer.allocUnsafe(SLAB_BYTES);
    used = 0;
  };
  return (kind, body) => {
    if (used + FRAME_HEADER_BYTES + body.length > SLAB_BYTES) flush();
    slab.writeUInt32BE(body.length, used);
    slab[used + 4] = kind;
    slab.set(body, used + FRAME_HEADER_BYTES);
    used += FRAME_HEADER_BYTES + body.length;
    if (!scheduled) {
      scheduled = true;
      queueMicrotask(flush);
    }
    return ready;
  };
}
