import { EasynetError, isEasynetError } from "../kernel/index.ts";
import { type AgentEvent, type Capability, capabilityWith } from "../model/index.ts";
import { errorEvent, stopReason } from "./failure.ts";
import { inputKey, type RecordedEvent, type Recording } from "./recordings.ts";
import type { Agent, Task, TaskContext } from "./types.ts";

export interface ReplayAgentOptions {
  readonly name: string;
  readonly recordings: readonly Recording[];
  /** What the recorded agent offered. @default one capability per recorded name, that takes anything */
  readonly capabilities?: readonly Capability[];
  /** 1 plays as fast as recorded, 2 twice as fast; > 0. @default no waiting at all */
  readonly speed?: number;
}

/**
 * Plays recorded answers, and says so: its type is `replay`, its description and metadata tell, its capabilities are
 * tagged. Usage keeps its recorded numbers (budgets stop a replay as they would the agent) under the basis `unknown`,
 * because nothing is used now. Several recordings of one input are played in turn, the last one again and again.
 * @throws {EasynetError} INVALID_ARGUMENT for a speed that is not over 0
 */
export function replayAgent(options: ReplayAgentOptions): Agent {
  if (options.speed !== undefined && !(options.speed > 0)) {
    throw new EasynetError("INVALID_ARGUMENT", { subject: "speed", reason: "it must be over 0" });
  }
  return new ReplayAgent(options);
}

class ReplayAgent implements Agent {
  readonly name: string;
  readonly agentType = "replay";
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #speed: number | undefined;
  readonly #capabilities: readonly Capability[];
  readonly #byInput = new Map<string, Recording[]>();

  constructor(options: ReplayAgentOptions) {
    const { name, recordings, speed } = options;
    this.name = name;
    this.description = `Replays ${recordings.length} recorded answers. Nothing is computed and nobody is asked.`;
    this.metadata = { replay: "true", recordings: String(recordings.length) };
    this.#speed = speed;
    for (const recording of recordings) {
      const key = inputKey(recording.capability, recording.input);
      const same = this.#byInput.get(key);
      if (same) same.push(recording);
      else this.#byInput.set(key, [recording]);
    }
    const names = new Set(recordings.map(({ capability }) => capability));
    const described = options.capabilities ?? [...names].map((capability) => describeReplay(capability, recordings));
    this.#capabilities = described.map((capability) => ({ ...capability, tags: [...capability.tags, "replay"] }));
  }

  capabilities(): readonly Capability[] {
    return this.#capabilities;
  }

  async *execute(task: Task, context: TaskContext): AsyncGenerator<AgentEvent, void, void> {
    const { capability } = task;
    const recording = this.#next(task);
    if (!recording) {
      yield errorEvent(new EasynetError("RECORDING_MISSING", { capability }));
      return;
    }
    let playedMs = 0;
    for (const { atMs, event } of recording.events) {
      if (this.#speed !== undefined) await wait((atMs - playedMs) / this.#speed, context);
      playedMs = Math.max(playedMs, atMs);
      if (context.signal.aborted) {
        yield errorEvent(stopReason(context.signal, capability));
        return;
      }
      yield event.type === "usage" ? { ...event, basis: "unknown" } : event;
    }
  }

  #next(task: Task): Recording | undefined {
    const same = this.#byInput.get(keyOf(task));
    return same && same.length > 1 ? same.shift() : same?.[0];
  }
}

/** The key of an input; one that no recording can hold has the key of none. */
function keyOf(task: Task): string {
  try {
    return inputKey(task.capability, task.input);
  } catch (error) {
    if (isEasynetError(error)) return "";
    throw error;
  }
}

function describeReplay(name: string, recordings: readonly Recording[]): Capability {
  const own = recordings.filter(({ capability }) => capability === name);
  const description = `Replays ${own.length} recorded answers.`;
  return capabilityWith({ name, description, streaming: own.some(({ events }) => events.some(isItem)) });
}

function isItem({ event }: RecordedEvent): boolean {
  return event.type === "item";
}

/** Waits on the task's clock; an abort ends the wait. */
async function wait(delayMs: number, context: TaskContext): Promise<void> {
  const { clock, signal } = context;
  if (delayMs <= 0 || signal.aborted) return;
  await new Promise<void>((resolve) => {
    const finish = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = clock.setTimer(delayMs, finish);
    signal.addEventListener("abort", finish, { once: true });
  });
}
