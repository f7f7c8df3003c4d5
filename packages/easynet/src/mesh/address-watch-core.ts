/** What one look at the machine showed. */
export interface AddressSample {
  /** IPv4 and IPv6 addresses of interfaces that are up, without loopback. */
  readonly hosts: readonly string[];
  /** Wall clock, Unix epoch ms. */
  readonly wallMs: number;
  /** Monotonic ms. */
  readonly monotonicMs: number;
}

/** What differs from the look before. */
export interface NetworkChange {
  readonly added: readonly string[];
  readonly gone: readonly string[];
  /** The machine slept, or its clock was set: what its links are worth is not known. */
  readonly slept: boolean;
}

/** The wall clock runs ahead of the monotonic one by more than this only when the machine slept or was set. */
const JUMP_MS = 5000;
/** A look that comes later than this finds a process that stood still; its peers may have given it up. */
const STALL_MS = 10_000;

/** Notices new networks, lost ones and sleep, from samples taken every few seconds. */
export class AddressWatch {
  #last: AddressSample;

  constructor(first: AddressSample) {
    this.#last = first;
  }

  /** Undefined when nothing changed. */
  step(sample: AddressSample): NetworkChange | undefined {
    const last = this.#last;
    this.#last = sample;
    const before = new Set(last.hosts);
    const now = new Set(sample.hosts);
    const added = [...now].filter((host) => !before.has(host));
    const gone = [...before].filter((host) => !now.has(host));
    const passedMs = sample.monotonicMs - last.monotonicMs;
    const slept = sample.wallMs - last.wallMs - passedMs > JUMP_MS || passedMs > STALL_MS;
    return added.length > 0 || gone.length > 0 || slept ? { added, gone, slept } : undefined;
  }
}
