import { type Metrics, silentLogger } from "../kernel/index.ts";
import { createExchanges, type Exchange, type ExchangeLimits, type ExchangeRequest } from "../messaging/index.ts";
import type { AgentEvent } from "../model/index.ts";
import type { Envelope } from "../wire/index.ts";
import { fakeDid } from "./fake-keys.ts";
import { FakeNetwork, type FakeNetworkOptions } from "./fake-network.ts";
import { VirtualClock } from "./virtual-clock.ts";

type RequestPart = Omit<Partial<ExchangeRequest>, "envelope"> & { readonly envelope?: Partial<Envelope> };

/** Counts by name and label values. */
export class CountingMetrics implements Metrics {
  readonly counts = new Map<string, number>();
  count(name: string, labels: Readonly<Record<string, string>> = {}, by = 1): void {
    const key = [name, ...Object.values(labels)].join(" ");
    this.counts.set(key, (this.counts.get(key) ?? 0) + by);
  }
  gauge(): void {}
}

export type ExchangePairOptions = Partial<FakeNetworkOptions> & {
  readonly limits?: Partial<ExchangeLimits>;
  readonly link?: boolean;
};

/** Two linked nodes with exchanges, a caller and a provider, on one virtual clock. */
export function exchangePair({ limits = {}, link = true, ...options }: ExchangePairOptions = {}) {
  const clock = new VirtualClock();
  const network = new FakeNetwork({ clock, latencyMs: 1, ...options });
  const side = (number: number) => {
    const mesh = network.join(fakeDid(number));
    const metrics = new CountingMetrics();
    return { mesh, metrics, exchanges: createExchanges({ mesh, clock, logger: silentLogger, metrics, limits }) };
  };
  const [caller, provider] = [side(1), side(2)];
  if (link) network.link(caller.mesh.self, provider.mesh.self);
  const request = (extra: RequestPart = {}): ExchangeRequest => {
    const { envelope, ...rest } = extra;
    return {
      capability: "work",
      input: { args: [], kwargs: {} },
      ...rest,
      envelope: {
        id: "0190a1b2-0000-7000-8000-000000000001",
        from: caller.mesh.self,
        to: provider.mesh.self,
        kind: "task",
        createdAtMs: clock.nowMs(),
        priority: "normal",
        hopsLeft: 3,
        depth: 0,
        lane: "normal",
        sequence: 1,
        epoch: 1,
        ...envelope,
      },
    };
  };
  const open = (extra: RequestPart = {}, signal?: AbortSignal): Exchange =>
    caller.exchanges.open(provider.mesh.self, request(extra), signal && { signal });
  return { clock, network, caller, provider, request, open };
}

export interface Outcome {
  readonly events: AgentEvent[];
  error?: unknown;
  done?: boolean;
}

/** Reads an exchange to its end; what it threw is kept. */
export function readAll(exchange: AsyncIterable<AgentEvent>): Outcome {
  const outcome: Outcome = { events: [] };
  const run = async (): Promise<void> => {
    try {
      for await (const event of exchange) outcome.events.push(event);
      outcome.done = true;
    } catch (error) {
      outcome.error = error;
    }
  };
  void run();
  return outcome;
}

export function finalEvent(value: unknown): AgentEvent {
  return { type: "final", value, stop: "end" };
}
