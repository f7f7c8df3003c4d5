import type { Did } from "../identity/index.ts";
import { type Clock, type Random, WakeTimer } from "../kernel/index.ts";
import { LinkKeeping, type Peer, Redial, type RedialInput } from "../mesh/index.ts";

export interface FakeRedialOptions {
  readonly self: Did;
  readonly clock: Clock;
  readonly random: Random;
  readonly fullMeshCountMax: number;
  readonly peers: () => readonly Peer[];
  readonly peer: (did: Did) => Peer | undefined;
  /** Tries to link; calls back with the outcome. */
  readonly dial: (did: Did, done: (linked: boolean) => void) => void;
}

/** The real policy of whom a mesh dials and keeps links to, for a {@link FakeMesh}. */
export class FakeRedial {
  readonly keeping: LinkKeeping;
  readonly #options: FakeRedialOptions;
  readonly #redial: Redial;
  readonly #stopping = new AbortController();
  readonly #wake: WakeTimer;

  constructor(options: FakeRedialOptions) {
    this.#options = options;
    this.#wake = new WakeTimer(options.clock, () => this.plan({ kind: "tick" }));
    const limits = { baseMs: 200, capMs: 30_000, freshCapMs: 2000, freshMs: 600_000 };
    this.#redial = new Redial({ ...options, ...limits, dialsCountMax: 8, knownCountMax: 5000 });
    this.keeping = new LinkKeeping({
      ...options,
      redial: this.#redial,
      dial: (did) => this.plan({ kind: "reach", did }),
      stopping: this.#stopping.signal,
    });
    this.plan({ kind: "start" });
  }

  plan(input: RedialInput): void {
    if (this.#stopping.signal.aborted) return;
    const { clock, dial } = this.#options;
    const { dials, wakeAtMs } = this.#redial.step(input, clock.monotonicMs());
    this.#wake.set(wakeAtMs);
    for (const { did } of dials) {
      dial(did, (linked) => {
        if (linked) return;
        this.plan({ kind: "failed", did, terminal: false });
        this.keeping.failed(did);
      });
    }
  }

  linked(peer: Peer): void {
    this.plan({ kind: "linked", did: peer.did, addresses: [peer.address] });
    this.keeping.linked(peer);
  }

  stop(): void {
    this.#wake.cancel();
    this.#stopping.abort(new Error("the node stopped"));
  }
}
