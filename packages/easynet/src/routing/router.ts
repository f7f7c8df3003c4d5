import type { ExecuteRequest } from "../agents/index.ts";
import type { Did } from "../identity/index.ts";
import {
  type Clock,
  EasynetError,
  type Logger,
  type Metrics,
  type Random,
  toEasynetError,
  fromWireError,
  type WireError,
} from "../kernel/index.ts";
import type { Mesh } from "../mesh/index.ts";
import type { Exchanges } from "../messaging/index.ts";
import type { AgentEvent, NodeLoad } from "../model/index.ts";
import type { Directory, Offer } from "../state/index.ts";
import { AwayProviders } from "./away.ts";
import { chooseOffer, type ProviderLoad } from "./choose.ts";
import { mayFailOver } from "./failover.ts";
import { type PreparedCall, prepareCall, toExchangeRequest, toLocalRequest } from "./prepare-call.ts";
import type { RoutedEvent, Router } from "./types.ts";

/** Providers tried for one call; more would hide a network that does not work. */
const ATTEMPTS_MAX = 5;
/** A node that just started waits this long for the first provider of a capability to be heard of. */
const SETTLING_MS = 3_000;
/** A call whose providers have all gone away just now waits this long for one of them to come back. */
const RETURN_WAIT_MS = 5_000;

export interface RouterOptions {
  readonly self: Did;
  readonly epoch: number;
  readonly directory: Directory;
  /** Which nodes can be asked now. @default all that the directory knows */
  readonly links?: Pick<Mesh, "peer" | "on" | "reach" | "isOnDemand">;
  readonly exchanges: Exchanges;
  /** Runs a task on this node. */
  readonly executeLocally: (request: ExecuteRequest) => AsyncIterable<AgentEvent>;
  readonly localLoad: () => Pick<NodeLoad, "running" | "queued" | "slots">;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Chooses a provider by load, runs the call there or here, and goes to the next one when that is safe. */
export function createRouter(options: RouterOptions): Router {
  const router = new LoadRouter(options);
  return {
    call: (request, callOptions = {}) => router.route(prepareCall(request, options.clock.nowMs()), callOptions.signal),
  };
}

class LoadRouter {
  readonly #options: RouterOptions;
  readonly #settledAtMs: number;
  readonly #away: AwayProviders;
  /** Calls of this node under way per provider: fresher than any load report. */
  readonly #outstanding = new Map<string, number>();

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#away = new AwayProviders(options.directory, options.clock);
    this.#settledAtMs = options.clock.monotonicMs() + SETTLING_MS;
  }

  async *route(call: PreparedCall, signal?: AbortSignal): AsyncGenerator<RoutedEvent, void, void> {
    const { clock, metrics } = this.#options;
    const startedAtMs = clock.monotonicMs();
    const tried = new Set<string>();
    let failure: EasynetError | undefined;
    for (let number = 1; number <= ATTEMPTS_MAX; number++) {
      using chosen = await this.#choose(call, tried, signal);
      if (signal?.aborted) failure = toEasynetError(signal.reason);
      if (!chosen || signal?.aborted) break;
      const { offer } = chosen;
      tried.add(offer.card.id);
      yield assigned(call.taskId, offer, number);
      const end = yield* this.#attempt(offer, call, signal);
      if (!end.error) return;
      failure = end.error;
      const { idempotent } = offer.capability;
      if (!mayFailOver({ error: end.error, idempotent, answered: end.answered })) break;
      metrics.count("easynet_calls_retried_total", { code: end.error.code });
      const afterMs = clock.monotonicMs() - startedAtMs;
      yield { type: "retried", nodeName: offer.node.record.name, code: end.error.code, afterMs };
    }
    failure ??= new EasynetError("NO_CAPABLE_AGENT", { capability: call.request.capability });
    yield { type: "error", error: failure.toJSON() };
  }

