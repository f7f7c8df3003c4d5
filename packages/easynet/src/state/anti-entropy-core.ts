/**
 * How two nodes find out what one of them lacks: lines of all owners, or sums of shares of them, and then the entries
 * themselves (Demers et al. 1987, section 1.3).
 */
import type { Did } from "../identity/index.ts";
import type { Random } from "../kernel/index.ts";
import { differingBuckets, sumsOf } from "./bucket-core.ts";
import type { CoreOptions, Effect, Input, Known, Line, OwnedVersion } from "./core-types.ts";
import { linesOf } from "./known.ts";
import { answerWant, reconcile } from "./reconcile-core.ts";
import type { Wanted } from "./wanted.ts";

export class AntiEntropy {
  readonly #self: Did;
  readonly #random: Random;
  readonly #known: ReadonlyMap<Did, Known>;
  readonly #wanted: Wanted;
  readonly #bySums: boolean;
  readonly #sums: typeof sumsOf;

  constructor(options: CoreOptions, known: ReadonlyMap<Did, Known>, wanted: Wanted) {
    this.#self = options.self;
    this.#random = options.random;
    this.#known = known;
    this.#wanted = wanted;
    // With a failure detector versions are all there is to compare; without one the views of all owners count too.
    this.#bySums = options.statusOf !== undefined;
    this.#sums = options.sums ?? sumsOf;
  }

  /** What this node knows, for a peer to compare. */
  digest(to: Did): Effect {
    if (!this.#bySums) return { kind: "send-digest", to, lines: linesOf(this.#known, this.#known.keys()) };
    const salt = Math.floor(this.#random.next() * 2 ** 32);
    const own = linesOf(this.#known, [this.#self]);
    return { kind: "send-sums", to, salt, sums: this.#sums(this.#known, salt), own };
  }

  /** Lines of what differs from a peer's sums. */
  onSums({ from, salt, sums }: Extract<Input, { kind: "sums" }>): Effect[] {
    const buckets = differingBuckets(this.#known, salt, { own: this.#sums(this.#known, salt), theirs: sums });
    return buckets.length > 0 ? [{ kind: "send-buckets", to: from, salt, buckets }] : [];
  }

  /** What to send and to ask for, after a peer's lines; `equal` are those of which both know the same version. */
  onLines(
    { from, ...input }: Extract<Input, { kind: "lines" }>,
    nowMs: number,
  ): { readonly effects: Effect[]; readonly equal: readonly Line[] } {
    const { send, offer, want, equal } = reconcile(this.#known, this.#wanted, { ...input, nowMs });
    const effects: Effect[] = [];
    if (send.length > 0) effects.push({ kind: "send-entries", to: from, entries: send });
    if (offer.length > 0) effects.push({ kind: "send-news", to: from, lines: linesOf(this.#known, offer) });
    if (want.length > 0) effects.push({ kind: "send-want", to: from, versions: want });
    return { effects, equal };
  }

  onWant(from: Did, versions: readonly OwnedVersion[]): Effect[] {
    const entries = answerWant(this.#known, versions);
    return entries.length > 0 ? [{ kind: "send-entries", to: from, entries }] : [];
  }
}
