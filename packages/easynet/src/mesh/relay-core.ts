/**
 * What a member does that carries connections for others, as a pure state machine: it joins two legs, each a numbered
 * circuit on one of its links, and passes opaque bytes. It keeps nothing: the ends grant each other a window, so at
 * most one window per direction waits in the outgoing link, and it holds credits back to keep a circuit within its
 * rate. In the manner of libp2p's circuit relay v2 (libp2p specs, relay/circuit-v2.md), without reservations: whoever
 * has a link to the relay has its place.
 */
import type { Did } from "../identity/index.ts";
import type { RelayReason } from "./relay-frames.ts";

export interface RelayLimits {
  /** Circuits carried at once; one more is refused. */
  readonly circuitsCountMax: number;
  /** Of these, those that one member opened. */
  readonly circuitsPerPeerMax: number;
  /** Bytes in one direction that the receiving end has not consumed; more breaks the circuit. */
  readonly windowBytes: number;
  /** Bytes per second in each direction of one circuit; credits beyond are held back. */
  readonly bytesPerSecondMax: number;
  /** From the request to the acceptance by the far end, ms. */
  readonly openTimeoutMs: number;
  /** A circuit over which nothing went for this long ends, ms. Links ping every two seconds. */
  readonly idleTimeoutMs: number;
}

export const RELAY_LIMITS: RelayLimits = {
  circuitsCountMax: 64,
  circuitsPerPeerMax: 16,
  windowBytes: 256 * 1024,
  bytesPerSecondMax: 8 * 1024 * 1024,
  openTimeoutMs: 4000,
  idleTimeoutMs: 60_000,
};

/** A circuit on one link. */
export interface Leg {
  readonly peer: Did;
  /** True when this node chose the number. */
  readonly mine: boolean;
  readonly id: number;
}

export type RelayInput =
  /** `linked`: there are direct links to both. */
  | { readonly kind: "open"; readonly leg: Leg; readonly target: Did; readonly linked: boolean }
  | { readonly kind: "accept"; readonly leg: Leg }
  | { readonly kind: "data"; readonly leg: Leg; readonly body: Uint8Array }
  | { readonly kind: "credit"; readonly leg: Leg; readonly bytes: number }
  | { readonly kind: "close"; readonly leg: Leg; readonly reason: RelayReason }
  /** The leg's link does not take more. */
  | { readonly kind: "choked"; readonly leg: Leg }
  | { readonly kind: "peer-left"; readonly peer: Did }
  | { readonly kind: "tick" };

export type RelayEffect =
  | { readonly kind: "open"; readonly leg: Leg; readonly from: Did }
  | { readonly kind: "accept"; readonly leg: Leg }
  | { readonly kind: "data"; readonly leg: Leg; readonly body: Uint8Array }
  | { readonly kind: "credit"; readonly leg: Leg; readonly bytes: number }
  | { readonly kind: "close"; readonly leg: Leg; readonly reason: RelayReason };

interface Side {
  readonly leg: Leg;
  /** Bytes that came from here and that the other side has not given back. */
  sentBytes: number;
  /** Credit for this side that waits until its rate allows it. */
  heldBytes: number;
  creditAtMs: number;
}

interface Carried {
  readonly sides: readonly [Side, Side];
  open: boolean;
  usedAtMs: number;
}

export class RelayCore {
  readonly #limits: RelayLimits;
  readonly #enabled: boolean;
  readonly #nextId: () => number;
  readonly #byLeg = new Map<string, { readonly circuit: Carried; readonly near: Side; readonly far: Side }>();
  readonly #circuits = new Set<Carried>();
  #effects: RelayEffect[] = [];

  /** @param options.nextId numbers for legs that this node opens */
  constructor(options: { readonly limits: RelayLimits; readonly enabled: boolean; readonly nextId: () => number }) {
    this.#limits = options.limits;
    this.#enabled = options.enabled;
    this.#nextId = options.nextId;
  }

  get circuitCount(): number {
    return this.#circuits.size;
  }