  async #choose(
    call: PreparedCall,
    tried: ReadonlySet<string>,
    signal: AbortSignal | undefined,
  ): Promise<Chosen | undefined> {
    const { self, directory, random } = this.#options;
    const usable = (): readonly Offer[] => directory.find(call.query).filter((offer) => !tried.has(offer.card.id));
    const linked = (): readonly Offer[] => usable().filter((offer) => this.#isAtHand(offer));
    if (linked().length === 0 && tried.size === 0) {
      await this.#waitForOffer(call, { isThere: () => linked().length > 0, isKnown: usable().length > 0, signal });
    }
    const offers = linked();
    // Without a link the attempt says what is wrong with the way there.
    const loadOf = (offer: Offer): ProviderLoad => this.#loadOf(offer);
    const offer = chooseOffer(offers.length > 0 ? offers : usable(), { self, loadOf, random });
    return offer && this.#take(offer);
  }

  /** Counts the call as under way from the choice on: calls made in the same moment see one another. */
  #take(offer: Offer): Chosen {
    const provider = offer.node.did;
    this.#outstanding.set(provider, (this.#outstanding.get(provider) ?? 0) + 1);
    return {
      offer,
      [Symbol.dispose]: () => {
        const left = (this.#outstanding.get(provider) ?? 1) - 1;
        if (left === 0) this.#outstanding.delete(provider);
        else this.#outstanding.set(provider, left);
      },
    };
  }

  /** There is a link, or one is made when it is asked for. */
  #isAtHand({ node }: Offer): boolean {
    const { self, links } = this.#options;
    if (!links || node.did === self) return true;
    return links.peer(node.did) !== undefined || links.isOnDemand(node.did);
  }

  /**
   * While the node settles, or while providers that just were there are away; otherwise an unknown capability is
   * answered at once.
   */
  async #waitForOffer(call: PreparedCall, wait: OfferWait): Promise<void> {
    const { clock, directory, links } = this.#options;
    const { isThere, isKnown, signal } = wait;
    const settlingMs = this.#settledAtMs - clock.monotonicMs();
    const returnMs = isKnown || this.#away.has(call.query) ? RETURN_WAIT_MS : 0;
    const waitMs = Math.min(Math.max(settlingMs, returnMs), call.timeoutMs);
    if (waitMs <= 0 || signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        timer.cancel();
        for (const subscription of subscriptions) subscription[Symbol.dispose]();
        signal?.removeEventListener("abort", finish);
        resolve();
      };
      const look = (): void => {
        if (isThere()) finish();
      };
      const timer = clock.setTimer(waitMs, finish);
      const subscriptions = [directory.on("node-changed", look), ...(links ? [links.on("peer-joined", look)] : [])];
      signal?.addEventListener("abort", finish, { once: true });
    });
  }

  /** One provider's try: passes its events on, and returns the failure that ended it, if one did. */
  async *#attempt(
    offer: Offer,
    call: PreparedCall,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<AgentEvent, AttemptEnd, void> {
    let answered = false;
    try {
      const provider = offer.node.did;
      if (this.#options.links?.isOnDemand(provider)) await this.#options.links.reach(provider, { signal });
      for await (const event of this.#run(offer, call, signal)) {
        if (event.type === "error") return { error: receivedError(event.error, offer, this.#options.self), answered };
        yield event;
        if (event.type === "final") return { answered: true };
        answered = true;
      }
      return { error: lost(offer, call), answered };
    } catch (thrown) {
      return { error: toEasynetError(thrown), answered };
    }
  }

  #run(offer: Offer, call: PreparedCall, signal: AbortSignal | undefined): AsyncIterable<AgentEvent> {
    const { self, exchanges, epoch, clock, executeLocally } = this.#options;
    if (offer.node.did === self) return executeLocally(toLocalRequest(call, offer, { from: self, signal }));
    const request = toExchangeRequest(call, offer, { from: self, epoch, nowMs: clock.nowMs() });
    return exchanges.open(offer.node.did, request, signal ? { signal } : {});
  }

  #loadOf({ node }: Offer): ProviderLoad {
    const load = node.did === this.#options.self ? this.#options.localLoad() : node.load;
    const own = this.#outstanding.get(node.did) ?? 0;
    return { taskCount: Math.max(own, load ? load.running + load.queued : 0), slots: load?.slots ?? 1 };
  }
}

/** A provider and the place that the call takes there until it is disposed. */
interface Chosen extends Disposable {
  readonly offer: Offer;
}

interface OfferWait {
  readonly isThere: () => boolean;
  /** Providers are known, but there is no link to them. */
  readonly isKnown: boolean;
  readonly signal: AbortSignal | undefined;
}

interface AttemptEnd {
  readonly error?: EasynetError;
  readonly answered: boolean;
}

function assigned(taskId: string, offer: Offer, attempt: number): RoutedEvent {
  return {
    type: "assigned",
    taskId,
    node: offer.node.did,
    nodeName: offer.node.record.name,
    agent: offer.card.name,
    attempt,
  };
}

/** An error of another node says whose it is. */
function receivedError(error: WireError, { node }: Offer, self: string): EasynetError {
  return fromWireError(error, node.did === self ? {} : { peer: node.did });
}

function lost(offer: Offer, call: PreparedCall): EasynetError {
  return new EasynetError("PROVIDER_LOST", { peer: offer.node.record.name, capability: call.request.capability });
}
