import {
  type Agent,
  type AgentHost,
  type AgentHostOptions,
  createAgentHost,
  type ExecuteRequest,
  type FunctionAgent,
  functionAgent,
} from "../agents/index.ts";
import { seededRandom } from "../kernel/index.ts";
import type { AgentEvent } from "../model/index.ts";
import { VirtualClock } from "./virtual-clock.ts";

/** The did under which {@link hostWith} adds its agent. */
export const AGENT_DID = "did:key:z6MkAgent";
/** A host on a virtual clock with one agent, and short ways to give it tasks for the capability `work`. */
export function hostWith(agent: Agent, options: AgentHostOptions = {}): HostFixture {
  const clock = new VirtualClock();
  const counts = new Map<string, number>();
  const metrics = {
    count: (name: string, labels: Readonly<Record<string, string>> = {}) => {
      const key = [name, ...Object.values(labels)].join(" ");
      counts.set(key, (counts.get(key) ?? 0) + 1);
    },
    gauge: () => undefined,
  };
  const host = createAgentHost({ clock, metrics, random: seededRandom(1), ...options });
  const handle = host.add(agent, { did: AGENT_DID });
  const request = (overrides: Partial<ExecuteRequest> = {}): ExecuteRequest => ({
    taskId: "t",
    capability: "work",
    input: { args: [], kwargs: {} },
    from: "local",
    ...overrides,
  });
  const start = (overrides: Partial<ExecuteRequest> = {}): Started => started(host.execute(request(overrides)));
  const run = async (overrides: Partial<ExecuteRequest> = {}): Promise<AgentEvent[]> => start(overrides).done;
  return { clock, counts, host, handle, request, start, run };
}

export interface HostFixture {
  readonly clock: VirtualClock;
  /** Counters by name and label values. */
  readonly counts: ReadonlyMap<string, number>;
  readonly host: AgentHost;
  /** Takes the agent back. */
  readonly handle: AsyncDisposable;
  readonly request: (overrides?: Partial<ExecuteRequest>) => ExecuteRequest;
  readonly start: (overrides?: Partial<ExecuteRequest>) => Started;
  readonly run: (overrides?: Partial<ExecuteRequest>) => Promise<AgentEvent[]>;
}

/** A task that is being read: its events so far, and all of them once it ended. */
export interface Started {
  readonly events: AgentEvent[];
  readonly done: Promise<AgentEvent[]>;
}

function started(stream: AsyncIterable<AgentEvent>): Started {
  const events: AgentEvent[] = [];
  const done = (async () => {
    for await (const event of stream) events.push(event);
    return events;
  })();
  return { events, done };
}

/** The code of the error at the end, or the type of the last event. */
export function codeOf(events: readonly AgentEvent[]): string {
  const last = events.at(-1);
  return last?.type === "error" ? last.error.code : (last?.type ?? "nothing");
}

/** Lets everything that is ready run. */
export async function turn(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** An agent whose tasks end when the test says so. */
export function gatedAgent(): { readonly agent: FunctionAgent; readonly gates: readonly Gate[] } {
  const gates: Gate[] = [];
  const agent = functionAgent({ name: "gated" });
  const work = async (input: unknown): Promise<unknown> =>
    new Promise((resolve) => {
      gates.push({ input, open: () => resolve(input) });
    });
  agent.register("work", work, { parameters: ["input?"] });
  return { agent, gates };
}

export interface Gate {
  readonly input: unknown;
  /** Lets the task end with its input. */
  open(): void;
}