  /** Monotonic ms at which a `tick` is due; undefined = none. */
  get wakeAtMs(): number | undefined {
    let atMs: number | undefined;
    for (const { sides, open, usedAtMs } of this.#circuits) {
      const endMs = usedAtMs + (open ? this.#limits.idleTimeoutMs : this.#limits.openTimeoutMs);
      const held = sides.filter((side) => side.heldBytes > 0).map((side) => side.creditAtMs);
      atMs = Math.min(atMs ?? Infinity, endMs, ...held);
    }
    return atMs;
  }

  step(input: RelayInput, nowMs: number): readonly RelayEffect[] {
    this.#effects = [];
    if (input.kind === "open") this.#open(input, nowMs);
    else if (input.kind === "tick") this.#tick(nowMs);
    else if (input.kind === "peer-left") this.#peerLeft(input.peer);
    else this.#onLeg(input, nowMs);
    return this.#effects;
  }

  #open({ leg, target, linked }: RelayInput & { kind: "open" }, nowMs: number): void {
    const refusal = this.#refusal(leg, target, linked);
    if (refusal !== undefined) {
      this.#effects.push({ kind: "close", leg, reason: refusal });
      return;
    }
    const near = newSide(leg);
    const far = newSide({ peer: target, mine: true, id: this.#nextId() });
    const circuit: Carried = { sides: [near, far], open: false, usedAtMs: nowMs };
    this.#circuits.add(circuit);
    this.#byLeg.set(legKey(near.leg), { circuit, near, far });
    this.#byLeg.set(legKey(far.leg), { circuit, near: far, far: near });
    this.#effects.push({ kind: "open", leg: far.leg, from: leg.peer });
  }

  #refusal(leg: Leg, target: Did, linked: boolean): RelayReason | undefined {
    if (!this.#enabled) return "relaying is off";
    if (!linked || target === leg.peer) return "no direct link to it";
    if (this.#byLeg.has(legKey(leg))) return "protocol broken";
    const own = [...this.#circuits].filter(({ sides }) => sides[0].leg.peer === leg.peer).length;
    const isFull = this.#circuits.size >= this.#limits.circuitsCountMax || own >= this.#limits.circuitsPerPeerMax;
    return isFull ? "too many circuits" : undefined;
  }

  #onLeg(input: Exclude<RelayInput, { kind: "open" | "tick" | "peer-left" }>, nowMs: number): void {
    const found = this.#byLeg.get(legKey(input.leg));
    if (!found) return;
    const { circuit, near, far } = found;
    if (input.kind === "close") {
      this.#end(circuit, input.reason, near);
      return;
    }
    const isAccept = input.kind === "accept";
    if (input.kind === "choked" || circuit.open === isAccept || (isAccept && near !== circuit.sides[1])) {
      this.#end(circuit, "protocol broken");
      return;
    }
    circuit.usedAtMs = nowMs;
    if (input.kind === "accept") {
      circuit.open = true;
      this.#effects.push({ kind: "accept", leg: far.leg });
    } else if (input.kind === "data") {
      near.sentBytes += input.body.length;
      if (near.sentBytes > this.#limits.windowBytes) this.#end(circuit, "protocol broken");
      else this.#effects.push({ kind: "data", leg: far.leg, body: input.body });
    } else {
      far.heldBytes += input.bytes;
      if (far.heldBytes > far.sentBytes) this.#end(circuit, "protocol broken");
      else this.#giveCredit(far, nowMs);
    }
  }

  /** Gives held credit back, unless the side is ahead of its rate. */
  #giveCredit(side: Side, nowMs: number): void {
    if (side.heldBytes === 0 || nowMs < side.creditAtMs) return;
    const bytes = side.heldBytes;
    side.heldBytes = 0;
    side.sentBytes -= bytes;
    side.creditAtMs = nowMs + (bytes / this.#limits.bytesPerSecondMax) * 1000;
    this.#effects.push({ kind: "credit", leg: side.leg, bytes });
  }

  #tick(nowMs: number): void {
    for (const circuit of this.#circuits) {
      const idleMs = nowMs - circuit.usedAtMs;
      if (!circuit.open && idleMs >= this.#limits.openTimeoutMs) this.#end(circuit, "it did not answer in time");
      else if (circuit.open && idleMs >= this.#limits.idleTimeoutMs) this.#end(circuit, "idle");
      else for (const side of circuit.sides) this.#giveCredit(side, nowMs);
    }
  }

  #peerLeft(peer: Did): void {
    for (const circuit of this.#circuits) {
      const gone = circuit.sides.find(({ leg }) => leg.peer === peer);
      if (gone) this.#end(circuit, "ended", gone);
    }
  }

  /** @param told the side that needs not be told */
  #end(circuit: Carried, reason: RelayReason, told?: Side): void {
    this.#circuits.delete(circuit);
    for (const side of circuit.sides) {
      this.#byLeg.delete(legKey(side.leg));
      if (side !== told) this.#effects.push({ kind: "close", leg: side.leg, reason });
    }
  }
}

export function legKey({ peer, mine, id }: Leg): string {
  return `${mine ? "m" : "t"}${id} ${peer}`;
}

function newSide(leg: Leg): Side {
  return { leg, sentBytes: 0, heldBytes: 0, creditAtMs: -Infinity };
}
