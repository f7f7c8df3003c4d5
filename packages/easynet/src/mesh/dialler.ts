import type { Did } from "../identity/index.ts";
import {
  type Clock,
  EasynetError,
  isEasynetError,
  type Logger,
  type Metrics,
  type Random,
  startDeadline,
  toEasynetError,
  WakeTimer,
} from "../kernel/index.ts";
import type { Fabric, FabricConnection } from "./fabric.ts";
import type { Link } from "./link.ts";
import { isLasting } from "./link-reasons.ts";
import type { MeshConfig } from "./mesh-config.ts";
import { Redial, type RedialInput, type RedialPlan } from "./redial-core.ts";
import { delayUnlessSooner } from "./unless-sooner.ts";

export interface DiallerOptions {
  readonly self: Did;
  readonly fabric: Fabric;
  readonly config: MeshConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Greets who answered; rejects unless it is admitted. @param expected undefined = whoever answers */
  readonly greet: (connection: FabricConnection, expected: Did | undefined) => Promise<Link>;
  readonly isLinked: (did: Did) => boolean;
  /** Ways around, for a peer whose own addresses do not answer soon. */
  readonly detours: (did: Did) => readonly string[];
  /** Nothing came of any address. */
  readonly onFailed: (did: Did) => void;
}

/** Dials whom `Redial` says, when it says so. */
export class Dialler {
  readonly redial: Redial;
  readonly #options: DiallerOptions;
  readonly #wake: WakeTimer;
  /** Gives up the dials under way. */
  #dialling = new AbortController();
  #stopped = false;

  constructor(options: DiallerOptions) {
    const { self, config, random, clock } = options;
    this.#options = options;
    this.#wake = new WakeTimer(clock, () => this.plan({ kind: "tick" }));
    this.redial = new Redial({
      baseMs: config.redialBaseMs,
      capMs: config.redialCapMs,
      freshCapMs: config.redialFreshCapMs,
      freshMs: config.redialFreshMs,
      dialsCountMax: config.dialsCountMax,
      knownCountMax: config.knownPeersCountMax,
      random,
      self,
      fullMeshCountMax: config.fullMeshCountMax,
    });
  }

  /** Something happened that may change who is dialled; nothing after `stop`. */
  plan(input: RedialInput): void {
    if (this.#stopped) return;
    const plan = this.redial.step(input, this.#options.clock.monotonicMs());
    if (plan.full) this.#options.metrics.count("easynet_known_peers_refused_total");
    this.#wake.set(plan.wakeAtMs);
    for (const dial of plan.dials) void this.#dialInTurn(dial);
  }

  /** The ways out changed: dials under way lead nowhere, and everybody is due. */
  networkChanged(): void {
    const changed = { peer: "The peer", reason: "the network of this machine changed" };
    this.#dialling.abort(new EasynetError("PEER_UNREACHABLE", changed));
    this.#dialling = new AbortController();
    this.plan({ kind: "network-changed" });
  }

  /** Gives up what is under way. */
  stop(error: EasynetError): void {
    this.#stopped = true;
    this.#wake.cancel();
    this.#dialling.abort(error);
  }

  /** Connects to an address and greets who answers. @throws {EasynetError} PEER_UNREACHABLE and what refused us */
  async dial(address: string, expected?: Did): Promise<Link> {
    const { fabric, clock, metrics, config } = this.#options;
    using deadline = startDeadline({
      clock,
      subject: `The dial to ${address}`,
      timeoutMs: config.dialTimeoutMs,
      signal: this.#dialling.signal,
    });
    try {
      const connection = await fabric.dial(address, { signal: deadline.signal });
      const link = await this.#options.greet(connection, expected);
      metrics.count("easynet_dials_total", { outcome: "linked" });
      return link;
    } catch (error) {
      metrics.count("easynet_dials_total", { outcome: "failed" });
      // A fabric may tell of the abort in its own words.
      if (deadline.signal.aborted && !isEasynetError(error)) throw toEasynetError(deadline.signal.reason);
      throw toEasynetError(error);
    }
  }

  /** Tries each address, and soon the detours beside them; ends in `linked` (through the admission) or `failed`. */
  async #dialInTurn({ did, addresses }: RedialPlan["dials"][number]): Promise<void> {
    const { clock, config, isLinked, onFailed } = this.#options;
    const direct = this.#dialEach(did, addresses);
    // Addresses behind a router swallow dials for seconds: nobody waits for all of them before a detour is tried.
    const later = delayUnlessSooner(clock, config.detourAfterMs, direct);
    const detours = later.then(() => this.#dialEach(did, this.#options.detours(did)));
    const terminal = (await Promise.all([direct, detours])).some(Boolean);
    if (isLinked(did)) return;
    this.plan({ kind: "failed", did, terminal });
    onFailed(did);
  }

  /** True when the last refusal is one that stays. */
  async #dialEach(did: Did, addresses: readonly string[]): Promise<boolean> {
    let terminal = false;
    for (const address of addresses) {
      if (this.#options.isLinked(did) || this.#stopped) break;
      try {
        await this.dial(address, did);
      } catch (error) {
        terminal = isLasting(error);
        this.#options.logger.debug("dial failed", { peer: did, address, error });
      }
    }
    return terminal;
  }
}
