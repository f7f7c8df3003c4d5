import type { ExecuteRequest } from "../agents/index.ts";
import type { Did } from "../identity/index.ts";
import {
  assert,
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
import type { Exchanges, TaskCaller, TaskCallOptions, TaskEvent, TaskPlace } from "../messaging/index.ts";
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
  /** Carries calls of capabilities that are not `volatile`. @default they live and die with the link */
  readonly tasks?: Pick<TaskCaller, "call" | "placeOf">;
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
    if (this.#placeOf(call)) {
      failure = yield* this.#again(call, signal);
      if (!failure) return;
      const refused = mayFailOver({ error: failure, idempotent: false, answered: false, accepted: false });
      if (this.#placeOf(call) || !refused) {
        yield { type: "error", error: failure.toJSON() };
        return;
      }
    }
    for (let number = 1; number <= ATTEMPTS_MAX; number++) {
      using chosen = await this.#choose(call, tried, signal);
      if (signal?.aborted) failure = toEasynetError(signal.reason);
      if (!chosen || signal?.aborted) break;
      const { offer } = chosen;
      tried.add(offer.card.id);
      yield assigned(call.taskId, offer, number);
      const attempt = { node: offer.node, capability: call.request.capability, taskId: call.taskId, signal };
      const end = yield* this.#attempt(() => this.#run(offer, { call, tried, signal }), attempt);
      if (!end.error) return;
      failure = end.error;
      const { idempotent } = offer.capability;
      if (!mayFailOver({ ...end, error: end.error, idempotent })) break;
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

  #placeOf(call: PreparedCall): TaskPlace | undefined {
    const { id } = call.request;
    return id === undefined ? undefined : this.#options.tasks?.placeOf(id);
  }

  /** A stored task whose provider is settled: the same id does not go to another one while this one may have it. */
  async *#again(
    call: PreparedCall,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<RoutedEvent, EasynetError | undefined, void> {
    const place = this.#placeOf(call);
    if (!place) return undefined;
    const { taskId, request } = call;
    const { node, nodeName, agentName: agent } = place;
    yield { type: "assigned", taskId, node, nodeName, agent, attempt: 1 };
    const events = this.#give(call, place, { signal, repeatable: false, others: () => false });
    const { capability } = request;
    const { error } = yield* this.#attempt(() => events, {
      signal,
      node: { did: node, record: { name: nodeName } },
      capability,
      taskId,
    });
    return error;
  }

  /** One provider's try: passes its events on, and returns the failure that ended it, if one did. */
  async *#attempt(
    open: () => AsyncIterable<TaskEvent>,
    { node, capability, taskId, signal }: Attempted,
  ): AsyncGenerator<RoutedEvent, AttemptEnd, void> {
    let [answered, accepted] = [false, false];
    try {
      const { links } = this.#options;
      if (links?.isOnDemand(node.did)) await links.reach(node.did, { signal });
      for await (const event of open()) {
        if (event.type === "accepted") {
          accepted = true;
          yield { type: "accepted", taskId, nodeName: event.nodeName };
          continue;
        }
        if (event.type === "error") {
          return { error: receivedError(event.error, node.did, this.#options.self), answered, accepted };
        }
        yield event;
        if (event.type === "final") return { answered: true, accepted };
        answered = true;
      }
      const error = new EasynetError("PROVIDER_LOST", { peer: node.record.name, capability });
      return { error, answered, accepted };
    } catch (thrown) {
      return { error: toEasynetError(thrown), answered, accepted };
    }
  }

  #run(offer: Offer, { call, tried, signal }: Run): AsyncIterable<TaskEvent> {
    const { self, exchanges, epoch, clock, executeLocally, tasks, directory } = this.#options;
    const { node, card, capability } = offer;
    if (tasks && capability.durability !== "volatile") {
      const place = { node: node.did, nodeName: node.record.name, agent: card.id, agentName: card.name };
      const others = (): boolean =>
        directory.find(call.query).some((other) => !tried.has(other.card.id) && this.#isAtHand(other));
      const { idempotent: repeatable, durability } = capability;
      return this.#give(call, place, { signal, repeatable, durability, others });
    }
    if (node.did === self) return executeLocally(toLocalRequest(call, offer, { from: self, signal }));
    const provider = { node: node.did, agent: card.id };
    const request = toExchangeRequest(call, provider, { from: self, epoch, nowMs: clock.nowMs() });
    return exchanges.open(node.did, request, signal ? { signal } : {});
  }

  /** @throws {EasynetError} INTERNAL without the part that carries stored tasks */
  #give(call: PreparedCall, place: TaskPlace, options: TaskCallOptions): AsyncIterable<TaskEvent> {
    const { self, epoch, clock, tasks } = this.#options;
    assert(tasks, "stored tasks are carried by nobody");
    return tasks.call(toExchangeRequest(call, place, { from: self, epoch, nowMs: clock.nowMs() }), place, options);
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
  readonly accepted: boolean;
}

/** Whom a try asks, for errors and events. */
interface Attempted {
  readonly signal: AbortSignal | undefined;
  readonly node: { readonly did: Did; readonly record: { readonly name: string } };
  readonly capability: string;
  readonly taskId: string;
}

interface Run {
  readonly call: PreparedCall;
  readonly tried: ReadonlySet<string>;
  readonly signal: AbortSignal | undefined;
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
function receivedError(error: WireError, node: string, self: string): EasynetError {
  return fromWireError(error, node === self ? {} : { peer: node });
}
