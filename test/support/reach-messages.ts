/** What a test and a node in another process say to each other. */
export type ReachRequest =
  | { readonly id: number; readonly kind: "call"; readonly capability: string; readonly value: string }
  | { readonly id: number; readonly kind: "connect"; readonly address: string }
  /** The event loop stands still for `blockMs`, runs for `restMs`, and so on. */
  | { readonly id: number; readonly kind: "starve"; readonly blockMs: number; readonly restMs: number }
  | { readonly id: number; readonly kind: "peers" | "addresses" | "holdings" | "leak" | "seen" | "use" };

/** A process at one moment, after its garbage was collected. */
export interface Holdings {
  /** Objects that stand for a connection to a member, open or not. */
  readonly links: number;
  /** Timers that wait, also those that do not keep the process alive. */
  readonly timers: number;
  /** TCP sockets, from the first dial to the last reference. */
  readonly sockets: number;
  readonly fileDescriptors: number;
  /** Bytes of the heap and of buffers outside it. */
  readonly heapBytes: number;
  readonly rssBytes: number;
}

/** What a node noticed of others since it started. */
export interface Seen {
  /** Times that another node was found dead. */
  readonly deaths: number;
  readonly suspicions: number;
  readonly linksLost: number;
}

/** What a process used since it started. */
export interface Use {
  readonly cpuMs: number;
  /** All that its network namespace sent, with the headers of Ethernet, IP and TCP. */
  readonly sentBytes: number;
  readonly sentPackets: number;
}

export function isHoldings(value: unknown): value is Holdings {
  return hasNumbers(value, ["links", "timers", "sockets", "fileDescriptors", "heapBytes", "rssBytes"]);
}

export function isSeen(value: unknown): value is Seen {
  return hasNumbers(value, ["deaths", "suspicions", "linksLost"]);
}

export function isUse(value: unknown): value is Use {
  return hasNumbers(value, ["cpuMs", "sentBytes", "sentPackets"]);
}

function hasNumbers(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== "object" || value === null) return false;
  const fields = new Map<string, unknown>(Object.entries(value));
  return names.every((name) => typeof fields.get(name) === "number");
}
