/** What the messaging benchmark asks of each system: every message published is confirmed, consumed and acknowledged. */
export interface Publisher {
  /** Resolves when the system has confirmed the message with the durability that it is measured at. */
  publish(body: Uint8Array): Promise<void>;
  /** One-way: undefined, or what to wait for before the next one. Only systems that are measured so have it. */
  offer?(body: Uint8Array): Promise<void> | undefined;
}

export interface Consumer {
  /** What the publisher needs, as plain JSON. */
  readonly address: unknown;
  /** Resolves when the acknowledgement of everything consumed so far has reached the system. */
  settled(): Promise<void>;
}

export interface System {
  /** @param server address of the broker, if there is one */
  consume(server: unknown, handle: (body: Uint8Array) => void): Promise<Consumer>;
  publisher(address: unknown): Promise<Publisher>;
}

/** A stamp of the sender's clock and a sequence number begin every body. */
export const STAMP_BYTES = 12;

/** Monotonic, us, the same in all processes of the machine. */
export function nowUs(): number {
  return Number(process.hrtime.bigint()) / 1000;
}

export function stamp(body: Buffer, sequence: number): void {
  body.writeDoubleLE(nowUs(), 0);
  body.writeUInt32LE(sequence, 8);
}

export function readStamp(body: Uint8Array): { readonly sentAtUs: number; readonly sequence: number } {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  return { sentAtUs: view.getFloat64(0, true), sequence: view.getUint32(8, true) };
}

/** The field of an address that came as JSON. */
export function fieldOf(address: unknown, field: string): unknown {
  if (typeof address !== "object" || address === null || !(field in address))
    throw new Error(`no ${field} in the address`);
  return Reflect.get(address, field);
}
